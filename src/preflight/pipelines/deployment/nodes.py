"""The promotion gate: what was judged, and nothing else, becomes the champion."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from preflight import champion, limits, model_file, runs
from preflight.bundle import Bundle, is_binary, predict
from preflight.errors import RunError
from preflight.framing import Framing
from preflight.pipelines.deployment.settings import Deployment

Check = dict[str, Any]  # name, ok, says
Document = dict[str, Any]

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


def as_judged(project: Path, judged_run: Document, what_if: list[str]) -> list[Check]:
    """Return whether the run that judged, and those it rests on, are whole and as they were.

    Files are compared byte for byte with the runs' manifests, and the code by its hash.
    what_if: how this deployment, or one of those runs, judges otherwise than conf/base says.
    """
    every, faults = runs.with_all_before(project, judged_run)
    now = runs.code(project)["sha256"]
    failed = [f"{run['run']} {run['status']}: {run['error']}" for run in every if run["error"]]
    unchecked = [run["run"] for run in every if not run.get("contracts")]
    recoded = [run["run"] for run in every if run["code"]["sha256"] != now]
    judged = judged_run["inputs"].get("champion", {}).get("sha256")
    another = champion.changed_since(project / champion.POINTER, judged)
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


def fresh_answers(project: Path, judged_run: Document, candidate: Bundle) -> Check:
    """Return whether a new process loads the candidate's file and gives the stored probabilities.

    candidate: it comes from the catalog, so the types of its file are known to be trusted ones.
    """
    files = _files(judged_run)
    model, rows_file = (project / files[name]["path"] for name in ("candidate", "end_to_end"))
    trusted = judged_run["catalog"]["candidate"]["load_args"]["trusted"]
    try:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            rows, differ = process.submit(answers, model, rows_file, trusted).result()
    except Exception as error:  # whatever a file, or a process that dies, may raise
        return _check("end to end", [f"fails: {type(error).__name__}: {error}"], "")
    faults = [f"{differ} of {rows} stored predictions differ"] if differ else []
    return _check("end to end", faults, f"gives {rows} stored predictions again, exactly")


def answers(model: Path, end_to_end: Path, trusted: list[str]) -> tuple[int, int]:
    """Return the number of stored rows, and of those with another prediction than stored."""
    with model.open("rb") as file:
        bundle = model_file.load(file, trusted)
    rows = pd.read_parquet(end_to_end)
    stored = rows["probability" if is_binary(bundle) else "prediction"]
    return len(rows), int(np.count_nonzero(predict(bundle, rows) != stored))


def clearance(
    as_judged: list[Check],
    fresh_answers: Check,
    candidate: Bundle,
    end_to_end: pd.DataFrame,
    verdict: Document,
    metrics: Document,
    judged_run: Document,
    service_limits: list[Document],
    framing: Framing,
    deployment: Deployment,
) -> Document:
    """Return what the gate found, each condition with what was seen.

    Raises:
        RunError: a condition does not hold; all such are told.
    """
    held = verdict["decision"] != "ship"
    override = deployment.override.model_dump() if held and deployment.override.by else None
    unheard = [f"it says hold: {'; '.join(verdict['reasons'])}"] if held and not override else []
    said = "overridden" if override else "it says ship"
    off = [one["says"] for one in verdict["checks"] if one["name"] == "contracts" and not one["ok"]]
    measured = limits.limits(candidate, end_to_end, framing)
    told = "hold when measured again; not measured over HTTP: make bench-service"
    file = _files(judged_run)["candidate"]
    if served := [one for one in service_limits if one["sha256"] == file["sha256"]]:
        measured += limits.over_http(served[-1], framing)
        told = f"hold when measured again, and over HTTP on {served[-1]['at']}"
    checks = [
        *as_judged,
        _check("verdict", [*unheard, *off], said),
        _check("metrics", framing.guardrails.implausible(metrics["candidate"]), "are plausible"),
        fresh_answers,
        _check("limits", limits.broken(measured), told),
    ]
    if faults := [f"  - {c['name']}: {c['says']}" for c in checks if not c["ok"]]:
        run = judged_run["run"]
        raise RunError("\n".join([f"The candidate of run {run} is not promoted:", *faults]))
    return {"run": judged_run["run"], "checks": checks, "override": override}


def promotion(clearance: Document, judged_run: Document) -> Document:
    """Return the new champion; that it is saved makes it so."""
    file = _files(judged_run)["candidate"]
    against = judged_run["inputs"].get("champion", {}).get("sha256")
    return champion.named(file, clearance["run"], clearance["override"], against).model_dump()
