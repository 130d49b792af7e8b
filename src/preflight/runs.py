"""What a run was made from and what it made: its manifest, and how two runs differ."""

import contextlib
import json
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from preflight import champion, manifest
from preflight.errors import RunError
from preflight.files import json_object
from preflight.pipeline_registry import ON_DEMAND

RUN_MANIFEST = "data/08_reporting/run_manifest.json"
CODE = ("src", "conf/base", "pyproject.toml")  # what a run does is in these
_VERSION = re.compile(r"\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d\.\d{3}Z")

Document = dict[str, Any]


def surroundings(project: Path) -> Document:
    """Return the code, packages and platform that a run is made with."""
    installed = {d.name.lower(): d.version for d in distributions()}
    return {
        "code": code(project),
        "packages": dict(sorted(installed.items())),
        "python": platform.python_version(),
        "platform": platform.platform(),
    }


def code(project: Path) -> Document:
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


def kept_evidence(project: Path) -> list[str]:
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
        "sha256": manifest.sha256(path),
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
    return path.parent.name if _VERSION.fullmatch(path.parent.name) else None


def what_ifs_before(project: Path, catalog: Any, names: Iterable[str]) -> dict[str, str]:
    """Return what made the runs what-ifs that datasets, as they are now, were made by.

    Each difference comes with the newest run that had it.
    """
    files = [_file_of(project, catalog.get(name)) for name in names if name != "champion"]
    found: dict[str, str] = {}
    for version in sorted(_lineage(project, {_version_of(file) for file in files if file})):
        run = _read_or_none(project, version) or {}
        found |= dict.fromkeys(run.get("what_if", []), version)
    return found


def read(project: Path, version: str) -> Document:
    """Return the manifest of a run.

    Raises:
        RunError: there is none, with those there are, or it is broken.
    """
    path = _manifest(project, version)
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


def _manifest(project: Path, version: str) -> Path:
    return project / RUN_MANIFEST / version / Path(RUN_MANIFEST).name


def _with_manifest(project: Path) -> list[str]:
    """Return the versions that have a manifest, be it a broken one, the oldest first."""
    found = (project / RUN_MANIFEST).glob(f"*/{Path(RUN_MANIFEST).name}")
    return sorted(path.parent.name for path in found)


def _read_or_none(project: Path, version: str) -> Document | None:
    """Return the manifest of a run; None for an orphan, whose manifest is missing or broken."""
    with contextlib.suppress(RunError):
        return read(project, version)
    return None


def difference(project: Path, before: Document, after: Document) -> dict[str, list[str]]:
    """Return what differs between two runs, by section, one line each; equal sections are empty."""

    def changed(view: Callable[[Document], Document]) -> list[str]:
        return _changes(view(before), view(after))

    def files(run: Document, kind: str) -> Document:
        # what only one of them read or made is told by its pipelines
        both = before[kind].keys() & after[kind].keys()
        return {name: run[kind][name]["sha256"][:12] for name in both}

    return {
        "pipelines": changed(lambda run: {"run": run["pipelines"] or "all"}),
        "data": changed(lambda run: files(run, "inputs")),
        "code": changed(_code_of),
        "parameters": changed(lambda run: flat(run["parameters"])),
        "catalog": changed(lambda run: flat(run["catalog"])),
        "packages": changed(_packages_of),
        "metrics": changed(lambda run: _figures(project, run)),
        "outputs": changed(lambda run: files(run, "outputs")),
    }


def _packages_of(run: Document) -> Document:
    return {"python": run["python"], **run["packages"]}


def _code_of(run: Document) -> Document:
    found = run["code"]
    changed = ", ".join(found["changed"] or []) or "nothing"
    return {"commit": found["commit"], "not committed": changed, "hash": found["sha256"][:12]}


def _figures(project: Path, run: Document) -> Document:
    """Return a run's metrics and its decision, as far as its files are there."""
    found: Document = {}
    for name in ("metrics", "verdict"):
        document = json_object(project / run["outputs"].get(name, {}).get("path", "-")) or {}
        found |= flat(document) if name == "metrics" else {"decision": document.get("decision")}
    return found


def flat(value: Any, prefix: str = "") -> Document:
    """Return the leaves of nested dictionaries by their dotted names; a list is a leaf."""
    if isinstance(value, dict):
        parts = [flat(inner, f"{prefix}{name}.") for name, inner in value.items()]
        return {name: leaf for part in parts for name, leaf in part.items()}
    return {prefix.removesuffix("."): value}


def _changes(before: Document, after: Document) -> list[str]:
    """Return a line for each name whose value differs, is new or is gone."""
    lines = []
    for name in sorted(before.keys() | after.keys()):
        if name not in before or name not in after:
            lines.append(f"{name}: only {'before' if name in before else 'after'}")
        elif before[name] != after[name]:
            lines.append(f"{name}: {_short(before[name])} -> {_short(after[name])}")
    return lines


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


# Measured anew in each run, or counted over the versions that are kept: never the same.
MEASURED = {"measured", "opened", "candidates", "says"}
# and which run they are of, and which tests there are
SHOWS_MEASURED = {"report", "model_card", "datasheet", "checklist", "checklist_figure"}


def reproduce(project: Path, version: str, clean: Path) -> list[str]:
    """Make a run again in an empty folder, and return what differs; nothing is good.

    Code is that of the run's commit, or today's if that is the same; parameters, catalog and inputs
    are the run's. Outputs are compared byte for byte; in JSON, what is measured on the machine is
    left out, and the pages that show it are not compared.
    """
    before = read(project, version)
    if faults := _not_as_it_was(project, before):
        return faults
    _lay_out(project, before, clean)
    stages = ["--pipelines", ",".join(before["pipelines"])] if before["pipelines"] else []
    done = subprocess.run([sys.executable, "-m", "kedro", "run", *stages], cwd=clean, check=False)
    if done.returncode:
        return [f"the run failed, with exit status {done.returncode}"]
    after = read(clean, _with_manifest(clean)[-1])
    return [
        f"{name}: {fault}"
        for name, old in before["outputs"].items()
        if (fault := _differs(name, old, after["outputs"].get(name), project, clean))
    ]


def _not_as_it_was(project: Path, run: Document) -> list[str]:
    """Return why a run can't be made again from what is here; nothing is good."""
    if run["filters"]:
        return [f"the run was of a part of its pipelines: {run['filters']}"]
    if run["status"] != "done":
        return [f"the run {run['status']}: {run['error']}"]
    faults = [
        f"input {name}: {fault}"
        for name, file in run["inputs"].items()
        if (fault := _lost(project, file["path"], file["sha256"]))
    ]
    ended = _ending_of_search(project, run)
    if ended != "trials":
        faults.append(
            f"the search was ended by {'its time limit' if ended == 'seconds' else 'hand'}, so the "
            "same trials can't be made again. Run it with modeling.search.seconds=null."
        )
    now = surroundings(project)
    was_committed = run["code"]["commit"] and run["code"]["changed"] == []
    if not was_committed and now["code"]["sha256"] != run["code"]["sha256"]:
        faults.append("code: it was not committed for the run, and has changed since")
    here, there = _packages_of(now), _packages_of(run)
    of_then = {name: here[name] for name in there.keys() & here.keys()}  # others do no harm
    return faults + [f"package {line}" for line in _changes(there, of_then)]


def _ending_of_search(project: Path, run: Document) -> str:
    """Return what ended the search of a run: "trials" if it made all of them, or none was made."""
    path = project / run["outputs"].get("best_params", {}).get("path", "-")
    return str(json.loads(path.read_text())["ended"]) if path.is_file() else "trials"


def _lay_out(project: Path, run: Document, clean: Path) -> None:
    """Put code, inputs and settings of a run into an empty folder."""
    if run["code"]["commit"] and run["code"]["changed"] == []:
        clone = ["git", "clone", "--quiet", "--no-checkout", str(project), str(clean)]
        subprocess.run(clone, check=True)
        checkout = ["git", "checkout", "--quiet", run["code"]["commit"]]
        subprocess.run(checkout, cwd=clean, check=True)
    else:
        for path in _code_files(project):
            _copy(path, clean / path.relative_to(project))
    _copy(project / ".telemetry", clean / ".telemetry")
    _copy(project / "conf/logging.yml", clean / "conf/logging.yml")
    for file in run["inputs"].values():
        _copy(project / file["path"], clean / file["path"])
    for version in _lineage(project, {run["run"]}) - {run["run"]}:  # whether they were what-ifs
        path = Path(RUN_MANIFEST, version, Path(RUN_MANIFEST).name)
        _copy(project / path, clean / path)
    if file := run["inputs"].get("champion"):
        champion.promote(clean / champion.POINTER, champion.named(file, run=file["version"]))
    raw = Path("data/01_raw") / manifest.MANIFEST
    _copy(project / raw, clean / raw)
    (clean / "conf/local").mkdir(parents=True, exist_ok=True)
    for name in ("parameters", "catalog"):  # JSON is YAML
        (clean / f"conf/local/{name}.yml").write_text(json.dumps(run[name]))


def _copy(path: Path, to: Path) -> None:
    if path.is_file():
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_bytes(path.read_bytes())


def _differs(
    name: str, old: Document, new: Document | None, project: Path, clean: Path
) -> str | None:
    """Return how an output differs from what it was; None if it does not."""
    if new is None:
        return "was not made again"
    if new["sha256"] == old["sha256"] or name in SHOWS_MEASURED:
        return None
    if not old["path"].endswith(".json"):
        return "other bytes"
    if not (project / old["path"]).is_file():
        return "other bytes, and the old ones are gone"
    try:
        before, after = (
            flat(_without_measured(json.loads((root / file["path"]).read_bytes())))
            for root, file in ((project, old), (clean, new))
        )
    except ValueError:
        return "other bytes, and the old ones are broken"
    return "; ".join(_changes(before, after)) or None


def _without_measured(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_measured(v) for k, v in value.items() if k not in MEASURED}
    if isinstance(value, list):
        return [_without_measured(v) for v in value if not _is_of_this_machine(v)]
    return value


def _is_of_this_machine(value: Any) -> bool:
    """Return whether it is a limit of speed, which another run measures anew."""
    return isinstance(value, dict) and value.get("load") is not None


def versions(project: Path) -> list[Document]:
    """Return the versions on disk, the oldest first: size, files, and what each is.

    what: the pipelines of a run; failed; no manifest or a broken one (an orphan). pipelines: the
    same as a list, None of an orphan. champion: it is one that one can go back to, or what such a
    one was made from.
    """
    folders: dict[str, list[Path]] = {}
    for path in (project / "data").glob("*/**/*/"):
        if _VERSION.fullmatch(path.name):
            folders.setdefault(path.name, []).append(path)
    promoted = champion.read(project / champion.POINTER).champions  # one can go back to each
    champions = _lineage(
        project, {version for one in promoted for version in (one.version, one.run)}
    )
    return [
        {
            "version": version,
            "bytes": sum(
                f.stat().st_size for place in places for f in place.iterdir() if f.is_file()
            ),
            "folders": places,
            **_what(project, version),
            "champion": version in champions,
        }
        for version, places in sorted(folders.items())
    ]


def _what(project: Path, version: str) -> Document:
    run = _read_or_none(project, version)
    if run is None:
        return {"what": f"orphan: {_lack(project, version)}", "pipelines": None}
    stages = ", ".join(run["pipelines"]) or "all"
    said = stages if run["status"] == "done" else f"{stages}: {run['status']}"
    return {"what": said, "pipelines": run["pipelines"]}


def _lack(project: Path, version: str) -> str:
    return "a broken manifest" if _manifest(project, version).exists() else "no manifest"


def _lineage(project: Path, some: Iterable[str | None]) -> set[str]:
    """Return the versions, and all whose outputs they were made from.

    Not that of a champion that was read: with it a run only compares. An output may be of an
    earlier run too: `kedro run --only-missing-outputs` leaves it as it is.
    """
    done: set[str] = set()
    todo = {version for version in some if version}
    while todo:
        done.add(version := todo.pop())
        run = _read_or_none(project, version) or {"inputs": {}, "outputs": {}}
        files = [*run["inputs"].items(), *run["outputs"].items()]
        todo |= {file["version"] for name, file in files if name != "champion"} - {*done, None}
    return done


def judged(project: Path, asked: str | None = None) -> Document:
    """Return the manifest of the newest run that gave a verdict, or of the one that is asked for.

    Raises:
        RunError: there is none, the one asked for gave no verdict, or it is of a part of a run.
    """
    for version in [asked] if asked else reversed(_with_manifest(project)):
        run = read(project, version) if asked else _read_or_none(project, version)
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


def with_all_before(project: Path, run: Document) -> tuple[list[Document], list[str]]:
    """Return the manifests of a run and of all that it was made from, and how files differ now."""
    every, faults = [], []
    for version in sorted(_lineage(project, {run["run"]})):
        if one := _read_or_none(project, version):
            every.append(one)
        else:
            lack = _lack(project, version)
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
    return None if manifest.sha256(project / path) == was else f"{path} has changed since"


def prune(project: Path, keep: int) -> list[Document]:
    """Return the versions that may go: all but the newest `keep` runs and what is needed of others.

    Needed is what those runs and the champion were made from. Runs that only use the champion are
    counted by themselves: there may be one every hour.
    """
    found = versions(project)
    groups: dict[bool, list[str]] = {True: [], False: []}
    for one in found:
        if (stages := one["pipelines"]) is not None:
            only_uses = bool(stages) and set(stages) <= set(ON_DEMAND)
            groups[only_uses].append(one["version"])
    newest = {version for group in groups.values() for version in group[-keep:] if keep}
    kept = _lineage(project, newest)
    return [v for v in found if v["version"] not in kept and not v["champion"]]
