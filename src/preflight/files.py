"""Files that are written whole or not at all, whatever stops the writer.

A file is written under a temporary name in its own folder, and renamed when it is complete. A full
disk, an exception or a kill therefore never leaves half a file under the real name. Kedro's
datasets write through fsspec, so `WholeFiles` takes the place of fsspec's local file system.
"""

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from fsspec.implementations.local import LocalFileSystem
from fsspec.utils import infer_compression

UNFINISHED = ".half-made"  # suffix of the temporary names
ABANDONED = 24 * 3600  # seconds without a change: no writer is at work any more


class WholeFiles(LocalFileSystem):  # type: ignore[misc]
    """Local files; a file that is opened to be written takes its place when it is closed."""

    def open(self, path: Any, mode: str = "rb", *args: Any, **kwargs: Any) -> Any:
        """Return an open file; with a mode of "w", one that replaces the old file when closed."""
        plain = LocalFileSystem(auto_mkdir=self.auto_mkdir)
        if "w" not in mode:
            return plain.open(path, mode, *args, **kwargs)
        if kwargs.get("compression") == "infer":
            kwargs["compression"] = infer_compression(str(path))
        target = Path(self._strip_protocol(path)).resolve()
        return _Unfinished(target, lambda beside: plain.open(str(beside), mode, *args, **kwargs))


def replacing(path: Path, mode: str = "w", **kwargs: Any) -> Any:
    """Return a file, open to be written, that takes the place of `path` at the end of `with`."""
    return WholeFiles(auto_mkdir=True).open(str(path), mode, **kwargs)


def json_object(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in a file; None if there is no such file, or anything else in it."""
    try:
        found = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def abandoned(folder: Path) -> list[Path]:
    """Return the unfinished files below a folder that no writer has touched for a day."""
    since = time.time() - ABANDONED
    return [file for file in folder.rglob(f"*{UNFINISHED}") if file.stat().st_mtime < since]


class _Unfinished:
    """A file under a temporary name, which takes its real name when it is closed.

    In a `with` statement the end of the block closes it; an exception discards it. What a library
    does before the end, such as closing the file after its own failure, does not count.
    """

    def __init__(self, target: Path, open_file: Callable[[Path], Any]) -> None:
        self._target = target
        self._beside = target.with_name(f".{target.name}.{uuid4().hex}{UNFINISHED}")
        self._made = [folder for folder in target.parents if not folder.exists()]
        self._managed = self._done = False
        self._file: Any = None
        with self._discarding():
            self._file = open_file(self._beside)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._file)

    def __enter__(self) -> Self:
        self._managed = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._managed = False
        if error is None:
            self.close()
        else:
            self._discard()

    def close(self) -> None:
        """Put the file in its place; if that fails, leave the old one there."""
        if self._managed or self._done:
            return
        with self._discarding():
            self._file.close()
            with self._beside.open("rb+") as written:
                os.fsync(written.fileno())
            self._beside.replace(self._target)
            self._done = True

    @contextlib.contextmanager
    def _discarding(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._discard()
            raise

    def _discard(self) -> None:
        """Remove what was written, and the folders that were made for it."""
        self._done = True
        with contextlib.suppress(AttributeError, OSError):  # not opened, or the disk is full
            self._file.close()
        self._beside.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # somebody else has put a file there
            for folder in self._made:
                folder.rmdir()
