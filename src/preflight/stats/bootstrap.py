"""Percentile intervals from a block bootstrap over whole days.

Rows of one day depend on each other, so days are drawn, not rows (block bootstrap: Künsch 1989;
percentile intervals: Efron and Tibshirani 1993). A replicate is a weight for each day. Every metric
is a sum over days, or over pairs of days, so all replicates are one product of matrices: a thousand
of them cost less than fitting a tree.
"""

from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd

from preflight.problem.framing import Framing

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

AT_ONCE = 10_000_000  # cells of a product of matrices: 80 MB


class Interval(TypedDict):
    """A metric on all rows, and the bounds of its interval; None where it is not defined."""

    mean: float | None
    low: float | None
    high: float | None


def day_weights(days: int, replicates: int, seed: int) -> Floats:
    """Return how often each day is drawn, shape (replicates + 1, days); the first row is all ones.

    The first row is the data themselves, so the metric and its interval come from one formula.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(days, np.full(days, 1 / days), size=replicates)
    return np.vstack([np.ones(days), drawn])


def day_numbers(day: pd.Series) -> tuple[Ints, int]:
    """Return each row's day as a number from 0, shape (n,), and the number of days."""
    number, distinct = pd.factorize(day, sort=True)
    return number.astype(np.int64), len(distinct)


def interval(replicates: Floats, confidence: float) -> Interval:
    """Return the first value with the percentile interval of the others."""
    if np.isnan(replicates[0]):
        return {"mean": None, "low": None, "high": None}
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(replicates[1:], [tail, 1 - tail])
    return {"mean": float(replicates[0]), "low": float(low), "high": float(high)}


def minimum_detectable_effect(error: float, confidence: float, power: float) -> float:
    """Return the minimum detectable effect at the given power, in the unit of the standard error.

    It is that of a two-sided interval (Cohen 1988): 2.8 standard errors at 95% and 80%.
    """
    from scipy.special import ndtri

    return float(error * (ndtri((1 + confidence) / 2) + ndtri(power)))


class DayBootstrap:
    """The bootstrap over the days of a table of predictions, at the framing's confidence.

    Attributes:
        day: each row's day as a number from 0, shape (n,).
        weights: how often each replicate draws each day, shape (replicates + 1, days).
    """

    def __init__(
        self, predictions: pd.DataFrame, framing: Framing, replicates: int, seed: int
    ) -> None:
        self.day, days = day_numbers(framing.split.day(predictions["predict_at"]))
        self.weights = day_weights(days, replicates, seed)
        self.confidence = framing.confidence

    def replicates(self, value: Any, rows: Any = slice(None)) -> Floats:
        """Return the mean of a value over some rows in each replicate, shape (replicates + 1,)."""
        return mean_over(value[rows], self.day[rows], self.weights)

    def mean(self, value: Any, rows: Any = slice(None)) -> Interval:
        """Return the mean of a value over some rows, with its interval."""
        return interval(self.replicates(value, rows), self.confidence)

    def per_1000(self, saving: Floats, rows: Any = slice(None)) -> Interval:
        """Return the saving per 1,000 rows, with its interval."""
        return interval(1000 * self.replicates(saving, rows), self.confidence)


def interval_columns(figure: Interval, *names: str) -> dict[str, float | None]:
    """Return mean, low and high of a figure by the names of three columns."""
    return dict(zip(names, (figure["mean"], figure["low"], figure["high"]), strict=True))


def mean_over(value: Floats, day: Ints, weights: Floats) -> Floats:
    """Return the mean of a value per row in each replicate, shape (replicates + 1,)."""
    days = weights.shape[1]
    total = np.bincount(day, weights=value, minlength=days)
    return ratio(weights @ total, weights @ np.bincount(day, minlength=days))


def ratio(above: Floats, below: Floats, otherwise: float = np.nan) -> Floats:
    """Return above / below, and `otherwise` where there is nothing below."""
    ratio = np.full(np.shape(above), otherwise)
    np.divide(above, below, out=ratio, where=below > 0)
    return ratio
