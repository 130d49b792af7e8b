"""Dots with intervals on an axis: what the figures and the report both draw."""

import json
import math
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from preflight.evaluation.conditions import FEWEST_ROWS
from preflight.problem.framing import Framing
from preflight.problem.money import symbol
from preflight.reporting import tasks
from preflight.reporting.formatting import (
    money,
    money_span,
    number,
    percent,
    places,
    span,
    words,
)
from preflight.reporting.style import BLUE, GREY, PALETTE
from preflight.reporting.traced import traced

TOP = 20  # features shown


class Row(NamedTuple):
    """One dot with its interval, in the panel's unit; None where it is not defined.

    start: where a bar begins that ends at the mean. text: what is written beside it, if it is not
    the figure itself.
    """

    label: str
    mean: float | None
    low: float | None
    high: float | None
    colour: str = BLUE
    note: str = ""
    hollow: bool = False
    start: float | None = None
    text: str | None = None


class Scale(NamedTuple):
    """An axis from low to high, with round ticks of so many decimals.

    shares: in percent. currency: of amounts of money.
    """

    low: float
    high: float
    ticks: list[float]
    places: int
    shares: bool = False
    currency: str | None = None

    def text(self, value: float) -> str:
        """Return a tick's label."""
        if self.currency is not None:
            return money(value, self.currency, max(2, self.places))
        return (
            percent(value, max(0, self.places - 2)) if self.shares else number(value, self.places)
        )

    def percent(self, value: float, from_end: bool = False) -> str:
        """Return where a value lies on the axis, as SVG writes it."""
        share = (value - self.low) / (self.high - self.low)
        return f"{100 * (1 - share if from_end else share):.2f}%"

    def width(self, start: float, end: float) -> str:
        """Return how wide the way between two values is, as SVG writes it."""
        return f"{100 * abs(end - start) / (self.high - self.low):.2f}%"


class Panel(NamedTuple):
    """Rows from top to bottom, on one axis.

    axis: what is measured, with its unit. reference: the value that means nothing gained.
    places: decimals of the rows' numbers.
    """

    title: str
    axis: str
    reference: float
    rows: list[Row]
    places: int
    scale: Scale


class Point(NamedTuple):
    """A dot with its upright interval."""

    x: float
    mean: float
    low: float | None
    high: float | None


class Line(NamedTuple):
    """A line that points are seen against, labelled at its end."""

    x0: float
    y0: float
    x1: float
    y1: float
    label: str


class Curve(NamedTuple):
    """Points along two axes; joined: they are one curve."""

    across: str
    up: str
    points: list[Point]
    lines: list[Line]
    x: Scale
    y: Scale
    joined: bool = False


def scale(values: Iterable[float | None], ticks: int = 4) -> Scale:
    """Return an axis that holds all the values, with about so many ticks."""
    known = [value for value in values if value is not None]
    low = min(known)
    high = max(known) if max(known) > low else low + 1
    power = 10.0 ** math.floor(math.log10((high - low) / ticks))
    step = next(power * m for m in (1, 2, 5, 10) if power * m * ticks >= (high - low) * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    places = max(0, -math.floor(math.log10(step) + 1e-9))
    return Scale(low, high, [step * k for k in range(first, last + 1)], places)


def beside(row: Row, panel: Panel) -> str:
    """Return the text beside a row: its own, or the figure with its interval."""
    if row.text is not None:
        return row.text
    unit = panel.scale.currency
    return span(row._asdict(), panel.places) if unit is None else money_span(row._asdict(), unit)


def written(panel: Panel) -> list[str]:
    """Return what is written beside the rows of a panel."""
    return [beside(row, panel) for row in panel.rows]


def known(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows; what is missing is None. Pandas' own `to_dict` forgets who is traced."""
    there = table.astype(object).where(table.notna(), None)
    columns = list(map(str, there))
    return [dict(zip(columns, row, strict=True)) for row in there.itertuples(index=False)]


def days(table: pd.DataFrame, column: str, source: str, framing: Framing) -> pd.Series:
    """Return the local days of a column of moments."""
    how = f".tz_convert({framing.split.timezone!r}).strftime('%Y-%m-%d')"
    local = framing.split.day(table[column]).dt.strftime("%Y-%m-%d")
    told = [traced(day, source, f".at[{row}, {column!r}]{how}") for row, day in enumerate(local)]
    return pd.Series(told, table.index, dtype=object)


def _money(framing: Framing) -> str:
    """Return what an axis of savings or losses measures."""
    return f"{symbol(framing.costs.unit)} per 1,000 {framing.decision.units}"


def _money_scale(framing: Framing, values: Iterable[float | None], ticks: int = 4) -> Scale:
    return scale(values, ticks)._replace(currency=framing.costs.unit)


def _money_panel(framing: Framing, rows: list[Row], ticks: int = 4) -> Panel:
    panel = _panel("", _money(framing), 0, rows)
    return panel._replace(scale=_money_scale(framing, _ends(0, rows), ticks))


def _ends(reference: float, rows: list[Row]) -> list[float | None]:
    return [reference, *(end for row in rows for end in (row.mean, row.low, row.high, row.start))]


def _panel(title: str, axis: str, reference: float, rows: list[Row]) -> Panel:
    decimals = places(row.mean for row in rows)
    return Panel(title, axis, reference, rows, decimals, scale(_ends(reference, rows)))


def _models(metrics: dict[str, Any], figure: str, best: str) -> list[Row]:
    """Return one row per model, the best first, those without the figure last."""
    rows = [
        Row(
            words(name),
            **figures[figure],
            colour=BLUE if name == "candidate" else GREY,
            note="best baseline" if name == best else "",
        )
        for name, figures in metrics.items()
    ]
    return sorted(rows, key=_downward)


def _downward(row: Row) -> tuple[bool, float]:
    return row.mean is None, -(row.mean or 0)


def value_panel(metrics: dict[str, Any], selection: dict[str, Any], framing: Framing) -> Panel:
    """Return what each model saves, per 1,000 decisions."""
    return _money_panel(framing, _models(metrics, "value_per_1000", selection["best_baseline"]))


def score_panel(metrics: dict[str, Any], selection: dict[str, Any], framing: Framing) -> Panel:
    """Return how good each model is at predicting, whatever that is worth."""
    task, rows = (
        tasks.words(framing),
        _models(metrics, framing.metrics[0], selection["best_baseline"]),
    )
    ordered = rows if framing.task == "binary" else rows[::-1]
    return _panel("", task.score, task.nothing_known, ordered)


def slice_panels(slices: pd.DataFrame, framing: Framing) -> list[Panel]:
    """Return a panel per slicing column, on one scale: what the candidate saves in each slice."""
    rows: dict[str, list[Row]] = {}
    for s in known(slices):
        row = Row(
            s["slice"],
            s["value_per_1000"],
            s["value_low"],
            s["value_high"],
            note=f"{s['rows']:,} {framing.decision.units}",
            hollow=s["rows"] < FEWEST_ROWS,
        )
        rows.setdefault(s["by"], []).append(row)
    everything = _money_panel(framing, [row for part in rows.values() for row in part], ticks=3)
    return [everything._replace(title=by, rows=_in_order(part)) for by, part in rows.items()]


def _in_order(rows: list[Row]) -> list[Row]:
    """Return numbers and dates in their order, and all else by what is saved."""
    if all(re.fullmatch(r"-?\d+(\.\d+)?", row.label) for row in rows):
        return sorted(rows, key=lambda row: float(row.label))
    if all(re.match(r"\d{4}-\d\d", row.label) for row in rows):
        return sorted(rows, key=lambda row: row.label)
    return sorted(rows, key=_downward)


def importance_panel(importance: pd.DataFrame, framing: Framing) -> Panel:
    """Return the features whose shuffling raises the loss most, coloured by group.

    Bounds are the least and the most of the shuffles.
    """
    groups = list(dict.fromkeys(importance["group"]))
    rows = [
        Row(
            f["feature"],
            f["rise"],
            f["low"],
            f["high"],
            colour=PALETTE[groups.index(f["group"]) % len(PALETTE)],
            note=words(f["group"]),
        )
        for f in known(importance)
    ]
    axis = f"rise of the {tasks.words(framing).loss}, per {framing.decision.unit}"
    return _panel("", axis, 0, sorted(rows, key=_downward)[:TOP])


def checklist_panel(checklist: dict[str, Any]) -> Panel:
    """Return the points of each section of the checklist."""
    rows = [
        Row(
            name,
            section["points"],
            None,
            None,
            GREY if name == "own" else BLUE,
            note="not in the score" if name == "own" else "",
            start=0.0,
            text=f"{section['points']:g} of {section['of']}",
        )
        for name, section in checklist["sections"].items()
    ]
    panel = _panel("", "points", 0, rows)
    return panel._replace(scale=scale([0, *(s["of"] for s in checklist["sections"].values())]))


def calibration_panel(curve: pd.DataFrame, framing: Framing) -> Curve:
    """Return observed shares by what is predicted; on the line they are as asked for."""
    points = [Point(c["predicted"], c["observed"], c["low"], c["high"]) for c in known(curve)]
    up = f"observed share, {framing.confidence:.0%} interval"
    y = scale([0.0, *(p.high for p in points)])._replace(shares=True)
    if framing.task == "binary":
        axis = scale([0.0, y.high, *(p.x for p in points)])._replace(shares=True)
        line = Line(0, 0, axis.high, axis.high, "as predicted")
        return Curve("predicted share", up, points, [line], axis, axis)
    x = scale(p.x for p in points)
    asked = float(curve["asked"].mean())
    line = Line(x.low, asked, x.high, asked, "as the costs ask")
    return Curve("predicted", up, points, [line], x, y)


def cost_curve_panel(curve: pd.DataFrame, framing: Framing) -> Curve:
    """Return what is saved by the setting, beside that which the costs give."""
    rows, task = known(curve), tasks.words(framing)
    points = [Point(c["setting"], c["value_per_1000"], c["low"], c["high"]) for c in rows]
    y = _money_scale(framing, [0.0, *(end for p in points for end in (p.mean, p.low, p.high))])
    x = scale([0.0, *(p.x for p in points)], ticks=5)._replace(shares=framing.task == "binary")
    lines = [
        Line(x.low, 0, x.high, 0, task.instead),
        *(
            Line(c["setting"], y.high, c["setting"], y.low, "by the costs")
            for c in rows
            if c["by_costs"]
        ),
    ]
    return Curve(task.setting, _money(framing), points, lines, x, y, joined=True)


def search_panels(
    trials: pd.DataFrame, best_params: dict[str, Any], framing: Framing
) -> list[Curve]:
    """Return the value of each complete trial, in their order and by each parameter in numbers.

    The parameters are those of the candidate that is taken; the line is what it saves as declared.
    """
    rows = known(trials[trials["value"].notna()])
    if not rows:
        nothing = _money_scale(framing, [0.0, 1.0])
        line = Line(0, 0.5, 1, 0.5, "no search was made")
        return [Curve("trial", _money(framing), [], [line], scale([0.0, 1.0]), nothing)]
    trial = [Point(row["trial"], row["value"], None, None) for row in rows]
    by: dict[str, list[Point]] = {}
    for row in rows:
        params = json.loads(row["params"]) if row["candidate"] == best_params["candidate"] else {}
        for name, value in params.items():
            if isinstance(value, int | float):
                by.setdefault(name, []).append(Point(value, row["value"], None, None))
    declared = best_params["declared_value"]
    values = [value for value in [declared, *(p.mean for p in trial)] if value is not None]
    y = _money_scale(framing, [min(values) - 0.15 * np.ptp(values), *values])  # room for a label
    panels = []
    for name, points in [("trial", trial), *by.items()]:
        x = scale([point.x for point in points], ticks=3)
        up, label = (_money(framing), "as declared") if points is trial else ("", "")
        lines = [] if declared is None else [Line(x.low, declared, x.high, declared, label)]
        panels.append(Curve(name, up, points, lines, x, y))
    return panels


def parameter_importance_panel(importance: pd.DataFrame) -> Panel:
    """Return the share of the trials' spread that each parameter explains."""
    rows = [Row(one["parameter"], one["share"], None, None) for one in known(importance)]
    rows = [row._replace(text=percent(row.mean or 0)) for row in rows]
    nothing = [Row("too few trials to tell", None, None, None, text="")]
    axis = "share of the spread of the trials' values"
    return _panel("", axis, 0, rows or nothing)._replace(scale=scale([0.0, 1.0]))
