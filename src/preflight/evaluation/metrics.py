"""Metrics on test with intervals: by model, bin, threshold, slice and feature."""

from typing import Any

import numpy as np
import pandas as pd

from preflight.contracts.catalog import Contracts
from preflight.evaluation.contracts import Evaluation, Slices
from preflight.evaluation.slicing import slices_of
from preflight.modeling.importance import shuffle_features
from preflight.modeling.model import Bundle, is_binary
from preflight.problem.costs import UnitCosts
from preflight.problem.framing import Framing
from preflight.stats.bootstrap import interval_columns
from preflight.stats.metrics import coverage, log_loss, metrics_with_intervals, roc_auc


def compute_metrics(
    test_predictions: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> dict[str, Any]:
    """Return the metrics of each model on test, each with its interval."""
    bootstrap = evaluation.bootstrap(test_predictions, framing)
    label, costs = test_predictions["label"].to_numpy(), framing.costs.at(test_predictions)
    own, of_rivals = evaluation.own_metrics(), f"{framing.predicted}_"
    rivals = [
        name.removeprefix(of_rivals)
        for name in map(str, test_predictions)
        if name.startswith(of_rivals)
    ]
    return {
        name: metrics_with_intervals(
            label,
            test_predictions[f"{framing.predicted}{suffix}"].to_numpy(),
            test_predictions[f"{framing.decided}{suffix}"].to_numpy(),
            bootstrap,
            costs,
            own,
        )
        for name, suffix in {"candidate": "", **{name: f"_{name}" for name in rivals}}.items()
    }


def compute_calibration_curve(
    test_predictions: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> pd.DataFrame:
    """Return expected and observed shares by bin of the candidate's predictions, lowest first.

    Binary: the mean probability, and the share of label 1. Regression: the quantile that the costs
    ask for, and the share of labels below the predicted quantity.

    A label may be equal to the prediction, as counts often are. Then a quantile q of level tau is
    right if P(label < q) <= tau <= P(label <= q) (Koenker and Bassett 1978). So in regression
    `below` and `up_to` are these two shares, `observed` is what lies between them nearest to tau,
    and the interval leads from the lower bound of `below` to the upper bound of `up_to`.

    Grain: one row per bin of about equally many examples; the observed share has its interval.
    """
    bootstrap = evaluation.bootstrap(test_predictions, framing)
    label = test_predictions["label"].to_numpy(dtype=float)
    predicted = test_predictions[framing.predicted].to_numpy()
    costs = framing.costs.at(test_predictions)
    expected, below, up_to = predicted, label, label
    is_quantity = isinstance(costs, UnitCosts)
    if isinstance(costs, UnitCosts):
        expected = np.broadcast_to(costs.quantile, predicted.shape)
        below, up_to = (1.0 * (label < predicted), 1.0 * (label <= predicted))
    rank = test_predictions[framing.predicted].rank(method="first")
    many = min(evaluation.calibration_bins, len(rank))
    bins = pd.qcut(rank, many, labels=False).to_numpy()
    rows = []
    for number in range(many):
        here = bins == number
        least, most = bootstrap.mean(below, here), bootstrap.mean(up_to, here)
        target = expected[here].mean()
        shares = {"below": least["mean"], "up_to": most["mean"]} if is_quantity else {}
        low, high = (np.nan if one is None else one for one in (least["low"], most["high"]))
        rows.append(
            {
                "bin": number,
                "rows": int(here.sum()),
                "predicted": predicted[here].mean(),
                "expected": target,
                "observed": np.clip(target, least["mean"], most["mean"]),
                "low": np.clip(low, 0, 1),
                "high": np.clip(high, 0, 1),
                **shares,
            }
        )
    return pd.DataFrame(rows)


def compute_threshold_curve(
    test_predictions: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> pd.DataFrame:
    """Return the candidate's saving by decision threshold, the same threshold for all rows.

    Grain: one row per setting, in its order. Binary: a threshold, from 0 (always act) to 1 (never
    act). Regression: a quantity that is added to each prediction, from where nearly all decisions
    are too low to where nearly all are too high. `by_costs` marks the setting that the costs give,
    unless they give each row its own.
    """
    bootstrap = evaluation.bootstrap(test_predictions, framing)
    label, costs = test_predictions["label"].to_numpy(), framing.costs.at(test_predictions)
    predicted = test_predictions[framing.predicted].to_numpy()
    steps = np.linspace(0, 1, evaluation.thresholds + 1)
    is_quantity = isinstance(costs, UnitCosts)
    if isinstance(costs, UnitCosts):
        own, steps = np.array([0.0]), np.unique(np.quantile(label - predicted, steps[1:-1]))
    else:
        own = np.unique(costs.threshold) if np.ndim(costs.threshold) == 0 else np.array([])
    apart = np.abs(steps[:, None] - own).min(axis=1, initial=1) > 1e-9
    rows = []
    for setting in np.sort([*steps[apart], *own]):
        decided = predicted + setting if is_quantity else predicted > setting
        value = bootstrap.per_1000(costs.saving(label, decided))
        rows.append(
            {
                "setting": setting,
                "by_costs": setting in own,
                "share": coverage(label, decided).mean() if is_quantity else decided.mean(),
                **interval_columns(value, "value_per_1000", "low", "high"),
            }
        )
    return pd.DataFrame(rows)


def compute_slices(
    test_predictions: pd.DataFrame,
    test: pd.DataFrame,
    selection: dict[str, Any],
    framing: Framing,
    evaluation: Evaluation,
) -> pd.DataFrame:
    """Return the candidate's saving, gain and score in each slice of test, with intervals.

    The gain is over the baseline that was the best on validation.

    A slice of a single day has no interval: how it varies is not known.

    Grain: one row per value of each column that the framing slices by (see `slice_columns`).
    """
    bootstrap = evaluation.bootstrap(test_predictions, framing)
    label = test_predictions["label"].to_numpy()
    predicted = test_predictions[framing.predicted].to_numpy()
    decided = test_predictions[framing.decided].to_numpy()
    costs = framing.costs.at(test_predictions)
    saving = costs.saving(label, decided)
    rival = test_predictions[f"{framing.decided}_{selection['best_baseline']}"].to_numpy()
    gain = saving - costs.saving(label, rival)
    weights = None  # of regression: its score is a mean
    if framing.task == "binary":
        weights = bootstrap.weights_in_blocks(log_loss(label, predicted))
    rows = []
    for by, name, here in slices_of(slice_columns(test, framing)):
        score = bootstrap.mean(np.abs(label - predicted), here)
        if weights is not None:
            replicates = roc_auc(label[here], predicted[here], bootstrap.unit[here], weights)
            score = bootstrap.percentile(replicates, here)
        value, more = bootstrap.per_1000(saving, here), bootstrap.per_1000(gain, here)
        rows.append(
            {
                "by": by,
                "slice": name,
                "rows": len(here),
                "label_mean": label[here].mean(),
                "predicted": predicted[here].mean(),
                **interval_columns(value, "value_per_1000", "value_low", "value_high"),
                **interval_columns(more, "gain_per_1000", "gain_low", "gain_high"),
                **interval_columns(score, "score", "score_low", "score_high"),
            }
        )
    return pd.DataFrame(rows) if rows else Slices.empty()


def slice_columns(test: pd.DataFrame, framing: Framing) -> pd.DataFrame:
    """Return the values that the framing slices by, row by row.

    `month` is a feature, if there is one of that name, and else the calendar month of prediction.
    """
    month = framing.split.day(test["predict_at"]).dt.strftime("%Y-%m")
    return (test if "month" in test else test.assign(month=month))[framing.slices]


def compute_importance(
    candidate: Bundle, test: pd.DataFrame, evaluation: Evaluation, contracts: Contracts
) -> pd.DataFrame:
    """Return the permutation importance of each feature: the rise of the loss (Breiman 2001).

    The loss is the log loss in nats a row, or the mean absolute error in the label's unit.

    Grain: one row per feature, the most important first. Measured on a sample of test. Features
    with the same information share their importance.
    """
    rises = shuffle_features(
        candidate["estimator"],
        test,
        candidate["features"],
        binary=is_binary(candidate),
        rows=evaluation.importance_rows,
        shuffles=evaluation.importance_shuffles,
        seed=evaluation.seed,
    )
    groups = contracts["features"].groups()
    group_of = {name: group for group, names in groups.items() for name in names}
    table = pd.DataFrame(
        {
            "feature": candidate["features"],
            "group": [group_of[name] for name in candidate["features"]],
            "rise": rises.mean(axis=1),
            "low": rises.min(axis=1),
            "high": rises.max(axis=1),
        }
    )
    return table.sort_values("rise", ascending=False, ignore_index=True)
