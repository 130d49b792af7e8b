"""The champion: a pointer to the model file in use, and its promotion and rollback.

The pointer is one small JSON file. It is replaced in one step, so a reader, or a crash at any
moment, finds the old pointer or the new one, never a partial file.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from preflight.contracts.documents import Document
from preflight.errors import RunError
from preflight.files import lock, replacing
from preflight.runs.contracts import Sha256
from preflight.runs.raw_files import file_problem

POINTER = "data/06_models/champion.json"


class Override(Document):
    """Who decided so, and why: a promotion against the verdict, or a withdrawal."""

    by: str
    reason: str


class ChampionRecord(Document):
    """A champion: the file of a candidate, the run that evaluated it, and an override, if any."""

    version: str = Field(description="of the candidate: the run that made it")
    path: str = Field(description="of its file, from the pointer's folder")
    sha256: Sha256 = Field(description="of its file")
    run: str = Field(description="that evaluated it")
    override: Override | None
    instead_of: str | None = Field(description="SHA-256 of the champion that it was compared with")
    recipe_run: str | None = Field(
        None, description="that evaluated the recipe, of a refit; null: `run` did"
    )


class Change(Document):
    """One promotion, rollback or withdrawal, and the champion that it is about."""

    at: str
    what: Literal["promoted", "rolled back", "withdrawn"]
    champion: ChampionRecord
    decided: Override | None = Field(None, description="who withdrew it, and why")


class Pointer(Document):
    """The champions, the last of which is in use unless it is withdrawn, and all changes."""

    champions: list[ChampionRecord]
    history: list[Change]

    @property
    def withdrawn(self) -> bool:
        """Return whether the last champion is out of use, and there is no other one."""
        return bool(self.history) and self.history[-1].what == "withdrawn"

    @property
    def current(self) -> ChampionRecord | None:
        """Return the champion in use; None if nothing was promoted yet, or it is withdrawn."""
        return self.champions[-1] if self.champions and not self.withdrawn else None


def project_of(pointer: Path) -> Path:
    """Return the project that a pointer, or another file of its folder, belongs to."""
    return pointer.resolve().parents[len(Path(POINTER).parents) - 1]


def read(pointer: Path) -> Pointer:
    """Return the champion and its predecessors; both lists are empty before the first promotion."""
    try:
        return Pointer.model_validate_json(pointer.read_bytes())
    except FileNotFoundError:
        return Pointer(champions=[], history=[])
    except ValidationError as error:
        why = error.errors()[0]["msg"]
        raise RunError(f"{pointer} can't be read: {why}. Restore it from a backup.") from error


def current(pointer: Path) -> ChampionRecord | None:
    """Return the champion; None if nothing was promoted yet, or it is withdrawn."""
    return read(pointer).current


def champion_record(
    file: dict[str, Any],
    run: str,
    override: dict[str, str] | None = None,
    instead_of: str | None = None,
) -> ChampionRecord:
    """Return a champion from the record of its file in a manifest, and its evaluating run."""
    return ChampionRecord(
        version=file["version"],
        path=Path(os.path.relpath(file["path"], Path(POINTER).parent)).as_posix(),
        sha256=file["sha256"],
        run=run,
        override=override and Override(**override),
        instead_of=instead_of,
    )


def file_of(pointer: Path, promoted: ChampionRecord) -> Path:
    """Return the file of a champion; raise RunError if the file is gone or has changed."""
    path = pointer.parent / promoted.path
    if problem := file_problem(path, promoted.sha256):
        raise RunError(
            f"The file of champion {promoted.version} {problem}: {path}. Restore it, or go back to "
            "the champion before: kedro rollback"
        )
    return path


def promote(pointer: Path, promoted: ChampionRecord) -> None:
    """Make a model the champion, in place of the one that it was compared with.

    Raises:
        RunError: another promotion or rollback came first, or is in progress.
    """
    with _locked(pointer):
        if now := conflict_message(pointer, promoted.instead_of):
            raise RunError(f"Another promotion or rollback came first: {now}.")
        state = read(pointer)
        before = state.champions[:-1] if state.withdrawn else state.champions
        _write(pointer, state, [*before, promoted], "promoted")


def conflict_message(pointer: Path, expected: str | None) -> str | None:
    """Return which model is champion, unless it has the expected SHA-256 (None: no champion)."""
    now = current(pointer)
    if (now.sha256 if now else None) == expected:
        return None
    return f"the champion is {now.version} now" if now else "there is no champion now"


def roll_back(pointer: Path, to: str | None = None) -> ChampionRecord:
    """Make an earlier champion the champion again, and return it.

    Args:
        to: its version; by default the one before this one. One that is withdrawn is named so too.

    Raises:
        RunError: there is no such champion, or its file is gone or has changed.
    """
    with _locked(pointer):
        state = read(pointer)
        earlier = state.champions if state.withdrawn and to else state.champions[:-1]
        versions = [one.version for one in earlier]
        if not versions:
            raise RunError("There is no champion before this one to go back to.")
        if to is not None and to not in versions:
            raise RunError(
                f"There is no earlier champion {to}. There are, oldest first: "
                f"{', '.join(versions)}."
            )
        place = len(versions) - 1 - versions[::-1].index(to or versions[-1])
        champions = state.champions[: place + 1]
        file_of(pointer, champions[-1])
        _write(pointer, state, champions, "rolled back")
    return champions[-1]


def withdraw(pointer: Path, decided: Override) -> ChampionRecord:
    """Take the champion out of use, and return it: there is no champion then.

    Raises:
        RunError: there is no champion.
    """
    with _locked(pointer):
        state = read(pointer)
        if state.current is None:
            raise RunError("There is no champion to withdraw.")
        _write(pointer, state, state.champions, "withdrawn", decided)
    return state.champions[-1]


def _write(
    pointer: Path,
    state: Pointer,
    champions: list[ChampionRecord],
    what: Any,
    decided: Override | None = None,
) -> None:
    """Replace the pointer in one step."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    change = Change(at=now, what=what, champion=champions[-1], decided=decided)
    new = Pointer(champions=champions, history=[*state.history, change])
    with replacing(pointer, encoding="utf-8") as file:
        file.write(new.model_dump_json(indent=2))


@contextmanager
def _locked(pointer: Path) -> Iterator[None]:
    """Hold the lock of the pointer; the system releases the lock of a process that dies."""
    pointer.parent.mkdir(parents=True, exist_ok=True)
    with pointer.with_suffix(".lock").open("w") as file:
        try:
            lock(file)
        except OSError:
            raise RunError("Another promotion or rollback is in progress: try again.") from None
        yield
