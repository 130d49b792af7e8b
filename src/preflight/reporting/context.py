"""What pages are made of: every sentence, panel and row that their templates show."""

import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from preflight.evaluation.conditions import FEWEST_ROWS
from preflight.problem.costs import Floats, Outcomes, UnitCosts
from preflight.problem.framing import Framing
from preflight.reporting import formatting, tasks
from preflight.reporting.diagnosis_panels import (
    learning_panel,
    robustness_panel,
    segments_panel,
    waterfall_panels,
)
from preflight.reporting.diagnosis_summary import (
    labels_says,
    more_labels_says,
    robustness_says,
    segments_says,
    waterfall_says,
)
from preflight.reporting.panels import (
    Panel,
    beside,
    calibration_panel,
    cost_curve_panel,
    days,
    importance_panel,
    known,
    parameter_importance_panel,
    score_panel,
    search_panels,
    slice_panels,
    value_panel,
)
from preflight.reporting.style import BLUE
from preflight.reporting.summary import (
    audit_says,
    baseline_says,
    calibration_says,
    cleaning_says,
    costs_says,
    decision_says,
    headline,
    importance_says,
    lead_says,
    power_says,
    score_says,
    search_says,
    slices_says,
    value_says,
)
from preflight.reporting.traced import plain, traced

ENDS = ["first", "last"]  # of a part of the split


def render(template: str, shown: dict[str, Any]) -> str:
    """Return a page or a text by its template, with marks around what is traced."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=".html" in template,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    framing = shown["framing"]
    is_binary, unit = framing.task == "binary", framing.costs.unit
    environment.filters |= {
        "number": formatting.number,
        "percent": formatting.percent,
        "plain": plain,
        "figure": formatting.figure,
        "words": formatting.words,
        "span": formatting.span,
        "money": partial(formatting.money, unit=unit),
        "exact": partial(formatting.money, unit=unit, decimals=2),
        "money_span": partial(formatting.money_span, unit=unit),
        "beside": beside,
        "label": partial(formatting.percent, decimals=1) if is_binary else formatting.figure,
        "loss": formatting.figure if is_binary else partial(formatting.money, unit=unit),
        "cost": partial(_cost, unit=unit),
    }
    text: str = environment.get_template(template).render(shown)
    return text


def _cost(cost: float | str, unit: str) -> str:
    """Return a cost of the framing: an amount, or the column that holds it."""
    return f"its `{cost}`" if isinstance(cost, str) else formatting.money(cost, unit, decimals=2)


def template_context(r: dict[str, Any]) -> dict[str, Any]:
    """Return all that templates show, by name, from the traced results."""
    framing, metrics, selection = (r[name] for name in ("framing", "metrics", "selection"))
    value = value_panel(metrics, selection, framing)
    by_slice = slice_panels(r["slices"], framing)
    features = importance_panel(r["importance"], framing)
    files = r["provenance"]["files"]
    versions = {name: file["version"] or "git" for name, file in files.items()}
    run = r["provenance"]["run"]
    versions |= dict.fromkeys(["params:framing", "params:about", "checklist"], run)
    costs = framing.costs.at(r["test_predictions"])
    audit, curve, split = r["audit"], r["calibration_curve"], r["split_summary"]
    measured = audit[audit["limit"].notna()]
    task = tasks.words(framing)
    says = _sentences(r, by_slice, features, measured)
    return {
        **r,
        "versions": versions,
        "says": says,
        "files": {name: file for name, file in files.items() if name in r or not file["version"]},
        "sourced": partial(_by_version, versions),
        "value": value,
        "score": score_panel(metrics, selection, framing),
        "task": task,
        "predicts": task.predicts.format(unit=framing.decision.unit, label=framing.decision.label),
        "decimals": {
            name: formatting.places(one[name]["mean"] for one in metrics.values())
            for name in framing.metrics
        },
        "slices": by_slice,
        "few": FEWEST_ROWS,
        "features": features,
        "columns": r["contracts"]["features"].columns(),
        "outcomes": _outcomes(r["test_predictions"], costs, framing.costs.unit),
        "groups": known(curve),
        "calibration": calibration_panel(curve, framing),
        "costs": cost_curve_panel(r["cost_curve"], framing),
        "settings": known(r["cost_curve"]),
        "blue": BLUE,
        "split": known(
            split.assign(**{end: days(split, end, "split_summary", framing) for end in ENDS})
        ),
        "cleaning": known(r["cleaning"]),
        "audit": known(measured),
        "trusted": known(audit[audit["state"] != "passed"]),
        "importance": known(r["importance"]),
        "trials": _best_first(r["trials"]),
        "search": search_panels(r["trials"], r["best_params"], framing),
        "matter": parameter_importance_panel(r["parameter_importance"]),
        "diagnosed": "waterfall" in r and _diagnosed(r, framing),
    }


def _sentences(
    r: dict[str, Any], by_slice: list[Panel], features: Panel, measured: pd.DataFrame
) -> dict[str, Any]:
    """Return each sentence of the report by the name of its section."""
    framing, metrics, verdict, selection = (
        r[name] for name in ("framing", "metrics", "verdict", "selection")
    )
    costs = framing.costs.at(r["test_predictions"])
    return {
        "headline": headline(verdict, framing),
        "lead": lead_says(framing),
        "decision": decision_says(costs, framing, r["cost_curve"]),
        "costs": costs_says(r["cost_curve"], verdict["value"], framing),
        "reads": traced(len(r["candidate"]["features"]), "candidate", "['features'].__len__()"),
        "search": search_says(r["best_params"], framing),
        "power": power_says(r["power"], framing),
        "value": value_says(metrics, verdict["value"]["over_baseline"], framing),
        "baseline": baseline_says(metrics, selection, framing),
        "score": score_says(metrics, framing),
        "calibration": calibration_says(r["calibration_curve"], framing),
        "slices": slices_says(by_slice, framing),
        "importance": importance_says(r["importance"], features, framing, r["contracts"]),
        "cleaning": cleaning_says(r["cleaning"]),
        "audit": audit_says(measured),
    }


def _diagnosed(r: dict[str, Any], framing: Framing) -> dict[str, Any]:
    """Return what templates show of diagnosis, which may have been deleted."""
    says = {
        "waterfall": waterfall_says(r["waterfall"], framing),
        "more_labels": more_labels_says(r["more_labels"], framing),
        "segments": segments_says(r["segments"], framing),
        "robustness": robustness_says(r["robustness"], framing),
        "labels": labels_says(r["suspicious_labels"]),
    }
    return {
        "says": says,
        "steps": waterfall_panels(r["waterfall"], framing),
        "learning": learning_panel(r["learning_curve"], framing),
        "segments": segments_panel(r["segments"], framing),
        "examples": _examples(r["segment_examples"]),
        "robustness": robustness_panel(r["robustness"], framing),
    }


def _by_version(versions: dict[str, str], names: list[str]) -> Iterable[tuple[str, list[str]]]:
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(versions[name], []).append(name)
    return groups.items()


def _outcomes(
    test_predictions: pd.DataFrame, costs: Outcomes | UnitCosts, unit: str
) -> list[dict[str, Any]]:
    """Return what the candidate's decisions led to on test: one row per outcome.

    one: what one of them costs; all: all of them; instead: all where none is made.
    """
    if isinstance(costs, UnitCosts):
        return _amounts(test_predictions, costs, unit)
    rows = []
    for what, here, outcome, never in [
        ("acted, and it was needed", "act and label == 1", "tp", "fn"),
        ("acted in vain", "act and label == 0", "fp", "tn"),
        ("did not act, though it was needed", "not act and label == 1", "fn", "fn"),
        ("did not act, and it was not needed", "not act and label == 0", "tn", "tn"),
    ]:
        there, path = test_predictions.query(here), f".query({here!r})"
        count = traced(len(there), "test_predictions", f"{path}.shape[0]")
        cost, cost_if_never = (_total(there, path, costs, name) for name in (outcome, never))
        one = _of_one(getattr(costs, outcome), cost / max(count, 1), count, unit)
        rows.append(
            {"what": what, "rows": count, "one": one, "all": cost, "instead": cost_if_never}
        )
    return rows


def _amounts(test_predictions: pd.DataFrame, costs: UnitCosts, unit: str) -> list[dict[str, Any]]:
    """Return what too much, too little, and what is just right cost on test."""
    label, said = (test_predictions[name].to_numpy() for name in ("label", "prediction"))
    cost = -costs._replace(without=label).saving(label, said)
    instead = cost + costs.saving(label, said)
    rows = []
    for what, here in [
        ("decided on too much", "prediction > label"),
        ("decided on too little", "prediction < label"),
        ("decided on what was needed", "prediction == label"),
    ]:
        there = test_predictions.index.isin(test_predictions.query(here).index)
        count = traced(int(there.sum()), "test_predictions", f".query({here!r}).shape[0]")
        all_ = float(cost[there].sum())
        one = f"{formatting.money(all_ / count, unit)} on average" if count else "no case"
        rows.append(
            {
                "what": what,
                "rows": count,
                "one": one,
                "all": all_,
                "instead": float(instead[there].sum()),
            }
        )
    return rows


def _total(there: pd.DataFrame, path: str, costs: Outcomes, outcome: str) -> float:
    cost, column = getattr(costs, outcome), f"cost_{outcome}"
    total = there[column].sum() if np.ndim(cost) else len(there) * cost
    how = f"[{column!r}].sum()" if np.ndim(cost) else f".shape[0] * {cost!r}"
    return traced(float(total), "test_predictions", path + how)


def _of_one(cost: float | Floats, mean: float, rows: int, unit: str) -> str:
    """Return the cost of one outcome in words: a constant, or the mean of those that are there."""
    if not isinstance(cost, np.ndarray):
        return formatting.money(cost, unit, decimals=2)
    return f"{formatting.money(mean, unit)} on average" if rows else "no case"


def _examples(segment_examples: pd.DataFrame) -> list[Any]:
    """Return the decisions to look at, each with its key in one text."""
    key = segment_examples.loc[:, :"predict_at"].iloc[:, :-1].astype(str)
    return known(segment_examples.assign(id=key.agg(", ".join, axis=1)))


def _best_first(trials: pd.DataFrame) -> list[Any]:
    """Return the trials, the best first, with their parameters in words; no value is None."""
    rows = known(trials.sort_values("value", ascending=False, kind="stable"))
    for row in rows:
        params = json.loads(row["params"]).items()
        row["params"] = ", ".join(
            f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in params
        )
    return rows
