"""The promotion gate: what was judged, and nothing else, becomes the champion."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from preflight.deployment import champion
from preflight.deployment.contracts import Deployment
from preflight.errors import RunError
from preflight.modeling.model import Bundle, is_binary, predict
from preflight.modeling.resources import is_speed, over_http, violations
from preflight.modeling.skops_file import load
from preflight.problem.framing import Framing
from preflight.runs.manifest import describe_code, with_ancestors

Check = dict[str, Any]  # name, ok, says
Document = dict[str, Any]

SLOW = """\
Speed can be measured again when nothing else runs: kedro run --pipelines deployment
Or answer for it: --params "deployment.override.by=NAME,deployment.override.reason=WHY\""""
NO_WHAT_IF = (
    "No what-if is deployed, and no override helps. If you mean the change, put it into conf/base, "
    "commit it and run again. If not, leave it out, and run again what was run with it, or deploy "
    "another run: --load-versions=verdict:<version>"
)


def _files(run: Document) -> Document:
    """Return the records of all files that a run read or wrote, by dataset."""
    return {**run["inputs"], **run["outputs"]}


def _check(name: str, faults: list[str], holds: str) -> Check:
    return {"name": name, "ok": not faults, "says": "; ".join(faults) or holds}


def check_unchanged(project: Path, judged_run: Document, what_if: list[str]) -> list[Check]:
    """Return whether the run that judged, and those it rests on, are whole and as they were.

    Files are compared byte for byte with the runs' manifests, and the code by its hash.
    what_if: how this deployment, or one of those runs, judges otherwise than conf/base says.
    """
    every, faults = with_ancestors(project, judged_run)
    now = describe_code(project)["sha256"]
    failed = [f"{run['run']} {run['status']}: {run['error']}" for run in every if run["error"]]
    unchecked = [run["run"] for run in every if not run.get("contracts")]
    recoded = [run["run"] for run in every if run["code"]["sha256"] != now]
    judged = judged_run["inputs"].get("champion", {}).get("sha256")
    another = champion.conflict_message(project / champion.POINTER, judged)
    return [
        _check("run", [*failed, *faults], "it is whole, and so is what it was made from"),
        _check("what-if", [f"{'; '.join(what_if)}. {NO_WHAT_IF}"] if what_if else [], "it is none"),
        _check("contracts", [f"were off in {one}" for one in unchecked], "they were on"),
        _check(
            "code",
            [f"src, conf/base or pyproject.toml changed since {one}" for one in recoded],
            "is that of the run",
        ),
        _check(
            "champion",
            [f"it was judged against another: {another}"] if another else [],
            "is the one that it was judged against",
        ),
    ]


def predict_in_fresh_process(project: Path, judged_run: Document, candidate: Bundle) -> Check:
    """Return whether a new process loads the candidate's file and gives the stored probabilities.

    candidate: it comes from the catalog, so the types of its file are known to be trusted ones.
    """
    files = _files(judged_run)
    model, rows_file = (project / files[name]["path"] for name in ("candidate", "end_to_end"))
    trusted = judged_run["catalog"]["candidate"]["load_args"]["trusted"]
    try:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            rows, differ = process.submit(load_and_predict, model, rows_file, trusted).result()
    except Exception as error:  # whatever a file, or a process that dies, may raise
        return _check("end to end", [f"fails: {type(error).__name__}: {error}"], "")
    faults = [f"{differ} of {rows} stored predictions differ"] if differ else []
    return _check("end to end", faults, f"gives {rows} stored predictions again, exactly")


def load_and_predict(model: Path, end_to_end: Path, trusted: list[str]) -> tuple[int, int]:
    """Return the number of stored rows, and of those with another prediction than stored."""
    with model.open("rb") as file:
        bundle = load(file, trusted)
    rows = pd.read_parquet(end_to_end)
    stored = rows["probability" if is_binary(bundle) else "prediction"]
    return len(rows), int(np.count_nonzero(predict(bundle, rows) != stored))


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
    """Return what the gate found, each condition with what was seen.

    An override stands for a verdict that says hold and for speed that is too low or could not be
    measured, and for nothing else.

    limits_now: what `limits.limits` measured just now.

    Raises:
        RunError: a condition does not hold; the message lists all such.
    """
    file = _files(judged_run)["candidate"]
    measured, source = limits_now, "not over HTTP: make bench-service"
    if served := [one for one in service_limits if one["sha256"] == file["sha256"]]:
        measured = measured + over_http(served[-1], framing)
        source = f"over HTTP on {served[-1]['at']}"
    speed = [one for one in measured if is_speed(one)]
    size = [one for one in measured if not is_speed(one)]
    unit = framing.costs.unit
    slow = violations(speed, unit)
    held = [f"it says hold: {'; '.join(verdict['reasons'])}"] * (verdict["decision"] != "ship")
    override = deployment.override.model_dump() if deployment.override.by else None
    off = [one["says"] for one in verdict["checks"] if one["name"] == "contracts" and not one["ok"]]
    odd = framing.guardrails.implausible(metrics["candidate"], unit)
    checks = [
        *as_judged,
        _check("contracts of the verdict", off, "were on"),
        _overridable("verdict", held, "it says ship", override),
        _check("metrics", odd, "are plausible"),
        fresh_answers,
        _check("limits", violations(size, unit), "size and memory hold when measured again"),
        _overridable("speed", slow, f"holds when measured again, {source}", override),
    ]
    if faults := [f"  - {c['name']}: {c['says']}" for c in checks if not c["ok"]]:
        run, faults = judged_run["run"], faults + [SLOW] * bool(slow and not override)
        raise RunError("\n".join([f"The candidate of run {run} is not promoted:", *faults]))
    used = override if held or slow else None
    return {"run": judged_run["run"], "checks": checks, "override": used}


def _overridable(
    name: str, faults: list[str], holds: str, override: dict[str, str] | None
) -> Check:
    """Return a check that somebody who answers for it can override."""
    if faults and override:
        return _check(name, [], f"overridden: {'; '.join(faults)}")
    return _check(name, faults, holds)


def promote_candidate(clearance: Document, judged_run: Document) -> Document:
    """Return the new champion; that it is saved makes it so."""
    file = _files(judged_run)["candidate"]
    against = judged_run["inputs"].get("champion", {}).get("sha256")
    return champion.champion_record(
        file, clearance["run"], clearance["override"], against
    ).model_dump()
