"""How well a feature, or a pair, predicts the label, whatever the shape: by bins of its values.

Each statistic counts the rows of the rarer label and is compared with what chance can do: an AUC by
bins is cross-fitted, and every statistic is tested against its limit, not merely compared with it.
"""

from itertools import combinations, count
from math import ceil, inf, log, log2, sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int8]
Pair = tuple[str, str, str]  # a feature, how the two are combined, the other feature

MAX_BINS, MAX_CROSSED_BINS = 64, 12  # of one feature, of each of two: more find narrower shapes

CHANCE = 0.01  # that a check stops what is at its limit
Z_SCORE = NormalDist().inv_cdf(1 - CHANCE)
MIN_ROWS_PER_BIN = ceil(log2(1 / CHANCE))  # rows: if all have a label, it is that of most like them


def bins_for(rare: int, most: int, n_crossed: int = 1) -> int:
    """Return the number of bins of a feature: MIN_ROWS_PER_BIN rows of the rarer label in each.

    n_crossed: features whose bins are crossed.
    """
    return max(2, min(most, int((rare / MIN_ROWS_PER_BIN) ** (1 / n_crossed))))


def bins(values: pd.Series, number: int) -> Ints:
    """Return the bin of each value, shape (n,): about `number` bins, and 0 where it is missing.

    Common values have a bin each, as a mark such as -1 hides among numbers. Other numbers have
    bins of about equally many rows, other categories share one.
    """
    code, distinct = pd.factorize(values)
    if len(distinct) <= number:
        return code + 1
    counts = np.bincount(code[code >= 0])
    common = np.argsort(-counts, kind="stable")[: number // 2]
    common = common[counts[common] >= MIN_ROWS_PER_BIN]
    own = np.zeros(len(distinct), dtype=np.int64)
    own[common] = np.arange(1, len(common) + 1)
    binned = np.full(len(values), len(common) + 1)
    if pd.api.types.is_numeric_dtype(values):
        edges = np.linspace(0, 1, number - len(common) + 1)[1:-1]
        binned += np.searchsorted(np.unique(values.quantile(edges)), values, side="right")
    binned = np.where(own[code] > 0, own[code], binned)
    return np.where(code < 0, 0, binned)


def roc_auc(binned: Ints, label: Labels) -> float:
    """Return the cross-fitted ROC AUC of bins, in the order of their rates of label 1.

    Half of the rows of each label give the order, the others are scored; then the other way round;
    the mean of both. So a feature without any relation to the label has 0.5 on average. Each label
    needs two rows.
    """
    half = np.empty(len(label), dtype=np.int64)
    for one in (0, 1):
        half[label == one] = np.arange((label == one).sum()) % 2
    number = int(binned.max()) + 1
    counts = np.bincount((half * 2 + label) * number + binned, minlength=4 * number)
    first, second = counts.reshape(2, 2, number)
    return (_scored(first, second) + _scored(second, first)) / 2


def _scored(known: Ints, scored: Ints) -> float:
    """Return the ROC AUC of rows by the rates of others; each a count by label and bin.

    A rate counts one row of label 1 more, among as many as there are to one: few rows prove little.
    """
    per_one = known.sum() / known[1].sum()
    _, rank = np.unique((known[1] + 1) / (known.sum(axis=0) + per_one), return_inverse=True)
    good, bad = (np.bincount(rank, weights=one) for one in scored)
    pairs = (bad * (np.cumsum(good) - good / 2)).sum()
    return float(pairs / (good.sum() * bad.sum()))


def rank_auc(values: npt.NDArray[Any], label: Labels) -> Floats:
    """Return the ROC AUC of each column, or of its inverse, shape (columns,); missing ones largest.

    Of equal values the first row counts as the smaller one: shuffle the rows.
    """
    rare, rows = int(label.sum()), len(label)
    rank_sum = np.arange(1, rows + 1) @ label[np.argsort(values, axis=0, kind="stable")]
    area: Floats = (rank_sum - rare * (rare + 1) / 2) / (rare * (rows - rare))
    return np.maximum(area, 1 - area)


def margin(limit: float, rare: int, others: int) -> float:
    """Return by how much an area at its limit is above it by chance, with the probability CHANCE.

    The standard error is that of Hanley and McNeil, "The meaning and use of the area under a
    receiver operating characteristic (ROC) curve", Radiology 143 (1982).
    """
    if not rare:
        return inf
    square, one, two = limit**2, limit / (2 - limit), 2 * limit**2 / (1 + limit)
    spread = limit * (1 - limit) + (rare - 1) * (one - square) + (others - 1) * (two - square)
    return Z_SCORE * sqrt(spread / (rare * others))


def needed_for_auc(limit: float, others: int) -> int:
    """Return how many rows of the rarer label separate a perfect feature from one at the limit."""
    return next(n for n in count(MIN_ROWS_PER_BIN) if limit + margin(limit, n, max(n, others)) <= 1)


def odds_ratios(binned: Ints, label: Labels, tried: int) -> Floats:
    """Return how many times each bin's odds of the label are those of all rows, or the inverse.

    Shape (largest bin + 1,). A bin's rate is the bound of its Clopper-Pearson interval that is
    nearer to the overall rate, so few rows prove little; 1 where it doesn't differ for certain, 0
    where there are no rows.

    tried: bins of all features; of all bounds together one is wrong with the probability CHANCE.
    """
    from scipy.special import betaincinv

    rows = np.bincount(binned)
    bad = np.bincount(binned, weights=label)
    overall, wrong = bad.sum() / rows.sum(), CHANCE / (2 * tried)
    low = np.where(bad > 0, betaincinv(np.maximum(bad, 1), rows - bad + 1, wrong), 0)
    high = np.where(bad < rows, betaincinv(bad + 1, np.maximum(rows - bad, 1), 1 - wrong), 1)
    bound = np.clip(overall, low, high)
    ratio = bound / (1 - bound) / (overall / (1 - overall))
    return np.where(rows > 0, np.maximum(ratio, 1 / ratio), 0.0)


def share_proved(some: int, rows: int) -> float:
    """Return the share of rows that so many surely are: a Clopper-Pearson bound, by CHANCE."""
    from scipy.special import betaincinv

    return float(betaincinv(some, rows - some + 1, CHANCE)) if some else 0.0


def needed_for_odds(limit: float, share: float, tried: int) -> int:
    """Return how many rows of the rarer label, if one value has them all, prove the limit.

    share: of the rarer label.
    """
    odds = limit * share / (1 - share)
    return (
        MIN_ROWS_PER_BIN if not odds else ceil(log(CHANCE / (2 * tried)) / log(odds / (1 + odds)))
    )


def feature_aucs(features: pd.DataFrame, label: Labels) -> dict[str, float]:
    """Return the ROC AUC of each feature: by bins, or by the order of numbers if that is more."""
    number = bins_for(int(label.sum()), MAX_BINS)
    found = {str(name): roc_auc(bins(one, number), label) for name, one in features.items()}
    names, values = _numbers(features)
    ordered = zip(names, rank_auc(values, label), strict=True)
    return found | {name: max(found[name], float(auc)) for name, auc in ordered}


def crossed_aucs(features: pd.DataFrame, label: Labels) -> dict[Pair, float]:
    """Return the ROC AUC of each pair of features by their crossed bins, by (a, "with", b)."""
    number = bins_for(int(label.sum()), MAX_CROSSED_BINS, n_crossed=2)
    binned = {str(name): bins(one, number) for name, one in features.items()}
    return {
        (a, "with", b): roc_auc(binned[a] * (binned[b].max() + 1) + binned[b], label)
        for a, b in combinations(binned, 2)
    }


def sums_and_differences(features: pd.DataFrame, label: Labels) -> dict[Pair, float]:
    """Return the ROC AUC of a + b and of a - b for all pairs of numbers, by (a, "+" or "-", b)."""
    names, values = _numbers(features)
    found = {}
    for i, name in enumerate(names[:-1]):
        for sign, word in ((1, "+"), (-1, "-")):
            aucs = rank_auc(values[:, [i]] + sign * values[:, i + 1 :], label)
            for other, auc in zip(names[i + 1 :], aucs, strict=True):
                found[name, word, other] = float(auc)
    return found


def _numbers(features: pd.DataFrame) -> tuple[list[str], Floats]:
    """Return the features that are no categories: names and values, shape (n, numbers)."""
    numbers = features.select_dtypes(exclude="category")
    return [*map(str, numbers)], numbers.to_numpy(np.float64, na_value=np.nan)
