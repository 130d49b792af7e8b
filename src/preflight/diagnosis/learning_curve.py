"""Learning curve: the saving by the number of examples, and the value of more labels."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from preflight.contracts.catalog import Contracts
from preflight.diagnosis.contracts import Diagnosis
from preflight.diagnosis.fits import fitting_margin, widen
from preflight.evaluation.contracts import Evaluation
from preflight.evaluation.predictions import last_fold
from preflight.modeling.estimators import Estimator
from preflight.modeling.model import Floats
from preflight.modeling.parameters import Modeling
from preflight.modeling.training import fit_predict, saving
from preflight.problem.framing import Framing
from preflight.stats.bootstrap import Bootstrap, Interval, interval_columns


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
    It is fitted `diagnosis.fits` times, each with another seed, if the estimator takes one
    (`random_state`). The whole train is that of the candidate on validation, fitted once.

    The value of more labels is extrapolated by a straight line of the saving over the logarithm of
    the size (over one doubling a learning curve is flat enough: Perlich et al. 2003). Intervals are
    over days and over fits. The fit of the whole train is taken to vary as much as the others; with
    one fit of each, intervals leave out the chance of fitting.

    Grain of the curve: one row per size.
    """
    last = last_fold(validation, validation_predictions)
    specs = _seeded(modeling.chosen(best_params), diagnosis)
    shares = [*diagnosis.train_shares, 1.0]
    in_time = train.sort_values("predict_at", kind="stable")
    rows: list[dict[str, Any]] = []
    savings: list[Floats] = []
    for size in sorted({max(1, round(share * len(train))) for share in shares}):
        latest = in_time.tail(size)
        if latest["label"].nunique() < 2:  # nothing to learn from yet
            continue
        predicted = (
            last[[f"{framing.predicted}_candidate"]].to_numpy().T
            if size == len(train)
            else np.array(
                [fit_predict(s, latest, validation, contracts["features"]) for s in specs]
            )
        )
        savings.append(saving(validation, predicted, framing))
        rows.append({"rows": size, "first": latest["predict_at"].min(), "fits": len(predicted)})
    days = evaluation.bootstrap(validation, framing)
    values = (_weighted(savings, one, days, framing) for one in np.eye(len(rows)))
    columns = [interval_columns(value, "value_per_1000", "low", "high") for value in values]
    curve = pd.DataFrame(rows).join(pd.DataFrame(columns))
    return curve, _more_labels(curve["rows"].to_numpy(), savings, days, framing, diagnosis)


def _seeded(spec: Estimator, diagnosis: Diagnosis) -> list[Estimator]:
    """Return the estimator with each seed; once if it takes none, as all fits would be the same."""
    specs = [spec.seeded(seed) for seed in diagnosis.seeds]
    return specs if specs[0] != specs[-1] else specs[:1]


def _weighted(
    savings: list[Floats], weights: Floats, days: Bootstrap, framing: Framing
) -> Interval:
    """Return a weighted sum of the savings of several sizes, with its interval.

    Args:
        savings: of each fit and row, shape (fits, n), by size.
        weights: of each size, shape (sizes,).
    """
    of_rows = weights @ np.array([saved.mean(axis=0) for saved in savings])
    by_fit = [1000 * saved.mean(axis=1) for saved in savings]
    margin = fitting_margin(by_fit, weights, framing.confidence)
    # of equal savings a rounding error is left, which is no slope
    return widen(days.per_1000(of_rows.round(12)), margin)


def _more_labels(
    sizes: npt.NDArray[np.int64],
    savings: list[Floats],
    days: Bootstrap,
    framing: Framing,
    diagnosis: Diagnosis,
) -> dict[str, Any]:
    """Return the value of the next labels, from the savings by size (see `_weighted`)."""
    labels = max(1, int(float(f"{diagnosis.next_share * sizes[-1]:.2g}")))  # read as 11,000
    doublings = np.log2(sizes) - np.log2(sizes).mean()
    spread = (doublings**2).sum()
    slope: Interval = {"mean": None, "low": None, "high": None}
    if spread:
        slope = _weighted(savings, doublings / spread, days, framing)
    a_month = framing.decision.per_month / 1000
    times = np.log2(1 + labels / sizes[-1]) * a_month * framing.success.months
    value = {end: None if of is None else float(of * times) for end, of in slope.items()}
    price = labels * (framing.project.label_price or 0)
    low, high = value["low"], value["high"]
    worth = "inconclusive"
    if low is not None and high is not None and (low > price or high < price):
        worth = "yes" if low > price else "no"
    return {
        "per_doubling": slope,
        "labels": labels,
        "months": framing.success.months,
        "value": value,
        "price": price,
        "worth": worth,
    }
