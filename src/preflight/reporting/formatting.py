"""Numbers, amounts of money and names as a reader sees them."""

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from preflight.problem.money import format_money
from preflight.reporting.traced import marked

MINUS = "\N{MINUS SIGN}"
NO_BREAK = "\N{NO-BREAK SPACE}"
UNBROKEN = f"{NO_BREAK}to{NO_BREAK}"


def span(figure: dict[str, Any], decimals: int) -> str:
    """Return a figure with its interval: "37 (27 to 49)"."""
    return _with_interval(figure, partial(number, decimals=decimals))


def money_span(figure: dict[str, Any], unit: str) -> str:
    """Return an amount with its interval: "$1,080 ($780 to $1,470)"."""
    return _with_interval(figure, partial(money, unit=unit))


def signed(figure: dict[str, Any], unit: str) -> str:
    """Return a difference in money with its interval: "+$1,080 ($780 to $1,470)"."""
    said = money_span(figure, unit)
    return said if figure["mean"] < 0 else f"+{said}"


def _with_interval(figure: dict[str, Any], write: Callable[[float | None], str]) -> str:
    mean, low, high = figure["mean"], figure["low"], figure["high"]
    if mean is None or low is None or high is None:
        return write(mean) + ("" if mean is None else " (no interval)")
    return f"{write(mean)} ({write(low)}{UNBROKEN}{write(high)})"


def places(values: Iterable[float | None], digits: int = 3) -> int:
    """Return the decimals that give the largest of the values `digits` significant digits."""
    largest = max((abs(value) for value in values if value), default=1.0)
    return max(0, digits - 1 - math.floor(math.log10(largest)))


def money(value: float | None, unit: str, decimals: int | None = None) -> str:
    """Return an amount with its currency (`format_money`), with a true minus sign."""
    if value is None:
        return "not known"
    return marked(value, format_money(value, unit, decimals).replace("-", MINUS))


def number(value: float | None, decimals: int) -> str:
    """Return a number as it is written in a sentence, with a true minus sign."""
    if value is None:
        return "not known"
    rounded = round(value, decimals) + 0.0  # no minus before a zero
    return marked(value, f"{rounded:,.{decimals}f}".replace("-", MINUS))


def percent(value: float, decimals: int = 0) -> str:
    """Return a share in percent."""
    return f"{value:.{decimals}%}"


def figure(value: float | None) -> str:
    """Return a number of any size with three digits or all before the point; "-" without one."""
    if value is None or math.isnan(value):
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def words(name: str) -> str:
    """Return a name as it is written in a sentence."""
    return marked(name, name.replace("_", " "))
