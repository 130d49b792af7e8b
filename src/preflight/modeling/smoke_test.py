"""Checks before the search: can every model be fitted on every fold, and be saved and loaded?"""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from preflight.contracts.catalog import Contract, Contracts
from preflight.errors import RunError
from preflight.modeling.estimators import Estimator
from preflight.modeling.model import predict_uncalibrated
from preflight.modeling.parameters import Modeling
from preflight.modeling.skops_file import dump, load
from preflight.modeling.training import fit, folds
from preflight.problem.framing import Framing

log = logging.getLogger(__name__)
SMOKE_TEST_ROWS = 1000  # drawn at random from each fold, next to those that `representative` keeps
ROWS_PER_LABEL = 50  # rows: an estimator that cross-validates needs several of each label

DROPPED_REMEDY = (
    "A ColumnTransformer drops the columns that it does not name: give it a `remainder`. A "
    "SimpleImputer drops a column without any value: give it `keep_empty_features=True`. To leave "
    "features out on purpose, list their group in `exclude_groups`."
)
FIT_REMEDY = (
    "Its settings are in conf/base/parameters/modeling.yml. For a feature that it can't take: "
    "encode or fill it in its `preprocessing`; merge rare categories, and make an infinite value "
    "missing, where the feature is built; or list its group in `exclude_groups`."
)


def smoke_test_estimators(
    train_and_validation: pd.DataFrame,
    trusted_types: list[str],
    framing: Framing,
    modeling: Modeling,
    contracts: Contracts,
) -> pd.DataFrame:
    """Return the examples unchanged, if every model can be fitted on a few of each fold.

    The last of all models, of train and validation together, are also saved and loaded. A feature
    without any value there stops the run. Of one fold, it stops the run if a model can't be fitted
    because of it, else it is a warning: the scores of the fold don't measure the feature.

    Args:
        trusted_types: types that may be in the file of a model.

    Raises:
        RunError: names the model, the fold and the features at fault, and what to do.
    """
    features = contracts["features"]
    is_validation = train_and_validation["is_validation"]
    validation_from = train_and_validation.loc[is_validation, "predict_at"].min()
    if late := modeling.search.late_folds(validation_from):
        raise RunError("\n".join([*late, "Let the folds end earlier."]))
    last = framing.split.day(pd.Series([validation_from])).iloc[0]
    moments = train_and_validation.loc[~is_validation, "predict_at"]
    starts = [*(fold.start for fold in modeling.search.folds_of(moments)), last]
    names = [f"the train part of the fold that starts on {start:%Y-%m-%d}" for start in starts]
    parts = zip(names, folds(train_and_validation, framing, modeling), strict=True)
    everything = (train_and_validation, train_and_validation)
    used = used_features(modeling, features)
    _require_values(train_and_validation, used)
    for where, (train, validation) in [*parts, ("train and validation together", everything)]:
        _require_labels(where, train, validation)
        few, others = (representative(p, features, modeling.seed) for p in (train, validation))
        for name, spec in variants(modeling):
            columns = spec.features(features.groups())
            try:
                model = _fit(spec, few, others, framing, features)
            except Exception as error:  # whatever an estimator or a condition may raise
                cause = _cause(spec, few, features, error)
                empty = _describe_empty(few[columns], train_and_validation)
                remedy = FIT_REMEDY if cause else "Or fill it in the `preprocessing` of the model."
                raise RunError(
                    f"modeling.{name} can't be fitted on {where}: {cause}{'Also, '.join(empty)}"
                    f"{remedy}"
                ) from error
            if dropped := dropped_features(model):
                raise RunError(
                    f"modeling.{name} never sees {', '.join(dropped)} of {where}: its "
                    f"preprocessing drops features. {DROPPED_REMEDY}"
                )
            if train is train_and_validation:
                _require_loadable(name, model, others, columns, trusted_types)
        _warn_of_empty(where, train[used], validation[used], train_and_validation)
    return train_and_validation


def variants(modeling: Modeling) -> Iterator[tuple[str, Estimator]]:
    """Yield each estimator with each preprocessing that the search may choose, and its name."""
    for name, spec in modeling.estimators().items():
        searched = getattr(spec, "space", {}).get("preprocessing")
        for path in [spec.preprocessing] if searched is None else searched.choices:
            chosen = f"{name} with {path}" if searched else name
            yield f"{chosen} ({spec.path})", spec.tuned({"preprocessing": path})


def representative(examples: pd.DataFrame, features: Contract, seed: int) -> pd.DataFrame:
    """Return a few rows that have all that can stop a model, in their order.

    They are a random sample, the extremes of each number, a missing value of each feature, every
    category, and some of each label if there are two.
    """
    kept = [examples.sample(min(SMOKE_TEST_ROWS, len(examples)), random_state=seed).index]
    for name in features.names():
        values = examples[name]
        present = values.dropna()
        if isinstance(values.dtype, pd.CategoricalDtype):
            kept.append(present.index[~present.duplicated()])
        elif len(present):
            kept.append(pd.Index([present.idxmin(), present.idxmax()]))
        kept.append(pd.Index([values.isna().idxmax()]))
    if examples["label"].nunique() == 2:
        kept.append(examples.groupby("label").head(ROWS_PER_LABEL).index)
    return examples[examples.index.isin(np.concatenate(kept))]


def _require_labels(where: str, train: pd.DataFrame, validation: pd.DataFrame) -> None:
    """Raise RunError if nothing can be learnt from a fold, or evaluated on it."""
    label = train["label"]
    if infinite := int(np.isinf(label).sum()):
        raise RunError(
            f"The column label has {infinite:,} infinite values in {where}. Repair them."
        )
    if validation.empty:
        fault = "the fold has no examples to evaluate on"
    elif label.nunique() < 2:
        fault = f"all {len(label):,} labels are {', '.join(map(str, label.unique())) or 'missing'}"
    else:
        return
    raise RunError(
        f"Nothing can be learnt from {where}: {fault}. Change the fold in "
        "modeling.search.earlier_folds, or framing.split."
    )


def _fit(
    spec: Estimator, few: pd.DataFrame, others: pd.DataFrame, framing: Framing, features: Contract
) -> Any:
    """Return the model fitted on a few rows; raise if its predictions can't be used."""
    with warnings.catch_warnings():  # a few rows may be too few to converge
        warnings.simplefilter("ignore")
        model = fit(spec, few, features)
        if hasattr(model, "predict_proba") != (framing.task == "binary"):
            kind = {"binary": "classifier", "regression": "regressor"}[framing.task]
            raise TypeError(f"framing.task is {framing.task}, which needs a {kind}")
        predict_uncalibrated(model, others, spec.features(features.groups()))
    return model


def used_features(modeling: Modeling, features: Contract) -> list[str]:
    """Return the features that at least one model reads."""
    groups = features.groups()
    return list(dict.fromkeys(n for _, spec in variants(modeling) for n in spec.features(groups)))


def _empty(examples: pd.DataFrame) -> list[str]:
    return [str(name) for name in examples if examples[name].isna().all()]


def _require_values(examples: pd.DataFrame, used: list[str]) -> None:
    """Raise RunError if features have no value before the test: no model can learn from them."""
    if missing := _empty(examples[used]):
        raise RunError(
            f"All values of {', '.join(missing)} are missing in train and validation, so no model "
            "can learn from them. Correct the functions that compute the features, or list their "
            "group in `without` (conf/base/parameters/modeling.yml)."
        )


def _warn_of_empty(
    where: str, train: pd.DataFrame, validation: pd.DataFrame, examples: pd.DataFrame
) -> None:
    """Log the features without a value in a part of a fold, which every model could take."""
    for empty in _describe_empty(train, examples):
        log.warning("In %s, %s", where, empty.rstrip())
    if missing := [name for name in _empty(validation) if name not in _empty(train)]:
        log.warning(
            "All values of %s are missing in the validation part that follows %s: the scores there "
            "don't measure what the features give. If they are missing by mistake, correct the "
            "functions that compute them. Else change modeling.search.earlier_folds or "
            "framing.split.",
            ", ".join(missing),
            where,
        )


def _cause(spec: Estimator, few: pd.DataFrame, features: Contract, error: Exception) -> str:
    """Return the error of a model; nothing if the missing values of whole features explain it."""
    if missing := _empty(few[spec.features(features.groups())]):
        filled = few.assign(**{name: _filled(few[name]) for name in missing})
        with contextlib.suppress(Exception), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit(spec, filled, features)
            return ""
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}".rstrip(".") + ". "


def _filled(values: pd.Series) -> pd.Series:
    """Return values of the same type, with two different ones in turn."""
    turn = np.arange(len(values)) % 2
    if isinstance(values.dtype, pd.CategoricalDtype):
        return pd.Series(pd.Categorical(turn.astype(str)), values.index)
    return pd.Series(turn, values.index).astype(values.dtype)


def _describe_empty(train: pd.DataFrame, examples: pd.DataFrame) -> Iterator[str]:
    """Yield a message for each feature without a value in a part, with what to do.

    examples: train and validation together. A later start of a fold helps only if the last fold,
    too, can be fitted on values of the feature.
    """
    for name in _empty(train):
        rows = examples[examples[name].notna()]
        first = rows["predict_at"].min()
        later = (
            "Let validation begin later (framing.split)"
            if rows["is_validation"].all()
            else "Let the fold start later (modeling.search.earlier_folds)"
        )
        yield (
            f"all values of {name} are missing, so no model can learn from it there. Its first "
            f"value is of {first:%Y-%m-%d}. {later}, or leave the feature out: list its group in "
            "`without`. "
        )


def dropped_features(model: Any) -> list[str]:
    """Return the columns that preprocessing drops without being told to.

    A column that a ColumnTransformer drops by name is left out on purpose.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer

    found: list[Any] = []
    for part in _nested_estimators(model):
        names = getattr(part, "feature_names_in_", np.arange(getattr(part, "n_features_in_", 0)))
        if isinstance(part, ColumnTransformer):
            for named, does, columns in getattr(part, "transformers_", []):
                if (named, does) == ("remainder", "drop"):
                    by_position = np.array(columns).dtype.kind in "bi"
                    found += list(names[columns] if by_position else columns)
        elif isinstance(part, SimpleImputer) and not part.keep_empty_features:
            found += list(names[pd.isna(getattr(part, "statistics_", []))])
    return list(dict.fromkeys(map(str, found)))


def _nested_estimators(model: Any) -> Iterator[Any]:
    """Yield an estimator and all estimators that it holds."""
    from sklearn.base import BaseEstimator

    if isinstance(model, BaseEstimator) or hasattr(model, "predict_proba"):
        yield model
        model = vars(model)
    if isinstance(model, dict | list | tuple):
        for part in model.values() if isinstance(model, dict) else model:
            yield from _nested_estimators(part)


def _require_loadable(
    name: str, model: Any, examples: pd.DataFrame, columns: list[str], trusted: list[str]
) -> None:
    """Raise RunError if a model could not be loaded from its file, or would answer differently."""
    from skops.io import get_untrusted_types

    file = io.BytesIO()
    dump(model, file)
    if unknown := sorted({*get_untrusted_types(data=file.getvalue())} - {*trusted}):
        raise RunError(
            f"The file of modeling.{name} could not be loaded: it holds types that are not "
            f"trusted: {', '.join(unknown)}. Loading one may run its code. If you know them, add "
            "them to _trusted in conf/base/catalog/modeling.yml."
        )
    file.seek(0)
    models = (model, load(file, trusted))
    before, after = (predict_uncalibrated(one, examples, columns) for one in models)
    if np.array_equal(before, after):
        return
    if np.allclose(before, after, rtol=1e-9):
        raise RunError(
            f"The predictions of modeling.{name} vary in their last digits from call to call: its "
            "threads add up in varying order, and no run could be reproduced. Set n_jobs: 1."
        )
    raise RunError(f"modeling.{name} gives other predictions after it was saved and loaded.")
