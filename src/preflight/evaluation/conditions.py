"""Ship or hold: each condition of the verdict, judged on test predictions and told in words.

Every comparison is of two policies on the same days: the interval is of their difference, day by
day (a paired block bootstrap). A condition that is judged with confidence fails only if the whole
interval is on the wrong side; the gain itself has to be on the right side with all of its interval.
"""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from preflight.evaluation.slicing import slices_of
from preflight.modeling.resources import is_speed, violations
from preflight.problem.costs import Costs, UnitCosts
from preflight.problem.framing import Framing
from preflight.problem.money import format_money
from preflight.stats.bootstrap import (
    Interval,
    Ints,
    bootstrap_days,
    interval,
    mean_over,
    minimum_detectable_effect,
)
from preflight.stats.metrics import coverage

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

CHAMPION = "champion"  # the name of the model in use among those that are compared
FEWEST_DAYS = 10  # with fewer blocks the bootstrap's intervals are far too narrow
# Of a test, or a slice, that is judged, however large the table is: what a share of a handful of
# cases does is chance, and a percentile interval of it does not show that.
FEWEST_ROWS = 100
SAID = 6  # slices, or settings, that are named


class Check(NamedTuple):
    """A condition, whether it holds, and what was found."""

    name: str
    ok: bool
    says: str


class Comparison:
    """The candidate's decisions on test beside those of the baseline that is to be beaten.

    Args:
        predictions: the dataset `test_predictions`.
        baseline: name of the best baseline, chosen on validation.
        replicates: of the bootstrap over days.
    """

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
        self.costs = framing.costs.at(predictions)
        self.day, self.weights = bootstrap_days(
            predictions["predict_at"], framing.split, replicates, seed
        )
        self.days = self.weights.shape[1]
        self.has_champion = f"{framing.decided}_{CHAMPION}" in predictions

    def over(
        self,
        rows: Ints | None = None,
        confidence: float | None = None,
        factor: float = 1.0,
        rival: str | None = None,
    ) -> Interval:
        """Return the candidate's value over the rival's per 1,000 on rows.

        factor: with a miss at so many times its cost. rival: the baseline, if not said.
        """
        gain = self.saving("", factor) - self.saving(f"_{rival or self.baseline}", factor)
        rows = np.arange(len(gain)) if rows is None else rows
        found = 1000 * mean_over(gain[rows], self.day[rows], self.weights)
        return interval(found, confidence or self.framing.confidence)

    def saving(self, suffix: str, factor: float = 1.0) -> Floats:
        """Return what each decision saves; at other costs it is another, where it derives."""
        said = self.predictions[f"{self.framing.predicted}{suffix}"].to_numpy()
        decided = self.predictions[f"{self.framing.decided}{suffix}"].to_numpy()
        costs = self.costs.dearer(factor)
        if np.array_equal(decided, self.costs.decide(said)):
            decided = costs.decide(said)
        return costs.saving(self.label, decided)

    def kpi(self) -> float:
        """Return what the owner watches, as `framing.Kpi` says."""
        decided = self.predictions[self.framing.decided].to_numpy()
        if self.framing.task == "binary":
            return float(1000 * ((self.label == 1) & ~decided).mean())
        return float(np.abs(self.label - decided).mean())

    @property
    def owed(self) -> Bools:
        """Return the rows that should have been served: those with label 1; of amounts, all."""
        return (self.label == 1) | (self.framing.task != "binary")

    def share(self, rows: Bools) -> Floats:
        """Return the share of them that the candidate serves among rows, per replicate.

        Those acted on; of amounts those that are not too little.
        """
        here = np.flatnonzero(rows & self.owed)
        served = self.predictions[self.framing.decided].to_numpy(dtype=float)
        if isinstance(self.costs, UnitCosts):
            served = coverage(self.label, served)
        return mean_over(served[here], self.day[here], self.weights)


def net_gain(judged: Comparison) -> Check:
    """Is the gain over the best baseline, less upkeep, at least the least, with confidence?"""
    framing = judged.framing
    over, money = judged.over(), partial(format_money, unit=framing.costs.unit)
    name, least = judged.baseline.replace("_", " "), framing.success.least_net_saving
    low, high, mean = over["low"], over["high"], over["mean"]
    found = {f"{framing.decision.units}": (len(judged.label), FEWEST_ROWS)}
    found["days"] = (judged.days, FEWEST_DAYS)
    lacking = [
        f"{n} {what} of test, {least} are needed" for what, (n, least) in found.items() if n < least
    ]
    few = f"too little data to tell: {' and '.join(lacking) or 'no interval can be given'}"
    if low is None or high is None or mean is None:
        return Check("gain", False, few)
    told = (
        f"the candidate saves {money(abs(mean))} {'less' if mean < 0 else 'more'} per 1,000 "
        f"{framing.decision.units} than {name}, the best baseline "
        f"({framing.confidence:.0%} CI {money(low)} to {money(high)}); "
        f"{money(framing.net(mean))} in {framing.success.months:g} months after upkeep, "
        f"at least {money(framing.net(low))}"
    )
    if lacking:
        return Check("gain", False, f"{few}: {told}")
    if framing.net(low) >= least and low > 0:
        return Check("gain", True, told)
    required, seen = framing.least_per_1000, detectable_gain(over, framing)
    doubt = "not enough"
    if high > required:
        doubt = (
            f"inconclusive: with {judged.days} test days, only a gain above "
            f"{money(required + seen)} per 1,000 {framing.decision.units} would be significantly "
            f"larger than the required {money(required)}"
        )
    return Check("gain", False, f"{doubt}: {told}; {money(least)} is required")


def detectable_gain(over: Interval, framing: Framing) -> float:
    """Return the gain per 1,000 that a test of this size shows with the framing's power."""
    from scipy.special import ndtri

    width = (over["high"] or 0.0) - (over["low"] or 0.0)
    error = width / 2 / ndtri((1 + framing.confidence) / 2)
    return minimum_detectable_effect(error, framing.confidence, framing.success.power)


def beats_champion(judged: Comparison) -> Check:
    """Is it better than the model in use, with confidence? Upkeep is the same for both."""
    if not judged.has_champion:
        return Check("champion", True, "there is none to replace")
    framing, over = judged.framing, judged.over(rival=CHAMPION)
    low, high, mean = over["low"], over["high"], over["mean"]
    if low is None or high is None or mean is None:
        return Check("champion", False, "can't be compared with the champion here")
    money = partial(format_money, unit=framing.costs.unit)
    said = (
        f"saves {money(abs(mean))} {'less' if mean < 0 else 'more'} per 1,000 "
        f"{framing.decision.units} than the champion "
        f"({framing.confidence:.0%} CI {money(low)} to {money(high)})"
    )
    return Check("champion", low > 0, said if low > 0 else f"not significantly better: {said}")


def robust_to_costs(judged: Comparison) -> Check:
    """Is it better at the lowest and at the highest cost of a miss as well?"""
    framing, costs = judged.framing, judged.framing.costs
    cost = costs.fn if isinstance(costs, Costs) else costs.under
    factors = tuple(dict.fromkeys(costs.factors))
    lows = [judged.over(factor=factor)["low"] for factor in factors]
    bad = [f for f, low in zip(factors, lows, strict=True) if low is None or framing.net(low) < 0]
    at = [
        f"{factor:g} times its cost"
        if isinstance(cost, str)
        else format_money(cost * factor, costs.unit, decimals=2)
        for factor in bad or factors
    ]
    miss = "a miss" if isinstance(costs, Costs) else "each unit too little"
    said = f"{miss} at {' or at '.join(at)}"
    if bad:
        return Check("costs", False, f"with {said} it doesn't cover its upkeep with confidence")
    return Check("costs", True, f"it covers its upkeep with {said} as well")


def _enough(judged: Comparison, rows: npt.NDArray[np.intp]) -> bool:
    """Return whether there are rows and days enough to tell anything of them."""
    return len(rows) >= FEWEST_ROWS and len(np.unique(judged.day[rows])) >= FEWEST_DAYS


def _held(said: str, checked: int, every: int, what: str) -> str:
    """Return what a condition says that holds, and how many slices or groups it could not judge."""
    few = f"too few to judge: below {FEWEST_ROWS} {what} or {FEWEST_DAYS} days"
    if not checked:
        return f"nothing was checked: {f'all {every} are {few}' if every else 'none is named'}"
    return said if checked == every else f"{said}; {every - checked} are {few}"


def slices_hold(judged: Comparison, slices: pd.DataFrame) -> Check:
    """Is no slice worse than allowed, with confidence over all of them (Bonferroni)?

    slices: the values of each slicing column, row by row.
    """
    framing = judged.framing
    allowed = framing.guardrails.slice_loss
    every = [(f"{by} {name}", rows) for by, name, rows in slices_of(slices)]
    groups = [(name, rows) for name, rows in every if _enough(judged, rows)]
    confidence = 1 - (1 - framing.confidence) / max(1, len(groups))
    found = [(name, judged.over(rows, confidence)) for name, rows in groups]
    worse = [(n, f) for n, f in found if f["high"] is not None and f["high"] < -allowed]
    if worse:
        money = partial(format_money, unit=framing.costs.unit)
        named = _some([f"{name} ({money(f['mean'] or 0)} per 1,000)" for name, f in worse], ", ")
        return Check("slices", False, f"worse than {judged.baseline.replace('_', ' ')} in {named}")
    said = f"none of {len(found)} slices is worse than allowed"
    return Check("slices", True, _held(said, len(found), len(every), framing.decision.units))


def _some(told: list[str], between: str) -> str:
    more = f" and {len(told) - SAID} more" if len(told) > SAID else ""
    return f"{between.join(told[:SAID])}{more}"


def equal_opportunity(judged: Comparison, groups: pd.DataFrame) -> Check:
    """Is each protected group served as often as the others (`Comparison.share`), within a gap?"""
    framing, every, checked, unequal = judged.framing, [*slices_of(groups)], 0, []
    allowed = framing.guardrails.protected_gap
    for by, name, rows in every:
        here = np.zeros(len(groups), dtype=bool)
        here[rows] = True
        if not all(_enough(judged, np.flatnonzero(some & judged.owed)) for some in (here, ~here)):
            continue
        checked += 1
        gap = interval(judged.share(here) - judged.share(~here), framing.confidence)
        low, high = gap["low"], gap["high"]
        if low is not None and high is not None and (low > allowed or high < -allowed):
            unequal.append(f"{by} {name} ({gap['mean']:+.0%})")
    if unequal:
        return Check("groups", False, f"served unlike the others: {', '.join(unequal)}")
    what = framing.decision.units + " with label 1" * (framing.task == "binary")
    said = _held("protected groups are served alike", checked, len(every), what)
    return Check("groups", True, said)


def calibration_within_limit(curve: pd.DataFrame, framing: Framing) -> Check:
    """Is the mean gap between observed and predicted shares within the allowed one?"""
    distance = np.maximum(curve["low"] - curve["asked"], curve["asked"] - curve["high"])
    certain = float(np.average(np.maximum(distance, 0), weights=curve["rows"]))
    gap = float(np.average((curve["observed"] - curve["asked"]).abs(), weights=curve["rows"]))
    allowed = framing.guardrails.calibration_gap
    said = (
        f"what is predicted and what happens differ by {gap:.1%} on average, at least {certain:.1%}"
    )
    return Check("calibration", certain <= allowed, f"{said}; {allowed:.1%} is allowed")


def within_limits(limits: list[dict[str, Any]], unit: str) -> Check:
    """Does the model stay within its limits of size and memory? Deployment enforces its speed."""
    over = violations([limit for limit in limits if not is_speed(limit)], unit)
    message = f"exceeds its limits: {', '.join(over)}" if over else "size and memory are in limits"
    return Check("limits", not over, message)


def reuse_within_limit(candidates: int, framing: Framing) -> Check:
    """Were few enough candidates judged on this test set?"""
    allowed = framing.success.test_openings
    were = "candidate was" if candidates == 1 else "candidates were"
    said = f"{candidates} {were} judged on this test set, {allowed} may be"
    return Check("test openings", candidates <= allowed, said)


def contracts_on(enabled: bool) -> Check:
    """Were the contracts enforced?"""
    said = "contracts were on" if enabled else "contracts were off (KEDRO_DATASET_VALIDATION)"
    return Check("contracts", enabled, said)


def not_an_evaluation(what_if: list[str]) -> list[str]:
    """Return the sentence that says what makes a verdict a what-if; none if nothing does."""
    return [f"WHAT-IF, not an evaluation: {_some(what_if, '; ')}"] if what_if else []
