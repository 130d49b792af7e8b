"""The candidate's decisions on the test set, compared with those of the baselines."""

from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from preflight.problem.costs import UnitCosts
from preflight.problem.framing import Framing
from preflight.problem.money import format_money
from preflight.problem.shares import format_level
from preflight.stats.bootstrap import Bootstrap, Floats, Interval

Bools = npt.NDArray[np.bool_]

CHAMPION = "champion"  # the name of the model in use among those that are compared
FEWEST_UNITS = 10  # days, or what is resampled; with fewer an interval says next to nothing
FEWEST_UNITS_OF_SLICE = 20  # with fewer, nothing is significant in one of many slices
# Of a test set, or a slice, however large the table is: the share in a handful of rows is chance,
# and an interval does not show that.
FEWEST_ROWS = 100


class Gain(NamedTuple):
    """A difference per 1,000 decisions, with the bounds of its interval."""

    mean: float
    low: float
    high: float


class TestComparison:
    """The candidate's decisions on test next to those of all baselines of the framing.

    Args:
        predictions: the dataset `test_predictions`.
        bootstrap: of the predictions (`Evaluation.bootstrap`).
        level: of the test that decides, one-sided; that of the framing's intervals if not given.
    """

    __test__ = False  # not a test class, whatever its name

    def __init__(
        self,
        predictions: pd.DataFrame,
        framing: Framing,
        bootstrap: Bootstrap,
        level: float | None = None,
    ) -> None:
        self.predictions, self.framing, self.bootstrap = predictions, framing, bootstrap
        self.level = level or (1 - framing.confidence) / 2
        self.label = predictions["label"].to_numpy()
        self.decided = predictions[framing.decided].to_numpy()
        self.costs = framing.costs.at(predictions)
        self.units = bootstrap.active()
        self._gains: dict[tuple[str, float], Floats] = {}
        self.has_champion = f"{framing.decided}_{CHAMPION}" in predictions

    @cached_property
    def baseline(self) -> str:
        """Return the best baseline on test: over it the gain has the smallest lower bound."""
        return min(self.framing.baselines, key=lambda name: self.deciding_gain(name).low)

    def gain_over(
        self,
        rival: str,
        rows: Any = slice(None),
        confidence: float | None = None,
        factor: float = 1.0,
    ) -> Gain:
        """Return the candidate's saving less the rival's, per 1,000 decisions.

        The bounds are infinite if all rows are of one day: how it varies is not known.

        Args:
            rival: a baseline, or `CHAMPION`.
            rows: positions of the rows to compare on; all if not given.
            confidence: of the interval; that of the framing if not given.
            factor: what the cost of a miss is multiplied by.
        """
        if (rival, factor) not in self._gains:  # the same for every slice
            self._gains[rival, factor] = self.saving("", factor) - self.saving(f"_{rival}", factor)
        found = self.bootstrap.per_1000(self._gains[rival, factor], rows, confidence)
        mean, low, high = found["mean"], found["low"], found["high"]
        assert mean is not None  # there are rows
        return Gain(mean, -np.inf if low is None else low, np.inf if high is None else high)

    def deciding_gain(self, rival: str, factor: float = 1.0) -> Gain:
        """Return `gain_over`, with the bounds at the level that decides."""
        return self.gain_over(rival, confidence=1 - 2 * self.level, factor=factor)

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

    def service_gap(self, rows: Bools, confidence: float) -> Interval:
        """Return the share of eligible rows that are served, among `rows` less among the others.

        Served are rows that are acted on; in regression those with a label up to the decision: a
        quantity that is just enough is not too little.
        """
        served = self.decided.astype(float)
        if isinstance(self.costs, UnitCosts):
            served = (self.label <= served).astype(float)
        here, there = (np.flatnonzero(some & self.eligible) for some in (rows, ~rows))
        return self.bootstrap.difference(served, here, there, confidence)

    def has_enough(self, rows: Any) -> bool:
        """Return whether a slice has enough rows and days to be evaluated."""
        return len(rows) >= FEWEST_ROWS and self.bootstrap.active(rows) >= FEWEST_UNITS_OF_SLICE

    def describe(self, gain: Gain, rival: str) -> str:
        """Return a gain over a rival as a phrase."""
        framing, money = self.framing, partial(format_money, unit=self.framing.costs.unit)
        bounds = "no interval: the test is a single " + framing.resampling.unit
        if np.isfinite(gain.low):
            bounds = (
                f"{format_level(framing.confidence)} CI {money(gain.low)} to {money(gain.high)}"
            )
        return (
            f"saves {money(abs(gain.mean))} {'less' if gain.mean < 0 else 'more'} per 1,000 "
            f"{framing.decision.units} than {rival} ({bounds})"
        )
