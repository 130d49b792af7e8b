"""The manifest of a run: what it was made from, and what it made."""

import contextlib
import platform
import re
import subprocess
from collections.abc import Iterable, Iterator
from hashlib import sha256
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from preflight.errors import RunError
from preflight.files import json_object
from preflight.runs.raw_files import hash_file

RUN_MANIFEST = "data/08_reporting/run_manifest.json"
CODE = ("src", "conf/base", "pyproject.toml")  # what a run does is in these
VERSION = re.compile(r"\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d\.\d{3}Z")

Document = dict[str, Any]


def environment(project: Path) -> Document:
    """Return the code, packages and platform that a run is made with."""
    installed = {d.name.lower(): d.version for d in distributions()}
    return {
        "code": describe_code(project),
        "packages": dict(sorted(installed.items())),
        "python": platform.python_version(),
        "platform": platform.platform(),
    }


def describe_code(project: Path) -> Document:
    """Return the commit, the files changed since (None without git), and a hash of all code."""
    commit, changed = _git(project, "rev-parse", "HEAD"), _git(project, "status", "--porcelain")
    every = sha256()
    for path in _code_files(project):
        every.update(f"{path.relative_to(project).as_posix()}\0".encode())
        every.update(path.read_bytes())
    return {
        "commit": None if commit is None else commit.strip(),
        "changed": None if changed is None else [line[3:] for line in changed.splitlines()],
        "sha256": every.hexdigest(),
    }


def _code_files(project: Path) -> Iterator[Path]:
    for name in CODE:
        root = project / name
        files = sorted(root.rglob("*")) if root.is_dir() else [root]
        yield from (f for f in files if f.is_file() and f.suffix != ".pyc")


def _git(project: Path, *arguments: str) -> str | None:
    """Return what git says, or None if the project is not the top of a repository."""
    if not (project / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=project, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):  # no git, or no commit yet
        return None
    return done.stdout


def evidence_files(project: Path) -> list[str]:
    """Return the files of tests and documents, and each test as "path::name"."""
    found = []
    for pattern in ("tests/**/test_*.py", "docs/**/*.md", "benchmarks/*.md", "data/01_raw/*.md"):
        for path in sorted(project.glob(pattern)):
            name = path.relative_to(project).as_posix()
            tests = re.findall(r"^def (test_\w+)", path.read_text("utf-8"), flags=re.MULTILINE)
            found += [name, *(f"{name}::{test}" for test in tests)]
    return found


def file_records(project: Path, catalog: Any, names: Iterable[str]) -> dict[str, Document]:
    """Return the record of the file of each dataset that has one, by name."""
    records = {name: file_record(project, catalog.get(name)) for name in sorted(names)}
    return {name: record for name, record in records.items() if record}


def file_record(project: Path, dataset: Any) -> Document | None:
    """Return path, size and hash of the file that a dataset reads; None if it has none."""
    path = _file_of(project, dataset)
    if path is None:
        return None
    inside = path.is_relative_to(project)
    return {
        "path": (path.relative_to(project) if inside else path).as_posix(),
        "version": _version_of(path),
        "bytes": path.stat().st_size,
        "sha256": hash_file(path),
    }


class _File(BaseModel):
    path: str
    version: str | None
    sha256: str


class _Manifest(BaseModel):
    """What is read of a manifest, whichever version of the code has written it."""

    run: str
    status: str
    error: str | None
    pipelines: list[str]
    filters: Document
    code: Document
    packages: Document
    python: str
    parameters: Document
    catalog: Document
    inputs: dict[str, _File]
    outputs: dict[str, _File]


def _file_of(project: Path, dataset: Any) -> Path | None:
    if not hasattr(dataset, "_get_load_path") or not dataset.exists():
        return None
    path = project / dataset._get_load_path()
    return path if path.is_file() else None


def _version_of(path: Path) -> str | None:
    return path.parent.name if VERSION.fullmatch(path.parent.name) else None


def what_ifs_before(project: Path, catalog: Any, names: Iterable[str]) -> dict[str, str]:
    """Return what made the runs what-ifs that datasets, as they are now, were made by.

    Each difference comes with the newest run that had it.
    """
    files = [_file_of(project, catalog.get(name)) for name in names if name != "champion"]
    found: dict[str, str] = {}
    for version in sorted(lineage(project, {_version_of(file) for file in files if file})):
        run = read_or_none(project, version) or {}
        found |= dict.fromkeys(run.get("what_if", []), version)
    return found


def read_manifest(project: Path, version: str) -> Document:
    """Return the manifest of a run.

    Raises:
        RunError: there is none, with those there are, or it is broken.
    """
    path = manifest_path(project, version)
    if not path.is_file():
        there = _with_manifest(project)
        said = "There are: " + ", ".join(there[-5:]) if there else "There is none: kedro run"
        raise RunError(f"There is no manifest of a run '{version}'. {said}.")
    found = json_object(path)
    try:
        _Manifest.model_validate(found)
    except ValidationError:
        raise RunError(
            f"The manifest of run '{version}' is broken: {path}. Restore the file, or delete the "
            "version: kedro versions --prune"
        ) from None
    return found or {}


def manifest_path(project: Path, version: str) -> Path:
    """Return where the manifest of a run is."""
    return project / RUN_MANIFEST / version / Path(RUN_MANIFEST).name


def _with_manifest(project: Path) -> list[str]:
    """Return the versions that have a manifest, be it a broken one, the oldest first."""
    found = (project / RUN_MANIFEST).glob(f"*/{Path(RUN_MANIFEST).name}")
    return sorted(path.parent.name for path in found)


def read_or_none(project: Path, version: str) -> Document | None:
    """Return the manifest of a run; None for an orphan, whose manifest is missing or broken."""
    with contextlib.suppress(RunError):
        return read_manifest(project, version)
    return None


def flatten(value: Any, prefix: str = "") -> Document:
    """Return the leaves of nested dictionaries by their dotted names; a list is a leaf."""
    if isinstance(value, dict):
        parts = [flatten(inner, f"{prefix}{name}.") for name, inner in value.items()]
        return {name: leaf for part in parts for name, leaf in part.items()}
    return {prefix.removesuffix("."): value}


def describe_lack(project: Path, version: str) -> str:
    """Return what an orphan lacks."""
    return "a broken manifest" if manifest_path(project, version).exists() else "no manifest"


def lineage(project: Path, some: Iterable[str | None]) -> set[str]:
    """Return the versions, and all whose outputs they were made from.

    Not that of a champion that was read: with it a run only compares. An output may be of an
    earlier run too: `kedro run --only-missing-outputs` leaves it as it is.
    """
    done: set[str] = set()
    todo = {version for version in some if version}
    while todo:
        done.add(version := todo.pop())
        run = read_or_none(project, version) or {"inputs": {}, "outputs": {}}
        files = [*run["inputs"].items(), *run["outputs"].items()]
        todo |= {file["version"] for name, file in files if name != "champion"} - {*done, None}
    return done


def evaluated_run(project: Path, asked: str | None = None) -> Document:
    """Return the manifest of the newest run that gave a verdict, or of the one that is asked for.

    Raises:
        RunError: there is none, the one asked for gave no verdict, or it is of a part of a run.
    """
    for version in [asked] if asked else reversed(_with_manifest(project)):
        run = read_manifest(project, version) if asked else read_or_none(project, version)
        if run and "verdict" in run["outputs"]:
            _require(run, "candidate", "metrics", "end_to_end")
            return run
    raise RunError(f"There is no verdict{f' of run {asked}' if asked else ''} yet: kedro run")


def _require(run: Document, *names: str) -> None:
    """Raise RunError that says what a run has judged without, as a part of evaluation does."""
    if gone := [name for name in names if name not in {**run["inputs"], **run["outputs"]}]:
        raise RunError(
            f"Run {run['run']} gave a verdict and no {', '.join(gone)}: it was a part "
            "of evaluation, or made by other code. Judge it again: kedro run --pipelines evaluation"
        )


def with_ancestors(project: Path, run: Document) -> tuple[list[Document], list[str]]:
    """Return the manifests of a run and of all that it was made from, and how files differ now."""
    every, faults = [], []
    for version in sorted(lineage(project, {run["run"]})):
        if one := read_or_none(project, version):
            every.append(one)
        else:
            lack = describe_lack(project, version)
            faults.append(f"run {version}, which it was made from, has left {lack}")
    named = {
        (file["path"], file["sha256"])
        for one in every
        for name, file in [*one["outputs"].items(), *one["inputs"].items()]
        if name != "champion"
    }
    return every, faults + [fault for file in sorted(named) if (fault := _lost(project, *file))]


def _lost(project: Path, path: str, was: str) -> str | None:
    """Return what became of a file that had a hash; None if it is the same."""
    if not (project / path).is_file():
        return f"{path} is gone"
    return None if hash_file(project / path) == was else f"{path} has changed since"
