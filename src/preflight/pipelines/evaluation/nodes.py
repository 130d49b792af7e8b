"""The only place where the test set is opened: predictions, figures with intervals, the verdict."""

from typing import Any

import numpy as np
import pandas as pd

from preflight.bundle import DECIDING, Bundle, act, probability
from preflight.contracts import Features
from preflight.errors import RunError
from preflight.framing import Framing
from preflight.intervals import (
    day_numbers,
    day_weights,
    figures,
    interval,
    mean_over,
    roc_auc,
)
from preflight.pipelines.evaluation.settings import Evaluation

FEWEST_DAYS = 10  # with fewer blocks the bootstrap's intervals are far too narrow


def test_predictions(
    candidate: Bundle,
    baselines: dict[str, Bundle],
    test: pd.DataFrame,
    audit: pd.DataFrame,
    framing: Framing,
) -> pd.DataFrame:
    """Return what the candidate and each baseline say of each test example, and decide.

    The audit is only waited for: test is not opened before it has passed.

    Grain: one row per test example. Columns: the key, `predict_at`, `label`, `probability`, `act`,
    and `probability_<name>` and `act_<name>` for each baseline.

    Raises:
        RunError: a model was made under another framing than the one that it would be judged by.
    """
    now = framing.model_dump(mode="json", include=set(DECIDING))
    for name, bundle in {"candidate": candidate, **baselines}.items():
        then = bundle["provenance"]["framing"]
        if changed := [section for section in DECIDING if then[section] != now[section]]:
            raise RunError(
                f"'{name}' was made under another framing: {', '.join(changed)} changed since. "
                "Run everything again: kedro run."
            )
    known = test[[*Features.grain(), "predict_at", "label"]]
    columns: dict[str, Any] = {}
    for suffix, model in {"": candidate, **{f"_{k}": v for k, v in baselines.items()}}.items():
        columns[f"probability{suffix}"] = probability(model, test)
        columns[f"act{suffix}"] = act(model, columns[f"probability{suffix}"])
    return known.assign(**columns)


def metrics(
    test_predictions: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> dict[str, Any]:
    """Return the figures of each model on test, each with its interval over days."""
    day, weights = _days(test_predictions, framing, evaluation)
    label = test_predictions["label"].to_numpy()
    return {
        name: figures(
            label,
            test_predictions[f"probability{suffix}"].to_numpy(),
            test_predictions[f"act{suffix}"].to_numpy(),
            day,
            weights,
            framing.costs,
            framing.confidence,
        )
        for name, suffix in _models(test_predictions).items()
    }


def _models(test_predictions: pd.DataFrame) -> dict[str, str]:
    """Return the suffix of each model's columns, the candidate's first."""
    columns = map(str, test_predictions)
    names = [name.removeprefix("act_") for name in columns if name.startswith("act_")]
    return {"candidate": "", **{name: f"_{name}" for name in names}}


def _days(predictions: pd.DataFrame, framing: Framing, evaluation: Evaluation) -> tuple[Any, Any]:
    """Return each row's day as a number, and how often each replicate draws each day."""
    day, days = day_numbers(framing.split.day(predictions["predict_at"]))
    return day, day_weights(days, evaluation.replicates, evaluation.seed)


def calibration_curve(
    test_predictions: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> pd.DataFrame:
    """Return predicted and observed shares of label 1, from the least to the most probable rows.

    Grain: one row per bin of about equally many examples; the observed share has its interval over
    days.
    """
    day, weights = _days(test_predictions, framing, evaluation)
    rank = test_predictions["probability"].rank(method="first")
    bins = pd.qcut(rank, evaluation.calibration_bins, labels=False).to_numpy()
    rows = []
    for number in range(evaluation.calibration_bins):
        here = bins == number
        part = test_predictions[here]
        share = interval(
            mean_over(part["label"].to_numpy(dtype=float), day[here], weights), framing.confidence
        )
        rows.append(
            {
                "bin": number,
                "rows": len(part),
                "predicted": part["probability"].mean(),
                "observed": share["mean"],
                "low": share["low"],
                "high": share["high"],
            }
        )
    return pd.DataFrame(rows)


def slices(
    test_predictions: pd.DataFrame, test: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> pd.DataFrame:
    """Return the candidate's figures in each slice of test, with intervals over days.

    Grain: one row per value of each column that the framing slices by; `month` is the calendar
    month of prediction.
    """
    day, weights = _days(test_predictions, framing, evaluation)
    month = framing.split.day(test["predict_at"]).dt.strftime("%Y-%m")
    label = test_predictions["label"].to_numpy()
    chance = test_predictions["probability"].to_numpy()
    saving = framing.costs.saving(label, test_predictions["act"].to_numpy())
    rows = []
    for by in framing.slices:
        values = month if by == "month" else test[by]
        for value in values.drop_duplicates().sort_values():
            here = np.flatnonzero(values.isna() if pd.isna(value) else values == value)
            worth = interval(1000 * mean_over(saving[here], day[here], weights), framing.confidence)
            area = interval(
                roc_auc(label[here], chance[here], day[here], weights), framing.confidence
            )
            rows.append(
                {
                    "by": by,
                    "slice": str(value).removesuffix(".0"),  # hour 5, not 5.0
                    "rows": len(here),
                    "label_rate": label[here].mean(),
                    "predicted": chance[here].mean(),
                    "value_per_1000": worth["mean"],
                    "value_low": worth["low"],
                    "value_high": worth["high"],
                    "roc_auc": area["mean"],
                    "roc_auc_low": area["low"],
                    "roc_auc_high": area["high"],
                }
            )
    auc = ["roc_auc", "roc_auc_low", "roc_auc_high"]
    return pd.DataFrame(rows).astype(dict.fromkeys(auc, "float64"))


def importance(candidate: Bundle, test: pd.DataFrame, evaluation: Evaluation) -> pd.DataFrame:
    """Return by how much shuffling each feature raises the log loss (Breiman 2001).

    Grain: one row per feature, the most important first. Measured on a sample of test; features
    that tell the same share their importance.
    """
    from sklearn.inspection import permutation_importance

    sample = test.sample(min(evaluation.importance_rows, len(test)), random_state=evaluation.seed)
    rises = permutation_importance(
        candidate["estimator"],
        sample[candidate["features"]],
        sample["label"],
        scoring="neg_log_loss",
        n_repeats=evaluation.importance_shuffles,
        random_state=evaluation.seed,
    ).importances
    group_of = {name: group for group, names in Features.groups().items() for name in names}
    table = pd.DataFrame(
        {
            "feature": candidate["features"],
            "group": [group_of[name] for name in candidate["features"]],
            "log_loss": rises.mean(axis=1),
            "low": rises.min(axis=1),
            "high": rises.max(axis=1),
        }
    )
    return table.sort_values("log_loss", ascending=False, ignore_index=True)


def verdict(
    test_predictions: pd.DataFrame,
    selection: dict[str, Any],
    framing: Framing,
    evaluation: Evaluation,
) -> dict[str, Any]:
    """Return ship or hold: is the candidate worth more than the best baseline, with confidence?

    The best baseline was chosen on validation. Both are judged on the same days of test: the
    interval is of the difference, day by day.
    """
    day, weights = _days(test_predictions, framing, evaluation)
    label, costs = test_predictions["label"].to_numpy(), framing.costs
    name = selection["best_baseline"]
    saving = costs.saving(label, test_predictions["act"].to_numpy())
    other = costs.saving(label, test_predictions[f"act_{name}"].to_numpy())
    over = interval(1000 * mean_over(saving - other, day, weights), framing.confidence)
    enough = weights.shape[1] >= FEWEST_DAYS
    better = enough and over["low"] is not None and over["low"] > 0
    comparison = (
        f"per 1,000 {framing.decision.units} the candidate saves {over['mean']:.0f} more than "
        f"{name.replace('_', ' ')}, the best baseline "
        f"({framing.confidence:.0%} interval {over['low']:.0f} to {over['high']:.0f} {costs.unit})"
    )
    doubt = (
        "not clearly better"
        if enough
        else f"too little data to tell: {weights.shape[1]} days of test, {FEWEST_DAYS} are needed"
    )
    return {
        "decision": "ship" if better else "hold",
        "reasons": [comparison if better else f"{doubt}: {comparison}"],
        "value": {
            "unit": costs.unit,
            "costs": costs.model_dump(include={"tp", "fp", "fn", "tn"}),
            "per_1000": float(1000 * saving.mean()),
            "over_baseline": {"baseline": name, **over},
        },
        "limits": [],
    }
