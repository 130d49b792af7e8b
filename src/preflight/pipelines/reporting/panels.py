"""Dots with intervals on an axis: what the figures and the report both draw."""

import math
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import pandas as pd

from preflight.framing import Framing
from preflight.pipelines.reporting.style import BLUE, GREY, PALETTE

FEW = 100  # a slice of fewer rows is drawn hollow, and not named best or worst
TOP = 20  # features shown


class Row(NamedTuple):
    """One dot with its interval, in the panel's unit; None where it is not defined."""

    label: str
    mean: float | None
    low: float | None
    high: float | None
    colour: str = BLUE
    note: str = ""
    hollow: bool = False


class Scale(NamedTuple):
    """An axis from low to high, with round ticks of so many decimals."""

    low: float
    high: float
    ticks: list[float]
    places: int

    def percent(self, value: float, from_end: bool = False) -> str:
        """Return where a value lies on the axis, as SVG writes it."""
        share = (value - self.low) / (self.high - self.low)
        return f"{100 * (1 - share if from_end else share):.2f}%"


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


def places(values: Iterable[float | None], digits: int = 3) -> int:
    """Return the decimals that give the largest of the values `digits` significant digits."""
    largest = max((abs(value) for value in values if value), default=1.0)
    return max(0, digits - 1 - math.floor(math.log10(largest)))


def number(value: float | None, decimals: int) -> str:
    """Return a number as it is written in a sentence, with a true minus sign."""
    if value is None:
        return "not known"
    rounded = round(value, decimals) + 0.0  # no minus before a zero
    return f"{rounded:,.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def figure(value: float) -> str:
    """Return a number of any size with three digits or all before the point."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def words(name: str) -> str:
    """Return a name as it is written in a sentence."""
    return name.replace("_", " ")


def _panel(title: str, axis: str, reference: float, rows: list[Row], ticks: int = 4) -> Panel:
    ends = [reference, *(end for row in rows for end in (row.mean, row.low, row.high))]
    decimals = places(row.mean for row in rows)
    return Panel(title, axis, reference, rows, decimals, scale(ends, ticks))


def _models(metrics: dict[str, Any], figure: str, axis: str, best: str, reference: float) -> Panel:
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
    return _panel("", axis, reference, sorted(rows, key=_downward))


def _downward(row: Row) -> tuple[bool, float]:
    return row.mean is None, -(row.mean or 0)


def value_panel(metrics: dict[str, Any], selection: dict[str, Any], framing: Framing) -> Panel:
    """Return what each model saves over never acting, per 1,000 decisions."""
    axis = f"{framing.costs.unit}, per 1,000 {framing.decision.units}"
    return _models(metrics, "value_per_1000", axis, selection["best_baseline"], reference=0)


def auc_panel(metrics: dict[str, Any], selection: dict[str, Any]) -> Panel:
    """Return the area under the ROC curve of each model; a coin's is 0.5."""
    axis = "area under the ROC curve"
    return _models(metrics, "roc_auc", axis, selection["best_baseline"], reference=0.5)


def slice_panels(slices: pd.DataFrame, framing: Framing) -> list[Panel]:
    """Return a panel per slicing column, on one scale: what the candidate saves in each slice."""
    rows: dict[str, list[Row]] = {}
    whole = slices.astype(object).where(slices.notna(), None)
    for s in whole.to_dict("records"):
        row = Row(
            s["slice"],
            s["value_per_1000"],
            s["value_low"],
            s["value_high"],
            note=f"{s['rows']:,} {framing.decision.units}",
            hollow=s["rows"] < FEW,
        )
        rows.setdefault(s["by"], []).append(row)
    everything = _panel(
        "", framing.costs.unit, 0, [row for part in rows.values() for row in part], 3
    )
    return [everything._replace(title=by, rows=_in_order(part)) for by, part in rows.items()]


def _in_order(rows: list[Row]) -> list[Row]:
    """Return numbers and dates in their order, and all else by what is saved."""
    if all(re.fullmatch(r"-?\d+(\.\d+)?", row.label) for row in rows):
        return sorted(rows, key=lambda row: float(row.label))
    if all(re.match(r"\d{4}-\d\d", row.label) for row in rows):
        return sorted(rows, key=lambda row: row.label)
    return sorted(rows, key=_downward)


def importance_panel(importance: pd.DataFrame, framing: Framing) -> Panel:
    """Return the features whose shuffling raises the log loss most, coloured by group.

    Bounds are the least and the most of the shuffles.
    """
    groups = list(dict.fromkeys(importance["group"]))
    rows = [
        Row(
            f["feature"],
            f["log_loss"],
            f["low"],
            f["high"],
            colour=PALETTE[groups.index(f["group"]) % len(PALETTE)],
            note=words(f["group"]),
        )
        for f in importance.to_dict("records")
    ]
    axis = f"rise of the log loss, nats per {framing.decision.unit}"
    return _panel("", axis, 0, sorted(rows, key=_downward)[:TOP])
