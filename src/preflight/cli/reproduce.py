"""The differences between two runs, and the reproduction of a run."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from preflight.deployment import champion
from preflight.evaluation.ledger import EvaluationLedger
from preflight.files import json_object
from preflight.runs.differences import changes, package_changes, packages_of
from preflight.runs.manifest import (
    LEDGER,
    Document,
    code_files,
    environment,
    flatten,
    lineage,
    manifest_path,
    read_manifest,
    versions_with_manifest,
)
from preflight.runs.parts import VARIABLE
from preflight.runs.raw_files import MANIFEST, file_problem


def compare_runs(project: Path, before: Document, after: Document) -> dict[str, list[str]]:
    """Return the differences between two runs by section, one line each."""

    def changed(view: Callable[[Document], Document]) -> list[str]:
        return changes(view(before), view(after))

    def hashes(kind: str) -> list[str]:
        # a file of only one of the runs follows from its pipelines
        both = before[kind].keys() & after[kind].keys()
        return changed(lambda run: {name: run[kind][name]["sha256"][:12] for name in both})

    return {
        "pipelines": changed(lambda run: {"run": run["pipelines"] or "all"}),
        "data": hashes("inputs"),
        "code": changed(_code_of),
        "parameters": changed(lambda run: flatten(run["parameters"])),
        "catalog": changed(lambda run: flatten(run["catalog"])),
        "packages": changed(packages_of),
        "metrics": changed(lambda run: _metrics_of(project, run)),
        "outputs": hashes("outputs"),
    }


def _code_of(run: Document) -> Document:
    code = run["code"]
    changed = ", ".join(code["changed"] or []) or "nothing"
    return {"commit": code["commit"], "not committed": changed, "hash": code["sha256"][:12]}


def _metrics_of(project: Path, run: Document) -> Document:
    """Return a run's metrics and its decision, if their files still exist."""
    metrics, verdict = (
        json_object(project / run["outputs"].get(name, {}).get("path", "-"))
        for name in ("metrics", "verdict")
    )
    decision = {"decision": verdict.get("decision")} if verdict else {}
    return flatten(metrics or {}) | decision


# Measured again in each run, or counted over the versions on disk: they always differ.
VOLATILE_KEYS = {"measured", "evaluations", "candidates", "message"}
# These show such values, the version of their run, or a list of tests.
VOLATILE_OUTPUTS = {"report", "model_card", "datasheet", "checklist", "checklist_figure"}


def reproduce_run(project: Path, version: str, clean: Path) -> list[str]:
    """Repeat a run in an empty folder, and return how its outputs differ.

    The code is that of the run's commit, or today's if it has not changed. Parameters, catalog and
    inputs are those of the run. Outputs are compared by hash, JSON without values that are measured
    on the machine; pages that show such values are not compared.
    """
    before = read_manifest(project, version)
    if problems := _reproducibility_problems(project, before):
        return problems
    _restore_workspace(project, before, clean)
    stages = ["--pipelines", ",".join(before["pipelines"])] if before["pipelines"] else []
    alone = {name: value for name, value in os.environ.items() if name != VARIABLE}
    command = [sys.executable, "-m", "kedro", "run", *stages]
    done = subprocess.run(command, cwd=clean, env=alone, check=False)
    if done.returncode:
        return [f"the run failed, with exit status {done.returncode}"]
    after = read_manifest(clean, versions_with_manifest(clean)[-1])
    return [
        f"{name}: {difference}"
        for name, old in before["outputs"].items()
        if (difference := _difference(name, old, after["outputs"].get(name), project, clean))
    ]


def _reproducibility_problems(project: Path, run: Document) -> list[str]:
    """Return why a run can't be repeated with what is on this machine."""
    if run["filters"]:
        return [f"the run was of a part of its pipelines: {run['filters']}"]
    if run["status"] != "done":
        return [f"the run {run['status']}: {run['error']}"]
    problems = [
        f"input {name}: {file['path']} {problem}"
        for name, file in run["inputs"].items()
        if (problem := file_problem(project / file["path"], file["sha256"]))
    ]
    if _end_of_search(project, run) != "trials":
        problems.append(
            "the search was ended by its time limit, so the same trials can't be repeated. Run it "
            "with modeling.search.seconds=null."
        )
    now = environment(project)
    if not _is_committed(run) and now["code"]["sha256"] != run["code"]["sha256"]:
        problems.append("code: it was not committed for the run, and has changed since")
    return problems + [f"package {line}" for line in package_changes(run, now)]


def _is_committed(run: Document) -> bool:
    """Return whether a run's commit has all code of the run."""
    return bool(run["code"]["commit"]) and run["code"]["changed"] == []


def _end_of_search(project: Path, run: Document) -> str:
    """Return what ended the search of a run: "trials" if it made all of them, or none was made."""
    path = project / run["outputs"].get("best_params", {}).get("path", "-")
    return str(json.loads(path.read_text())["ended"]) if path.is_file() else "trials"


def _restore_workspace(project: Path, run: Document, clean: Path) -> None:
    """Put code, inputs and settings of a run into an empty folder."""
    if _is_committed(run):
        clone = ["git", "clone", "--quiet", "--no-checkout", str(project), str(clean)]
        subprocess.run(clone, check=True)
        checkout = ["git", "checkout", "--quiet", run["code"]["commit"]]
        subprocess.run(checkout, cwd=clean, check=True)
        files = []
    else:
        files = [path.relative_to(project).as_posix() for path in code_files(project)]
    files += [".telemetry", "conf/logging.yml", f"data/01_raw/{MANIFEST}"]
    files += [file["path"] for file in run["inputs"].values()]
    # the manifests of the ancestors say whether these were what-ifs
    ancestors = lineage(project, {run["run"]}) - {run["run"]}
    files += [manifest_path(Path(), version).as_posix() for version in ancestors]
    for path in files:
        if (project / path).is_file():
            (clean / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(project / path, clean / path)
        elif (project / path).is_dir():  # a table in partitions
            shutil.copytree(project / path, clean / path)
    (clean / LEDGER).unlink(missing_ok=True)
    evaluations = EvaluationLedger(str(project / LEDGER)).load()
    EvaluationLedger(str(clean / LEDGER)).save(_evaluations_of(run["run"], evaluations))
    if file := run["inputs"].get("champion"):
        record = champion.champion_record(file, run=file["version"])
        champion.promote(clean / champion.POINTER, record)
    (clean / "conf/local").mkdir(parents=True, exist_ok=True)
    for name in ("parameters", "catalog"):  # JSON is YAML
        (clean / f"conf/local/{name}.yml").write_text(json.dumps(run[name]))


def _evaluations_of(run: str, evaluations: list[Document]) -> list[Document]:
    """Return the lines of the ledger that there were after a run: later runs have added some.

    The tasks of a run may take hours, and meanwhile a run with a later version may add its line. So
    the order of the lines counts, if the run has one, and the versions otherwise.
    """
    own = [number for number, one in enumerate(evaluations) if one["run"] == run]
    if own:
        return evaluations[: own[-1] + 1]
    return [one for one in evaluations if one["run"] <= run]


def _difference(
    name: str, old: Document, new: Document | None, project: Path, clean: Path
) -> str | None:
    """Return how an output of the repeated run differs from the old one; None if it is equal."""
    if new is None:
        return "was not made again"
    if new["sha256"] == old["sha256"] or name in VOLATILE_OUTPUTS:
        return None
    if not old["path"].endswith(".json"):
        return "has changed"
    if not (project / old["path"]).is_file():
        return "has changed, and the old file is gone"
    try:
        before, after = (
            flatten(_without_measured(json.loads((root / file["path"]).read_bytes())))
            for root, file in ((project, old), (clean, new))
        )
    except ValueError:
        return "has changed, and the old file is broken"
    return "; ".join(changes(before, after)) or None


def _without_measured(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_measured(v) for k, v in value.items() if k not in VOLATILE_KEYS}
    if isinstance(value, list):
        return [_without_measured(v) for v in value if not _is_of_this_machine(v)]
    return value


def _is_of_this_machine(value: Any) -> bool:
    """Return whether a value is a speed limit, which each run measures again."""
    return isinstance(value, dict) and value.get("load") is not None
