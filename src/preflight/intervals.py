"""Figures of a model with intervals, from a bootstrap over whole days.

Rows of one day share what made it a good or a bad day, so days are drawn, not rows (a block
bootstrap: Künsch 1989; percentile intervals: Efron and Tibshirani 1993). A replicate is a weight
for each day. Every figure is written as sums over days, or pairs of days, so that all replicates
are one product of matrices: a thousand of them cost less than fitting a tree.
"""

from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd

from preflight.costs import Decided, Errors, Outcomes
from preflight.framing import Split

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


def drawn_days(moments: pd.Series, split: Split, replicates: int, seed: int) -> tuple[Ints, Floats]:
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


def detectable(error: float, confidence: float, power: float) -> float:
    """Return the effect that is told from nothing with a power, where the standard error is so.

    From a two-sided interval (Cohen 1988); 2.8 standard errors at 95% and 80%.
    """
    from scipy.stats import norm

    return float(error * (norm.ppf((1 + confidence) / 2) + norm.ppf(power)))


def mean_over(value: Floats, day: Ints, weights: Floats) -> Floats:
    """Return the mean of a value per row in each replicate, shape (replicates + 1,)."""
    days = weights.shape[1]
    total = np.bincount(day, weights=value, minlength=days)
    return _ratio(weights @ total, weights @ np.bincount(day, minlength=days))


def roc_auc(label: Ints, probability: Floats, day: Ints, weights: Floats) -> Floats:
    """Return the area under the ROC curve in each replicate, shape (replicates + 1,).

    It is the share of pairs (a 1, a 0) in which the 1 has the higher probability, ties counting
    half (Hanley and McNeil 1982). Pairs are counted once per pair of days; a replicate weighs them.
    """
    days = weights.shape[1]
    ones, zeros = label == 1, label == 0
    pairs = np.empty((days, days))
    for other in range(days):
        rivals = np.sort(probability[zeros & (day == other)])
        below = np.searchsorted(rivals, probability[ones], side="left")
        not_above = np.searchsorted(rivals, probability[ones], side="right")
        won = (below + not_above) / 2
        pairs[:, other] = np.bincount(day[ones], weights=won, minlength=days)
    positives = weights @ np.bincount(day[ones], minlength=days)
    negatives = weights @ np.bincount(day[zeros], minlength=days)
    return _ratio(((weights @ pairs) * weights).sum(axis=1), positives * negatives)


def average_precision(label: Ints, probability: Floats, day: Ints, weights: Floats) -> Floats:
    """Return the average precision in each replicate, shape (replicates + 1,).

    For each 1, the share of ones among the rows with at least its probability, and the mean of it.
    """
    days = weights.shape[1]
    ones = label == 1
    cut, cut_day = probability[ones], day[ones]
    above, hits = np.empty((days, len(cut))), np.empty((days, len(cut)))
    for d in range(days):
        for counts, rows in ((above, day == d), (hits, ones & (day == d))):
            counts[d] = rows.sum() - np.searchsorted(np.sort(probability[rows]), cut, side="left")
    cells = len(weights) * len(cut)
    precision_sum = np.concatenate(
        [
            (_ratio(some @ hits, some @ above, otherwise=0.0) * some[:, cut_day]).sum(axis=1)
            for some in np.array_split(weights, max(1, len(weights) // 100, cells // AT_ONCE))
        ]
    )
    return _ratio(precision_sum, weights[:, cut_day].sum(axis=1))


def log_loss(label: Any, probability: Floats) -> Floats:
    """Return each row's log loss in nats, shape (n,); as scikit-learn, never infinite."""
    inside = np.clip(probability, np.finfo(np.float64).eps, 1 - np.finfo(np.float64).eps)
    return -np.log(np.where(label == 1, inside, 1 - inside))


def figures(
    label: Any,
    predicted: Floats,
    decided: Decided,
    day: Ints,
    weights: Floats,
    costs: Outcomes | Errors,
    confidence: float,
) -> dict[str, Interval]:
    """Return the figures of one model, each with its interval: `framing.METRICS` of its task.

    value_per_1000 is what 1,000 decisions save, in the currency of the costs; mae and rmse are in
    the unit of the label, r2 is the share of its variance that is explained, and covered the share
    of labels that are not above what is predicted.
    """
    if isinstance(costs, Outcomes):
        replicates = {
            "roc_auc": roc_auc(label, predicted, day, weights),
            "average_precision": average_precision(label, predicted, day, weights),
            "log_loss": mean_over(log_loss(label, predicted), day, weights),
            "brier": mean_over((predicted - label) ** 2, day, weights),
        }
    else:
        squares = mean_over((predicted - label) ** 2, day, weights)
        spread = mean_over((label - label.mean()) ** 2, day, weights)
        spread -= mean_over(label - label.mean(), day, weights) ** 2
        replicates = {
            "mae": mean_over(np.abs(predicted - label), day, weights),
            "rmse": np.sqrt(squares),
            "r2": 1 - _ratio(squares, spread),
            "covered": mean_over(covered(label, predicted), day, weights),
        }
    value = 1000 * mean_over(costs.saving(label, decided), day, weights)
    return {
        name: interval(values, confidence)
        for name, values in [*replicates.items(), ("value_per_1000", value)]
    }


def covered(label: Any, predicted: Floats) -> Floats:
    """Return 1 where a label is below what is predicted, 0 where above, and half where equal."""
    return np.heaviside(predicted - np.asarray(label, dtype=np.float64), 0.5)


def _ratio(above: Floats, below: Floats, otherwise: float = np.nan) -> Floats:
    """Return above / below, and `otherwise` where there is nothing below."""
    ratio = np.full(np.shape(above), otherwise)
    np.divide(above, below, out=ratio, where=below > 0)
    return ratio
