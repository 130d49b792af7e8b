"""A model with all it needs to decide: estimator, calibration, threshold, features, origin."""

from collections.abc import Callable
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd

from preflight.framing import Costs

Floats = npt.NDArray[np.float64]

DECIDING = ("prediction", "costs", "split")  # sections of the framing that a model depends on

_SURE = 1e-9  # a probability of exactly 0 or 1 has no log-odds


class Bundle(TypedDict):
    """What is saved as a model, and all that a decision needs.

    slope, intercept: the calibration on log-odds; 1 and 0 change nothing.
    threshold: act where the probability is above it; None where the costs give each row its own.
    features: the columns that the estimator reads, in order.
    provenance: what it was fitted on and with, the costs among it.
    """

    estimator: Any
    slope: float
    intercept: float
    threshold: float | None
    features: list[str]
    provenance: dict[str, Any]


def probability(bundle: Bundle, examples: pd.DataFrame) -> Floats:
    """Return the calibrated probability of label 1 for each row, shape (n,)."""
    raw = uncalibrated(bundle["estimator"], examples, bundle["features"])
    return calibrated(raw, bundle["slope"], bundle["intercept"])


def uncalibrated(estimator: Any, examples: pd.DataFrame, features: list[str]) -> Floats:
    """Return the estimator's own probability of label 1, shape (n,); some give 32 bits."""
    return np.asarray(estimator.predict_proba(examples[features])[:, 1], dtype=np.float64)


def log_odds(probability: Floats) -> Floats:
    """Return log(p / (1 - p)), shape (n,)."""
    inside = np.clip(probability, _SURE, 1 - _SURE)
    return np.log(inside / (1 - inside))


def calibrated(raw: Floats, slope: float, intercept: float) -> Floats:
    """Return probabilities after a straight line on their log-odds (Platt 1999)."""
    if (slope, intercept) == (1.0, 0.0):
        return raw
    from scipy.special import expit

    return expit(slope * log_odds(raw) + intercept)


def act(bundle: Bundle, probability: Floats, examples: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Return the decision for each example: True where acting is cheaper, shape (n,).

    Costs that are columns are read from the examples, whether or not the estimator sees them.
    """
    threshold: float | Floats | None = bundle["threshold"]
    if threshold is None:
        costs = Costs.model_validate(bundle["provenance"]["framing"]["costs"])
        threshold = costs.at(examples).threshold
    return probability > threshold


def value_scorer(
    costs: Costs, features: list[str] | None = None
) -> Callable[[Any, pd.DataFrame, Any], float]:
    """Return the saving per 1,000 decisions as scikit-learn takes it for `scoring`.

    Costs that are columns are read from X: shuffle them, and the costs are shuffled too.
    features: the columns of X that the estimator is shown; without it, all.
    """

    def score(estimator: Any, X: pd.DataFrame, y: Any) -> float:
        chance = uncalibrated(estimator, X, X.columns.tolist() if features is None else features)
        at = costs.at(X)
        return at.per_1000(np.asarray(y), chance > at.threshold)

    return score
