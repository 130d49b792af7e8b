"""The conditions of the verdict, each evaluated on the test predictions and described.

Every comparison is paired: two models decide on the same days, and the interval is of their
difference, from a bootstrap over whole days. The gain over the baseline passes only if its whole
interval is on the right side. The other conditions with an interval fail only if the whole interval
is on the wrong side.
"""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from preflight.evaluation.contracts import Condition
from preflight.evaluation.slicing import slices_of
from preflight.modeling.resources import is_speed, violations
from preflight.problem.costs import Costs, UnitCosts
from preflight.problem.framing import Framing
from preflight.problem.money import format_money
from preflight.stats.bootstrap import (
    DayBootstrap,
    Ints,
    interval,
    minimum_detectable_effect,
)

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

CHAMPION = "champion"  # the name of the model in use among those that are compared
FEWEST_DAYS = 10  # with fewer blocks the bootstrap's intervals are far too narrow
# Of a test set, or a slice, however large the table is: the share in a handful of rows is chance,
# and a percentile interval does not show that.
FEWEST_ROWS = 100
MAX_NAMED = 6  # slices, or settings, that a message names


class Gain(NamedTuple):
    """A difference per 1,000 decisions, with the bounds of its interval."""

    mean: float
    low: float
    high: float


class TestComparison:
    """The candidate's decisions on test next to those of the baseline that it has to beat.

    Args:
        predictions: the dataset `test_predictions`.
        baseline: name of the best baseline, chosen on validation.
        replicates: of the bootstrap over days.
    """

    __test__ = False  # not a test class, whatever its name

    def __init__(
        self,
        predictions: pd.DataFrame,
        baseline: str,
        framing: Framing,
        replicates: int,
        seed: int,
    ) -> None:
        self.predictions, self.baseline, self.framing = predictions, baseline, framing
        self.label = predictions["label"].to_numpy()
        self.decided = predictions[framing.decided].to_numpy()
        self.costs = framing.costs.at(predictions)
        self.bootstrap = DayBootstrap(predictions, framing, replicates, seed)
        self.days = self.bootstrap.weights.shape[1]
        self.has_champion = f"{framing.decided}_{CHAMPION}" in predictions

    def gain_over(
        self,
        rival: str,
        rows: Any = slice(None),
        confidence: float | None = None,
        factor: float = 1.0,
    ) -> Gain:
        """Return the candidate's saving less the rival's, per 1,000 decisions.

        Args:
            rival: the baseline, or `CHAMPION`.
            rows: positions of the rows to compare on; all if not given.
            confidence: of the interval; that of the framing if not given.
            factor: what the cost of a miss is multiplied by.
        """
        gain = self.saving("", factor) - self.saving(f"_{rival}", factor)
        replicates = 1000 * self.bootstrap.replicates(gain, rows)
        found = interval(replicates, confidence or self.framing.confidence)
        mean, low, high = found["mean"], found["low"], found["high"]
        assert mean is not None and low is not None and high is not None  # there are rows
        return Gain(mean, low, high)

    def saving(self, suffix: str, factor: float = 1.0) -> Floats:
        """Return what each decision saves, shape (n,).

        factor: what the cost of a miss is multiplied by. Decisions that follow from the costs then
        follow from the changed costs.
        """
        predicted = self.predictions[f"{self.framing.predicted}{suffix}"].to_numpy()
        decided = self.predictions[f"{self.framing.decided}{suffix}"].to_numpy()
        costs = self.costs.with_miss_cost_scaled(factor)
        if np.array_equal(decided, self.costs.decide(predicted)):
            decided = costs.decide(predicted)
        return costs.saving(self.label, decided)

    def kpi(self) -> float:
        """Return the owner's KPI, as `framing.Kpi` defines it."""
        if self.framing.task == "binary":
            return float(1000 * ((self.label == 1) & ~self.decided).mean())
        return float(np.abs(self.label - self.decided).mean())

    @property
    def eligible(self) -> Bools:
        """Return the rows that should be served: those with label 1; in regression, all."""
        return (self.label == 1) | (self.framing.task != "binary")

    def service_rate(self, rows: Bools) -> Floats:
        """Return the share of eligible rows that are served, among `rows`, in each replicate.

        Served are rows that are acted on; in regression those with a label up to the decision: a
        quantity that is just enough is not too little.
        """
        served = self.decided.astype(float)
        if isinstance(self.costs, UnitCosts):
            served = (self.label <= served).astype(float)
        return self.bootstrap.replicates(served, np.flatnonzero(rows & self.eligible))

    def has_enough(self, rows: Ints) -> bool:
        """Return whether there are enough rows and days for an interval."""
        days = np.unique(self.bootstrap.day[rows])
        return len(rows) >= FEWEST_ROWS and len(days) >= FEWEST_DAYS

    def describe(self, gain: Gain, rival: str) -> str:
        """Return a gain over a rival as a phrase."""
        framing, money = self.framing, partial(format_money, unit=self.framing.costs.unit)
        return (
            f"saves {money(abs(gain.mean))} {'less' if gain.mean < 0 else 'more'} per 1,000 "
            f"{framing.decision.units} than {rival} "
            f"({framing.confidence:.0%} CI {money(gain.low)} to {money(gain.high)})"
        )


def net_gain(test: TestComparison) -> Condition:
    """Is the gain over the best baseline, less upkeep, at least the required one?"""
    framing, gain = test.framing, test.gain_over(test.baseline)
    money, required = partial(format_money, unit=framing.costs.unit), framing.least_per_1000
    least, units = framing.success.min_net_saving, framing.decision.units
    message = (
        f"the candidate {test.describe(gain, f'{_plain(test.baseline)}, the best baseline')}; "
        f"{money(framing.net(gain.mean))} in {framing.success.months:g} months after upkeep, "
        f"at least {money(framing.net(gain.low))}"
    )
    sizes = {units: (len(test.label), FEWEST_ROWS), "days": (test.days, FEWEST_DAYS)}
    lacking = [
        f"{size} {what} of test, {needed} are needed"
        for what, (size, needed) in sizes.items()
        if size < needed
    ]
    passed = not lacking and framing.net(gain.low) >= least and gain.low > 0
    if lacking:
        message = f"too little data: {' and '.join(lacking)}: {message}"
    elif not passed and gain.high > required:
        detectable = money(required + detectable_gain(gain, framing))
        message = (
            f"inconclusive: with {test.days} test days, only a gain above {detectable} per 1,000 "
            f"{units} would be significantly larger than the required {money(required)}: "
            f"{message}; {money(least)} is required"
        )
    elif not passed:
        message = f"not enough: {message}; {money(least)} is required"
    return Condition(name="gain", ok=passed, message=message)


def detectable_gain(gain: Gain, framing: Framing) -> float:
    """Return the smallest gain per 1,000 that such a test detects with the framing's power."""
    from scipy.special import ndtri

    error = (gain.high - gain.low) / 2 / ndtri((1 + framing.confidence) / 2)
    return minimum_detectable_effect(error, framing.confidence, framing.success.power)


def beats_champion(test: TestComparison) -> Condition:
    """Is it significantly better than the model in use? Upkeep is the same for both."""
    if not test.has_champion:
        return Condition(name="champion", ok=True, message="there is no champion to replace")
    gain = test.gain_over(CHAMPION)
    message, better = test.describe(gain, "the champion"), gain.low > 0
    if not better:
        message = f"not significantly better: {message}"
    return Condition(name="champion", ok=better, message=message)


def robust_to_costs(test: TestComparison) -> Condition:
    """Does the gain cover upkeep at the lowest and at the highest cost of a miss as well?"""
    framing, costs = test.framing, test.framing.costs
    factors = list(dict.fromkeys(costs.factors))
    gains = {factor: test.gain_over(test.baseline, factor=factor) for factor in factors}
    bad = [factor for factor, gain in gains.items() if framing.net(gain.low) < 0]
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
        if gain.high < -framing.guardrails.slice_loss
    ]
    message = f"none of {len(checked)} slices is significantly worse than allowed"
    message = _with_unchecked(message, len(checked), len(every), framing.decision.units)
    if worse:
        message = f"worse than {_plain(baseline)} in {_first(worse, ', ')}"
    return Condition(name="slices", ok=not worse, message=message)


def equal_opportunity(test: TestComparison, groups: pd.DataFrame) -> Condition:
    """Is each protected group served as often as the others, within the allowed gap?

    groups: the values of each protected feature, row by row. See `TestComparison.service_rate`.
    """
    framing, every, checked, unequal = test.framing, [*slices_of(groups)], 0, []
    allowed = framing.guardrails.protected_gap
    for by, name, rows in every:
        here = np.zeros(len(groups), dtype=bool)
        here[rows] = True
        if not all(test.has_enough(np.flatnonzero(one & test.eligible)) for one in (here, ~here)):
            continue
        checked += 1
        gap = interval(test.service_rate(here) - test.service_rate(~here), framing.confidence)
        low, high = gap["low"], gap["high"]
        if low is not None and high is not None and (low > allowed or high < -allowed):
            unequal.append(f"{by} {name} ({gap['mean']:+.0%})")
    what = framing.decision.units + " with label 1" * (framing.task == "binary")
    message = _with_unchecked("protected groups are served alike", checked, len(every), what)
    if unequal:
        message = f"served significantly more or less often: {', '.join(unequal)}"
    return Condition(name="groups", ok=not unequal, message=message)


def _with_unchecked(message: str, checked: int, every: int, rows: str) -> str:
    """Return the message of a condition that holds, and how many slices were too small for it."""
    few = f"too few to evaluate: below {FEWEST_ROWS} {rows} or {FEWEST_DAYS} days"
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

    Only the part of each gap that lies outside the interval counts. Labels equal to a predicted
    quantity are no gap (see `compute_calibration_curve`).
    """
    outside = np.maximum(curve["low"] - curve["expected"], curve["expected"] - curve["high"])
    significant = float(np.average(np.maximum(outside, 0), weights=curve["rows"]))
    gap = float(np.average((curve["observed"] - curve["expected"]).abs(), weights=curve["rows"]))
    allowed = framing.guardrails.calibration_gap
    message = (
        f"the mean gap between observed and predicted shares is {gap:.1%}; {significant:.1%} lies "
        f"outside the {framing.confidence:.0%} intervals, {allowed:.1%} is allowed"
    )
    return Condition(name="calibration", ok=significant <= allowed, message=message)


def within_limits(limits: list[dict[str, Any]], unit: str) -> Condition:
    """Does the model stay within its limits of size and memory? Deployment enforces its speed."""
    over = violations([limit for limit in limits if not is_speed(limit)], unit)
    message = f"exceeds its limits: {', '.join(over)}" if over else "size and memory are in limits"
    return Condition(name="limits", ok=not over, message=message)


def reuse_within_limit(candidates: int, framing: Framing) -> Condition:
    """Were few enough candidates evaluated on this test set?"""
    allowed = framing.success.max_test_evaluations
    were = "candidate was" if candidates == 1 else "candidates were"
    message = f"{candidates} {were} evaluated on this test set, {allowed} may be"
    return Condition(name="test evaluations", ok=candidates <= allowed, message=message)


def contracts_on(enabled: bool) -> Condition:
    """Were the contracts enforced?"""
    message = "contracts were on" if enabled else "contracts were off (KEDRO_DATASET_VALIDATION)"
    return Condition(name="contracts", ok=enabled, message=message)


def describe_what_if(what_if: list[str]) -> list[str]:
    """Return the message that a verdict is a what-if, and why; an empty list if it is none."""
    return [f"WHAT-IF, not an evaluation: {_first(what_if, '; ')}"] if what_if else []
