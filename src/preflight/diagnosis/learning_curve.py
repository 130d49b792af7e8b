"""Learning curve: the saving by the number of examples, and the value of more labels."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from preflight.contracts.catalog import Contracts
from preflight.diagnosis.contracts import Diagnosis
from preflight.evaluation.contracts import Evaluation
from preflight.evaluation.predictions import last_fold
from preflight.modeling.model import Floats
from preflight.modeling.parameters import Modeling
from preflight.modeling.training import fit_predict, saving
from preflight.problem.framing import Framing
from preflight.stats.bootstrap import interval, interval_columns


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
    """Return the saving on validation by the size of train, and the value of more labels.

    A smaller train is the latest part of train, as if labels had been collected for a shorter time.
    The value of more labels is extrapolated by a straight line of the saving over the logarithm of
    the size, fitted in each replicate of the bootstrap over days (over one doubling a learning
    curve is flat enough: Perlich et al. 2003). The interval leaves out the randomness of fitting.

    Grain of the curve: one row per size.
    """
    last = last_fold(validation, validation_predictions)
    spec = modeling.chosen(best_params)
    shares = [*diagnosis.train_shares, 1.0]
    in_time = train.sort_values("predict_at", kind="stable")
    days = evaluation.bootstrap(validation, framing)
    rows, replicates = [], []
    for size in sorted({max(1, round(share * len(train))) for share in shares}):
        latest = in_time.tail(size)
        if latest["label"].nunique() < 2:  # nothing to learn from yet
            continue
        predicted = (
            last[f"{framing.predicted}_candidate"].to_numpy()
            if size == len(train)
            else fit_predict(spec, latest, validation, contracts["features"])
        )
        replicates.append(1000 * days.replicates(saving(validation, predicted, framing)))
        value = interval(replicates[-1], framing.confidence)
        first = latest["predict_at"].min()
        columns = interval_columns(value, "value_per_1000", "low", "high")
        rows.append({"rows": size, "first": first, **columns})
    curve = pd.DataFrame(rows)
    sizes = curve["rows"].to_numpy()
    return curve, _more_labels(sizes, np.array(replicates), framing, diagnosis)


def _more_labels(
    sizes: npt.NDArray[np.int64], savings: Floats, framing: Framing, diagnosis: Diagnosis
) -> dict[str, Any]:
    """Return the value of the next labels, from the savings of shape (sizes, replicates + 1)."""
    labels = max(1, int(float(f"{diagnosis.next_share * sizes[-1]:.2g}")))  # read as 11,000
    doublings = np.log2(sizes) - np.log2(sizes).mean()
    spread = (doublings**2).sum()
    slope = doublings @ savings / spread if spread else np.full(savings.shape[1], np.nan)
    slope = slope.round(9)  # of equal savings a rounding error is left, which is no slope
    more = np.log2(1 + labels / sizes[-1])
    a_month = framing.decision.per_month / 1000
    value = interval(slope * more * a_month * framing.success.months, framing.confidence)
    price = labels * framing.project.label_price
    low, high = value["low"], value["high"]
    worth = "inconclusive"
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
