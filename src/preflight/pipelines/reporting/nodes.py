"""From results to figures and a page: nothing is measured here, only shown."""

import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from preflight.contracts import Features
from preflight.errors import RunError
from preflight.framing import Floats, Framing, Outcomes
from preflight.pipelines.reporting import figures, panels, sentences
from preflight.pipelines.reporting.style import BLUE
from preflight.pipelines.reporting.traced import linked, plain, traced

SHARES = ["predicted", "observed", "high"]
ENDS = ["first", "last"]  # of a part of the split


def value_figure(metrics: dict[str, Any], selection: dict[str, Any], framing: Framing) -> Any:
    """Return a figure of what each model saves per 1,000 decisions, with intervals."""
    title = f"What each model saves over never acting, {framing.confidence:.0%} interval"
    return _models(title, panels.value_panel(metrics, selection, framing))


def auc_figure(metrics: dict[str, Any], selection: dict[str, Any], framing: Framing) -> Any:
    """Return a figure of how well each model ranks, with intervals."""
    title = f"How well each model ranks, {framing.confidence:.0%} interval"
    return _models(title, panels.auc_panel(metrics, selection))


def _models(title: str, panel: panels.Panel) -> Any:
    return figures.dots(title, [panel], [panels.beside(row, panel.places) for row in panel.rows])


def calibration_figure(calibration_curve: pd.DataFrame, framing: Framing) -> Any:
    """Return a figure of observed against predicted shares of label 1, with intervals."""
    title = "Does what is predicted come true?"
    return figures.calibration(title, calibration_curve, framing.confidence)


def slices_figure(slices: pd.DataFrame, framing: Framing) -> Any:
    """Return a figure of what the candidate saves in each slice, a panel per slicing column."""
    what = f"Saved per 1,000 {framing.decision.units} over never acting"
    title = f"{what}, {framing.confidence:.0%} interval"
    return figures.dots(title, panels.slice_panels(slices, framing))


def importance_figure(importance: pd.DataFrame, framing: Framing) -> Any:
    """Return a figure of the features that the model leans on most, with ranges of shuffles."""
    panel = panels.importance_panel(importance, framing)
    title = f"What the model leans on: the top {len(panel.rows)} of {len(importance)} features"
    return figures.dots(title, [panel], [row.note for row in panel.rows])


def waterfall_figure(waterfall: pd.DataFrame, framing: Framing) -> Any:
    """Return a figure of the steps from the best baseline to the candidate."""
    title = f"What each step adds, {framing.confidence:.0%} interval"
    return figures.dots(title, panels.waterfall_panels(waterfall, framing))


def learning_curve_figure(learning_curve: pd.DataFrame, framing: Framing) -> Any:
    """Return a figure of the value on validation by the number of examples."""
    title = f"What more examples buy, {framing.confidence:.0%} interval"
    return _models(title, panels.learning_panel(learning_curve, framing))


def segments_figure(segments: pd.DataFrame, framing: Framing) -> Any:
    """Return a figure of where most is lost against hindsight."""
    title = f"Where most is lost, {framing.confidence:.0%} interval"
    panel = panels.segments_panel(segments, framing)
    return figures.dots(title, [panel], [row.note for row in panel.rows])


def robustness_figure(robustness: pd.DataFrame, framing: Framing) -> Any:
    """Return a figure of what is lost when inputs fail."""
    title = f"What is lost when inputs fail, {framing.confidence:.0%} interval"
    return _models(title, panels.robustness_panel(robustness, framing))


def reported(
    provenance: dict[str, Any],
    test_predictions: pd.DataFrame,
    framing: Framing,
    **results: Any,
) -> dict[str, Any]:
    """Return all that is reported, by name; each number knows the dataset that it is from."""
    return {
        "provenance": provenance,
        "test_predictions": test_predictions,
        "framing": traced(framing, "params:framing"),
        **{name: traced(data, name) for name, data in results.items()},
    }


def report(reported: dict[str, Any]) -> str:
    """Return the report: one HTML page that loads nothing and needs no script."""
    r, framing = reported, reported["framing"]
    metrics, verdict, selection = r["metrics"], r["verdict"], r["selection"]
    value = panels.value_panel(metrics, selection, framing)
    by_slice = panels.slice_panels(r["slices"], framing)
    features = panels.importance_panel(r["importance"], framing)
    places, files = value.places, r["provenance"]["files"]
    versions = {name: file["version"] or "git" for name, file in files.items()}
    versions["params:framing"] = r["provenance"]["run"]
    costs = framing.costs.at(r["test_predictions"])
    audit, curve, split = r["audit"], r["calibration_curve"], r["split_summary"]
    measured = audit[audit["limit"].notna()]
    over = verdict["value"]["over_baseline"]
    says = {
        "headline": sentences.headline(verdict, framing),
        "lead": sentences.lead_says(framing),
        "act": sentences.act_says(costs.threshold, framing),
        "search": sentences.search_says(r["best_params"], framing),
        "power": sentences.power_says(r["power"], framing),
        "value": sentences.value_says(metrics, over, places),
        "baseline": sentences.baseline_says(metrics, selection, places),
        "auc": sentences.auc_says(metrics, framing),
        "calibration": sentences.calibration_says(curve, framing),
        "slices": sentences.slices_says(by_slice),
        "importance": sentences.importance_says(r["importance"], features),
        "cleaning": sentences.cleaning_says(r["cleaning"]),
        "audit": sentences.audit_says(measured),
        "waterfall": sentences.waterfall_says(r["waterfall"]),
        "more_labels": sentences.more_labels_says(r["more_labels"], framing),
        "segments": sentences.segments_says(r["segments"], framing),
        "robustness": sentences.robustness_says(r["robustness"]),
        "labels": sentences.labels_says(r["suspicious_labels"]),
    }
    page: str = _template().render(
        says=says,
        framing=framing,
        verdict=verdict,
        metrics=metrics,
        selection=selection,
        best_params=r["best_params"],
        provenance=r["provenance"],
        files={name: file for name, file in files.items() if name in r or not file["version"]},
        sourced=partial(_by_version, versions),
        value=value,
        auc=panels.auc_panel(metrics, selection),
        slices=by_slice,
        few=panels.FEW,
        features=features,
        columns=Features.columns(),
        outcomes=_outcomes(r["test_predictions"], costs),
        curve=panels.known(curve),
        curve_scale=panels.scale([0.0, *curve[SHARES].to_numpy().ravel()]),
        blue=BLUE,
        split=panels.known(
            split.assign(**{end: panels.days(split, end, "split_summary", framing) for end in ENDS})
        ),
        cleaning=panels.known(r["cleaning"]),
        audit=panels.known(measured),
        trusted=panels.known(audit[audit["state"] != "passed"]),
        importance=panels.known(r["importance"]),
        trials=_best_first(r["trials"]),
        steps=panels.waterfall_panels(r["waterfall"], framing),
        learning=panels.learning_panel(r["learning_curve"], framing),
        segments=panels.segments_panel(r["segments"], framing),
        examples=_examples(r["segment_examples"]),
        robustness=panels.robustness_panel(r["robustness"], framing),
    )
    return linked(page, versions)


def _by_version(versions: dict[str, str], names: list[str]) -> Iterable[tuple[str, list[str]]]:
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(versions[name], []).append(name)
    return groups.items()


def agreed_verdict(
    verdict: dict[str, Any],
    metrics: dict[str, Any],
    test_predictions: pd.DataFrame,
    waterfall: pd.DataFrame,
    framing: Framing,
) -> dict[str, Any]:
    """Return the verdict, if it is of the same run and framing as what is shown beside it.

    Raises:
        RunError: the value of the candidate's decisions differs between them.
    """
    label, act = (test_predictions[name].to_numpy() for name in ("label", "act"))
    values = [
        framing.costs.at(test_predictions).per_1000(label, act),
        verdict["value"]["per_1000"],
        metrics["candidate"]["value_per_1000"]["mean"],
        waterfall.loc[waterfall["part"] == "test", "value_per_1000"].iloc[-2],
    ]
    if np.ptp(values) > 1e-6 * (1 + abs(values[0])):
        raise RunError(
            "The results are not of one run and framing: the candidate saves "
            f"{values[0]:.1f} per 1,000 by test_predictions and today's costs, {values[1]:.1f} by "
            f"verdict, {values[2]:.1f} by metrics, {values[3]:.1f} by waterfall. "
            "Run: kedro run --pipelines evaluation,diagnosis,reporting"
        )
    return verdict


def _template() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": panels.number,
        "percent": panels.percent,
        "plain": plain,
        "figure": panels.figure,
        "words": panels.words,
        "span": panels.span,
        "beside": panels.beside,
    }
    return environment.get_template("report.html.j2")


def _outcomes(test_predictions: pd.DataFrame, costs: Outcomes) -> list[dict[str, Any]]:
    """Return what the candidate's decisions led to on test: one row per outcome.

    one: what one of them costs; all: all of them; never: all of them where nobody ever acts.
    """
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
        one = _of_one(getattr(costs, outcome), cost / max(count, 1), count)
        rows.append({"what": what, "rows": count, "one": one, "all": cost, "never": cost_if_never})
    return rows


def _total(there: pd.DataFrame, path: str, costs: Outcomes, outcome: str) -> float:
    cost, column = getattr(costs, outcome), f"cost_{outcome}"
    total = there[column].sum() if np.ndim(cost) else len(there) * cost
    how = f"[{column!r}].sum()" if np.ndim(cost) else f".shape[0] * {cost!r}"
    return traced(float(total), "test_predictions", path + how)


def _of_one(cost: float | Floats, mean: float, rows: int) -> str:
    """Return the cost of one outcome in words: a constant, or the mean of those that are there."""
    if np.ndim(cost) == 0:
        return f"{cost:g}"
    return f"{panels.figure(mean)} on average" if rows else "no case"


def _examples(segment_examples: pd.DataFrame) -> list[Any]:
    """Return the decisions to look at, each with its key in one text."""
    key = segment_examples.loc[:, :"predict_at"].iloc[:, :-1].astype(str)
    return panels.known(segment_examples.assign(id=key.agg(", ".join, axis=1)))


def _best_first(trials: pd.DataFrame) -> list[Any]:
    """Return the trials, the best first, with their parameters in words; no value is None."""
    rows = panels.known(trials.sort_values("value", ascending=False, kind="stable"))
    for row in rows:
        params = json.loads(row["params"]).items()
        row["params"] = ", ".join(
            f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in params
        )
    return rows
