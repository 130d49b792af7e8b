"""What validation decides: the best baseline, and whether to calibrate."""

from typing import Any

import numpy as np
import pandas as pd

from preflight.modeling.model import log_odds, platt_scale
from preflight.modeling.parameters import Modeling
from preflight.modeling.training import saving
from preflight.problem.costs import UnitCosts, per_1000
from preflight.problem.framing import Framing
from preflight.stats.metrics import log_loss


def select_on_validation(
    validation_predictions: pd.DataFrame, framing: Framing, modeling: Modeling
) -> dict[str, Any]:
    """Return the best baseline and the calibration, as chosen on validation.

    values: saving per 1,000 decisions of each model on the validation set.
    calibration: slope and intercept, and the loss that decided (see `_calibration`).
    """
    last = validation_predictions[validation_predictions["last"]]
    savings = {
        name: saving(last, last[f"{framing.predicted}_{name}"].to_numpy(), framing, threshold)
        for name, threshold in {"candidate": None, **modeling.thresholds}.items()
    }
    values = {name: per_1000(saved) for name, saved in savings.items()}
    return {
        "values": values,
        "best_baseline": max(framing.baselines, key=lambda name: values[name]),
        "calibration": _calibration(validation_predictions, framing, modeling.calibration_gain),
    }


def _calibration(
    predictions: pd.DataFrame, framing: Framing, least_gain: float
) -> dict[str, float]:
    """Return the calibration, fitted on the earlier folds and evaluated on the last.

    If it lowers the loss there by more than `least_gain`, it is fitted on all folds and used. The
    loss is the log loss of probabilities, or what being wrong costs in a regression.
    """
    name = f"{framing.predicted}_candidate"
    earlier, last = predictions[~predictions["last"]], predictions[predictions["last"]]
    binary, label = framing.task == "binary", last["label"].to_numpy()
    predicted = last[name].to_numpy()
    best = framing.costs.at(last).saving(label, label)

    def loss(slope: float, intercept: float) -> float:
        if binary:
            return float(log_loss(label, platt_scale(predicted, slope, intercept)).mean())
        return float((best - saving(last, predicted + intercept, framing)).mean())

    def fit_calibration(some: pd.DataFrame) -> tuple[float, float]:
        return fit_platt(some) if binary else (1.0, _fit_quantile_shift(some, framing))

    unchanged = {"slope": 1.0, "intercept": 0.0, "loss_without": loss(1.0, 0.0)}
    if earlier["label"].nunique() < 2:
        return unchanged
    unchanged["loss_with"] = loss(*fit_calibration(earlier))
    if unchanged["loss_without"] - unchanged["loss_with"] > least_gain:
        slope, intercept = fit_calibration(predictions)
        if slope > 0:  # a model worse than chance is not turned round, but evaluated as it is
            return {**unchanged, "slope": slope, "intercept": intercept}
    return unchanged


def fit_platt(predictions: pd.DataFrame) -> tuple[float, float]:
    """Return slope and intercept of the labels' log-odds on the predicted ones (Platt 1999)."""
    from sklearn.linear_model import LogisticRegression

    odds = log_odds(predictions["probability_candidate"].to_numpy())
    model = LogisticRegression(C=np.inf).fit(odds.reshape(-1, 1), predictions["label"])
    return float(model.coef_[0, 0]), float(model.intercept_[0])


def _fit_quantile_shift(predictions: pd.DataFrame, framing: Framing) -> float:
    """Return the shift of predicted amounts that costs least: a quantile of their errors.

    Each error weighs as much as being wrong costs there (Koenker and Bassett 1978).
    """
    error = (predictions["label"] - predictions["prediction_candidate"]).to_numpy()
    costs, order = framing.costs.at(predictions), np.argsort(error)
    assert isinstance(costs, UnitCosts)
    under, both = (
        np.broadcast_to(c, error.shape) for c in (costs.underage, costs.overage + costs.underage)
    )
    reached = np.searchsorted(np.cumsum(both[order]), under.sum())
    return float(error[order[min(reached, len(order) - 1)]])
