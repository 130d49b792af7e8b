"""From examples to a candidate: choice on validation, calibration, refit (search.py tunes it).

The test set never comes here. Everything is judged on folds in the order of time, and in the
framing's money.
"""

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from preflight.audited import require_audited
from preflight.bundle import (
    DECIDING,
    Bundle,
    Floats,
    calibrated,
    log_odds,
    raw,
    typical,
)
from preflight.contracts.catalog import Contract, Contracts
from preflight.costs import Costs, Errors, per_1000
from preflight.framing import Framing
from preflight.intervals import log_loss
from preflight.pipelines.modeling.settings import Estimator, Modeling

log = logging.getLogger(__name__)


def development(
    train: pd.DataFrame, validation: pd.DataFrame, feature_audit: pd.DataFrame, framing: Framing
) -> pd.DataFrame:
    """Return train and validation as one table, in the order of prediction.

    Raises:
        RunError: they are not those that the audit has passed, or of another split, or their
            costs leave nothing to decide.
    """
    framing.split.require(train=train, validation=validation)
    require_audited(feature_audit, train=train, validation=validation)
    categories = train.select_dtypes("category").columns
    together = pd.concat([train, validation], ignore_index=True)
    framing.costs.at(together)
    # Parts that know different categories would give text.
    return together.astype(dict.fromkeys(categories, "category"))


def folds(
    development: pd.DataFrame, framing: Framing, modeling: Modeling
) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Yield (train, validation) in the order of time; the last is the framing's own split."""
    last = (framing.split.validation_from, framing.split.test_from)
    embargo = pd.Timedelta(hours=framing.split.embargo_hours)
    for start, until in [*((f.start, f.until) for f in modeling.search.earlier_folds), last]:
        moment = development["predict_at"]
        known = (moment < start) & (development["label_known_at"] + embargo <= start)
        yield development[known], development[(moment >= start) & (moment < until)]


def fit(spec: Estimator, examples: pd.DataFrame, features: Contract) -> Any:
    """Return the estimator fitted on the examples, by the contract of their features."""
    return spec.build().fit(examples[spec.features(features.groups())], examples["label"])


def judged(
    spec: Estimator, train: pd.DataFrame, validation: pd.DataFrame, features: Contract
) -> Floats:
    """Return what is predicted for validation, shape (n,), fitted on train."""
    return raw(fit(spec, train, features), validation, spec.features(features.groups()))


def saving(
    examples: pd.DataFrame, predicted: Floats, framing: Framing, threshold: float | None = None
) -> Floats:
    """Return what decisions by these predictions save, row by row.

    threshold: that acting begins above, in place of the one that the costs give.
    """
    costs = framing.costs.at(examples)
    decided = costs.decide(predicted) if threshold is None else predicted > threshold
    return costs.saving(examples["label"].to_numpy(), decided)


def validation_predictions(
    development: pd.DataFrame,
    best_params: dict[str, Any],
    framing: Framing,
    modeling: Modeling,
    contracts: Contracts,
) -> pd.DataFrame:
    """Return what each model predicts for the examples of each fold, fitted on what came before.

    Grain: one row per fold and example; `last` marks the fold that is the validation set.
    """
    features = contracts["features"]
    specs = {"candidate": modeling.chosen(best_params), **modeling.baselines}
    predictions: list[pd.DataFrame] = []
    for train, validation in folds(development, framing, modeling):
        predicted = {
            f"{framing.predicted}_{name}": judged(spec, train, validation, features)
            for name, spec in specs.items()
        }
        said = predicted[f"{framing.predicted}_candidate"]
        if len(said) > 1 and np.ptp(said) == 0:
            log.warning(
                "  The candidate predicts the same for all %s examples of a fold: it has learnt "
                "nothing from the %s before it. On few examples let leaves be smaller, such as "
                "min_samples_leaf in conf/base/parameters/modeling.yml.",
                f"{len(said):,}",
                f"{len(train):,}",
            )
        known = validation[[*features.grain(), "predict_at", "label"]]
        costs = framing.costs.kept(validation)
        predictions.append(known.assign(fold=len(predictions), **predicted, **costs))
    together = pd.concat(predictions, ignore_index=True)
    return together.assign(last=together["fold"] == len(predictions) - 1)


def selection(
    validation_predictions: pd.DataFrame, framing: Framing, modeling: Modeling
) -> dict[str, Any]:
    """Return what validation decided: the best baseline, and whether to calibrate.

    values: saving per 1,000 decisions of each model on the validation set.
    calibration: slope and intercept, and the loss that decided (see `_calibration`).
    """
    last = validation_predictions[validation_predictions["last"]]
    worth = {
        name: saving(last, last[f"{framing.predicted}_{name}"].to_numpy(), framing, threshold)
        for name, threshold in {"candidate": None, **modeling.thresholds}.items()
    }
    values = {name: per_1000(saved) for name, saved in worth.items()}
    return {
        "values": values,
        "best_baseline": max(framing.baselines, key=lambda name: values[name]),
        "calibration": _calibration(validation_predictions, framing, modeling.calibration_gain),
    }


def _calibration(
    predictions: pd.DataFrame, framing: Framing, least_gain: float
) -> dict[str, float]:
    """Return the calibration, fitted on the earlier folds and judged on the last.

    If it lowers the loss there by more than `least_gain`, it is fitted on all folds and used: the
    log loss of probabilities after a line on their log-odds, or what amounts cost after a shift.
    """
    name = f"{framing.predicted}_candidate"
    earlier, last = predictions[~predictions["last"]], predictions[predictions["last"]]
    binary, label = framing.task == "binary", last["label"].to_numpy()
    best = framing.costs.at(last).saving(label, label)

    def loss(slope: float, intercept: float) -> float:
        said = last[name].to_numpy()
        if binary:
            return float(log_loss(label, calibrated(said, slope, intercept)).mean())
        return float((best - saving(last, said + intercept, framing)).mean())

    def line(some: pd.DataFrame) -> tuple[float, float]:
        return _line(some) if binary else (1.0, _shift(some, framing))

    without = loss(1.0, 0.0)
    if earlier["label"].nunique() < 2:
        return {"slope": 1.0, "intercept": 0.0, "loss_without": without}
    judged = loss(*line(earlier))
    slope, intercept = line(predictions) if without - judged > least_gain else (1.0, 0.0)
    if slope <= 0:  # a model worse than chance is not turned round, but judged as it is
        slope, intercept = 1.0, 0.0
    return {
        "slope": slope,
        "intercept": intercept,
        "loss_without": without,
        "loss_with": judged,
    }


def _line(predictions: pd.DataFrame) -> tuple[float, float]:
    """Return slope and intercept of the labels' log-odds on the predicted ones (Platt 1999)."""
    from sklearn.linear_model import LogisticRegression

    odds = log_odds(predictions["probability_candidate"].to_numpy())
    line = LogisticRegression(C=np.inf).fit(odds.reshape(-1, 1), predictions["label"])
    return float(line.coef_[0, 0]), float(line.intercept_[0])


def _shift(predictions: pd.DataFrame, framing: Framing) -> float:
    """Return what is added to the amounts where that costs least: a quantile of their errors.

    Each error weighs as much as being wrong costs there (Koenker and Bassett 1978).
    """
    error = (predictions["label"] - predictions["prediction_candidate"]).to_numpy()
    costs, order = framing.costs.at(predictions), np.argsort(error)
    assert isinstance(costs, Errors)
    under, both = (np.broadcast_to(c, error.shape) for c in (costs.under, costs.over + costs.under))
    reached = np.searchsorted(np.cumsum(both[order]), under.sum())
    return float(error[order[min(reached, len(order) - 1)]])


def candidate(
    development: pd.DataFrame,
    best_params: dict[str, Any],
    selection: dict[str, Any],
    framing: Framing,
    modeling: Modeling,
    contracts: Contracts,
) -> Bundle:
    """Return the candidate, fitted on train and validation with the best parameters."""
    line = selection["calibration"]
    chosen, features = modeling.chosen(best_params), contracts["features"]
    return _bundle(chosen, development, framing, features, line["slope"], line["intercept"])


def baselines(
    development: pd.DataFrame, framing: Framing, modeling: Modeling, contracts: Contracts
) -> dict[str, Bundle]:
    """Return each baseline, fitted on train and validation."""
    features = contracts["features"]
    return {
        name: _bundle(spec, development, framing, features, threshold=spec.threshold)
        for name, spec in modeling.baselines.items()
    }


def _bundle(
    spec: Estimator,
    examples: pd.DataFrame,
    framing: Framing,
    features: Contract,
    slope: float = 1.0,
    intercept: float = 0.0,
    threshold: float | None = None,
) -> Bundle:
    """Return a model with its own threshold, if it has one, else the one derived from the costs."""
    import sklearn

    costs, names = framing.costs, spec.features(features.groups())
    if threshold is None and isinstance(costs, Costs) and not costs.columns:
        threshold = float(costs.at(examples).threshold)
    return {
        "estimator": fit(spec, examples, features),
        "slope": slope,
        "intercept": intercept,
        "threshold": threshold,
        "features": names,
        "provenance": {
            **spec.model_dump(include={"path", "preprocessing", "params"}),
            "framing": framing.model_dump(mode="json", include=set(DECIDING)),
            "examples": len(examples),
            "first": examples["predict_at"].min().isoformat(),
            "last": examples["predict_at"].max().isoformat(),
            "scikit-learn": sklearn.__version__,
            **typical(examples[names]),
        },
    }
