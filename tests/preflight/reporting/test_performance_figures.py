"""Curves, histograms, partial dependence and drift."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from preflight import reporting
from preflight.problem.framing import Framing
from preflight.reporting.figure_dataset import Figure


def test_curves_have_the_areas_of_the_metrics_and_the_point_of_decision(
    results: dict[str, Any],
) -> None:
    table = results["test_predictions"]
    figure = reporting.plot_ranking(table, results["selection"], results["framing"])
    roc, recall = figure.axes
    lines = {line.get_label(): line for line in roc.lines}
    x, y = lines["candidate"].get_data()
    assert np.trapezoid(y, x) == pytest.approx(
        roc_auc_score(table["label"], table["probability"]), abs=0.01
    )
    x, y = recall.lines[2].get_data()  # of the candidate; the line and dot of the baseline first
    assert -np.trapezoid(y, x) == pytest.approx(
        average_precision_score(table["label"], table["probability"]), abs=0.02
    )
    point = [line.get_data() for line in recall.lines if len(line.get_xdata()) == 1][-1]
    hits = (table["act"] & (table["label"] == 1)).sum()
    assert np.ravel(point) == pytest.approx(
        [hits / table["label"].sum(), hits / table["act"].sum()]
    )


def test_each_class_has_its_histogram(results: dict[str, Any]) -> None:
    table = results["test_predictions"]
    (axes,) = reporting.plot_scores(table, results["framing"]).axes
    heights = [bar.get_height() for bar in axes.patches]
    assert sum(heights) == pytest.approx(2)  # each class is 100%
    assert len(heights) == 80


def test_a_regression_shows_actual_by_predicted_and_its_errors(framing: Framing) -> None:
    regression = framing.model_copy(update={"task": "regression"})
    rng = np.random.default_rng(1)
    predicted = rng.random(400) * 10
    table = pd.DataFrame({"label": predicted + rng.normal(size=400), "prediction": predicted})
    for figure in (
        reporting.plot_ranking(table, {"best_baseline": "linear"}, regression),
        reporting.plot_scores(table, regression),
    ):
        assert Figure().validate(figure) is figure
        figure.draw_without_rendering()
    (axes,) = reporting.plot_scores(table, regression).axes
    assert sum(bar.get_height() for bar in axes.patches) == pytest.approx(1)


def test_partial_dependence_draws_numbers_as_lines_and_categories_as_bars(
    results: dict[str, Any],
) -> None:
    figure = reporting.plot_partial_dependence(results["partial_dependence"], results["framing"])
    number, category = figure.axes
    assert [*number.lines[0].get_ydata()] == [0.11, 0.22, 0.35]
    assert [bar.get_height() for bar in category.patches] == [0.31, 0.28]
    assert [tick.get_text() for tick in category.get_xticklabels()] == ["north", "south"]


def test_drift_has_the_largest_first(results: dict[str, Any]) -> None:
    (axes,) = reporting.plot_drift(results["drift"]).axes
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["age", "weight", "size"]
