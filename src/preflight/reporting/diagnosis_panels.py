"""What is drawn of the results of diagnosis."""

import math
from typing import Any

import pandas as pd

from preflight.evaluation.conditions import FEWEST_ROWS
from preflight.problem.framing import Framing
from preflight.reporting.formatting import (
    money,
    signed,
    words,
)
from preflight.reporting.panels import Panel, Row, _money_panel, days, known
from preflight.reporting.style import BLUE, GREY, ORANGE


def waterfall_panels(waterfall: pd.DataFrame, framing: Framing) -> list[Panel]:
    """Return a panel per part, on one scale: from the best baseline to the candidate.

    A bar leads from the value before a step to that after it; blue if it surely gains, orange if it
    surely loses, grey if that can't be told.
    """
    rows: dict[str, list[Row]] = {}
    for step in known(waterfall):
        rows.setdefault(step["part"], []).append(_bar(step, framing.costs.unit))
    both = _money_panel(framing, [row for part in rows.values() for row in part])
    return [both._replace(title=part, rows=some) for part, some in rows.items()]


def _bar(step: dict[str, Any], unit: str) -> Row:
    label, level, gain = words(step["step"]), step["value_per_1000"], step["gain"]
    if gain is None:
        text = money(level, unit)
        return Row(label, level, None, None, GREY, "best baseline", start=0.0, text=text)
    before, low, high = level - gain, step["gain_low"], step["gain_high"]
    text = signed({"mean": gain, "low": low, "high": high}, unit)
    if low is None or high is None:
        return Row(label, level, None, None, GREY, start=before, text=text)
    colour = BLUE if low > 0 else ORANGE if high < 0 else GREY
    return Row(label, level, before + low, before + high, colour, start=before, text=text)


def learning_panel(curve: pd.DataFrame, framing: Framing) -> Panel:
    """Return what the candidate is worth on validation by the number of examples."""
    rows = [
        Row(
            f"{size['rows']:,} {framing.decision.units}",
            size["value_per_1000"],
            size["low"],
            size["high"],
            note=f"since {first}",
        )
        for size, first in zip(
            known(curve), days(curve, "first", "learning_curve", framing), strict=True
        )
    ]
    return _money_panel(framing, rows)


def segments_panel(segments: pd.DataFrame, framing: Framing) -> Panel:
    """Return what is lost in each segment against hindsight."""
    rows = [
        Row(
            words(part["segment"]),
            part["lost_per_1000"],
            part["low"],
            part["high"],
            note=f"{part['share_lost']:.0%} of the loss, {part['share']:.0%} of all",
            hollow=part["rows"] < FEWEST_ROWS,
        )
        for part in known(segments)
    ]
    return _money_panel(framing, rows)


def robustness_panel(robustness: pd.DataFrame, framing: Framing) -> Panel:
    """Return what the candidate loses with each fault of its inputs, the worst first."""
    rows = [
        Row(
            words(fault["fault"]),
            fault["loss"],
            fault["loss_low"],
            fault["loss_high"],
            note=f"{fault['changed']:.0%} of decisions change",
            text="no answer" if fault["loss"] is None else None,
        )
        for fault in known(robustness)
    ]
    return _money_panel(framing, sorted(rows, key=_worst))


def _worst(row: Row) -> float:
    return -math.inf if row.mean is None else -row.mean
