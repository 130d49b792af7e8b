"""Atomic file writes: a file is complete or not there, whatever stops the writer.

A file is written under a temporary name in its own folder, and renamed when it is complete. So a
full disk, an exception or a kill never leaves a partial file under the real name. Kedro's datasets
write through fsspec, so `WholeFiles` replaces fsspec's local file system.
"""

import contextlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self
from uuid import uuid4

from fsspec.implementations.local import LocalFileSystem
from fsspec.utils import infer_compression

UNFINISHED = ".half-made"  # suffix of the temporary names
ABANDONED = 24 * 3600  # seconds without a change, after which no writer is at work


class WholeFiles(LocalFileSystem):  # type: ignore[misc]
    """Local files; a file opened for writing replaces the old file when it is closed."""

    def open(self, path: Any, mode: str = "rb", *args: Any, **kwargs: Any) -> Any:
        """Return an open file; with mode "w", closing it replaces the old file."""
        plain = LocalFileSystem(auto_mkdir=self.auto_mkdir)
        if "w" not in mode:
            return plain.open(path, mode, *args, **kwargs)
        if kwargs.get("compression") == "infer":
            kwargs["compression"] = infer_compression(str(path))
        target = Path(self._strip_protocol(path)).resolve()
        return _Unfinished(
            target, lambda temporary: plain.open(str(temporary), mode, *args, **kwargs)
        )


def replacing(path: Path, mode: str = "w", **kwargs: Any) -> Any:
    """Return a file, open for writing, that replaces `path` at the end of `with`."""
    return WholeFiles(auto_mkdir=True).open(str(path), mode, **kwargs)


def json_object(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in a file; None if the file is missing or holds anything else."""
    try:
        document = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return document if isinstance(document, dict) else None


def remove(path: Path) -> None:
    """Remove a file, or a folder and all that is in it, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def lock(file: IO[Any], wait: bool = False, byte: int | None = None) -> None:
    """Lock an open file, or one byte of it, against other processes.

    The system releases the lock when the file is closed or its process dies.

    Raises:
        OSError: another process holds the lock, and this one doesn't wait.
    """
    if sys.platform == "win32":
        import msvcrt

        file.seek(byte or 0)
        msvcrt.locking(file.fileno(), msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        return
    import fcntl

    how = fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB
    if byte is None:
        fcntl.flock(file, how)
    else:
        fcntl.lockf(file, how, 1, byte)


def abandoned(folder: Path) -> list[Path]:
    """Return the unfinished files and folders below a folder that have not changed for a day."""
    since = time.time() - ABANDONED
    return [file for file in folder.rglob(f"*{UNFINISHED}") if file.stat().st_mtime < since]


@contextlib.contextmanager
def locked(path: Path, wait: bool = False) -> Iterator[None]:
    """Hold the lock of a file; the system releases the lock of a process that dies.

    Raises:
        OSError: another process has the lock, and this one doesn't wait.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as file:
        lock(file, wait)
        yield


class _Unfinished:
    """A file under a temporary name, renamed to its real name when it is closed.

    In a `with` statement the end of the block closes the file, and an exception discards it. Within
    the block `close` does nothing, because a library may close the file after its own failure.
    """

    def __init__(self, target: Path, open_file: Callable[[Path], Any]) -> None:
        self._target = target
        self._temporary = target.with_name(f".{target.name}.{uuid4().hex}{UNFINISHED}")
        self._made = [folder for folder in target.parents if not folder.exists()]
        self._managed = self._done = False
        self._file: Any = None
        with self._discarding():
            self._file = open_file(self._temporary)

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
        """Rename the file to its real name; if that fails, keep the old file."""
        if self._managed or self._done:
            return
        with self._discarding():
            self._file.close()
            with self._temporary.open("rb+") as written:
                os.fsync(written.fileno())
            self._temporary.replace(self._target)
            self._done = True

    @contextlib.contextmanager
    def _discarding(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._discard()
            raise

    def _discard(self) -> None:
        """Remove the temporary file, and the folders that were made for it."""
        self._done = True
        with contextlib.suppress(AttributeError, OSError):  # not opened, or the disk is full
            self._file.close()
        self._temporary.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # another writer has put a file there
            for folder in self._made:
                folder.rmdir()
