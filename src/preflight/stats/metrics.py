"""Metrics of a model in each replicate of the bootstrap, as sums over days."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from preflight.errors import RunError
from preflight.problem.costs import Decided, Outcomes, UnitCosts
from preflight.stats.bootstrap import AT_ONCE, Floats, Interval, Ints, interval, mean_over, ratio

# A metric as a ratio of two sums over rows: of (label, predicted, decided), each of shape (n,), it
# returns what is summed above and what below. Precision: (decided & (label == 1), decided).
RowMetric = Callable[[Any, Floats, Decided], tuple[Any, Any]]


def roc_auc(label: Ints, probability: Floats, day: Ints, weights: Floats) -> Floats:
    """Return the area under the ROC curve in each replicate, shape (replicates + 1,).

    That is the share of pairs (a 1, a 0) in which the 1 has the higher probability, ties counting
    half (Hanley and McNeil 1982). Pairs are counted once per pair of days, and each replicate
    weights these counts: eight times as fast as a weighted sum over all rows in each replicate.
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
    return ratio(((weights @ pairs) * weights).sum(axis=1), positives * negatives)


def average_precision(label: Ints, probability: Floats, day: Ints, weights: Floats) -> Floats:
    """Return the average precision in each replicate, shape (replicates + 1,).

    That is the mean over the ones of the precision at their probability.
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
            (ratio(some @ hits, some @ above, otherwise=0.0) * some[:, cut_day]).sum(axis=1)
            for some in np.array_split(weights, max(1, len(weights) // 100, cells // AT_ONCE))
        ]
    )
    return ratio(precision_sum, weights[:, cut_day].sum(axis=1))


def log_loss(label: Any, probability: Floats) -> Floats:
    """Return each row's log loss in nats, shape (n,); as scikit-learn, never infinite."""
    inside = np.clip(probability, np.finfo(np.float64).eps, 1 - np.finfo(np.float64).eps)
    return -np.log(np.where(label == 1, inside, 1 - inside))


def metrics_with_intervals(
    label: Any,
    predicted: Floats,
    decided: Decided,
    day: Ints,
    weights: Floats,
    costs: Outcomes | UnitCosts,
    confidence: float,
    own: Mapping[str, RowMetric] | None = None,
) -> dict[str, Interval]:
    """Return the metrics of one model, each with its interval: `framing.METRICS`, and your own.

    value_per_1000 is the saving per 1,000 decisions, in the currency of the costs. mae and rmse are
    in the unit of the label, r2 is the share of its variance that is explained, and coverage is the
    share of labels below the prediction, those equal to it by half (see `coverage`).
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
            "r2": 1 - ratio(squares, spread),
            "coverage": mean_over(coverage(label, predicted), day, weights),
        }
    replicates["value_per_1000"] = 1000 * mean_over(costs.saving(label, decided), day, weights)
    for name, metric in (own or {}).items():
        sums = [np.asarray(rows, dtype=np.float64) for rows in metric(label, predicted, decided)]
        if undefined := int((~np.isfinite(sums).all(axis=0)).sum()):
            raise RunError(
                f"evaluation.metrics.{name} gives no number for {undefined:,} of {len(label):,} "
                "rows. Let the function return 0 for both sums of a row that does not count."
            )
        above, below = (mean_over(rows, day, weights) for rows in sums)
        replicates[name] = ratio(above, below)
    return {name: interval(values, confidence) for name, values in replicates.items()}


def coverage(label: Any, predicted: Floats) -> Floats:
    """Return 1 where a label is below the prediction, 0 where it is above, 1/2 where equal.

    The mean is in the middle between P(label < q) and P(label <= q) (mid-distribution function:
    Parzen 2004). As a single number it favours neither; whether the quantile is right follows from
    both (see `compute_calibration_curve`).
    """
    return np.heaviside(predicted - np.asarray(label, dtype=np.float64), 0.5)
