"""Figures of a model with intervals, from a bootstrap over whole days.

Rows of one day share what made it a good or a bad day, so days are drawn, not rows (a block
bootstrap: Künsch 1989; percentile intervals: Efron and Tibshirani 1993). A replicate is a weight
for each day. Every figure is written as sums over days, or pairs of days, so that all replicates
are one product of matrices: a thousand of them cost less than fitting a tree.
"""

from typing import TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd

from preflight.problem.framing import Split

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

AT_ONCE = 10_000_000  # numbers of a product of matrices: 80 MB


class Interval(TypedDict):
    """A figure on all rows, and the bounds of its interval; None where it is not defined."""

    mean: float | None
    low: float | None
    high: float | None


def day_weights(days: int, replicates: int, seed: int) -> Floats:
    """Return how often each day is drawn, shape (replicates + 1, days); the first row is all ones.

    The first row is the data themselves, so the figure and its interval come from one formula.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(days, np.full(days, 1 / days), size=replicates)
    return np.vstack([np.ones(days), drawn])


def day_numbers(day: pd.Series) -> tuple[Ints, int]:
    """Return each row's day as a number from 0, shape (n,), and the number of days."""
    number, distinct = pd.factorize(day, sort=True)
    return number.astype(np.int64), len(distinct)


def bootstrap_days(
    moments: pd.Series, split: Split, replicates: int, seed: int
) -> tuple[Ints, Floats]:
    """Return each row's day as a number, and how often each replicate draws each day."""
    day, days = day_numbers(split.day(moments))
    return day, day_weights(days, replicates, seed)


def interval(replicates: Floats, confidence: float) -> Interval:
    """Return the first value with the percentile interval of the others."""
    if np.isnan(replicates[0]):
        return {"mean": None, "low": None, "high": None}
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(replicates[1:], [tail, 1 - tail])
    return {"mean": float(replicates[0]), "low": float(low), "high": float(high)}


def minimum_detectable_effect(error: float, confidence: float, power: float) -> float:
    """Return the effect that is told from nothing with a power, where the standard error is so.

    From a two-sided interval (Cohen 1988); 2.8 standard errors at 95% and 80%.
    """
    from scipy.special import ndtri

    return float(error * (ndtri((1 + confidence) / 2) + ndtri(power)))


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
