"""Files that functions open themselves while the audit replays the past."""

import os
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, wraps
from pathlib import Path
from typing import Any

from pyarrow.parquet import ParquetDataset, ParquetFile

from preflight.audit.findings import Finding, finding

Opened = dict[str, str]  # of each file, from the project's folder: the function that opened it

PARQUET = "preflight.open_parquet"
EVENTS = {"open", "sqlite3.connect", "os.listdir", "os.scandir", PARQUET}
# of Python, of packages and of the engine: the function that is named is the project's
PATHS = [sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")]
LIBRARIES = (*PATHS, os.path.dirname(os.path.dirname(__file__)), "<frozen")

# of the thread that replays: other threads may read data for other nodes
_watched: ContextVar[tuple[str, Opened] | None] = ContextVar("_watched", default=None)


@contextmanager
def watch_files(folder: Path) -> Iterator[Opened]:
    """Give the files of a folder that this thread opens until the context ends, as they come.

    A library that opens files without Python is not seen: DuckDB, Polars.
    """
    _add_hook()
    opened: Opened = {}
    token = _watched.set((os.path.realpath(folder), opened))
    try:
        yield opened
    finally:
        _watched.reset(token)


def file_findings(what: str, opened: Mapping[str, str]) -> list[Finding]:
    """Return a failed finding for each file that was opened, or one that none was.

    what: is replayed, such as "features".
    """
    check = f"files: {what}"
    if not opened:
        return [finding(check, f"no file of data/ is opened where {what} are made", 0, limit=0)]
    return [
        finding(
            check,
            f"{file} is opened by {where}, so the replay can't cut it to what was known: take its "
            "dataset as an input of the node",
            1,
            limit=0,
        )
        for file, where in opened.items()
    ]


@cache  # Python can't remove such a hook: one for all replays, without effect between them
def _add_hook() -> None:
    sys.addaudithook(_record)
    # pyarrow opens files itself; its readers of Parquet, which pandas uses, say so from now on
    for reader in (ParquetDataset, ParquetFile):
        reader.__init__ = _audited(reader.__init__)


def _audited(opens: Callable[..., None]) -> Callable[..., None]:
    @wraps(opens)
    def audited(*given: Any, **options: Any) -> None:
        sys.audit(PARQUET, *given[1:2], *options.values())  # the file comes first
        opens(*given, **options)

    return audited


def _record(event: str, arguments: tuple[Any, ...]) -> None:
    if event in EVENTS and (watched := _watched.get()) is not None:
        path, (root, opened) = arguments[0], watched
        if isinstance(path, str | bytes | os.PathLike):
            file = os.path.realpath(os.fsdecode(path))
            if file.startswith(os.path.join(root, "")):
                opened.setdefault(os.path.relpath(file, os.path.dirname(root)), _caller())


def _caller() -> str:
    """Return the innermost function of the project that is running, and its line."""
    frame = sys._getframe(2)
    while frame.f_back and frame.f_code.co_filename.startswith(LIBRARIES):
        frame = frame.f_back
    name = os.path.basename(frame.f_code.co_filename)
    return f"{frame.f_code.co_name}, line {frame.f_lineno} of {name}"
