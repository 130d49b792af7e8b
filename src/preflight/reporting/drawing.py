"""How figures look, and the two kinds of plot that they are made of: dots in rows, and curves."""

import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from preflight.problem.framing import Framing
from preflight.problem.money import format_money, symbol
from preflight.problem.shares import format_level
from preflight.reporting.formatting import MINUS, words

# After Okabe and Ito (2008), for colour-blind readers; the pale ones are darkened, so that each has
# a contrast of 3 to 1 on white and on black. Colour never says alone what a label does not.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#7A7A7A"
PALETTE = [BLUE, ORANGE, "#009E73", "#C0649A", "#A67C00", "#3D8FC4", GREY]
INK, SOFT, GRID, PAPER = "#1b1f23", "#57606a", "#d0d7de", "#ffffff"  # a page gives them its own

WIDTH = 4.5  # inches: two figures fit next to each other on a screen, one on a phone
ROW = 0.25  # inches of a row of dots
PLOT = 2.4  # inches that a curve is high
LONG_TICK = 8  # characters; few of longer ones fit next to each other
SIZE = 9.5  # points of text: 10 pixels on a phone
LOOK: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": GRID,
    "axes.grid": True,
    "axes.labelcolor": SOFT,
    "axes.labelsize": SIZE,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.constrained_layout.use": True,
    "font.size": SIZE,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": SOFT,
    "xtick.major.size": 0,
    "ytick.color": SOFT,
    "ytick.major.size": 0,
}


def new_figure(title: str, heights: Sequence[float], columns: int = 1) -> tuple[Any, Any]:
    """Return a figure with a title, and its axes: one row of them for each height, in inches."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(LOOK):
        lines = textwrap.wrap(title, 48)
        figure = Figure(figsize=(WIDTH, sum(heights) + 0.2 + 0.18 * len(lines)))
        figure.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=SIZE + 1, fontweight="bold")
        grid = {"height_ratios": [*heights]}
        axes = figure.subplots(len(heights), columns, squeeze=False, gridspec_kw=grid)
    return figure, axes


def draw_dots(
    axes: Any,
    labels: Sequence[str],
    mean: Iterable[float | None],
    low: Iterable[float | None] | None = None,
    high: Iterable[float | None] | None = None,
    *,
    colours: Sequence[str] | str = BLUE,
    texts: Sequence[str] | None = None,
    hollow: Sequence[bool] | None = None,
    starts: Iterable[float | None] | None = None,
    reference: float = 0,
) -> None:
    """Draw one dot in each row, from top to bottom, with its interval if there are any.

    texts: written at the right end of each row. hollow: the dot stands for few rows.
    starts: where a bar begins that ends at the dot. reference: the value that means nothing gained.
    """
    middle, rows = np.array([*mean], dtype=float), np.arange(len(labels))
    colour = np.full(len(rows), colours) if isinstance(colours, str) else np.array(colours)
    axes.axvline(reference, color=SOFT, linewidth=1)
    if starts is not None:
        begin = np.array([*starts], dtype=float)
        axes.barh(rows, middle - begin, 0.6, begin, color=colour, alpha=0.35)
    if low is not None and high is not None:
        left, right = (np.array([*bound], dtype=float) for bound in (low, high))
        axes.hlines(rows, left, right, colors=colour, linewidth=2)
    faces = colour if hollow is None else np.where(hollow, PAPER, colour)
    axes.scatter(middle, rows, s=28, c=faces, edgecolors=colour, linewidths=1.4, zorder=3)
    axes.set_yticks(rows, labels, color=INK)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    axes.locator_params(axis="x", nbins=4)
    for row, text in enumerate(texts or []):
        place = axes.get_yaxis_transform()
        axes.text(1.02, row, text, va="center", color=INK, fontsize=SIZE, transform=place)


def draw_features(axes: Any, table: pd.DataFrame, groups: Sequence[str], *columns: str) -> None:
    """Draw one dot for each feature, in the colour of its group, which stands at the right end.

    groups: all of them, so that a group has one colour. columns: of the mean, and of its bounds.
    """
    draw_dots(
        axes,
        [words(name) for name in table["feature"]],
        *(table[name] for name in columns),
        colours=[PALETTE[groups.index(group) % len(PALETTE)] for group in table["group"]],
        texts=[words(group) for group in table["group"]],
    )


def draw_curve(
    axes: Any,
    x: Iterable[float],
    mean: Iterable[float],
    low: Iterable[float] | None = None,
    high: Iterable[float] | None = None,
    *,
    joined: bool = False,
) -> None:
    """Draw points with upright intervals; joined: as a line with a band."""
    across, middle = (np.array([*values], dtype=float) for values in (x, mean))
    if low is not None and high is not None:
        bounds = np.array([[*low], [*high]], dtype=float)
        if joined:
            axes.fill_between(across, *bounds, color=BLUE, alpha=0.18, linewidth=0)
        else:
            axes.vlines(across, *bounds, colors=BLUE, linewidth=2)
    axes.plot(across, middle, "o-" if joined else "o", color=BLUE, markersize=3.5)
    axes.locator_params(nbins=5)


def head_plot(axes: Any, title: str) -> None:
    """Write a heading above one of several plots."""
    axes.set_title(title, loc="left", color=INK, fontsize=SIZE, fontweight="bold")


def name_axis(axis: Any, label: str, write: Callable[[float], str] | None = None) -> None:
    """Label an axis; write: how its ticks are written."""
    axis.set_label_text(label)
    if write is not None:
        axis.set_major_formatter(lambda value, _: write(value).replace("-", MINUS))


def name_dates(axis: Any) -> None:
    """Write the dates of an axis shortly: months, and the year once."""
    from matplotlib import dates

    locator: Any = dates.AutoDateLocator(minticks=3, maxticks=6)  # type: ignore[no-untyped-call]
    axis.set_major_locator(locator)
    axis.set_major_formatter(dates.ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]


def name_money_axis(axis: Any, framing: Framing, label: str | None = None) -> None:
    """Label an axis of savings or losses, per 1,000 decisions; label: another one."""
    unit, units = symbol(framing.costs.unit), framing.decision.units
    interval = (
        f", with {format_level(framing.confidence)} interval" if axis.axis_name == "x" else ""
    )
    name_axis(
        axis,
        f"{unit} per 1,000 {units}{interval}" if label is None else label,
        lambda value: format_money(value, framing.costs.unit),
    )
    ticks = [len(format_money(tick, framing.costs.unit)) for tick in axis.get_ticklocs()]
    if axis.axis_name == "x" and max(ticks, default=0) > LONG_TICK:
        axis.axes.locator_params(axis="x", nbins=2)
