"""Metrics of a model with their intervals, as sums over the units that are resampled."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from preflight.errors import RunError
from preflight.problem.costs import Decided, Outcomes, UnitCosts
from preflight.stats.bootstrap import (
    AT_ONCE,
    Bootstrap,
    Floats,
    Interval,
    mean_over,
    ratio,
)
from preflight.stats.units import Ints

# A metric as a ratio of two sums over rows: of (label, predicted, decided), each of shape (n,), it
# returns what is summed above and what below. Precision: (decided & (label == 1), decided).
RowMetric = Callable[[Any, Floats, Decided], tuple[Any, Any]]


def roc_auc(label: Ints, probability: Floats, unit: Ints, weights: Floats) -> Floats:
    """Return the area under the ROC curve in each replicate, shape (replicates + 1,).

    That is the share of pairs (a 1, a 0) in which the 1 has the higher probability, ties counting
    half (Hanley and McNeil 1982). Pairs are counted once per pair of units, and each replicate
    weights these counts: eight times as fast as a weighted sum over all rows in each replicate.
    """
    units = weights.shape[1]
    ones, zeros = label == 1, label == 0
    pairs = np.empty((units, units))
    for other in range(units):
        rivals = np.sort(probability[zeros & (unit == other)])
        below = np.searchsorted(rivals, probability[ones], side="left")
        not_above = np.searchsorted(rivals, probability[ones], side="right")
        won = (below + not_above) / 2
        pairs[:, other] = np.bincount(unit[ones], weights=won, minlength=units)
    positives = weights @ np.bincount(unit[ones], minlength=units)
    negatives = weights @ np.bincount(unit[zeros], minlength=units)
    return ratio(((weights @ pairs) * weights).sum(axis=1), positives * negatives)


def average_precision(label: Ints, probability: Floats, unit: Ints, weights: Floats) -> Floats:
    """Return the average precision in each replicate, shape (replicates + 1,).

    That is the mean over the ones of the precision at their probability.
    """
    units = weights.shape[1]
    ones = label == 1
    cut, cut_unit = probability[ones], unit[ones]
    above, hits = np.empty((units, len(cut))), np.empty((units, len(cut)))
    for u in range(units):
        for counts, rows in ((above, unit == u), (hits, ones & (unit == u))):
            counts[u] = rows.sum() - np.searchsorted(np.sort(probability[rows]), cut, side="left")
    cells = len(weights) * len(cut)
    precision_sum = np.concatenate(
        [
            (ratio(some @ hits, some @ above, otherwise=0.0) * some[:, cut_unit]).sum(axis=1)
            for some in np.array_split(weights, max(1, len(weights) // 100, cells // AT_ONCE))
        ]
    )
    return ratio(precision_sum, weights[:, cut_unit].sum(axis=1))


def log_loss(label: Any, probability: Floats) -> Floats:
    """Return each row's log loss in nats, shape (n,); as scikit-learn, never infinite."""
    inside = np.clip(probability, np.finfo(np.float64).eps, 1 - np.finfo(np.float64).eps)
    return -np.log(np.where(label == 1, inside, 1 - inside))


def metrics_with_intervals(
    label: Any,
    predicted: Floats,
    decided: Decided,
    bootstrap: Bootstrap,
    costs: Outcomes | UnitCosts,
    own: Mapping[str, RowMetric] | None = None,
) -> dict[str, Interval]:
    """Return the metrics of one model, each with its interval: `framing.METRICS`, and your own.

    value_per_1000 is the saving per 1,000 decisions, in the currency of the costs. mae and rmse are
    in the unit of the label, r2 is the share of its variance that is explained, and coverage is the
    share of labels below the prediction, those equal to it by half (see `coverage`).
    """
    of_task = _binary_metrics if isinstance(costs, Outcomes) else _regression_metrics
    metrics = of_task(label, predicted, bootstrap)
    metrics["value_per_1000"] = bootstrap.per_1000(costs.saving(label, decided))
    for name, metric in (own or {}).items():
        above, below = (
            np.asarray(rows, dtype=np.float64) for rows in metric(label, predicted, decided)
        )
        if undefined := int((~np.isfinite(above + below)).sum()):
            raise RunError(
                f"evaluation.metrics.{name} gives no number for {undefined:,} of {len(label):,} "
                "rows. Let the function return 0 for both sums of a row that does not count."
            )
        metrics[name] = bootstrap.ratio(above, below)
    return metrics


def _binary_metrics(label: Any, predicted: Floats, bootstrap: Bootstrap) -> dict[str, Interval]:
    loss, unit = log_loss(label, predicted), bootstrap.unit
    weights = bootstrap.weights_in_blocks(loss)
    in_blocks = {
        "roc_auc": roc_auc(label, predicted, unit, weights),
        "average_precision": average_precision(label, predicted, unit, weights),
        "log_loss": mean_over(loss, unit, weights),
    }
    found = {name: bootstrap.percentile(some) for name, some in in_blocks.items()}
    return {**found, "brier": bootstrap.mean((predicted - label) ** 2)}


def _regression_metrics(label: Any, predicted: Floats, bootstrap: Bootstrap) -> dict[str, Interval]:
    error, off, unit = np.abs(predicted - label), label - label.mean(), bootstrap.unit
    weights = bootstrap.weights_in_blocks(error)
    squares = mean_over(error**2, unit, weights)
    spread = mean_over(off**2, unit, weights) - mean_over(off, unit, weights) ** 2
    return {
        "mae": bootstrap.mean(error),
        "rmse": bootstrap.percentile(np.sqrt(squares)),
        "r2": bootstrap.percentile(1 - ratio(squares, spread)),
        "coverage": bootstrap.mean(coverage(label, predicted)),
    }


def coverage(label: Any, predicted: Floats) -> Floats:
    """Return 1 where a label is below the prediction, 0 where it is above, 1/2 where equal.

    The mean is in the middle between P(label < q) and P(label <= q) (mid-distribution function:
    Parzen 2004). As a single number it favours neither; whether the quantile is right follows from
    both (see `compute_calibration_curve`).
    """
    return np.heaviside(predicted - np.asarray(label, dtype=np.float64), 0.5)
