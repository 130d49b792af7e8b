"""The manifest of a run: code, inputs and outputs by hash; and the runs that it was made from."""

import contextlib
import platform
import re
import subprocess
from collections.abc import Iterable, Iterator
from functools import cache
from hashlib import sha256
from importlib.metadata import distributions
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from preflight.errors import RunError
from preflight.files import json_object
from preflight.runs.contracts import RunManifest
from preflight.runs.raw_files import file_problem, hash_file

RUN_MANIFEST = "data/08_reporting/run_manifest.json"
LEDGER = "data/test_evaluations.jsonl"  # runs add lines to it, and git keeps it
CODE = ("src", "conf/base", "pyproject.toml")  # the files that define what a run does
VERSION = re.compile(r"\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d\.\d{3}Z")

Document = dict[str, Any]


def environment(project: Path) -> Document:
    """Return the code, packages and platform of a run."""
    installed = {d.name.lower(): d.version for d in distributions()}
    return {
        "code": describe_code(project),
        "packages": dict(sorted(installed.items())),
        "python": platform.python_version(),
        "platform": platform.platform(),
    }


def describe_code(project: Path) -> Document:
    """Return the commit and the files changed since (None without git), and a hash of all code.

    The ledger of test evaluations is no code: the run itself may have changed it.
    """
    commit = _git(project, "rev-parse", "HEAD")
    changed = _git(project, "status", "--porcelain", "--", ".", f":!{LEDGER}")
    digest = sha256()
    for path in code_files(project):
        digest.update(f"{path.relative_to(project).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return {
        "commit": None if commit is None else commit.strip(),
        "changed": None if changed is None else [line[3:] for line in changed.splitlines()],
        "sha256": digest.hexdigest(),
    }


def code_files(project: Path) -> Iterator[Path]:
    """Yield the files that define what a run does."""
    for name in CODE:
        root = project / name
        files = sorted(root.rglob("*")) if root.is_dir() else [root]
        yield from (f for f in files if f.is_file() and f.suffix != ".pyc")


def _git(project: Path, *arguments: str) -> str | None:
    """Return git's output, or None if the project is not the root of a repository."""
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
    """Return path, version, size and hash of the file of each dataset that has one, by name."""
    files = {name: _file_of(project, catalog.get(name)) for name in sorted(names)}
    return {name: _record(project, path) for name, path in files.items() if path}


def _record(project: Path, path: Path) -> Document:
    inside = path.is_relative_to(project)
    return {
        "path": (path.relative_to(project) if inside else path).as_posix(),
        "version": _version_of(path),
        "bytes": sum(file.stat().st_size for file in (path.iterdir() if path.is_dir() else [path])),
        "sha256": hash_file(path),
    }


def _file_of(project: Path, dataset: Any) -> Path | None:
    if not hasattr(dataset, "_get_load_path") or not dataset.exists():
        return None
    path = project / dataset._get_load_path()
    return path if path.exists() else None


def _version_of(path: Path) -> str | None:
    return path.parent.name if VERSION.fullmatch(path.parent.name) else None


def what_ifs_before(project: Path, catalog: Any, names: Iterable[str]) -> dict[str, str]:
    """Return the what-if differences of the runs that datasets, as they are now, were made by.

    Each difference comes with the newest run that had it.
    """
    files = [_file_of(project, catalog.get(name)) for name in names if name != "champion"]
    found: dict[str, str] = {}
    for version in sorted(lineage(project, {_version_of(file) for file in files if file})):
        if run := read_or_none(project, version):
            found |= dict.fromkeys(run["what_if"], version)
    return found


def read_manifest(project: Path, version: str) -> Document:
    """Return the manifest of a run (see `RunManifest`), whichever version of the code wrote it.

    Raises:
        RunError: there is no such manifest (the message lists the newest ones), or it is broken.
    """
    path = manifest_path(project, version)
    if not path.is_file():
        newest = ", ".join(versions_with_manifest(project)[-5:])
        others = f"There are: {newest}" if newest else "There is none: kedro run"
        raise RunError(f"There is no manifest of a run '{version}'. {others}.")
    try:
        return RunManifest.model_validate(json_object(path), extra="ignore").model_dump()
    except ValidationError:
        raise RunError(
            f"The manifest of run '{version}' is broken: {path}. Restore the file, or delete the "
            "version: kedro versions --prune"
        ) from None


def manifest_path(project: Path, version: str) -> Path:
    """Return the path of the manifest of a run."""
    return project / RUN_MANIFEST / version / Path(RUN_MANIFEST).name


def versions_with_manifest(project: Path) -> list[str]:
    """Return the versions that have a manifest, even a broken one, oldest first."""
    found = (project / RUN_MANIFEST).glob(f"*/{Path(RUN_MANIFEST).name}")
    return sorted(path.parent.name for path in found)


def read_or_none(project: Path, version: str) -> Document | None:
    """Return the manifest of a run; None for an orphan, whose manifest is missing or broken."""
    with contextlib.suppress(RunError):
        return read_manifest(project, version)
    return None


def describe_orphan(project: Path, version: str) -> str:
    """Return whether the manifest of an orphan is missing or broken."""
    return "a broken manifest" if manifest_path(project, version).exists() else "no manifest"


def flatten(value: Any, prefix: str = "") -> Document:
    """Return the leaves of nested dictionaries by their dotted names; a list is a leaf."""
    if isinstance(value, dict):
        parts = (flatten(inner, f"{prefix}{name}.").items() for name, inner in value.items())
        return dict(chain.from_iterable(parts))
    return {prefix.removesuffix("."): value}


def lineage(project: Path, versions: Iterable[str | None]) -> set[str]:
    """Return the versions, and all versions that their files were made from.

    The champion does not count: a run only compares with it. Outputs count as inputs do, because
    `kedro run --only-missing-outputs` leaves outputs of an earlier run in place.
    """
    done: set[str] = set()
    todo = {version for version in versions if version}
    while todo:
        done.add(version := todo.pop())
        if run := read_or_none(project, version):
            todo |= {file["version"] for _, file in _files_made_from(run)} - {*done, None}
    return done


def _files_made_from(run: Document) -> list[tuple[str, Document]]:
    """Return the names and records of a run's files, without the champion."""
    files = [*run["outputs"].items(), *run["inputs"].items()]
    return [(name, file) for name, file in files if name != "champion"]


def evaluated_run(project: Path, version: str | None = None) -> Document:
    """Return the manifest of a run with a verdict: that of a version, or the newest.

    Raises:
        RunError: there is no such run, or it evaluated only in part.
    """
    for one in [version] if version else reversed(versions_with_manifest(project)):
        run = read_manifest(project, one) if version else read_or_none(project, one)
        if run and "verdict" in run["outputs"]:
            _require_files(run, "candidate", "metrics", "reference_predictions")
            return run
    raise RunError(f"There is no verdict{f' of run {version}' if version else ''} yet: kedro run")


def judged_candidates(project: Path) -> set[str]:
    """Return the versions of all candidates that a run gave a verdict on."""
    found: set[str | None] = set()
    for version in versions_with_manifest(project):
        with contextlib.suppress(FileNotFoundError):  # it was pruned meanwhile
            changed_at = manifest_path(project, version).stat().st_mtime_ns
            found.add(_judged_by(project, version, changed_at))
    return {version for version in found if version}


@cache
def _judged_by(project: Path, version: str, changed_at: int) -> str | None:
    """Return the candidate that a run gave a verdict on, if it did; the service asks often."""
    run = read_or_none(project, version)
    if run is None or "verdict" not in run["outputs"]:
        return None
    candidate: Document | None = {**run["inputs"], **run["outputs"]}.get("candidate")
    return candidate["version"] if candidate else None


def _require_files(run: Document, *names: str) -> None:
    """Raise RunError if a run with a verdict neither read nor made some datasets."""
    if missing := [name for name in names if name not in {**run["inputs"], **run["outputs"]}]:
        raise RunError(
            f"Run {run['run']} gave a verdict and no {', '.join(missing)}: it ran a part of "
            "evaluation, or other code. Evaluate again: kedro run --pipelines evaluation"
        )


def with_ancestors(project: Path, run: Document) -> tuple[list[Document], list[str]]:
    """Return the manifests of a run and its ancestors, and how their files differ today."""
    runs, problems = [], []
    for version in sorted(lineage(project, {run["run"]})):
        if one := read_or_none(project, version):
            runs.append(one)
        else:
            lack = describe_orphan(project, version)
            problems.append(f"run {version}, which it was made from, has left {lack}")
    files = {(file["path"], file["sha256"]) for one in runs for _, file in _files_made_from(one)}
    for path, digest in sorted(files):
        if problem := file_problem(project / path, digest):
            problems.append(f"{path} {problem}")
    return runs, problems
