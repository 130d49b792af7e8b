"""One figure of each result, for Kedro-Viz."""

from collections.abc import Callable
from typing import Any

import pandas as pd
from kedro.pipeline import Node

from preflight.problem.framing import Framing
from preflight.reporting import figures, tasks
from preflight.reporting.diagnosis_panels import (
    learning_panel,
    robustness_panel,
    segments_panel,
    waterfall_panels,
)
from preflight.reporting.panels import (
    Panel,
    calibration_panel,
    checklist_panel,
    cost_curve_panel,
    importance_panel,
    parameter_importance_panel,
    score_panel,
    search_panels,
    slice_panels,
    value_panel,
    written,
)


def figure(plot: Callable[..., Any], *inputs: str) -> Node:
    """Return the node of a figure: what `plot_value` draws is the dataset `value_figure`."""
    name = plot.__name__
    return Node(plot, [*inputs], f"{name.removeprefix('plot_')}_figure", name=name)


def plot_value(metrics: dict[str, Any], selection: dict[str, Any], framing: Framing) -> Any:
    """Return a figure of what each model saves per 1,000 decisions, with intervals."""
    instead = tasks.words(framing).instead
    title = f"What each model saves over {instead}, {framing.confidence:.0%} interval"
    return _models(title, value_panel(metrics, selection, framing))


def plot_score(metrics: dict[str, Any], selection: dict[str, Any], framing: Framing) -> Any:
    """Return a figure of how good each model is at predicting, with intervals."""
    title = f"{tasks.words(framing).score_title}, {framing.confidence:.0%} interval"
    return _models(title, score_panel(metrics, selection, framing))


def _models(title: str, panel: Panel) -> Any:
    return figures.dots(title, [panel], written(panel))


def plot_calibration(calibration_curve: pd.DataFrame, framing: Framing) -> Any:
    """Return a figure of observed shares by what is predicted, with intervals."""
    panel = calibration_panel(calibration_curve, framing)
    return figures.curves("Does what is predicted come true?", [panel])


def plot_cost_curve(cost_curve: pd.DataFrame, framing: Framing) -> Any:
    """Return a figure of what other settings of the decisions save, with intervals."""
    how = tasks.words(framing).setting_title
    title = f"What is saved {how}, {framing.confidence:.0%} interval"
    return figures.curves(title, [cost_curve_panel(cost_curve, framing)])


def plot_slices(slices: pd.DataFrame, framing: Framing) -> Any:
    """Return a figure of what the candidate saves in each slice, a panel per slicing column."""
    what = f"Saved per 1,000 {framing.decision.units} over {tasks.words(framing).instead}"
    title = f"{what}, {framing.confidence:.0%} interval"
    return figures.dots(title, slice_panels(slices, framing))


def plot_importance(importance: pd.DataFrame, framing: Framing) -> Any:
    """Return a figure of the features that the model leans on most, with ranges of shuffles."""
    panel = importance_panel(importance, framing)
    title = f"What the model leans on: the top {len(panel.rows)} of {len(importance)} features"
    return figures.dots(title, [panel], [row.note for row in panel.rows])


def plot_waterfall(waterfall: pd.DataFrame, framing: Framing) -> Any:
    """Return a figure of the steps from the best baseline to the candidate."""
    title = f"What each step adds, {framing.confidence:.0%} interval"
    return figures.dots(title, waterfall_panels(waterfall, framing))


def plot_learning_curve(learning_curve: pd.DataFrame, framing: Framing) -> Any:
    """Return a figure of the value on validation by the number of examples."""
    title = f"What more examples buy, {framing.confidence:.0%} interval"
    return _models(title, learning_panel(learning_curve, framing))


def plot_segments(segments: pd.DataFrame, framing: Framing) -> Any:
    """Return a figure of where most is lost against hindsight."""
    title = f"Where most is lost, {framing.confidence:.0%} interval"
    panel = segments_panel(segments, framing)
    return figures.dots(title, [panel], [row.note for row in panel.rows])


def plot_robustness(robustness: pd.DataFrame, framing: Framing) -> Any:
    """Return a figure of what is lost when inputs fail."""
    title = f"What is lost when inputs fail, {framing.confidence:.0%} interval"
    return _models(title, robustness_panel(robustness, framing))


def plot_search(trials: pd.DataFrame, best_params: dict[str, Any], framing: Framing) -> Any:
    """Return a figure of the trials in their order, and by each parameter that was searched."""
    title = "What each trial of the search saves on validation"
    return figures.curves(title, search_panels(trials, best_params, framing))


def plot_parameter_importance(parameter_importance: pd.DataFrame) -> Any:
    """Return a figure of how much of the trials' spread each parameter explains."""
    panel = parameter_importance_panel(parameter_importance)
    return figures.dots("Which parameters matter", [panel], written(panel))


def plot_checklist(checklist: dict[str, Any]) -> Any:
    """Return a figure of the points of each section."""
    panel = checklist_panel(checklist)
    return figures.dots("The ML Test Score, points by section", [panel], written(panel))
