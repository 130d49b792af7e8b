"""Figures of monitoring: harm by week, money, predictions and inputs."""

from typing import Any

import numpy as np
import pandas as pd

from preflight.monitoring.contracts import AlarmName, Monitoring
from preflight.monitoring.inputs import WARN
from preflight.monitoring.weeks import DAY
from preflight.problem.framing import Framing
from preflight.problem.money import symbol
from preflight.reporting.drawing import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    PLOT,
    ROW,
    SIZE,
    SOFT,
    head_plot,
    name_axis,
    name_dates,
    name_money_axis,
    new_figure,
)
from preflight.reporting.formatting import percent, short, words

TOP = 20  # features in the heat map
LEAST, MOST = 0.05, 1e6  # of the evidence that is drawn


def plot_harm(
    weekly_results: pd.DataFrame,
    weekly_evidence: pd.DataFrame,
    framing: Framing,
    monitoring: Monitoring,
) -> Any:
    """Return a figure of the money that the newest refit would have saved in addition, by week.

    Below it: the evidence of harm of the champion in use, its limit, and promotions.
    """
    lost = -weekly_results["gain"]
    title = "Lost against the challenger, by week"
    title += "" if lost.notna().any() else ": no challenger yet"
    figure, ((above,), (below,)) = new_figure(title, [PLOT, 1.2])
    weeks = pd.to_datetime(weekly_results["week"])
    colours = np.where(lost > 0, ORANGE, BLUE)
    above.bar(weeks + 3 * DAY, lost, 6, color=colours, alpha=0.7)
    above.axhline(0, color=SOFT, linewidth=1)
    promoted = weekly_results["model"].ne(weekly_results["model"].shift())
    for week in weeks[promoted & (weekly_results.index > 0)]:
        for plot in (above, below):
            plot.axvline(week, color=GREY, linewidth=1, linestyle="--")
    if (promoted & (weekly_results.index > 0)).any():
        head_plot(above, "dashed: another model was promoted")
    name_money_axis(above.yaxis, framing, f"{symbol(framing.costs.unit)} a week")
    _draw_evidence(below, weekly_evidence, "challenger", monitoring)
    _name_weeks(weeks, above, below)
    return figure


def plot_discrimination(
    weekly_evidence: pd.DataFrame, framing: Framing, monitoring: Monitoring
) -> Any:
    """Return a figure of how well predictions rank in each week, and the evidence of harm."""
    quality = "ROC AUC" if framing.task == "binary" else "Rank correlation"
    rows = weekly_evidence[weekly_evidence["alarm"] == "discrimination"]
    title = f"{quality} by week" + ("" if rows["value"].notna().any() else ": no labels yet")
    figure, ((above,), (below,)) = new_figure(title, [PLOT, 1.2])
    weeks = pd.to_datetime(rows["week"])
    for part, colour, label in (("test", GREY, "test set"), ("log", BLUE, "in production")):
        some = (rows["part"] == part) & rows["value"].notna()
        counts = some & (rows["left_out"] == "")
        above.plot(weeks[some], rows["value"][some], color=colour, linewidth=1)
        above.plot(weeks[counts], rows["value"][counts], "o", color=colour, label=label)
    if (lines := rows["line"].dropna()).size:
        above.axhline(lines.iloc[-1], color=ORANGE, linewidth=1.2)
        place = above.get_yaxis_transform()
        above.text(
            1.01, lines.iloc[-1], "below\nis harm", color=SOFT, va="center", fontsize=SIZE,
            transform=place,
        )  # fmt: skip
    figure.legend(frameon=False, labelcolor=INK, loc="outside lower left", ncols=2)
    name_axis(above.yaxis, quality, short)
    _draw_evidence(below, weekly_evidence, "discrimination", monitoring)
    _name_weeks(weeks, above, below)
    return figure


def _draw_evidence(
    axes: Any, weekly_evidence: pd.DataFrame, name: AlarmName, monitoring: Monitoring
) -> None:
    """Draw the evidence of an alarm by week, on a log scale, with its limit."""
    rows = weekly_evidence[(weekly_evidence["alarm"] == name) & weekly_evidence["evidence"].notna()]
    limit = 1 / monitoring.alarms.alpha
    evidence = rows["evidence"].clip(LEAST, MOST)
    axes.set_yscale("log")
    axes.set_ylim(LEAST / 2, max([5 * limit, *2 * evidence]))
    axes.axhline(limit, color=ORANGE, linewidth=1.2)
    place = axes.get_yaxis_transform()
    axes.text(
        0.01, 1.15 * limit, f"alarm at {limit:g}", color=SOFT, va="bottom", fontsize=SIZE,
        transform=place,
    )  # fmt: skip
    weeks = pd.to_datetime(rows["week"]) + 7 * DAY  # known when it is over
    axes.plot(weeks, evidence, "o-", color=BLUE, markersize=3.5)
    name_axis(axes.yaxis, "evidence of harm", short)


def _name_weeks(weeks: Any, *plots: Any) -> None:
    """Give plots above each other the same weeks, named under the last one; none: no ticks."""
    for plot in plots:
        if len(weeks):
            plot.set_xlim(weeks.min() - 2 * DAY, weeks.max() + 9 * DAY)
            name_dates(plot.xaxis)
        else:
            plot.set_xticks([])
    for plot in plots[:-1]:
        plot.tick_params(axis="x", labelbottom=False)
        plot.xaxis.get_offset_text().set_visible(False)


def plot_cumulative_gain(weekly_results: pd.DataFrame, framing: Framing) -> Any:
    """Return a figure of money so far, over the refitted baseline: of the champion, and a refit."""
    gain = weekly_results["baseline_gain"]
    title = "Gain over the refitted baseline so far"
    title += "" if gain.notna().any() else ": no refitted baseline yet"
    figure, ((axes,),) = new_figure(title, [PLOT])
    weeks = pd.to_datetime(weekly_results["week"])
    lines = {"as decided": (gain, BLUE, "o-")}
    if weekly_results["gain"].notna().any():
        lines["by the newest refit"] = (gain - weekly_results["gain"].fillna(0), ORANGE, "--")
    for label, (values, colour, style) in lines.items():
        total = values.fillna(0).cumsum()
        axes.plot(weeks + 7 * DAY, total, style, color=colour, markersize=3, label=label)
    axes.axhline(0, color=SOFT, linewidth=1)
    figure.legend(frameon=False, labelcolor=INK, loc="outside lower left", ncols=2)
    _name_weeks(weeks, axes)
    name_money_axis(axes.yaxis, framing, f"{symbol(framing.costs.unit)} so far")
    return figure


def plot_weekly_saving(weekly_results: pd.DataFrame, framing: Framing) -> Any:
    """Return a figure of the saving of each week, and of the saving that probabilities expect."""
    rows = weekly_results
    title = "Saving by week" + ("" if rows["saved"].notna().any() else ": no labels yet")
    figure, ((axes,),) = new_figure(title, [PLOT])
    weeks = pd.to_datetime(rows["week"])
    noon = weeks + 3 * DAY
    saved = 1000 * rows["saved"] / rows["labelled"].where(rows["labelled"] > 0)
    axes.plot(noon, saved, "o-", color=BLUE, markersize=3.5, label="from labels")
    if rows["estimated"].notna().any():
        estimate = 1000 * rows["estimated"] / rows["decisions"]
        label = "estimate from probabilities"
        axes.plot(noon, estimate, ":", color=ORANGE, linewidth=1.5, label=label)
    axes.axhline(0, color=SOFT, linewidth=1)
    figure.legend(frameon=False, labelcolor=INK, loc="outside lower left", ncols=2)
    _name_weeks(weeks, axes)
    name_money_axis(axes.yaxis, framing)
    return figure


def plot_predictions(weekly_results: pd.DataFrame, framing: Framing) -> Any:
    """Return a figure of the predictions of each week next to the labels: level and spread."""
    rows, write = weekly_results, percent if framing.task == "binary" else short
    figure, ((axes,),) = new_figure("Predictions and labels by week", [PLOT])
    weeks = pd.to_datetime(rows["week"])
    noon = weeks + 3 * DAY
    axes.fill_between(
        noon, rows["low"], rows["high"], color=BLUE, alpha=0.18, linewidth=0,
        label="8 in 10",
    )  # fmt: skip
    axes.plot(noon, rows["predicted"], "-", color=BLUE, label="mean prediction")
    axes.plot(noon, rows["label"], "o", color=ORANGE, markersize=3.5, label="mean label")
    figure.legend(frameon=False, labelcolor=INK, loc="outside lower left", ncols=3, columnspacing=1)
    _name_weeks(weeks, axes)
    binary = framing.task == "binary"
    name_axis(axes.yaxis, "probability, share of label 1" if binary else "quantity", write)
    return figure


def plot_inputs(
    weekly_inputs: pd.DataFrame, input_checks: list[dict[str, Any]], framing: Framing
) -> Any:
    """Return a figure of how unusual each input was in each week; crosses: blocked days.

    Features: those that were most unusual in any week.
    """
    known = weekly_inputs[weekly_inputs["score"].notna()]
    scores = known.pivot_table("score", "feature", "week")
    top: list[str] = [*scores.max(axis=1).sort_values(ascending=False, kind="stable").index[:TOP]]
    title = "Inputs that differ from the 8 weeks before"
    title += "" if top else ": under 17 weeks so far"
    figure, ((axes,),) = new_figure(title, [max(6, len(top)) * ROW + 0.5])
    axes.grid(visible=False)
    if not top:
        axes.plot([], [])
        name_axis(axes.xaxis, "week")
        return figure
    weeks = pd.to_datetime(scores.columns)
    edges = weeks.append(weeks[-1:] + 7 * DAY)
    cells = scores.loc[top].to_numpy()
    image = axes.pcolormesh(
        edges, np.arange(len(top) + 1), cells, cmap="YlOrRd", vmin=0, vmax=2 * WARN
    )
    axes.set_yticks(np.arange(len(top)) + 0.5, [words(name) for name in top], color=INK)
    days = [pd.Timestamp(check["moment"]) for check in input_checks if check["blocked"]]
    blocked = framing.split.day(pd.Series(days, dtype="datetime64[us, UTC]")).unique()
    here = [day for day in blocked if edges[0] <= day <= edges[-1]]
    axes.plot(here, np.full(len(here), -0.5), "x", color=ORANGE, clip_on=False)
    axes.set_ylim(len(top), -1)
    if here:
        head_plot(axes, "crosses: blocked days")
    bar = figure.colorbar(image, ax=axes, location="bottom", fraction=0.04, pad=0.02, shrink=0.6)
    bar.set_label("standard deviations", color=SOFT)
    bar.outline.set_visible(False)
    _name_weeks(weeks.append(weeks[-1:] - 7 * 7 * DAY), axes)  # a single week stays narrow
    return figure


def plot_policies(production_replay: dict[str, Any] | None, framing: Framing) -> Any:
    """Return a figure of the money of each policy over never refitting, with its promotions."""
    title = "Saved over never refitting so far"
    title += "" if production_replay else ": no replay yet"
    figure, ((axes,),) = new_figure(title, [PLOT])
    axes.axhline(0, color=SOFT, linewidth=1)
    given = production_replay or {"weeks": [], "policies": {}}
    weeks = pd.DatetimeIndex(pd.to_datetime(given["weeks"]))
    never = np.array(given["policies"].get("never", {"weekly": []})["weekly"])
    for (name, policy), colour in zip(
        given["policies"].items(), (GREY, BLUE, ORANGE), strict=False
    ):
        total = np.cumsum(np.array(policy["weekly"]) - never)
        axes.plot(weeks + 7 * DAY, total, color=colour, label=name)
        moments = pd.Series(pd.to_datetime([p["at"] for p in policy["promotions"]], utc=True))
        place = weeks.searchsorted(framing.split.day(moments), side="right") - 1
        axes.plot(weeks[place], np.append(0, total)[place], "o", color=colour, markersize=5)
    if production_replay:
        figure.legend(frameon=False, labelcolor=INK, loc="outside lower left", ncols=3)
        head_plot(axes, "dots: promotions")
    _name_weeks(weeks, axes)
    name_money_axis(axes.yaxis, framing, f"{symbol(framing.costs.unit)} so far")
    return figure
