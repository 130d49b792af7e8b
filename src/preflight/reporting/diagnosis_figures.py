"""One figure of each result of diagnosis."""

from typing import Any

import numpy as np
import pandas as pd

from preflight.evaluation.comparison import FEWEST_ROWS
from preflight.problem.framing import Framing
from preflight.reporting.drawing import (
    BLUE,
    GREY,
    ORANGE,
    PLOT,
    ROW,
    draw_curve,
    draw_dots,
    head_plot,
    name_axis,
    name_money_axis,
    new_figure,
)
from preflight.reporting.formatting import money, percent, short, words


def plot_ablation(ablation: pd.DataFrame, framing: Framing) -> Any:
    """Return a figure of the steps from the best baseline to the candidate, on each part.

    A bar leads from the saving before a step to the saving after it, with the interval of the
    difference: blue if it gains significantly, orange if it loses significantly, else grey.
    """
    parts = list(ablation.groupby("part", sort=False))
    heights = [len(part) * ROW + 0.35 for _, part in parts]
    figure, axes = new_figure("Ablation: saving with one feature group after another", heights)
    for plot, (name, part) in zip(axes[:, 0], parts, strict=True):
        before = (part["value_per_1000"] - part["gain"]).fillna(0)
        gains = np.where(part["gain_low"] > 0, BLUE, np.where(part["gain_high"] < 0, ORANGE, GREY))
        draw_dots(
            plot,
            [words(step) for step in part["step"]],
            part["value_per_1000"],
            before + part["gain_low"],
            before + part["gain_high"],
            colours=gains.tolist(),
            texts=[money(value, framing.costs.unit) for value in part["value_per_1000"]],
            starts=before,
        )
        head_plot(plot, f"on {name}")
        name_money_axis(plot.xaxis, framing, "")
    name_money_axis(axes[-1, 0].xaxis, framing)
    return figure


def plot_learning_curve(learning_curve: pd.DataFrame, framing: Framing) -> Any:
    """Return a figure of the saving on validation by the number of examples."""
    title = "Learning curve: saving on validation by number of examples"
    figure, ((axes,),) = new_figure(title, [PLOT])
    columns = ["rows", "value_per_1000", "low", "high"]
    draw_curve(axes, *(learning_curve[name] for name in columns), joined=True)
    axes.set_xlim(left=0)
    name_axis(axes.xaxis, f"{framing.decision.units} in training, the latest ones", short)
    name_money_axis(axes.yaxis, framing)
    return figure


def plot_segments(segments: pd.DataFrame, framing: Framing) -> Any:
    """Return a figure of the regret in each segment: what decisions with hindsight would save."""
    title = "Regret by segment, and the segment's share of all regret"
    figure, ((axes,),) = new_figure(title, [len(segments) * ROW + 0.3])
    segments = segments.sort_values("regret_share", ascending=False, kind="stable")
    draw_dots(
        axes,
        [f"segment {number}" for number in segments["number"]],
        *(segments[name] for name in ("regret_per_1000", "low", "high")),
        texts=[percent(share) for share in segments["regret_share"]],
        hollow=[rows < FEWEST_ROWS for rows in segments["rows"]],
    )
    name_money_axis(axes.xaxis, framing)
    return figure


def plot_robustness(robustness: pd.DataFrame, framing: Framing) -> Any:
    """Return a figure of what is lost with each fault of the inputs, the largest loss first."""
    faults = robustness.sort_values("loss", ascending=False, na_position="first", kind="stable")
    figure, ((axes,),) = new_figure("Loss when inputs fail", [len(faults) * ROW + 0.3])
    unit = framing.costs.unit
    draw_dots(
        axes,
        [words(fault) for fault in faults["fault"]],
        *(faults[name] for name in ("loss", "loss_low", "loss_high")),
        texts=["no answer" if np.isnan(loss) else money(loss, unit) for loss in faults["loss"]],
    )
    name_money_axis(axes.xaxis, framing)
    return figure


def plot_backtest(backtest: pd.DataFrame, framing: Framing) -> Any:
    """Return a figure of the gain over the best baseline after each cut-off, from early to late."""
    title = "Backtest: gain over the best baseline"
    title += "" if len(backtest) else ": none was made"
    figure, ((axes,),) = new_figure(title, [max(1, len(backtest)) * ROW + 0.3])
    draw_dots(
        axes,
        [f"from {day:%Y-%m-%d}" for day in framing.split.day(backtest["cutoff"])],
        *(backtest[name] for name in ("gain", "gain_low", "gain_high")),
        texts=[money(gain, framing.costs.unit) for gain in backtest["gain"]],
    )
    name_money_axis(axes.xaxis, framing)
    return figure
