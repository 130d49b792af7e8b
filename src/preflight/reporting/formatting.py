"""Numbers, amounts of money and names as a reader sees them."""

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import pandas as pd

from preflight.problem.money import format_money
from preflight.problem.shares import format_share

MINUS = "\N{MINUS SIGN}"
NO_BREAK = "\N{NO-BREAK SPACE}"
TO = f"{NO_BREAK}to{NO_BREAK}"

Interval = dict[str, Any]  # mean, low and high


def money(value: float | None, unit: str, decimals: int | None = None) -> str:
    """Return an amount with its currency (`format_money`), with a true minus sign."""
    if value is None:
        return "not known"
    return format_money(value, unit, decimals).replace("-", MINUS)


def money_span(figure: Interval, unit: str) -> str:
    """Return an amount with its interval: "$1,080 ($780 to $1,470)"."""
    return _with_interval(figure, partial(money, unit=unit))


def signed(figure: Interval, unit: str) -> str:
    """Return a difference in money with its interval: "+$1,080 ($780 to $1,470)"."""
    text = money_span(figure, unit)
    return text if figure["mean"] is None or figure["mean"] < 0 else f"+{text}"


def number(value: float | None, decimals: int = 0) -> str:
    """Return a number as it is written in a sentence, with a true minus sign."""
    if value is None:
        return "not known"
    rounded = round(value, decimals) + 0.0  # no minus before a zero
    return f"{rounded:,.{decimals}f}".replace("-", MINUS)


def span(figure: Interval, decimals: int) -> str:
    """Return a figure with its interval: "37 (27 to 49)"."""
    return _with_interval(figure, partial(number, decimals=decimals))


def _with_interval(figure: Interval, write: Callable[[float | None], str]) -> str:
    mean, low, high = figure["mean"], figure["low"], figure["high"]
    if mean is None or low is None or high is None:
        return write(mean) + ("" if mean is None else " (no interval)")
    return f"{write(mean)} ({write(low)}{TO}{write(high)})"


def places(values: Iterable[float | None], digits: int = 3) -> int:
    """Return the decimals that give the largest of the values `digits` significant digits."""
    largest = max((abs(value) for value in values if value), default=1.0)
    return max(0, digits - 1 - math.floor(math.log10(largest)))


def percent(value: float, decimals: int = 0) -> str:
    """Return a share in percent (`format_share`), with a true minus sign."""
    return format_share(value, decimals).replace("-", MINUS)


def short(value: float | None) -> str:
    """Return a number of any size with three digits or all before the point; "-" without one.

    Numbers that are almost zero are written as "0.000": no reader needs "6.16e-09".
    """
    if value is None or math.isnan(value):
        return "-"
    if 0 < abs(value) < 0.001:
        return "0.000"
    return (f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}").replace("-", MINUS)


def words(name: str) -> str:
    """Return a name as it is written in a sentence."""
    return name.replace("_", " ")


def listed(names: Iterable[str]) -> str:
    """Return names as a list in a sentence: "a, b and c"."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table as dictionaries; a missing value is None."""
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]
