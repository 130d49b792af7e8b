"""The promotion gate: only the candidate that was evaluated becomes the champion."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from preflight.deployment import champion
from preflight.deployment.contracts import Deployment
from preflight.errors import RunError
from preflight.modeling.fast_trees import FEW_ROWS
from preflight.modeling.model import Bundle, is_binary, predict
from preflight.modeling.resources import is_speed, over_http, violations
from preflight.modeling.skops_file import load
from preflight.problem.assumptions import missing_for_promotion
from preflight.problem.framing import Framing
from preflight.processes import new_process
from preflight.runs.manifest import describe_code, with_ancestors
from preflight.runs.raw_files import list_unfilled

RAW_FOLDER = "01_raw"
Check = dict[str, Any]  # name, ok, message
Document = dict[str, Any]

SLOW_HINT = """\
To measure the speed again when nothing else runs: kedro run --pipelines deployment
To override: --params "deployment.override.by=NAME,deployment.override.reason=WHY\""""
WHAT_IF_HINT = (
    "A what-if is never deployed, not even with an override. To keep the change, put it into "
    "conf/base, commit it and run again. To drop it, run again without it, or deploy another run: "
    "--load-versions=verdict:<version>"
)


def _files(run: Document) -> Document:
    """Return the records of all files that a run read or wrote, by dataset."""
    return {**run["inputs"], **run["outputs"]}


def check(
    name: str, faults: list[str], passed: str, override: dict[str, str] | None = None
) -> Check:
    """Return a check: passed without faults, or with an override."""
    found = "; ".join(faults)
    if faults and override:
        return {"name": name, "ok": True, "message": f"overridden: {found}"}
    return {"name": name, "ok": not faults, "message": found or passed}


def check_unchanged(project: Path, judged_run: Document, what_if: list[str]) -> list[Check]:
    """Return whether the evaluated run and its ancestors are complete and unchanged.

    Files are compared with the manifests by hash, and so is the code.

    what_if: settings of this deployment or of those runs that decide and differ from conf/base.
    """
    runs, changed = with_ancestors(project, judged_run)
    code = describe_code(project)["sha256"]
    failed = [f"{run['run']} {run['status']}: {run['error']}" for run in runs if run["error"]]
    unchecked = [f"were off in {run['run']}" for run in runs if not run["contracts"]]
    recoded = [
        f"src, conf/base or pyproject.toml changed since {run['run']}"
        for run in runs
        if run["code"]["sha256"] != code
    ]
    differs = [f"{'; '.join(what_if)}. {WHAT_IF_HINT}"] if what_if else []
    conflict = champion.conflict_message(project / champion.POINTER, _champion_of(judged_run))
    raw = {Path(file["path"]).parent for run in runs for file in run["inputs"].values()}
    unfilled = [
        what
        for folder in sorted(raw)
        if folder.name == RAW_FOLDER
        for what in list_unfilled(project / folder)
    ]
    replaced = [f"the candidate was compared with another: {conflict}"] if conflict else []
    return [
        check("run", [*failed, *changed], "complete, and so are its ancestors"),
        check("what-if", differs, "none"),
        check("contracts", unchecked, "were on"),
        check("code", recoded, "is that of the run"),
        check("raw files", unfilled, "have a source and a licence"),
        check("champion", replaced, "is the one that the candidate was compared with"),
    ]


def _champion_of(run: Document) -> str | None:
    """Return the SHA-256 of the champion that a run compared with; None if there was none."""
    sha256: str | None = run["inputs"].get("champion", {}).get("sha256")
    return sha256


def predict_in_fresh_process(project: Path, judged_run: Document, candidate: Bundle) -> Check:
    """Return whether a new process loads the candidate's file and repeats the stored predictions.

    candidate: unused; the catalog loads it, and so checks that its file has only trusted types.
    """
    files = _files(judged_run)
    model, rows_file = (
        project / files[name]["path"] for name in ("candidate", "reference_predictions")
    )
    trusted = judged_run["catalog"]["candidate"]["load_args"]["trusted"]
    try:
        with new_process() as process:
            rows, differ = process.submit(load_and_predict, model, rows_file, trusted).result()
    except Exception as error:  # a damaged file or a process that dies may raise anything
        return check("end to end", [f"fails: {type(error).__name__}: {error}"], "")
    faults = [f"{differ} of {rows} stored predictions differ"] if differ else []
    return check("end to end", faults, f"repeats {rows} stored predictions exactly")


def load_and_predict(
    model: Path, reference_predictions: Path, trusted: list[str]
) -> tuple[int, int]:
    """Return the number of stored rows, and of those that are predicted differently now.

    They are predicted all at once, as in batch inference, and a few at a time, as in the service.
    """
    with model.open("rb") as file:
        bundle = load(file, trusted)
    rows = pd.read_parquet(reference_predictions)
    stored = rows["probability" if is_binary(bundle) else "prediction"].to_numpy()
    some = (rows.iloc[i : i + FEW_ROWS] for i in range(0, len(rows), FEW_ROWS))
    few = np.concatenate([predict(bundle, one) for one in some])
    return len(rows), int(np.count_nonzero((predict(bundle, rows) != stored) | (few != stored)))


def clear_candidate(
    as_judged: list[Check],
    fresh_answers: Check,
    limits_now: list[Document],
    verdict: Document,
    metrics: Document,
    judged_run: Document,
    service_limits: list[Document],
    framing: Framing,
    deployment: Deployment,
) -> Document:
    """Return the clearance of a candidate: each check of the gate with its result.

    An override replaces a `ship` verdict and a passed speed check, and nothing else.

    as_judged: from `check_unchanged`. fresh_answers: from `predict_in_fresh_process`.
    limits_now: from `resources.measure_limits`, measured just now.

    Raises:
        RunError: a check failed; the message lists all failed checks.
    """
    file, unit = _files(judged_run)["candidate"], framing.costs.unit
    limits, source = limits_now, "not over HTTP: make bench-service"
    if served := [one for one in service_limits if one["sha256"] == file["sha256"]]:
        limits = limits + over_http(served[-1], framing)
        source = f"over HTTP on {served[-1]['at']}"
    slow = violations([one for one in limits if is_speed(one)], unit)
    large = violations([one for one in limits if not is_speed(one)], unit)
    rejected = [f"hold: {'; '.join(verdict['reasons'])}"] * (verdict["decision"] != "ship")
    override = deployment.override.model_dump() if deployment.override.by else None
    off = [
        one["message"] for one in verdict["checks"] if one["name"] == "contracts" and not one["ok"]
    ]
    open_settings = [f"it does not state {one}" for one in missing_for_promotion(framing)]
    implausible = framing.guardrails.implausible(metrics["candidate"], unit)
    checks = [
        *as_judged,
        check("contracts of the verdict", off, "were on"),
        check("verdict", rejected, "ship", override),
        check("framing", open_settings, "states what a model in use needs"),
        check("metrics", implausible, "are plausible"),
        fresh_answers,
        check("limits", large, "size and memory are within the limits, measured again"),
        check("speed", slow, f"is within the limits, measured again, {source}", override),
    ]
    if failed := [f"  - {c['name']}: {c['message']}" for c in checks if not c["ok"]]:
        hint = [SLOW_HINT] * bool(slow and not override)
        title = f"The candidate of run {judged_run['run']} is not promoted:"
        raise RunError("\n".join([title, *failed, *hint]))
    used = override if rejected or slow else None
    return {"run": judged_run["run"], "checks": checks, "override": used}


def promote_candidate(clearance: Document, judged_run: Document) -> Document:
    """Return the record of the new champion; saving the record promotes it."""
    file, before = _files(judged_run)["candidate"], _champion_of(judged_run)
    record = champion.champion_record(file, clearance["run"], clearance["override"], before)
    return record.model_dump()
