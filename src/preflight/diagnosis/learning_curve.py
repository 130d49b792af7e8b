"""The value by the number of examples, and what more labels would buy."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from preflight.contracts.catalog import Contracts
from preflight.diagnosis.contracts import Diagnosis
from preflight.evaluation.contracts import Evaluation
from preflight.evaluation.metrics import Days
from preflight.evaluation.predictions import last_fold
from preflight.modeling.model import Floats
from preflight.modeling.parameters import Modeling
from preflight.modeling.training import fit_predict, saving
from preflight.problem.framing import Framing
from preflight.stats.bootstrap import interval


def compute_learning_curve(
    train: pd.DataFrame,
    validation: pd.DataFrame,
    validation_predictions: pd.DataFrame,
    best_params: dict[str, Any],
    framing: Framing,
    modeling: Modeling,
    evaluation: Evaluation,
    diagnosis: Diagnosis,
    contracts: Contracts,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the value on validation by the size of train, and what more labels would buy.

    A smaller train is the latest part of train: what would be there had labels been collected for
    a shorter time. More labels: a straight line of the value over the logarithm of the size, fitted
    in each replicate of the bootstrap over days (a learning curve is flat enough for it over one
    doubling: Perlich et al. 2003). It doesn't hold the chance of fitting.

    Grain of the curve: one row per size.
    """
    last = last_fold(validation, validation_predictions)
    spec = modeling.chosen(best_params)
    shares = [*diagnosis.train_shares, 1.0]
    in_time = train.sort_values("predict_at", kind="stable")
    days = Days(validation, framing, evaluation)
    rows, found, sizes = [], [], []
    for size in sorted({max(1, round(share * len(train))) for share in shares}):
        latest = in_time.tail(size)
        if latest["label"].nunique() < 2:  # nothing to learn from yet
            continue
        chance = (
            last[f"{framing.predicted}_candidate"].to_numpy()
            if size == len(train)
            else fit_predict(spec, latest, validation, contracts["features"])
        )
        found.append(days.replicates(saving(validation, chance, framing)))
        sizes.append(size)
        value = interval(found[-1], framing.confidence)
        rows.append(
            {
                "rows": size,
                "first": latest["predict_at"].min(),
                "value_per_1000": value["mean"],
                "low": value["low"],
                "high": value["high"],
            }
        )
    return pd.DataFrame(rows), _more_labels(np.array(sizes), np.array(found), framing, diagnosis)


def _more_labels(
    sizes: npt.NDArray[np.int64], found: Floats, framing: Framing, diagnosis: Diagnosis
) -> dict[str, Any]:
    """Return the value of the next labels by the slope of values (sizes, replicates)."""
    labels = max(1, int(float(f"{diagnosis.next_share * sizes[-1]:.2g}")))  # read as 11,000
    doublings = np.log2(sizes) - np.log2(sizes).mean()
    spread = (doublings**2).sum()
    slope = doublings @ found / spread if spread else np.full(found.shape[1], np.nan)
    slope = slope.round(9)  # what is left of equal values is no slope
    more = np.log2(1 + labels / sizes[-1])
    a_month = framing.decision.per_month / 1000
    value = interval(slope * more * a_month * framing.success.months, framing.confidence)
    price = labels * framing.project.label_price
    low, high = value["low"], value["high"]
    worth = "can't tell"
    if low is not None and high is not None and not low <= price <= high:
        worth = "yes" if low > price else "no"
    return {
        "per_doubling": interval(slope, framing.confidence),
        "labels": labels,
        "months": framing.success.months,
        "value": value,
        "price": price,
        "worth": worth,
    }
