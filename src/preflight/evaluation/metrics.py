"""Metrics on test with intervals over days, by model, bin, setting, slice and feature."""

from typing import Any

import numpy as np
import pandas as pd

from preflight.contracts.catalog import Contracts
from preflight.evaluation.contracts import Evaluation
from preflight.evaluation.slicing import slices_of
from preflight.modeling.model import Bundle, Floats, is_binary
from preflight.problem.costs import UnitCosts
from preflight.problem.framing import Framing
from preflight.stats.bootstrap import Interval, bootstrap_days, interval, mean_over
from preflight.stats.metrics import coverage, metrics_with_intervals, roc_auc


def compute_metrics(
    test_predictions: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> dict[str, Any]:
    """Return the figures of each model on test, each with its interval over days."""
    day, weights = draw_days(test_predictions, framing, evaluation)
    label, costs = test_predictions["label"].to_numpy(), framing.costs.at(test_predictions)
    return {
        name: metrics_with_intervals(
            label,
            test_predictions[f"{framing.predicted}{suffix}"].to_numpy(),
            test_predictions[f"{framing.decided}{suffix}"].to_numpy(),
            day,
            weights,
            costs,
            framing.confidence,
        )
        for name, suffix in _models(test_predictions, framing).items()
    }


def _models(test_predictions: pd.DataFrame, framing: Framing) -> dict[str, str]:
    """Return the suffix of each model's columns, the candidate's first."""
    begins = f"{framing.predicted}_"
    names = [c.removeprefix(begins) for c in map(str, test_predictions) if c.startswith(begins)]
    return {"candidate": "", **{name: f"_{name}" for name in names}}


def draw_days(
    predictions: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> tuple[Any, Any]:
    """Return each row's day as a number, and how often each replicate draws each day."""
    return bootstrap_days(
        predictions["predict_at"], framing.split, evaluation.replicates, evaluation.seed
    )


def compute_calibration_curve(
    test_predictions: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> pd.DataFrame:
    """Return shares asked for and observed, from the least to the most that is predicted.

    Asked for is the probability of label 1; of amounts the share of labels that is to be below.

    Grain: one row per bin of about equally many examples; the observed share has its interval over
    days.
    """
    day, weights = draw_days(test_predictions, framing, evaluation)
    costs, said = framing.costs.at(test_predictions), test_predictions[framing.predicted].to_numpy()
    label = test_predictions["label"].to_numpy(dtype=float)
    asked, came = said, label
    if isinstance(costs, UnitCosts):
        asked, came = np.broadcast_to(costs.quantile, said.shape), coverage(label, said)
    rank = test_predictions[framing.predicted].rank(method="first")
    many = min(evaluation.calibration_bins, len(rank))
    bins = pd.qcut(rank, many, labels=False).to_numpy()
    rows = []
    for number in range(many):
        here = bins == number
        share = interval(mean_over(came[here], day[here], weights), framing.confidence)
        rows.append(
            {
                "bin": number,
                "rows": int(here.sum()),
                "predicted": said[here].mean(),
                "asked": asked[here].mean(),
                "observed": share["mean"],
                "low": share["low"],
                "high": share["high"],
            }
        )
    return pd.DataFrame(rows)


def compute_cost_curve(
    test_predictions: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> pd.DataFrame:
    """Return what the candidate saves with other settings of its decisions, the same for all.

    Grain: one row per setting: a threshold, from 0, where it always acts, to 1, where it never
    does; of amounts what is added to each, from where nearly all are too little to where nearly all
    are too much. The one that the costs give is marked, unless they give each row its own.
    """
    day, weights = draw_days(test_predictions, framing, evaluation)
    label, costs = test_predictions["label"].to_numpy(), framing.costs.at(test_predictions)
    said = test_predictions[framing.predicted].to_numpy()
    steps = np.linspace(0, 1, evaluation.thresholds + 1)
    amounts = isinstance(costs, UnitCosts)
    if isinstance(costs, UnitCosts):
        own, steps = np.array([0.0]), np.unique(np.quantile(label - said, steps[1:-1]))
    else:
        own = np.unique(costs.threshold) if np.ndim(costs.threshold) == 0 else np.array([])
    apart = np.abs(steps[:, None] - own).min(axis=1, initial=1) > 1e-9
    rows = []
    for setting in np.sort([*steps[apart], *own]):
        decided = said + setting if amounts else said > setting
        saved = 1000 * mean_over(costs.saving(label, decided), day, weights)
        value = interval(saved, framing.confidence)
        rows.append(
            {
                "setting": setting,
                "by_costs": setting in own,
                "share": coverage(label, decided).mean() if amounts else decided.mean(),
                "value_per_1000": value["mean"],
                "low": value["low"],
                "high": value["high"],
            }
        )
    return pd.DataFrame(rows)


def compute_slices(
    test_predictions: pd.DataFrame, test: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> pd.DataFrame:
    """Return the candidate's figures in each slice of test, with intervals over days.

    Grain: one row per value of each column that the framing slices by (see `slice_columns`).
    """
    day, weights = draw_days(test_predictions, framing, evaluation)
    label = test_predictions["label"].to_numpy()
    said = test_predictions[framing.predicted].to_numpy()
    costs = framing.costs.at(test_predictions)
    saving = costs.saving(label, test_predictions[framing.decided].to_numpy())
    rows = []
    for by, name, here in slices_of(slice_columns(test, framing)):
        worth = interval(1000 * mean_over(saving[here], day[here], weights), framing.confidence)
        score = interval(
            roc_auc(label[here], said[here], day[here], weights)
            if framing.task == "binary"
            else mean_over(np.abs(label - said)[here], day[here], weights),
            framing.confidence,
        )
        rows.append(
            {
                "by": by,
                "slice": name,
                "rows": len(here),
                "label_mean": label[here].mean(),
                "predicted": said[here].mean(),
                "value_per_1000": worth["mean"],
                "value_low": worth["low"],
                "value_high": worth["high"],
                "score": score["mean"],
                "score_low": score["low"],
                "score_high": score["high"],
            }
        )
    scores = ["score", "score_low", "score_high"]
    return pd.DataFrame(rows).astype(dict.fromkeys(scores, "float64"))


def slice_columns(test: pd.DataFrame, framing: Framing) -> pd.DataFrame:
    """Return the values that the framing slices by, row by row.

    `month` is a feature, if there is one of that name, and else the calendar month of prediction.
    """
    month = framing.split.day(test["predict_at"]).dt.strftime("%Y-%m")
    return (test if "month" in test else test.assign(month=month))[framing.slices]


def compute_importance(
    candidate: Bundle, test: pd.DataFrame, evaluation: Evaluation, contracts: Contracts
) -> pd.DataFrame:
    """Return by how much shuffling each feature raises the loss (Breiman 2001).

    That is the log loss, or the mean absolute error of amounts.

    Grain: one row per feature, the most important first. Measured on a sample of test; features
    that tell the same share their importance.
    """
    from sklearn.inspection import permutation_importance

    sample = test.sample(min(evaluation.importance_rows, len(test)), random_state=evaluation.seed)
    rises = permutation_importance(
        candidate["estimator"],
        sample[candidate["features"]],
        sample["label"],
        scoring="neg_log_loss" if is_binary(candidate) else "neg_mean_absolute_error",
        n_repeats=evaluation.importance_shuffles,
        random_state=evaluation.seed,
    ).importances
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


class Days:
    """The bootstrap over the days of a table of predictions."""

    def __init__(self, predictions: pd.DataFrame, framing: Framing, evaluation: Evaluation) -> None:
        self.day, self.weights = bootstrap_days(
            predictions["predict_at"], framing.split, evaluation.replicates, evaluation.seed
        )
        self.confidence = framing.confidence

    def per_1000(self, saving: Floats, rows: Any = slice(None)) -> Interval:
        """Return the mean of a value per row, times 1,000, with its interval."""
        return interval(self.replicates(saving, rows), self.confidence)

    def replicates(self, saving: Floats, rows: Any = slice(None)) -> Floats:
        """Return the same in each replicate, shape (replicates + 1,)."""
        return 1000 * mean_over(saving[rows], self.day[rows], self.weights)
