"""The manifest of the raw data: hash, rows, source and licence of each file.

A run can't be reproduced if its raw data changed unnoticed. So each run verifies the raw files
before it reads them. `make accept` accepts a new version.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any
from zipfile import BadZipFile

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from preflight.errors import RunError
from preflight.files import replacing

MANIFEST = "manifest.json"
UNFILLED = "to be filled in"


class Entry(BaseModel):
    """The entry of one file in the manifest."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="of the file's bytes")
    rows: int = Field(ge=0, description="without the header")
    source: str = Field(min_length=1, description="where the file comes from")
    licence: str = Field(min_length=1, description="terms of use")


Entries = dict[str, Entry]


def verify(folder: Path, names: Iterable[str]) -> list[str]:
    """Return every difference between the named files of a folder and its manifest."""
    try:
        entries = read(folder)
    except RunError as error:
        return [str(error)]
    return [fault for name in names for fault in _differences(folder / name, entries.get(name))]


def verify_folder(folder: Path) -> list[str]:
    """Return every difference between the partitions in a folder and its manifest."""
    try:
        listed = {*read(folder)}
    except RunError as error:
        return [str(error)]
    return verify(folder, sorted(listed | {path.name for path in _data_files(folder)}))


def _data_files(folder: Path) -> list[Path]:
    return [
        path
        for path in sorted(folder.iterdir())
        if path.is_file() and not path.name.startswith((".", MANIFEST, "README.md"))
    ]


def read(folder: Path) -> Entries:
    """Return the manifest of `folder` by file name; raise RunError if none is valid there."""
    path = folder / MANIFEST
    try:
        return TypeAdapter(Entries).validate_json(path.read_bytes())
    except FileNotFoundError:
        raise RunError(
            f"{path} is missing. {_how_to_restore(path)}, or write a new one with `make accept`."
        ) from None
    except ValidationError as error:
        faults = "; ".join(": ".join((*map(str, one["loc"]), one["msg"])) for one in error.errors())
        raise RunError(
            f"{path} is not a valid manifest: {faults}. Correct it. Or: {_how_to_restore(path)}."
        ) from None


def list_unfilled(folder: Path) -> list[str]:
    """Return what the manifests of `folder` do not say of its files: source or licence."""
    folders = [folder, *(path.parent for path in sorted(folder.glob(f"*/{MANIFEST}")))]
    return [what for one in folders for what in _unfilled(one)]


def _unfilled(folder: Path) -> list[str]:
    return [
        f"{field} of {name} in {folder / MANIFEST} is still {UNFILLED!r}"
        for name, entry in read(folder).items()
        for field in ("source", "licence")
        if getattr(entry, field) == UNFILLED
    ]


def accept(
    folder: Path,
    load_args: Mapping[str, Any] = MappingProxyType({}),
    like: Entry | None = None,
) -> list[str]:
    """Write the manifest of the files in `folder`, and return one line per file with its change.

    Source and licence of listed files are kept. Those of a new file have to be filled in by hand:
    until then no model made from it is promoted (`list_unfilled`).

    Args:
        load_args: of `pandas.read_csv`, by file name.
        like: has source and licence of new files, if they are parts of another one.

    Raises:
        RunError: the present manifest is not valid, or a file is damaged.
    """
    old = read(folder) if (folder / MANIFEST).exists() else {}
    new = {
        path.name: _entry(path, old.get(path.name, like), load_args.get(path.name, {}))
        for path in _data_files(folder)
    }
    text = json.dumps({name: entry.model_dump() for name, entry in new.items()}, indent=2)
    with replacing(folder / MANIFEST, encoding="utf-8", newline="\n") as file:
        file.write(f"{text}\n")
    return [_change(name, old.get(name), new.get(name)) for name in sorted(old | new)]


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, or of names and bytes of a folder's files."""
    if path.is_dir():
        lines = [f"{file.name} {hash_file(file)}\n" for file in sorted(path.iterdir())]
        return hashlib.sha256("".join(lines).encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_problem(path: Path, sha256: str) -> str | None:
    """Return what happened to a file since its hash was taken; None if it is unchanged."""
    if not path.exists():
        return "is gone"
    return None if hash_file(path) == sha256 else "has changed since"


def count_rows(path: Path, load_args: Mapping[str, Any] = MappingProxyType({})) -> int:
    """Return the number of rows of a CSV (compressed or not) or Parquet file.

    Raises:
        RunError: the file is damaged; the message names the row and the remedy.
    """
    import pandas as pd  # here, as it takes a second that verify has no need of
    from pyarrow.parquet import read_metadata

    from preflight.runs.csv_faults import find_fault

    try:
        if ".csv" in path.suffixes:
            if fault := find_fault(path, load_args):
                raise RunError(fault)
            form = {k: v for k, v in load_args.items() if k not in {"dtype", "parse_dates"}}
            return len(pd.read_csv(path, **form))
        if path.suffix == ".parquet":
            return int(read_metadata(path).num_rows)
    except (ValueError, EOFError, BadZipFile) as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        raise RunError(
            f"{path} can't be read, its rows can't be counted: {reason}. {_how_to_restore(path)}."
        ) from error
    raise RunError(
        f"{path}: only the rows of CSV and Parquet files can be counted. "
        "Move the file elsewhere, or extend count_rows in preflight/runs/raw_files.py."
    )


def _how_to_restore(path: Path) -> str:
    """Return how to get a file back: git has it only in a repository."""
    if any((folder / ".git").exists() for folder in path.resolve().parents):
        return f"Restore it with `git restore {path}`"
    return "Restore it from a backup or its source"


def _differences(path: Path, entry: Entry | None) -> list[str]:
    if not path.is_file():
        return [f"{path} is missing. {_how_to_restore(path)}."]
    if entry is None:
        return [f"{path} is not in {MANIFEST}. Run `make accept`."]
    found = hash_file(path)
    if found == entry.sha256:
        return []
    return [
        f"{path} has changed: its SHA-256 begins with {found[:12]}, in {MANIFEST} with "
        f"{entry.sha256[:12]}. {_how_to_restore(path)}, or accept the new version on purpose "
        "with `make accept`."
    ]


def _entry(path: Path, old: Entry | None, load_args: Mapping[str, Any]) -> Entry:
    return Entry(
        sha256=hash_file(path),
        rows=count_rows(path, load_args),
        source=old.source if old else UNFILLED,
        licence=old.licence if old else UNFILLED,
    )


def _change(name: str, old: Entry | None, new: Entry | None) -> str:
    if new is None:
        return f"{name}: no longer there, its entry is dropped"
    if old is None:
        return (
            f"{name}: new, {new.rows:,} rows; before you deploy, write its source and licence in "
            f"{MANIFEST}"
        )
    if old == new:
        return f"{name}: unchanged, {new.rows:,} rows"
    return f"{name}: changed, {old.rows:,} -> {new.rows:,} rows"
