"""How two runs differ, and a run made again."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from preflight.deployment import champion
from preflight.files import json_object
from preflight.runs.manifest import (
    RUN_MANIFEST,
    Document,
    _code_files,
    _lost,
    _with_manifest,
    environment,
    flatten,
    lineage,
    read_manifest,
)
from preflight.runs.raw_files import MANIFEST


def compare_runs(project: Path, before: Document, after: Document) -> dict[str, list[str]]:
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
        "parameters": changed(lambda run: flatten(run["parameters"])),
        "catalog": changed(lambda run: flatten(run["catalog"])),
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
        found |= flatten(document) if name == "metrics" else {"decision": document.get("decision")}
    return found


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
VOLATILE_KEYS = {"measured", "opened", "candidates", "says"}
# and which run they are of, and which tests there are
VOLATILE_OUTPUTS = {"report", "model_card", "datasheet", "checklist", "checklist_figure"}


def reproduce_run(project: Path, version: str, clean: Path) -> list[str]:
    """Make a run again in an empty folder, and return what differs; nothing is good.

    Code is that of the run's commit, or today's if that is the same; parameters, catalog and inputs
    are the run's. Outputs are compared byte for byte; in JSON, what is measured on the machine is
    left out, and the pages that show it are not compared.
    """
    before = read_manifest(project, version)
    if faults := _reproducibility_problems(project, before):
        return faults
    _restore_workspace(project, before, clean)
    stages = ["--pipelines", ",".join(before["pipelines"])] if before["pipelines"] else []
    done = subprocess.run([sys.executable, "-m", "kedro", "run", *stages], cwd=clean, check=False)
    if done.returncode:
        return [f"the run failed, with exit status {done.returncode}"]
    after = read_manifest(clean, _with_manifest(clean)[-1])
    return [
        f"{name}: {fault}"
        for name, old in before["outputs"].items()
        if (fault := _differs(name, old, after["outputs"].get(name), project, clean))
    ]


def _reproducibility_problems(project: Path, run: Document) -> list[str]:
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
    now = environment(project)
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


def _restore_workspace(project: Path, run: Document, clean: Path) -> None:
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
    for version in lineage(project, {run["run"]}) - {run["run"]}:  # whether they were what-ifs
        path = Path(RUN_MANIFEST, version, Path(RUN_MANIFEST).name)
        _copy(project / path, clean / path)
    if file := run["inputs"].get("champion"):
        champion.promote(
            clean / champion.POINTER, champion.champion_record(file, run=file["version"])
        )
    raw = Path("data/01_raw") / MANIFEST
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
    if new["sha256"] == old["sha256"] or name in VOLATILE_OUTPUTS:
        return None
    if not old["path"].endswith(".json"):
        return "other bytes"
    if not (project / old["path"]).is_file():
        return "other bytes, and the old ones are gone"
    try:
        before, after = (
            flatten(_without_measured(json.loads((root / file["path"]).read_bytes())))
            for root, file in ((project, old), (clean, new))
        )
    except ValueError:
        return "other bytes, and the old ones are broken"
    return "; ".join(_changes(before, after)) or None


def _without_measured(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_measured(v) for k, v in value.items() if k not in VOLATILE_KEYS}
    if isinstance(value, list):
        return [_without_measured(v) for v in value if not _is_of_this_machine(v)]
    return value


def _is_of_this_machine(value: Any) -> bool:
    """Return whether it is a limit of speed, which another run measures anew."""
    return isinstance(value, dict) and value.get("load") is not None
