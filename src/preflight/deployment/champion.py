"""The model in use: a pointer to the file of a candidate, changed in one step.

The pointer is one small JSON file. It is written beside itself and then put in its place, so a
reader, and a crash at any moment, leaves the old one or the new one and never half of one.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from preflight.errors import RunError
from preflight.files import replacing
from preflight.runs.raw_files import hash_file

POINTER = "data/06_models/champion.json"


class Document(BaseModel):
    """A part of the pointer."""

    model_config = ConfigDict(extra="forbid")


class Override(Document):
    """Who promoted a model that the verdict held back, and why."""

    by: str
    reason: str


class ChampionRecord(Document):
    """A champion: which candidate it is, and by which right."""

    version: str = Field(description="of the candidate: the run that made it")
    path: str = Field(description="of its file, from the pointer's folder")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="of its file")
    run: str = Field(description="that judged it")
    override: Override | None
    instead_of: str | None = Field(description="SHA-256 of the champion that it was judged against")


class Change(Document):
    """One promotion or rollback, and who is champion since."""

    at: str
    what: Literal["promoted", "rolled back"]
    champion: ChampionRecord


class Pointer(Document):
    """The champions, of which the last is in use, and all that was ever changed."""

    champions: list[ChampionRecord]
    history: list[Change]


def read(pointer: Path) -> Pointer:
    """Return the champion and those before it; nothing is there as long as nothing was promoted."""
    try:
        return Pointer.model_validate_json(pointer.read_bytes())
    except FileNotFoundError:
        return Pointer(champions=[], history=[])
    except ValidationError as error:
        raise RunError(f"{pointer} can't be read: {error}. Restore it from a backup.") from error


def current(pointer: Path) -> ChampionRecord | None:
    """Return the champion, or None."""
    champions = read(pointer).champions
    return champions[-1] if champions else None


def champion_record(
    file: dict[str, Any],
    run: str,
    override: dict[str, str] | None = None,
    instead_of: str | None = None,
) -> ChampionRecord:
    """Return a champion by the record of its file in a manifest, and the run that judged it."""
    return ChampionRecord(
        version=file["version"],
        path=Path(os.path.relpath(file["path"], Path(POINTER).parent)).as_posix(),
        sha256=file["sha256"],
        run=run,
        override=None if override is None else Override(**override),
        instead_of=instead_of,
    )


def file_of(pointer: Path, promoted: ChampionRecord) -> Path:
    """Return the file of a champion; raise RunError if it is gone, or other bytes."""
    path = pointer.parent / promoted.path
    if not path.is_file() or hash_file(path) != promoted.sha256:
        raise RunError(
            f"The champion {promoted.version} has to be in {path} and is "
            f"{'other bytes' if path.is_file() else 'gone'}. Restore the file, or go back: "
            "kedro rollback"
        )
    return path


def promote(pointer: Path, promoted: ChampionRecord) -> None:
    """Make it the champion, in place of the one that it was judged against.

    Raises:
        RunError: another is the champion by now, or just being made it.
    """
    with _locked(pointer):
        if now := conflict_message(pointer, promoted.instead_of):
            raise RunError(f"Another promotion or rollback came first: {now}.")
        state = read(pointer)
        _write(pointer, state, [*state.champions, promoted], "promoted")


def conflict_message(pointer: Path, judged: str | None) -> str | None:
    """Return what the champion is, if not the one with these bytes (None: none); else None."""
    now = current(pointer)
    if (now.sha256 if now else None) == judged:
        return None
    return f"the champion is {now.version} now" if now else "there is no champion now"


def roll_back(pointer: Path) -> ChampionRecord:
    """Make the champion before this one the champion again, and return it.

    Raises:
        RunError: there is none before it, or its file is gone or other bytes.
    """
    with _locked(pointer):
        state = read(pointer)
        if len(state.champions) < 2:
            raise RunError("There is no champion before this one to go back to.")
        *champions, _ = state.champions
        file_of(pointer, champions[-1])
        _write(pointer, state, champions, "rolled back")
    return champions[-1]


def _write(pointer: Path, state: Pointer, champions: list[ChampionRecord], what: Any) -> None:
    """Put the new state in the place of the old one, in one step."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    change = Change(at=now, what=what, champion=champions[-1])
    new = Pointer(champions=champions, history=[*state.history, change])
    with replacing(pointer, encoding="utf-8") as file:
        file.write(new.model_dump_json(indent=2))


@contextmanager
def _locked(pointer: Path) -> Iterator[None]:
    """Let nobody else change it; the system frees the lock of a process that dies."""
    pointer.parent.mkdir(parents=True, exist_ok=True)
    with pointer.with_suffix(".lock").open("w") as file:
        try:
            if sys.platform == "win32":
                import msvcrt

                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RunError("Another promotion or rollback is at work: try again.") from None
        yield
