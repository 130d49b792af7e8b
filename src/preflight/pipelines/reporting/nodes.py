"""From results to figures and a page: nothing is measured here, only shown."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from preflight.contracts import Features
from preflight.errors import RunError
from preflight.framing import Floats, Framing, Outcomes
from preflight.pipelines.reporting import figures, panels, sentences
from preflight.pipelines.reporting.style import BLUE

SHARES = ["predicted", "observed", "high"]


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


def report(
    *,
    metrics: dict[str, Any],
    verdict: dict[str, Any],
    selection: dict[str, Any],
    best_params: dict[str, Any],
    trials: pd.DataFrame,
    test_predictions: pd.DataFrame,
    calibration_curve: pd.DataFrame,
    slices: pd.DataFrame,
    importance: pd.DataFrame,
    split_summary: pd.DataFrame,
    cleaning: pd.DataFrame,
    audit: pd.DataFrame,
    power: dict[str, Any],
    waterfall: pd.DataFrame,
    learning_curve: pd.DataFrame,
    more_labels: dict[str, Any],
    segments: pd.DataFrame,
    segment_examples: pd.DataFrame,
    robustness: pd.DataFrame,
    suspicious_labels: pd.DataFrame,
    framing: Framing,
) -> str:
    """Return the report: one HTML page that loads nothing and needs no script."""
    value = panels.value_panel(metrics, selection, framing)
    by_slice = panels.slice_panels(slices, framing)
    features = panels.importance_panel(importance, framing)
    places = value.places
    costs = framing.costs.at(test_predictions)
    measured = audit[audit["limit"].notna()]
    says = {
        "headline": sentences.headline(verdict, framing),
        "act": sentences.act_says(costs.threshold, framing),
        "search": sentences.search_says(best_params, framing),
        "power": sentences.power_says(power, framing),
        "value": sentences.value_says(metrics, verdict["value"]["over_baseline"], places),
        "baseline": sentences.baseline_says(metrics, selection, places),
        "auc": sentences.auc_says(metrics, framing),
        "calibration": sentences.calibration_says(calibration_curve, framing),
        "slices": sentences.slices_says(by_slice),
        "importance": sentences.importance_says(importance, features),
        "audit": sentences.audit_says(measured),
        "waterfall": sentences.waterfall_says(waterfall),
        "more_labels": sentences.more_labels_says(more_labels, framing),
        "segments": sentences.segments_says(segments, framing),
        "robustness": sentences.robustness_says(robustness),
        "labels": sentences.labels_says(suspicious_labels),
    }
    page: str = _template().render(
        says=says,
        framing=framing,
        verdict=verdict,
        metrics=metrics,
        selection=selection,
        best_params=best_params,
        value=value,
        auc=panels.auc_panel(metrics, selection),
        slices=by_slice,
        few=panels.FEW,
        features=features,
        columns=Features.columns(),
        outcomes=_outcomes(test_predictions, costs),
        curve=calibration_curve.to_dict("records"),
        curve_scale=panels.scale([0.0, *calibration_curve[SHARES].to_numpy().ravel()]),
        blue=BLUE,
        split=_local_days(split_summary, framing),
        cleaning=cleaning.to_dict("records"),
        audit=measured.to_dict("records"),
        trusted=audit[audit["state"] != "passed"].to_dict("records"),
        importance=importance.to_dict("records"),
        trials=_best_first(trials),
        steps=panels.waterfall_panels(waterfall, framing),
        learning=panels.learning_panel(learning_curve, framing),
        segments=panels.segments_panel(segments, framing),
        examples=_examples(segment_examples),
        robustness=panels.robustness_panel(robustness, framing),
    )
    return page


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
    act, label = test_predictions["act"], test_predictions["label"] == 1
    each = pd.DataFrame(costs._asdict(), index=test_predictions.index)
    return [
        {
            "what": what,
            "rows": int(rows.sum()),
            "one": _of_one(getattr(costs, outcome), each.loc[rows, outcome]),
            "all": each.loc[rows, outcome].sum(),
            "never": each.loc[rows, never].sum(),
        }
        for what, rows, outcome, never in [
            ("acted, and it was needed", act & label, "tp", "fn"),
            ("acted in vain", act & ~label, "fp", "tn"),
            ("did not act, though it was needed", ~act & label, "fn", "fn"),
            ("did not act, and it was not needed", ~act & ~label, "tn", "tn"),
        ]
    ]


def _of_one(cost: float | Floats, there: pd.Series) -> str:
    """Return the cost of one outcome in words: a constant, or the mean of those that are there."""
    if np.ndim(cost) == 0:
        return f"{cost:g}"
    return "no case" if there.empty else f"{panels.figure(there.mean())} on average"


def _local_days(split_summary: pd.DataFrame, framing: Framing) -> list[Any]:
    """Return the parts of the split with first and last as local days."""
    days = {
        end: framing.split.day(split_summary[end]).dt.strftime("%Y-%m-%d")
        for end in ("first", "last")
    }
    return split_summary.assign(**days).to_dict("records")


def _examples(segment_examples: pd.DataFrame) -> list[Any]:
    """Return the decisions to look at, each with its key in one text."""
    key = segment_examples.loc[:, :"predict_at"].iloc[:, :-1].astype(str)
    return segment_examples.assign(id=key.agg(", ".join, axis=1)).to_dict("records")


def _best_first(trials: pd.DataFrame) -> list[Any]:
    """Return the trials, the best first, with their parameters in words; no value is None."""
    rows = trials.sort_values("value", ascending=False, kind="stable").to_dict("records")
    for row in rows:
        params = json.loads(row["params"]).items()
        row["params"] = ", ".join(
            f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in params
        )
        row["value"] = None if pd.isna(row["value"]) else row["value"]
    return rows
