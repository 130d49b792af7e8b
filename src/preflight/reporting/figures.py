"""One figure of each result: for Kedro-Viz, for the report and for notebooks."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from kedro.pipeline import Node

from preflight.evaluation.comparison import FEWEST_ROWS
from preflight.problem.framing import Framing
from preflight.problem.shares import format_level
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
    draw_dots,
    draw_features,
    head_plot,
    name_axis,
    name_dates,
    name_money_axis,
    new_figure,
)
from preflight.reporting.formatting import money, number, percent, places, short, words
from preflight.reporting.vocabulary import vocabulary

TOP = 20  # features shown


def figure(plot: Callable[..., Any], *inputs: str) -> Node:
    """Return the node of a figure: what `plot_value` draws is the dataset `value_figure`."""
    name = plot.__name__
    return Node(plot, [*inputs], f"{name.removeprefix('plot_')}_figure", name=name)


def section(describe: Callable[..., Any], *inputs: str) -> Node:
    """Return the node of a section: what `describe_routes` returns is the dataset `routes_section`.

    describe: returns the section's text below its heading, as HTML.
    """
    name = describe.__name__
    return Node(describe, [*inputs], f"{name.removeprefix('describe_')}_section", name=name)


def plot_value(metrics: dict[str, Any], selection: dict[str, Any], framing: Framing) -> Any:
    """Return a figure of what each model saves per 1,000 decisions, with intervals."""
    title = f"Saving of each model, compared with {vocabulary(framing).without}"
    figure, ((axes,),) = new_figure(title, [len(metrics) * ROW + 0.3])
    rows = _ranked(metrics, "value_per_1000")
    texts = [money(row["mean"], framing.costs.unit) for row in rows.values()]
    _draw_models(axes, rows, selection, texts)
    name_money_axis(axes.xaxis, framing)
    return figure


def plot_score(metrics: dict[str, Any], selection: dict[str, Any], framing: Framing) -> Any:
    """Return a figure of how well each model predicts, with intervals."""
    task = vocabulary(framing)
    figure, ((axes,),) = new_figure("How well each model predicts", [len(metrics) * ROW + 0.3])
    rows = _ranked(metrics, framing.metrics[0], up=framing.task == "regression")
    decimals = places(row["mean"] for row in rows.values())
    texts = [number(row["mean"], decimals) for row in rows.values()]
    _draw_models(axes, rows, selection, texts, task.chance)
    name_axis(axes.xaxis, f"{task.score}, with {format_level(framing.confidence)} interval")
    return figure


def _ranked(metrics: dict[str, Any], name: str, up: bool = False) -> dict[str, dict[str, Any]]:
    """Return a metric of each model, the best model first, those without a value last."""
    rows = {model: figures[name] for model, figures in metrics.items()}
    sign = 1 if up else -1

    def rank(model: str) -> tuple[bool, float]:
        mean = rows[model]["mean"]
        return mean is None, sign * (mean or 0)

    return {model: rows[model] for model in sorted(rows, key=rank)}


def _draw_models(
    axes: Any,
    rows: Mapping[str, dict[str, Any]],
    selection: dict[str, Any],
    texts: list[str],
    reference: float = 0,
) -> None:
    best = selection["best_baseline"]
    draw_dots(
        axes,
        [words(model) + " (best on validation)" * (model == best) for model in rows],
        *_bounds(rows.values()),
        colours=[BLUE if model == "candidate" else GREY for model in rows],
        texts=texts,
        reference=reference,
    )


def _bounds(rows: Any) -> tuple[list[Any], ...]:
    rows = list(rows)
    return tuple([row[bound] for row in rows] for bound in ("mean", "low", "high"))


def plot_gain_by_period(
    gain_by_period: pd.DataFrame, verdict: dict[str, Any], framing: Framing
) -> Any:
    """Return a figure of the gain over the best baseline: a bar a week, a line a month.

    Weeks and months at the ends of a part are left out if less than half of them is in it.
    """
    baseline = verdict["value"]["over_baseline"]["baseline"]
    gains = gain_by_period[gain_by_period["baseline"] == baseline]
    usual = gains.groupby("period")["decisions"].transform("median")
    gains = gains[gains["decisions"] >= usual / 2]
    starts = pd.to_datetime(gains["start"])
    figure, ((axes,),) = new_figure(
        f"Gain over {words(baseline)}, by week (bars) and by month (lines)", [PLOT]
    )
    for part, colour in (("validation", GREY), ("test", BLUE)):
        in_part = gains["part"].eq(part)
        weeks, months = (
            gains[in_part & gains["period"].eq(period)] for period in ("week", "month")
        )
        noon = starts[weeks.index] + pd.Timedelta(days=3)
        axes.bar(noon, weeks["gain_per_1000"], 6, color=colour, alpha=0.45, label=part)
        first = starts[months.index]
        axes.hlines(months["gain_per_1000"], first, first + pd.offsets.MonthEnd(), colors=colour)
        for start, gain in zip(first, months["gain_per_1000"], strict=True):
            middle = start + pd.Timedelta(days=14)
            above = (0, 3 if gain >= 0 else -12)
            axes.annotate(
                money(gain, framing.costs.unit), (middle, gain), above, textcoords="offset points",
                ha="center", color=INK, fontsize=SIZE, fontweight="bold",
            )  # fmt: skip
    axes.axhline(0, color=SOFT, linewidth=1)
    name_dates(axes.xaxis)
    name_money_axis(axes.yaxis, framing)
    axes.legend(frameon=False, labelcolor=INK, ncols=2, loc="upper left", bbox_to_anchor=(0, -0.12))
    return figure


def plot_calibration(calibration_curve: pd.DataFrame, framing: Framing) -> Any:
    """Return a figure of observed shares by what is predicted, with intervals."""
    task, curve = vocabulary(framing), calibration_curve
    figure, ((axes,),) = new_figure(
        f"Calibration, with {format_level(framing.confidence)} intervals", [PLOT + 0.6]
    )
    if framing.task == "binary":
        axes.axline((0, 0), slope=1, color=SOFT, linewidth=1, linestyle=":")
    else:
        axes.axhline(curve["expected"].mean(), color=SOFT, linewidth=1, linestyle=":")
    draw_curve(axes, curve["predicted"], curve["observed"], curve["low"], curve["high"])
    name_axis(axes.xaxis, task.predicted, percent if framing.task == "binary" else short)
    name_axis(axes.yaxis, task.observed, percent)
    return figure


def plot_threshold_curve(threshold_curve: pd.DataFrame, framing: Framing) -> Any:
    """Return a figure of what the decisions save at each setting, with intervals."""
    task = vocabulary(framing)
    binary = framing.task == "binary"
    figure, ((axes,),) = new_figure(
        "Saving by decision threshold" if binary else "Saving by what is added to each prediction",
        [PLOT],
    )
    columns = ["setting", "value_per_1000", "low", "high"]
    draw_curve(axes, *(threshold_curve[name] for name in columns), joined=True)
    axes.axhline(0, color=SOFT, linewidth=1)
    for setting in threshold_curve.loc[threshold_curve["by_costs"], "setting"]:
        axes.axvline(setting, color=ORANGE, linewidth=1.2)
        place = axes.get_xaxis_transform()
        axes.text(setting, 0.03, "  from the costs", color=SOFT, fontsize=SIZE, transform=place)
    name_axis(axes.xaxis, task.setting, percent if binary else short)
    name_money_axis(axes.yaxis, framing)
    return figure


def plot_slices(slices: pd.DataFrame, selection: dict[str, Any], framing: Framing) -> Any:
    """Return a figure of the gain over the best baseline, a plot for each slicing column."""
    parts = [(str(by), _in_order(part)) for by, part in slices.groupby("by", sort=False)]
    parts = parts or [("framing.slices names none", slices)]
    heights = [max(1, len(part)) * ROW + 0.35 for _, part in parts]
    title = f"Gain over {words(selection['best_baseline'])} in each slice, and the slice's size"
    figure, axes = new_figure(title, heights)
    for plot, (by, part) in zip(axes[:, 0], parts, strict=True):
        plot.sharex(axes[0, 0])
        draw_dots(
            plot,
            [str(name) for name in part["slice"]],
            *(part[name] for name in ("gain_per_1000", "gain_low", "gain_high")),
            texts=[f"{rows:,}" for rows in part["rows"]],
            hollow=[rows < FEWEST_ROWS for rows in part["rows"]],
        )
        head_plot(plot, words(by))
        name_money_axis(plot.xaxis, framing, "")
    name_money_axis(axes[-1, 0].xaxis, framing)
    return figure


def _in_order(part: pd.DataFrame) -> pd.DataFrame:
    """Return slices that are numbers or months in their order, others by their gain."""
    names = part["slice"].astype(str)
    numbers = pd.to_numeric(names, errors="coerce")
    if numbers.notna().all():
        return part.iloc[np.argsort(numbers.to_numpy(), kind="stable")]
    if names.str.match(r"\d{4}-\d\d").all():
        return part.sort_values("slice")
    return part.sort_values("gain_per_1000", ascending=False, kind="stable")


def plot_importance(importance: pd.DataFrame, framing: Framing) -> Any:
    """Return a figure of the most important features, with the range of the shuffles."""
    groups = list(dict.fromkeys(importance["group"]))
    top = importance.sort_values("rise", ascending=False, kind="stable").head(TOP)
    title = f"Permutation importance: the top {len(top)} of {len(importance)} features"
    figure, ((axes,),) = new_figure(title, [len(top) * ROW + 0.3])
    draw_features(axes, top, groups, "rise", "low", "high")
    name_axis(axes.xaxis, f"rise of the {vocabulary(framing).loss}, with its range", short)
    return figure


def plot_search(trials: pd.DataFrame, best_params: dict[str, Any], framing: Framing) -> Any:
    """Return a figure of the trials: in their order, and by each number that was searched.

    The parameters are those of the candidate that is taken; the line is the saving with the
    declared parameters.
    """
    done = trials[trials["value"].notna()]
    mine = done[done["candidate"] == best_params["candidate"]]
    params = pd.DataFrame([json.loads(text) for text in mine["params"]], index=mine.index)
    numbers = params.select_dtypes("number")
    plots = [("trial", done["trial"]), *((str(name), numbers[name]) for name in numbers)]
    title = "Search: saving of each trial on validation" + ("" if len(done) else ": none was made")
    figure, axes = new_figure(title, [1.5] * -(-len(plots) // 2), columns=2)
    for plot, (name, values) in zip(axes.flat, plots, strict=False):
        x = values.dropna()
        plot.sharey(axes[0, 0])
        draw_curve(plot, x, done.loc[x.index, "value"])
        if best_params["declared_value"] is not None:
            plot.axhline(best_params["declared_value"], color=SOFT, linewidth=1, linestyle=":")
        plot.locator_params(axis="x", nbins=3)
        name_axis(plot.xaxis, words(name), short)
        name_money_axis(plot.yaxis, framing, "")
    for plot in axes.flat[len(plots) :]:
        plot.remove()
    name_money_axis(axes[0, 0].yaxis, framing)
    return figure


def plot_parameter_importance(parameter_importance: pd.DataFrame) -> Any:
    """Return a figure of the share of the trials' variance that each parameter explains."""
    rows = parameter_importance
    title = "Importance of the parameters" + ("" if len(rows) else ": too few trials")
    figure, ((axes,),) = new_figure(title, [max(1, len(rows)) * ROW + 0.3])
    texts = [percent(share) for share in rows["share"]]
    names = [words(name) for name in rows["parameter"]]
    draw_dots(axes, names, rows["share"], texts=texts)
    axes.set_xlim(-0.02, 1)
    name_axis(axes.xaxis, "share of the variance of the trials' values", percent)
    return figure
