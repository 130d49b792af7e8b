"""From examples to fitted models: folds in the order of time, predictions, candidate, baselines."""

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from preflight.contracts.catalog import Contract, Contracts
from preflight.features.fingerprints import refuse_test_rows, require_fingerprints
from preflight.modeling.estimators import Estimator
from preflight.modeling.model import (
    DECIDING,
    Bundle,
    Floats,
    predict_uncalibrated,
    reference_values,
)
from preflight.modeling.parameters import Modeling
from preflight.problem.costs import Costs
from preflight.problem.framing import Framing

log = logging.getLogger(__name__)


def join_development(
    train: pd.DataFrame,
    validation: pd.DataFrame,
    split_summary: pd.DataFrame,
    feature_audit: pd.DataFrame,
    framing: Framing,
) -> pd.DataFrame:
    """Return train and validation as one table, in the order of prediction.

    The bool column `is_validation` marks the examples of validation.

    Raises:
        RunError: they are not those that the audit has passed, are of another split, or have costs
            that leave nothing to decide.
    """
    framing.split.require(split_summary, train=train, validation=validation)
    require_fingerprints(feature_audit, train=train, validation=validation)
    together = join_parts(train, validation)
    framing.costs.at(together)
    return together.assign(is_validation=together.index >= len(train))


def join_parts(*parts: pd.DataFrame) -> pd.DataFrame:
    """Return parts of the split as one table, in their order; categories stay categories."""
    categories = parts[0].select_dtypes("category").columns
    together = pd.concat(parts, ignore_index=True)
    # Parts that know different categories would give text.
    return together.astype(dict.fromkeys(categories, "category"))


def folds(
    development: pd.DataFrame, framing: Framing, modeling: Modeling
) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Yield (train, validation) in the order of time; the last is the framing's own split."""
    embargo = pd.Timedelta(hours=framing.split.embargo_hours)
    moment, is_validation = development["predict_at"], development["is_validation"]
    for fold in modeling.search.folds_of(moment[~is_validation]):
        known = (moment < fold.start) & (development["label_known_at"] + embargo <= fold.start)
        yield development[known], development[(moment >= fold.start) & (moment < fold.until)]
    yield development[~is_validation], development[is_validation]


def fit(spec: Estimator, examples: pd.DataFrame, features: Contract) -> Any:
    """Return the estimator fitted on the examples, by the contract of their features."""
    return spec.build().fit(examples[spec.features(features.groups())], examples["label"])


def fit_predict(
    spec: Estimator, train: pd.DataFrame, validation: pd.DataFrame, features: Contract
) -> Floats:
    """Return what is predicted for validation, shape (n,), fitted on train."""
    return predict_uncalibrated(
        fit(spec, train, features), validation, spec.features(features.groups())
    )


def saving(
    examples: pd.DataFrame, predicted: Floats, framing: Framing, threshold: float | None = None
) -> Floats:
    """Return what decisions by these predictions save, shape (n,), in the currency of the costs.

    threshold: act above it, in place of the threshold that the costs give.
    """
    costs = framing.costs.at(examples)
    decided = costs.decide(predicted) if threshold is None else predicted > threshold
    return costs.saving(examples["label"].to_numpy(), decided)


def predict_validation(
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
            f"{framing.predicted}_{name}": fit_predict(spec, train, validation, features)
            for name, spec in specs.items()
        }
        of_candidate = predicted[f"{framing.predicted}_candidate"]
        if len(of_candidate) > 1 and np.ptp(of_candidate) == 0:
            log.warning(
                "  The candidate predicts the same for all %s examples of a fold: it has learnt "
                "nothing from the %s before it. If examples are few, allow smaller leaves: lower "
                "min_samples_leaf in conf/base/parameters/modeling.yml.",
                f"{len(of_candidate):,}",
                f"{len(train):,}",
            )
        rows = validation[[*features.grain(), "predict_at", "label"]]
        costs = framing.costs.cost_columns(validation) | framing.group_column(validation)
        predictions.append(rows.assign(fold=len(predictions), **predicted, **costs))
    together = pd.concat(predictions, ignore_index=True)
    return together.assign(last=together["fold"] == len(predictions) - 1)


def fit_candidate(
    development: pd.DataFrame,
    best_params: dict[str, Any],
    selection: dict[str, Any],
    test_keys: pd.DataFrame,
    framing: Framing,
    modeling: Modeling,
    contracts: Contracts,
) -> Bundle:
    """Return the candidate, fitted on train and validation with the best parameters.

    test_keys: hashes of the keys of the test set, as `split_examples` returns them.

    Raises:
        RunError: a decision of the test set is in development.
    """
    refuse_test_rows(development, test_keys, contracts)
    calibration = {name: selection["calibration"][name] for name in ("slope", "intercept")}
    chosen, features = modeling.chosen(best_params), contracts["features"]
    return make_bundle(chosen, development, framing, features, **calibration)


def fit_baselines(
    development: pd.DataFrame, framing: Framing, modeling: Modeling, contracts: Contracts
) -> dict[str, Bundle]:
    """Return each baseline, fitted on train and validation."""
    features = contracts["features"]
    return {
        name: make_bundle(spec, development, framing, features, threshold=spec.threshold)
        for name, spec in modeling.baselines.items()
    }


def make_bundle(
    spec: Estimator,
    examples: pd.DataFrame,
    framing: Framing,
    features: Contract,
    slope: float = 1.0,
    intercept: float = 0.0,
    threshold: float | None = None,
) -> Bundle:
    """Return a fitted model with its threshold: its own, or else the one derived from the costs."""
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
            **reference_values(examples[names]),
        },
    }
