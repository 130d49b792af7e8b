"""Intervals for units that depend on each other: bootstrap, and Student's t of cosines.

Rows of one unit (a day, unless the framing says otherwise) depend on each other, so units are
drawn, not rows (percentile intervals: Efron and Tibshirani 1993). A replicate is a weight for each
unit. Every metric is a sum over units, or over pairs of them, so all replicates are one product of
matrices: a thousand of them cost less than fitting a tree.

Neighbouring days depend on each other too. The interval of a mean is therefore at least as wide as
that of `autocorrelation`; other metrics draw blocks of neighbouring units, round the end to the
beginning (circular block bootstrap: Politis and Romano 1992).
"""

from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd

from preflight.problem.framing import Framing
from preflight.stats.autocorrelation import choose_block, cosine_count, long_run_variance
from preflight.stats.units import Ints, number_units

Floats = npt.NDArray[np.float64]

AT_ONCE = 10_000_000  # cells of a product of matrices: 80 MB
DRAWS = 20_000  # of a test whose error is not known: the third digit of an effect is right
A_WEEK = {"day": 7, "week": 1, "month": 1}  # the shortest block, in units


class Interval(TypedDict):
    """A metric on all rows, and the bounds of its interval; None where it is not defined."""

    mean: float | None
    low: float | None
    high: float | None


UNDEFINED: Interval = {"mean": None, "low": None, "high": None}


def block_weights(units: int, block: int, replicates: int, seed: int) -> Floats:
    """Return how often each unit is drawn, shape (replicates + 1, units); the first row is ones.

    Blocks of `block` neighbouring units are drawn until there are as many units as there were; the
    last block counts in part. The first row is the data themselves, so the metric and its interval
    come from one formula.
    """
    rng = np.random.default_rng(seed)
    starts, rest = units // block, units % block
    drawn = rng.multinomial(starts, np.full(units, 1 / units), size=replicates)
    weights = _spread(drawn, block)
    if rest:
        begins = rng.multinomial(1, np.full(units, 1 / units), size=replicates)
        weights += _spread(begins, rest)
    return np.vstack([np.ones(units), weights])


def _spread(begins: Ints, block: int) -> Ints:
    """Return how often each unit is in a block, from how often a block begins at each."""
    if block == 1:
        return begins
    around = np.concatenate([begins[:, begins.shape[1] - block + 1 :], begins], axis=1)
    windows = np.lib.stride_tricks.sliding_window_view(around, block, axis=1)
    return np.asarray(windows.sum(axis=2))


def interval(replicates: Floats, confidence: float) -> Interval:
    """Return the first value with the percentile interval of the others.

    The bounds are None if it is not defined in half of them: what is left would be a selection.
    """
    if np.isnan(replicates[0]):
        return UNDEFINED
    mean, others = float(replicates[0]), replicates[1:][~np.isnan(replicates[1:])]
    if 2 * len(others) < len(replicates) - 1:
        return {"mean": mean, "low": None, "high": None}
    tail = (1 - confidence) / 2
    low, high = np.quantile(others, [tail, 1 - tail])
    return {"mean": mean, "low": float(low), "high": float(high)}


def minimum_detectable_effect(
    errors: tuple[float, float], freedoms: tuple[int, int], level: float, power: float
) -> float:
    """Return the smallest effect that a test most likely detects, in the unit of its error.

    The standard error of the test is not known, but estimated on other data. So it is drawn with
    the uncertainty of that estimate, and the power is the mean over all draws (assurance: O'Hagan,
    Stevens and Campbell 2005).

    errors: of the test, with and without dependence between units. freedoms: degrees of freedom of
    the t interval on the other data and on the test. level: of the test, one-sided.
    """
    from scipy.special import ndtri, stdtrit

    rng = np.random.default_rng(0)
    before, then = (np.sqrt(rng.chisquare(f, DRAWS) / f) for f in freedoms)
    error = errors[0] / before
    needed = np.maximum(error * then * stdtrit(freedoms[1], 1 - level), -errors[1] * ndtri(level))
    return float(np.quantile(needed + error * rng.standard_normal(DRAWS), power))


class Bootstrap:
    """The resampling of a table of predictions or examples, at the framing's confidence.

    Attributes:
        unit: each row's unit as a number from 0, shape (n,).
        units: how many there are, those without rows among them.
        weights: how often each replicate draws each unit, shape (replicates + 1, units).
    """

    def __init__(self, table: pd.DataFrame, framing: Framing, replicates: int, seed: int) -> None:
        self.unit, self.units = number_units(table, framing)
        self.resampling, self.confidence = framing.resampling, framing.confidence
        self.seed = seed
        self.weights = block_weights(self.units, 1, replicates, seed)
        self._in_blocks: dict[int, Floats] = {1: self.weights}

    def weights_in_blocks(self, loss: Floats) -> Floats:
        """Return weights as `weights`, of blocks of neighbouring units.

        The framing may state the length of a block. Otherwise it is chosen from a loss of each row,
        shape (n,), and is at least a week.
        """
        if not self.resampling.in_order:
            return self.weights
        block = self.resampling.block
        if block is None:
            rows = self._sums(np.ones(len(loss)))
            block = choose_block(self._sums(loss) - loss.mean() * rows)
            block = max(block, A_WEEK[self.resampling.unit])
        block = max(1, min(block, self.units // 3))  # fewer than three blocks tell nothing
        if block not in self._in_blocks:
            replicates = len(self.weights) - 1
            self._in_blocks[block] = block_weights(self.units, block, replicates, self.seed)
        return self._in_blocks[block]

    def active(self, rows: Any = slice(None)) -> int:
        """Return how many units have some of the rows."""
        return len(np.unique(self.unit[rows]))

    def _in_active(self, contribution: Floats, *rows: Any) -> Floats:
        """Return the contributions of the units that have some of the rows, in their order.

        A unit without rows contributes nothing. Left in, a few active units in a long calendar
        would stand so close together that no cosine tells them apart.
        """
        return contribution[np.unique(np.concatenate([self.unit[some] for some in rows]))]

    def _sums(self, value: Any, rows: Any = slice(None)) -> Floats:
        """Return the sum of a value in each unit, shape (units,)."""
        weights = np.asarray(value, dtype=np.float64)
        sums = np.bincount(self.unit[rows], weights=weights, minlength=self.units)
        return np.asarray(sums, dtype=np.float64)

    def percentile(self, replicates: Floats, rows: Any = slice(None)) -> Interval:
        """Return a metric of some rows with the percentile interval of its replicates.

        The bounds are None with fewer than two active units, whose spread is not known.
        """
        found = interval(replicates, self.confidence)
        return {**found, "low": None, "high": None} if self.active(rows) < 2 else found

    def mean(
        self, value: Any, rows: Any = slice(None), confidence: float | None = None
    ) -> Interval:
        """Return the mean of a value over some rows, with its interval.

        confidence: that of the framing if not given.
        """
        return self.ratio(value, np.ones(len(value)), rows, confidence)

    def per_1000(
        self, saving: Floats, rows: Any = slice(None), confidence: float | None = None
    ) -> Interval:
        """Return the saving per 1,000 rows, with its interval."""
        return self.mean(1000 * saving, rows, confidence)

    def ratio(
        self, above: Any, below: Any, rows: Any = slice(None), confidence: float | None = None
    ) -> Interval:
        """Return the sum of one value over the sum of another, with its interval."""
        replicates, contribution = self.estimate(above, below, rows)
        contribution = self._in_active(contribution, rows)
        return self.interval(replicates, contribution, self.active(rows), confidence)

    def difference(
        self, value: Any, these: Any, those: Any, confidence: float | None = None
    ) -> Interval:
        """Return the mean over some rows less that over others, with its interval."""
        ones = np.ones(len(value))
        here, there = (self.estimate(value, ones, rows) for rows in (these, those))
        active = min(self.active(these), self.active(those))
        contribution = self._in_active(here[1] - there[1], these, those)
        return self.interval(here[0] - there[0], contribution, active, confidence)

    def estimate(self, above: Any, below: Any, rows: Any = slice(None)) -> tuple[Floats, Floats]:
        """Return a ratio of sums in each replicate, and what each unit contributes to it.

        Shapes (replicates + 1,) and (units,). Contributions have the sum 0; they are those of a
        ratio estimator (Cochran 1977, chapter 6).
        """
        over, under = self._sums(above[rows], rows), self._sums(below[rows], rows)
        replicates = ratio(self.weights @ over, self.weights @ under)
        total = under.sum()
        return replicates, (over - replicates[0] * under) / (total if total else np.nan)

    def contribution(self, value: Any) -> Floats:
        """Return what each active unit contributes to the mean of a value, in order."""
        every = slice(None)
        return self._in_active(self.estimate(value, np.ones(len(value)))[1], every)

    def interval(
        self,
        replicates: Floats,
        contribution: Floats,
        active: int,
        confidence: float | None = None,
    ) -> Interval:
        """Return an estimate with the outer bounds of two intervals: percentile and Student's t.

        contribution: of each active unit, in order. active: how many give degrees of freedom. The
        bounds are None with fewer than two of them, whose spread is not known.
        """
        confidence = confidence or self.confidence
        found = interval(replicates, confidence)
        mean, low, high = found["mean"], found["low"], found["high"]
        if mean is None or low is None or high is None or active < 2:
            return {"mean": mean, "low": None, "high": None}
        half = self.half_width(contribution, active, confidence)
        return {"mean": mean, "low": min(low, mean - half), "high": max(high, mean + half)}

    def half_width(self, contribution: Floats, active: int, confidence: float) -> float:
        """Return half the width of the t interval of a sum of contributions."""
        from scipy.special import stdtrit

        quantile = stdtrit(self.freedom(active), (1 + confidence) / 2)
        return float(self.error(contribution, active) * quantile)

    def freedom(self, active: int) -> int:
        """Return the degrees of freedom of the t interval."""
        return cosine_count(active) if self.resampling.in_order else active - 1

    def error(self, contribution: Floats, active: int) -> float:
        """Return the standard error of a sum of contributions."""
        if not self.resampling.in_order:
            return independent_error(contribution)
        variance = long_run_variance(contribution, self.freedom(active))
        return float(np.sqrt(len(contribution) * variance))


def independent_error(contribution: Floats) -> float:
    """Return the standard error of a sum of contributions of independent units."""
    units = len(contribution)
    return float(np.sqrt(units / (units - 1) * (contribution**2).sum()))


def interval_columns(figure: Interval, *names: str) -> dict[str, float]:
    """Return mean, low and high of a figure by the names of three columns; missing is NaN."""
    values = (figure["mean"], figure["low"], figure["high"])
    return {n: np.nan if v is None else v for n, v in zip(names, values, strict=True)}


def mean_over(value: Floats, unit: Ints, weights: Floats) -> Floats:
    """Return the mean of a value per row in each replicate, shape (replicates + 1,)."""
    units = weights.shape[1]
    total = np.bincount(unit, weights=value, minlength=units)
    return ratio(weights @ total, weights @ np.bincount(unit, minlength=units))


def ratio(above: Floats, below: Floats, otherwise: float = np.nan) -> Floats:
    """Return above / below, and `otherwise` where there is nothing below."""
    ratio = np.full(np.shape(above), otherwise)
    np.divide(above, below, out=ratio, where=below > 0)
    return ratio
