"""From examples to a candidate: choice on validation, calibration, refit (search.py tunes it).

The test set never comes here. Everything is judged on folds in the order of time, and in the
framing's money.
"""

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
    typical,
    uncalibrated,
)
from preflight.contracts import Features
from preflight.errors import RunError
from preflight.framing import Framing
from preflight.intervals import log_loss
from preflight.pipelines.modeling.settings import Baseline, Estimator, Modeling

REHEARSED = 2000  # examples that everything is tried on before the search


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


def fit(spec: Estimator, examples: pd.DataFrame) -> Any:
    """Return the estimator fitted on the examples."""
    features = spec.features(Features.groups())
    return spec.build().fit(examples[features], examples["label"])


def judged(spec: Estimator, train: pd.DataFrame, validation: pd.DataFrame) -> Floats:
    """Return the probability of label 1 for validation, shape (n,), fitted on train."""
    return uncalibrated(fit(spec, train), validation, spec.features(Features.groups()))


def saving(
    examples: pd.DataFrame, chance: Floats, framing: Framing, threshold: float | None = None
) -> Floats:
    """Return what decisions by these probabilities save over never acting, row by row."""
    costs = framing.costs.at(examples)
    at = costs.threshold if threshold is None else threshold
    return costs.saving(examples["label"].to_numpy(), chance > at)


def rehearse(development: pd.DataFrame, modeling: Modeling) -> None:
    """Raise RunError that names the model which can't be fitted or asked for probabilities."""
    few = development.sample(min(REHEARSED, len(development)), random_state=modeling.seed)
    for name, spec in modeling.estimators().items():
        try:
            judged(spec, few, few)
        except Exception as error:  # whatever an estimator or a condition may raise
            raise RunError(
                f"modeling.{name} ({spec.path}) can't be fitted: {type(error).__name__}: {error}. "
                "Its parameters stand in conf/base/parameters/modeling.yml; features may be "
                "categories or missing, which it has to take or a pipeline before it to encode."
            ) from error


def validation_predictions(
    development: pd.DataFrame, best_params: dict[str, Any], framing: Framing, modeling: Modeling
) -> pd.DataFrame:
    """Return each model's probability for the examples of each fold, fitted on what came before.

    Grain: one row per fold and example; `last` marks the fold that is the validation set.
    """
    specs = {"candidate": modeling.chosen(best_params), **modeling.baselines}
    predictions: list[pd.DataFrame] = []
    for train, validation in folds(development, framing, modeling):
        probabilities = {
            f"probability_{name}": judged(spec, train, validation) for name, spec in specs.items()
        }
        known = validation[[*Features.grain(), "predict_at", "label"]]
        costs = framing.costs.kept(validation)
        predictions.append(known.assign(fold=len(predictions), **probabilities, **costs))
    together = pd.concat(predictions, ignore_index=True)
    return together.assign(last=together["fold"] == len(predictions) - 1)


def selection(
    validation_predictions: pd.DataFrame, framing: Framing, modeling: Modeling
) -> dict[str, Any]:
    """Return what validation decided: the best baseline, and whether to calibrate.

    values: saving per 1,000 decisions of each model on the validation set.
    calibration: slope and intercept on log-odds, and the log loss that decided.
    """
    last = validation_predictions[validation_predictions["last"]]
    label, costs = last["label"].to_numpy(), framing.costs.at(last)
    values = {
        name: costs.per_1000(
            label, last[f"probability_{name}"].to_numpy() > _threshold(spec, costs.threshold)
        )
        for name, spec in {"candidate": None, **modeling.baselines}.items()
    }
    return {
        "values": values,
        "best_baseline": max(framing.baselines, key=lambda name: values[name]),
        "calibration": _calibration(validation_predictions, modeling.calibration_gain),
    }


def _threshold(spec: Estimator | None, derived: Any) -> Any:
    """Return the model's own threshold, if it has one, else the one derived from the costs."""
    own = spec.threshold if isinstance(spec, Baseline) else None
    return derived if own is None else own


def _calibration(predictions: pd.DataFrame, least_gain: float) -> dict[str, float]:
    """Return the calibration, fitted on the earlier folds and judged on the last.

    If it lowers the log loss there by more than `least_gain`, it is fitted on all folds and used.
    """
    earlier, last = predictions[~predictions["last"]], predictions[predictions["last"]]
    label, raw = last["label"].to_numpy(), last["probability_candidate"].to_numpy()
    without = float(log_loss(label, raw).mean())
    if earlier["label"].nunique() < 2:
        return {"slope": 1.0, "intercept": 0.0, "log_loss_without": without}
    judged = float(log_loss(label, calibrated(raw, *_line(earlier))).mean())
    slope, intercept = _line(predictions) if without - judged > least_gain else (1.0, 0.0)
    if slope <= 0:  # a model worse than chance is not turned round, but judged as it is
        slope, intercept = 1.0, 0.0
    return {
        "slope": slope,
        "intercept": intercept,
        "log_loss_without": without,
        "log_loss_with": judged,
    }


def _line(predictions: pd.DataFrame) -> tuple[float, float]:
    """Return slope and intercept of the labels' log-odds on the predicted ones (Platt 1999)."""
    from sklearn.linear_model import LogisticRegression

    odds = log_odds(predictions["probability_candidate"].to_numpy())
    line = LogisticRegression(C=np.inf).fit(odds.reshape(-1, 1), predictions["label"])
    return float(line.coef_[0, 0]), float(line.intercept_[0])


def candidate(
    development: pd.DataFrame,
    best_params: dict[str, Any],
    selection: dict[str, Any],
    framing: Framing,
    modeling: Modeling,
) -> Bundle:
    """Return the candidate, fitted on train and validation with the best parameters."""
    line = selection["calibration"]
    chosen = modeling.chosen(best_params)
    return _bundle(chosen, development, framing, line["slope"], line["intercept"])


def baselines(development: pd.DataFrame, framing: Framing, modeling: Modeling) -> dict[str, Bundle]:
    """Return each baseline, fitted on train and validation."""
    return {name: _bundle(spec, development, framing) for name, spec in modeling.baselines.items()}


def _bundle(
    spec: Estimator,
    examples: pd.DataFrame,
    framing: Framing,
    slope: float = 1.0,
    intercept: float = 0.0,
) -> Bundle:
    import sklearn

    costs = framing.costs
    return {
        "estimator": fit(spec, examples),
        "slope": slope,
        "intercept": intercept,
        "threshold": _threshold(spec, None if costs.columns else costs.at(examples).threshold),
        "features": spec.features(Features.groups()),
        "provenance": {
            **spec.model_dump(include={"path", "preprocessing", "params"}),
            "framing": framing.model_dump(mode="json", include=set(DECIDING)),
            "examples": len(examples),
            "first": examples["predict_at"].min().isoformat(),
            "last": examples["predict_at"].max().isoformat(),
            "scikit-learn": sklearn.__version__,
            **typical(examples[spec.features(Features.groups())]),
        },
    }
