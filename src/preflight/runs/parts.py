"""Runs whose stages are tasks: separate processes with one run identifier, and one manifest.

Each task records a part of the manifest for each of its stages; the manifest as a whole follows
from its parts. A task that is repeated replaces its parts.
"""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kedro.io.core import generate_timestamp

from preflight.errors import RunError
from preflight.files import lock, replacing
from preflight.runs.contracts import RunManifest
from preflight.runs.differences import changes, package_changes
from preflight.runs.manifest import VERSION, Document, flatten, manifest_path, read_manifest

VARIABLE = "PREFLIGHT_RUN"  # the environment variable with the run identifier
EXAMPLE = "2026-01-31T06.00.00.000Z"
LOCK = ".lock"  # next to the manifest; who changes the manifest holds it


def requested_run() -> str | None:
    """Return the run identifier of the environment; None if there is none.

    Raises:
        RunError: it is no name of a version, or a moment after now.
    """
    run = os.environ.get(VARIABLE)
    if not run:
        return None
    if not _is_version(run):
        raise RunError(
            f"{VARIABLE} is '{run}', which is no name of a version. Give a moment in UTC, with "
            f"milliseconds, as in {EXAMPLE}"
        )
    if run > generate_timestamp():
        raise RunError(
            f"{VARIABLE} is {run}, which is after now, so no later run would read newer versions. "
            "Give the moment at which the run was started, and check the clock."
        )
    return run


def _is_version(run: str) -> bool:
    """Return whether a text is a moment, as Kedro names versions."""
    try:
        datetime.strptime(run, "%Y-%m-%dT%H.%M.%S.%fZ").replace(tzinfo=UTC)
    except ValueError:
        return False
    return VERSION.fullmatch(run) is not None


def read_parts(project: Path, run: str) -> Document | None:
    """Return the manifest of a run whose stages are tasks; None before its first task.

    Raises:
        RunError: the manifest is broken, or that of a run in one process.
    """
    if not manifest_path(project, run).is_file():
        return None
    manifest = read_manifest(project, run)
    if not manifest["parts"]:
        raise RunError(
            f"{VARIABLE} is {run}, the version of a run in one process, which tasks can't join. "
            f"Give the tasks another moment, as in {EXAMPLE}"
        )
    return manifest


@contextmanager
def changing(project: Path, run: str) -> Iterator[None]:
    """Hold the lock of a run's manifest, so that tasks change it one after the other."""
    folder = manifest_path(project, run).parent
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as file:
        lock(file, wait=True)
        yield


def write_parts(project: Path, common: Document, parts: list[Document]) -> None:
    """Write the manifest of a run: what its tasks have in common, and its parts."""
    document = RunManifest.model_validate(merge(common, parts))
    with replacing(manifest_path(project, common["run"]), encoding="utf-8") as file:
        file.write(json.dumps(document.model_dump(), indent=2))


def merge(common: Document, parts: list[Document]) -> Document:
    """Return the manifest of a run, as that of one process would be, and its parts.

    common: run, pipelines, filters, what_if, code, packages, python, parameters and catalog.
    """
    outputs = _union(parts, "outputs")
    inputs = _union(parts, "inputs")
    nodes = {name: s for part in parts for name, s in part["nodes"].items() if s is not None}
    status = {part["status"] for part in parts}
    failed = status & {"failed", "outdated"}
    return {
        **common,
        "status": "failed" if failed else "unfinished" if "unfinished" in status else "done",
        "error": "; ".join(_errors(parts)) or None,
        "began": min(part["began"] for part in parts),
        "seconds": round(sum(nodes.values()), 1),
        "contracts": all(part["contracts"] for part in parts),
        "platform": ", ".join(dict.fromkeys(part["platform"] for part in parts)),
        # a file that the run made is no input, unless a task was given that of another run
        "inputs": {name: file for name, file in inputs.items() if file != outputs.get(name)},
        "outputs": outputs,
        "nodes": nodes,
        "parts": parts,
    }


def _union(parts: Iterable[Document], kind: str) -> Document:
    """Return the files of all parts, by the names of their datasets."""
    files = {name: file for part in parts for name, file in part[kind].items()}
    return dict(sorted(files.items()))


def _errors(parts: list[Document]) -> list[str]:
    """Return why a run is not done, one line for each reason."""
    return list(dict.fromkeys(describe(part) for part in parts if part["status"] != "done"))


def describe(part: Document) -> str:
    """Return why a part is not done."""
    if part["status"] == "unfinished":
        return f"{part['stage']} is running, or was killed"
    return f"{part['stage']} {part['status']}: {part['error']}"


def files_made(parts: Iterable[Document]) -> Document:
    """Return the records of the files that finished parts made, by dataset."""
    return _union((part for part in parts if part["status"] == "done"), "outputs")


def without(parts: list[Document], nodes: set[str], outputs: set[str]) -> list[Document]:
    """Return the parts without nodes that are repeated, and without the outputs of these."""
    left = []
    for part in parts:
        kept = {name: s for name, s in part["nodes"].items() if name not in nodes}
        files = {name: file for name, file in part["outputs"].items() if name not in outputs}
        if kept:
            left.append({**part, "nodes": kept, "outputs": files})
    return left


def mark_outdated(parts: list[Document], run: str) -> list[Document]:
    """Return the parts; those whose inputs the run made again, with other content, are outdated.

    So is what was made from an outdated part.
    """
    now = files_made(parts)
    old = _union((part for part in parts if part["status"] == "outdated"), "outputs")
    marked = [_checked(part, now, old.keys(), run) for part in parts]
    return marked if marked == parts else mark_outdated(marked, run)


def _checked(part: Document, now: Document, old: Iterable[str], run: str) -> Document:
    """Return a part, as outdated if it read other files of its run than those that it has now."""
    changed = [
        name
        for name, file in part["inputs"].items()
        if file["version"] == run
        and (name in old or file["sha256"] != now.get(name, file)["sha256"])
    ]
    if part["status"] != "done" or not changed:
        return part
    why = f"{', '.join(changed)} was made again, so repeat the stage"
    return {**part, "status": "outdated", "error": why}


def join(before: Document, now: Document, parts: list[Document]) -> Document:
    """Return what a task has in common with the parts of its run that stay.

    before: the run's manifest. now: run, what_if, code, packages, python, parameters and catalog.
    Packages are those of the first task, so that further ones make no difference.

    Raises:
        RunError: code, settings or packages are not those of the parts; the message names each
            difference.
    """
    if not (kept := [part["stage"] for part in parts if part["status"] != "failed"]):
        return now
    lines = [f"code {line}" for line in changes(_hash_of(before), _hash_of(now))]
    for kind in ("parameters", "catalog"):
        lines += [f"{kind} {line}" for line in changes(flatten(before[kind]), flatten(now[kind]))]
    lines += [f"package {line}" for line in package_changes(before, now)]
    if lines:
        title = f"Run {now['run']} can't go on, because this has changed since {kept[-1]}:"
        remedy = f"Put it back, or start a new run: {VARIABLE} with another moment."
        raise RunError("\n".join([title, *(f"  - {line}" for line in lines), remedy]))
    return now | {"packages": before["packages"]}


def _hash_of(run: Document) -> Document:
    return {"in src, conf/base or pyproject.toml": run["code"]["sha256"][:12]}


def require_same_files(inputs: Document, parts: list[Document], run: str) -> None:
    """Refuse a task that would read another file than an earlier task of its run.

    inputs: the records of files that the run did not make.
    """
    for part in parts:
        for name, file in inputs.items():
            earlier: dict[str, Any] = part["inputs"].get(name, file)
            if earlier["sha256"] != file["sha256"]:
                raise RunError(
                    f"Run {run} can't go on: '{name}' is {file['path']} now, with other content "
                    f"than {earlier['path']}, which {part['stage']} read. Restore it, or start a "
                    f"new run: {VARIABLE} with another moment."
                )
