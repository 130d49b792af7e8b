"""Figures of how predictions, labels and features are spread."""

from typing import Any

import numpy as np
import pandas as pd

from preflight.diagnosis.drift import LARGE, STABLE
from preflight.problem.framing import Framing
from preflight.reporting.drawing import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    PLOT,
    ROW,
    SIZE,
    SOFT,
    draw_curve,
    draw_features,
    head_plot,
    name_axis,
    new_figure,
)
from preflight.reporting.formatting import number, percent, short, words
from preflight.reporting.vocabulary import vocabulary

TOP = 15  # features shown
BINS = 40  # of a histogram
FINE = 200  # points of a curve at most


def plot_ranking(
    test_predictions: pd.DataFrame, selection: dict[str, Any], framing: Framing
) -> Any:
    """Return the ROC and precision-recall curves of candidate and best baseline on test.

    Dots: where each of them decides. Regression: actual values by predicted ones.
    """
    if framing.task == "regression":
        return _plot_actual(test_predictions, framing)
    from sklearn.metrics import precision_recall_curve, roc_curve

    label = test_predictions["label"].to_numpy()
    title = "ROC and precision-recall curves on test"
    figure, ((roc, recall),) = new_figure(title, [PLOT], columns=2)
    rival = selection["best_baseline"]
    for name, suffix, colour in ((words(rival), f"_{rival}", GREY), ("candidate", "", BLUE)):
        scores = test_predictions[f"{framing.predicted}{suffix}"].to_numpy()
        acted = test_predictions[f"{framing.decided}{suffix}"].to_numpy()
        false, true, _ = roc_curve(label, scores)
        precision, found, _ = precision_recall_curve(label, scores)
        hits = (acted & (label == 1)).sum()
        shares = hits / max((label == 1).sum(), 1), hits / max(acted.sum(), 1)
        roc.plot(*_thinned(false, true), color=colour, label=name)
        recall.plot(*_thinned(found, precision), color=colour)
        roc.plot(
            (acted & (label == 0)).sum() / max((label == 0).sum(), 1), shares[0], "o", c=colour
        )
        recall.plot(*shares, "o", color=colour)
    roc.set_xlim(-0.03, 1.03)
    roc.set_ylim(-0.03, 1.03)
    roc.axline((0, 0), slope=1, color=SOFT, linewidth=1, linestyle=":")
    recall.axhline(label.mean(), color=SOFT, linewidth=1, linestyle=":")
    recall.set_ylim(0, 1.03)
    for plot, across, up in (
        (roc, "false positive rate", "recall"),
        (recall, "recall", "precision"),
    ):
        plot.set_xticks([0, 0.5, 1])
        name_axis(plot.xaxis, across, percent)
        name_axis(plot.yaxis, up, percent)
    figure.legend(frameon=False, labelcolor=INK, loc="outside lower left", ncols=2)
    return figure


def _thinned(x: Any, y: Any) -> tuple[Any, Any]:
    """Return fewer points of a curve, its ends among them: a page holds each of them as text."""
    some = np.unique(np.linspace(0, len(x) - 1, FINE).astype(int))
    return x[some], y[some]


def _plot_actual(test_predictions: pd.DataFrame, framing: Framing) -> Any:
    """Return a figure of the labels by what is predicted: the median and the middle 80%."""
    predicted, label = test_predictions[framing.predicted], test_predictions["label"]
    bins = pd.qcut(predicted.rank(method="first"), min(20, len(label)), labels=False)
    low, middle, high = (label.groupby(bins).quantile(share) for share in (0.1, 0.5, 0.9))
    figure, ((axes,),) = new_figure("Actual by predicted, on test: median and middle 80%", [PLOT])
    centre = predicted.groupby(bins).mean()
    axes.axline((centre.iloc[0],) * 2, slope=1, color=SOFT, linewidth=1, linestyle=":")
    draw_curve(axes, centre, middle, low, high)
    name_axis(axes.xaxis, "predicted", short)
    name_axis(axes.yaxis, "actual", short)
    return figure


def plot_scores(test_predictions: pd.DataFrame, framing: Framing) -> Any:
    """Return a histogram of the candidate's predictions for each class; regression: of errors."""
    label = test_predictions["label"].to_numpy()
    predicted = test_predictions[framing.predicted].to_numpy()
    binary = framing.task == "binary"
    title = "Predicted probabilities by class, on test" if binary else "Errors on test"
    figure, ((axes,),) = new_figure(title, [PLOT])
    if binary:
        edges = np.linspace(0, 1, BINS + 1)
        for value, colour in ((0, GREY), (1, ORANGE)):
            some = predicted[label == value]
            weights = np.full(len(some), 1 / max(len(some), 1))
            axes.hist(
                some, edges, weights=weights, color=colour, alpha=0.55,
                label=f"label {value}: {len(some):,}",
            )  # fmt: skip
        figure.legend(frameon=False, labelcolor=INK, loc="outside lower left", ncols=2)
        name_axis(axes.xaxis, "predicted probability", percent)
        name_axis(axes.yaxis, "share of the class", percent)
        return figure
    errors = predicted - label
    middle = np.clip(errors, *np.quantile(errors, [0.005, 0.995]))
    axes.hist(middle, BINS, color=BLUE, alpha=0.55, weights=np.full(len(errors), 1 / len(errors)))
    axes.axvline(0, color=SOFT, linewidth=1)
    name_axis(axes.xaxis, "predicted less actual; the ends hold the rest", short)
    name_axis(axes.yaxis, "share of the test set", percent)
    return figure


def plot_partial_dependence(partial_dependence: pd.DataFrame, framing: Framing) -> Any:
    """Return a small plot for each feature: the mean prediction by its value."""
    features = [*dict.fromkeys(partial_dependence["feature"])]
    title = "Partial dependence: mean prediction by the value of a feature"
    figure, axes = new_figure(title, [1.5] * max(1, -(-len(features) // 2)), columns=2)
    binary = framing.task == "binary"
    for place, (plot, feature) in enumerate(zip(axes.flat, features, strict=False)):
        part = partial_dependence[partial_dependence["feature"] == feature]
        if part["number"].notna().all():
            draw_curve(plot, part["number"], part["predicted"], joined=True)
            plot.locator_params(axis="x", nbins=3)
            name_axis(plot.xaxis, "", short)
        else:
            rows = np.arange(len(part))
            plot.bar(rows, part["predicted"], color=BLUE, alpha=0.55)
            rotated = {"rotation": 90} if max(map(len, part["value"])) > 3 else {}
            plot.set_xticks(rows, part["value"], fontsize=SIZE - 1.5, **rotated)
        plot.sharey(axes[0, 0])
        head_plot(plot, words(feature))
        name_axis(plot.yaxis, "" if place % 2 else "mean prediction", percent if binary else short)
    for plot in axes.flat[len(features) :]:
        plot.remove()
    return figure


def plot_drift(drift: pd.DataFrame) -> Any:
    """Return a figure of the features that differ most between train and test."""
    top, groups = drift.head(TOP), [*dict.fromkeys(drift["group"])]
    figure, ((axes,),) = new_figure(
        f"Drift from train to test: the top {len(top)} of {len(drift)} features",
        [len(top) * ROW + 0.3],
    )
    draw_features(axes, top, groups, "index")
    for limit in (STABLE, LARGE):
        axes.axvline(limit, color=SOFT, linewidth=1, linestyle=":")
    name_axis(axes.xaxis, "population stability index", lambda value: number(value, 2))
    return figure


def describe_scale(framing: Framing) -> str:
    """Return what the lines and dots of `plot_ranking` stand for."""
    if framing.task == "regression":
        return "On the dotted line, half of the labels are below the prediction."
    return (
        "Dots show where each model decides. Dotted lines show what chance gives: "
        f"{vocabulary(framing).score} 0.5, and a precision of the share of label 1."
    )
