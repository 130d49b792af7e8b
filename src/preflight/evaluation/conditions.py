"""The conditions of the verdict, each evaluated on the test predictions and described.

Every comparison is paired: two models decide on the same days, and the interval is of their
difference. The gain passes only if its whole interval is on the right side, over every baseline:
together these tests keep the level of one (intersection-union test: Berger 1982). The other
conditions with an interval fail only if the whole interval is on the wrong side.
"""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from preflight.evaluation.comparison import (
    CHAMPION,
    FEWEST_ROWS,
    FEWEST_UNITS,
    FEWEST_UNITS_OF_SLICE,
    TestComparison,
)
from preflight.evaluation.contracts import Condition
from preflight.evaluation.slicing import slices_of
from preflight.modeling.resources import is_speed, violations
from preflight.problem.costs import Costs
from preflight.problem.framing import Framing
from preflight.problem.money import format_money
from preflight.problem.shares import format_level, format_share
from preflight.runs.manifest import LEDGER

MAX_NAMED = 6  # slices, or settings, that a message names


def net_gain(test: TestComparison) -> Condition:
    """Is the gain over every baseline, less upkeep, at least the required one?"""
    framing, gain = test.framing, test.gain_over(test.baseline)
    money = partial(format_money, unit=framing.costs.unit)
    test_set = "the test set" if framing.split.clock == "none" else "the test period"
    low = test.deciding_gain(test.baseline).low
    message = f"the candidate {test.describe(gain, f'{_plain(test.baseline)}, the best baseline')}"
    if not np.isclose(test.level, (1 - framing.confidence) / 2):
        message += f"; at the level {test.level:.2g} the lower bound is {money(low)}"
    if np.isfinite(gain.low):
        net = {end: money(framing.net(value)) for end, value in gain._asdict().items()}
        message += (
            f"; if all months were like {test_set}, {net['mean']} in "
            f"{framing.success.months:g} months after upkeep ({net['low']} to {net['high']})"
        )
    return judge_gain(test, message, f"{money(framing.success.min_net_saving)} is required")


def judge_gain(test: TestComparison, message: str, least: str) -> Condition:
    """Is the gain over every baseline at least the required one, on enough rows and days?

    message: describes the gain; what is lacking is added to it. least: describes what is required.
    """
    framing, gain = test.framing, test.gain_over(test.baseline)
    money, required = partial(format_money, unit=framing.costs.unit), framing.least_per_1000
    units, low = framing.decision.units, test.deciding_gain(test.baseline).low
    sizes = {
        units: (len(test.label), FEWEST_ROWS),
        framing.resampling.units: (test.units, FEWEST_UNITS),
    }
    lacking = [
        f"{size} {what} of test, {needed} are needed"
        for what, (size, needed) in sizes.items()
        if size < needed
    ]
    passed = not lacking and low >= required and low > 0
    if lacking:
        message = f"too little data: {' and '.join(lacking)}: {message}"
    elif not passed and gain.high > required:
        message = (
            f"inconclusive: with {test.units} test {framing.resampling.units}, only a gain above "
            f"{money(required + gain.mean - low)} per 1,000 {units} would be significantly larger "
            f"than the required {money(required)}: {message}; {least}"
        )
    elif not passed:
        message = f"not enough: {message}; {least}"
    return Condition(name="gain", ok=passed, message=message)


def beats_champion(test: TestComparison) -> Condition:
    """Is it significantly better than the model in use? Upkeep is the same for both."""
    if not test.has_champion:
        return Condition(name="champion", ok=True, message="there is no champion to replace")
    message = test.describe(test.gain_over(CHAMPION), "the champion")
    better = test.deciding_gain(CHAMPION).low > 0
    if not better:
        message = f"not significantly better: {message}"
    return Condition(name="champion", ok=better, message=message)


def robust_to_costs(test: TestComparison) -> Condition:
    """Does the gain cover upkeep at the lowest and at the highest cost of a miss as well?"""
    framing, costs = test.framing, test.framing.costs
    factors = list(dict.fromkeys(costs.factors))
    bad = [
        factor
        for factor in factors
        if not all(
            framing.net(test.deciding_gain(name, factor).low) >= 0 for name in framing.baselines
        )
    ]
    at = [
        f"{factor:g} times its cost"
        if isinstance(costs.miss, str)
        else format_money(costs.miss * factor, costs.unit, decimals=2)
        for factor in bad or factors
    ]
    miss = "a miss" if isinstance(costs, Costs) else "each unit too little"
    message = f"the gain covers upkeep with {miss} at {' and at '.join(at)}"
    if bad:
        message = f"the gain is not significantly above upkeep with {miss} at {' or at '.join(at)}"
    return Condition(name="costs", ok=not bad, message=message)


def slices_hold(test: TestComparison, slices: pd.DataFrame) -> Condition:
    """Is no slice significantly worse than allowed, over all slices (Bonferroni)?

    slices: the values of each slicing column, row by row.
    """
    framing, baseline = test.framing, test.baseline
    every = [(f"{by} {name}", rows) for by, name, rows in slices_of(slices)]
    checked = [(name, rows) for name, rows in every if test.has_enough(rows)]
    confidence = 1 - (1 - framing.confidence) / max(1, len(checked))
    gains = [(name, test.gain_over(baseline, rows, confidence)) for name, rows in checked]
    money = partial(format_money, unit=framing.costs.unit)
    worse = [
        f"{name} ({money(gain.mean)} per 1,000)"
        for name, gain in gains
        if not gain.high >= -framing.guardrails.slice_loss
    ]
    message = f"none of {len(checked)} slices is significantly worse than allowed"
    message = _with_unchecked(message, len(checked), len(every), framing.decision.units, framing)
    if worse:
        message = f"worse than {_plain(baseline)} in {_first(worse, ', ')}"
    return Condition(name="slices", ok=not worse, message=message)


def equal_opportunity(test: TestComparison, groups: pd.DataFrame) -> Condition:
    """Is each protected group served as often as the others, within the allowed gap (Bonferroni)?

    groups: the values of each protected feature, row by row. See `TestComparison.service_gap`.
    """
    framing, every = test.framing, [*slices_of(groups)]
    checked = []
    for by, name, rows in every:
        here = np.zeros(len(groups), dtype=bool)
        here[rows] = True
        if all(test.has_enough(np.flatnonzero(one & test.eligible)) for one in (here, ~here)):
            checked.append((f"{by} {name}", here))
    allowed = framing.guardrails.protected_gap
    confidence = 1 - (1 - framing.confidence) / max(1, len(checked))
    unequal = []
    for name, here in checked:
        gap = test.service_gap(here, confidence)
        low, high = gap["low"], gap["high"]
        if low is not None and high is not None and (low > allowed or high < -allowed):
            unequal.append(f"{name} ({format_share(gap['mean'] or 0.0, sign='+')})")
    what = framing.decision.units + " with label 1" * (framing.task == "binary")
    message = "protected groups are served alike"
    message = _with_unchecked(message, len(checked), len(every), what, framing)
    if unequal:
        message = f"served significantly more or less often: {', '.join(unequal)}"
    return Condition(name="groups", ok=not unequal, message=message)


def _with_unchecked(message: str, checked: int, every: int, rows: str, framing: Framing) -> str:
    """Return the message of a condition that holds, and how many slices were too small for it."""
    few = (
        f"too few to evaluate: below {FEWEST_ROWS} {rows} or {FEWEST_UNITS_OF_SLICE} "
        f"{framing.resampling.units}"
    )
    if not checked:
        return f"nothing was checked: {f'all {every} are {few}' if every else 'none is named'}"
    return message if checked == every else f"{message}; {every - checked} are {few}"


def _first(items: list[str], separator: str) -> str:
    """Return the first of some items, and how many more there are."""
    more = f" and {len(items) - MAX_NAMED} more" if len(items) > MAX_NAMED else ""
    return f"{separator.join(items[:MAX_NAMED])}{more}"


def _plain(name: str) -> str:
    return name.replace("_", " ")


def calibration_within_limit(curve: pd.DataFrame, framing: Framing) -> Condition:
    """Is the mean gap between observed and expected shares within the allowed one?

    Only the part of each gap that lies outside the interval counts; the whole gap if there is none.
    Labels equal to a predicted quantity are no gap (see `compute_calibration_curve`).
    """
    off = (curve["observed"] - curve["expected"]).abs()
    outside = np.maximum(curve["low"] - curve["expected"], curve["expected"] - curve["high"])
    outside = np.where(np.isnan(outside), off, np.maximum(outside, 0))
    significant = float(np.average(outside, weights=curve["rows"]))
    gap = float(np.average(off, weights=curve["rows"]))
    allowed = framing.guardrails.calibration_gap
    message = (
        f"the mean gap between observed and predicted shares is {format_share(gap, 1)}; "
        f"{format_share(significant, 1)} lies outside the {format_level(framing.confidence)} "
        f"intervals, {format_share(allowed, 1)} is allowed"
    )
    return Condition(name="calibration", ok=significant <= allowed, message=message)


def within_limits(limits: list[dict[str, Any]], unit: str) -> Condition:
    """Does the model stay within its limits of size and memory? Deployment enforces its speed."""
    over = violations([limit for limit in limits if not is_speed(limit)], unit)
    message = f"exceeds its limits: {', '.join(over)}" if over else "size and memory are in limits"
    return Condition(name="limits", ok=not over, message=message)


def metrics_plausible(metrics: dict[str, Any], framing: Framing) -> Condition:
    """Are the candidate's metrics where a model without an error may have them?"""
    faults = framing.guardrails.implausible(metrics, framing.costs.unit)
    message = f"{len(framing.guardrails.plausible)} metrics are in their plausible ranges"
    if faults:
        message = f"{'; '.join(faults)}. Look for a leak or another error before you ship it"
    return Condition(name="plausible", ok=not faults, message=message)


def reuse_within_limit(number: int, framing: Framing) -> Condition:
    """Is the candidate, by its number, among the first that may be evaluated on this test set?"""
    allowed = framing.success.max_test_evaluations
    message = (
        f"this is candidate {number} that was evaluated on this test set (counted in {LEDGER}); "
        f"{allowed} may be"
    )
    return Condition(name="test evaluations", ok=number <= allowed, message=message)


def contracts_on(enabled: bool) -> Condition:
    """Were the contracts enforced?"""
    message = "contracts were on" if enabled else "contracts were off (KEDRO_DATASET_VALIDATION)"
    return Condition(name="contracts", ok=enabled, message=message)


def describe_what_if(what_if: list[str]) -> list[str]:
    """Return the message that a verdict is a what-if, and why; an empty list if it is none."""
    return [f"WHAT-IF, not an evaluation: {_first(what_if, '; ')}"] if what_if else []
