"""A model with all it needs to decide: estimator, calibration, threshold, features, origin."""

from collections.abc import Callable
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import TypeAdapter

from preflight.contracts.catalog import Contract
from preflight.errors import PredictionError, RunError
from preflight.modeling.fast_trees import predict_few
from preflight.problem.costs import AnyCosts, Costs, Decided, RegressionCosts, per_1000

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# sections of the framing that a model depends on
DECIDING = ("task", "prediction", "costs", "split")

# of the provenance: what an estimator is built from
RECIPE = ("path", "preprocessing", "params")
RECIPE_FRAMING = ("task", "prediction", "costs")  # a refit may have another split

TOP_REASONS = 3  # groups of features that are named as reasons
_EPSILON = 1e-9  # a probability of exactly 0 or 1 has no log-odds


class Bundle(TypedDict):
    """What is saved as a model, and all that a decision needs.

    slope, intercept: the calibration, of probabilities on log-odds; 1 and 0 change nothing.
    threshold: act where the probability is above it; None where the costs give each row its own,
        or an amount is decided on.
    features: the columns that the estimator reads, in order.
    provenance: what it was fitted on and with, the costs among it.
    """

    estimator: Any
    slope: float
    intercept: float
    threshold: float | None
    features: list[str]
    provenance: dict[str, Any]


def predict(bundle: Bundle, examples: pd.DataFrame) -> Floats:
    """Return the calibrated probability of label 1, or the amount, for each row, shape (n,)."""
    return apply_calibration(
        bundle, predict_uncalibrated(bundle["estimator"], examples, bundle["features"])
    )


def predict_uncalibrated(estimator: Any, examples: pd.DataFrame, features: list[str]) -> Floats:
    """Return the estimator's own probability of label 1, or amount, shape (n,); some give 32 bits.

    A model with `predict_proba` gives probabilities, any other what it predicts.

    Raises:
        PredictionError: a prediction is missing or infinite. A comparison with a threshold would
            take a missing one for "do not act".
    """
    if examples.empty:
        return np.empty(0)
    seen = _only(examples, features)
    if (few := predict_few(estimator, seen)) is not None:
        predicted = few
    elif hasattr(estimator, "predict_proba"):
        predicted = np.asarray(estimator.predict_proba(seen)[:, 1], dtype=np.float64)
    else:
        predicted = np.asarray(estimator.predict(seen), dtype=np.float64)
    if unusable := len(predicted) - np.count_nonzero(np.isfinite(predicted)):
        last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
        raise PredictionError(
            f"{type(last).__name__} predicts no number for {unusable:,} of {len(predicted):,} "
            "rows: some of its predictions are missing or infinite. Fill missing values and cap "
            "large ones in its `preprocessing` (conf/base/parameters/modeling.yml), or choose "
            "another estimator."
        )
    return predicted


def _only(examples: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Return some columns; to choose them all takes as long as all else for one row."""
    return examples if examples.columns.tolist() == names else examples[names]


def apply_calibration(bundle: Bundle, raw: Floats) -> Floats:
    """Return the predictions after the bundle's calibration, shape (n,)."""
    if is_binary(bundle):
        return platt_scale(raw, bundle["slope"], bundle["intercept"])
    return raw + bundle["intercept"]


def is_binary(bundle: Bundle) -> bool:
    """Return whether it predicts the probability of a label, and not an amount."""
    task = bundle["provenance"]["framing"].get("task", "binary")  # older models know of no other
    return bool(task == "binary")


def log_odds(probability: Floats) -> Floats:
    """Return log(p / (1 - p)), shape (n,)."""
    inside = np.clip(probability, _EPSILON, 1 - _EPSILON)
    return np.log(inside / (1 - inside))


def platt_scale(raw: Floats, slope: float, intercept: float) -> Floats:
    """Return probabilities after a straight line on their log-odds (Platt 1999)."""
    if (slope, intercept) == (1.0, 0.0):
        return raw
    from scipy.special import expit

    return expit(slope * log_odds(raw) + intercept)


def decide(bundle: Bundle, predicted: Floats, examples: pd.DataFrame) -> Decided:
    """Return the decision for each example: whether to act, or the amount, shape (n,).

    Costs that are columns are read from the examples, whether or not the estimator sees them.
    """
    if not is_binary(bundle):
        return predicted
    if bundle["threshold"] is not None:
        return np.asarray(predicted > bundle["threshold"])
    return np.asarray(costs_of(bundle).at(examples).decide(predicted))


def costs_of(bundle: Bundle) -> Costs | RegressionCosts:
    """Return the costs that a model was made for."""
    saved = bundle["provenance"]["framing"]["costs"]
    costs: Costs | RegressionCosts = TypeAdapter(AnyCosts).validate_python(saved)
    return costs


def require_features(bundle: Bundle, features: Contract) -> None:
    """Raise RunError if a model reads a feature that the contract no longer has."""
    if unknown := [name for name in bundle["features"] if name not in features.names()]:
        raise RunError(
            f"The model reads features that are not in the contract {features.__name__}: "
            f"{', '.join(unknown)}. Declare them again, make and promote a new model (kedro run, "
            "then kedro run --pipelines deployment), or go back: kedro rollback"
        )


def same_recipe(one: Bundle, other: Bundle) -> bool:
    """Return whether two models differ only by the examples that they were fitted on."""
    recipes = []
    for bundle in (one, other):
        origin, framing = bundle["provenance"], bundle["provenance"]["framing"]
        made = [origin.get(name) for name in RECIPE]
        recipes.append((bundle["features"], made, [framing.get(name) for name in RECIPE_FRAMING]))
    return recipes[0] == recipes[1]


def predict_and_decide(bundle: Bundle, examples: pd.DataFrame) -> dict[str, Any]:
    """Return the prediction and the decision for each example: the columns of predictions."""
    predicted = predict(bundle, examples)
    if not is_binary(bundle):
        return {"prediction": predicted}
    return {"probability": predicted, "act": decide(bundle, predicted, examples)}


def reference_values(examples: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return what a bundle keeps of its examples, to explain predictions and to flag new inputs.

    typical: the reference value of each feature: the median of a number (of integers the lower
        one), of all else the most frequent value; None if it is always missing.
    known: the categories that were seen.
    """
    seen_categories = {
        str(name): sorted(values.dropna().unique().tolist())
        for name, values in examples.select_dtypes("category").items()
    }
    return {
        "reference_values": {
            str(name): _reference_value(values) for name, values in examples.items()
        },
        "seen_categories": seen_categories,
    }


def _reference_value(values: pd.Series) -> Any:
    if isinstance(values.dtype, pd.CategoricalDtype):
        return next(iter(values.mode()), None)
    value: Any = None
    if pd.api.types.is_float_dtype(values):
        value = values.median()
    elif pd.api.types.is_integer_dtype(values):  # a value that the type can hold
        value = values.quantile(0.5, interpolation="lower")
    else:
        value = next(iter(values.mode()), None)
    return None if pd.isna(value) else float(value)


def input_flags(
    bundle: Bundle, examples: pd.DataFrame, groups: dict[str, list[str]]
) -> dict[str, Bools]:
    """Return which rows have a category that the model never saw, or lack a whole group.

    groups: the features of each group, by its name.
    """
    flags = {}
    for name, values in bundle["provenance"]["seen_categories"].items():
        category, seen = examples[name].array, set(values)
        new = [one not in seen for one in category.categories]
        flags[f"unseen {name}"] = np.array([*new, False])[category.codes]
    missing = _only(examples, bundle["features"]).isna().to_numpy()
    position = {name: i for i, name in enumerate(bundle["features"])}
    for group, names in groups.items():
        if used := [position[name] for name in names if name in position]:
            flags[f"no {group}"] = missing[:, used].all(axis=1)
    return flags


def join_flags(flags: dict[str, Bools], rows: int) -> npt.NDArray[np.object_]:
    """Return the names of the flags of each row, joined by commas, shape (rows,)."""
    text = np.full(rows, "", dtype=object)
    for name, flagged in flags.items():
        if flagged.any():
            text[flagged] = np.where(text[flagged] == "", name, text[flagged] + f", {name}")
    return text


def group_effects(
    bundle: Bundle, examples: pd.DataFrame, predicted: Floats, groups: dict[str, list[str]]
) -> pd.DataFrame:
    """Return the effect of each group of features on the prediction, shape (n, groups).

    That is the prediction less what it would be if the group had its reference values: the median
    of its numbers, the most frequent of its categories (prediction difference: Robnik-Sikonja and
    Kononenko 2008). Each group is changed alone: the effects do not add up to the prediction, and
    of two groups with the same information neither may have a large one.
    """
    reference = bundle["provenance"]["reference_values"]
    effects = {}
    for group, names in groups.items():
        if changed := [name for name in names if name in bundle["features"]]:
            values = {name: _filled(examples[name], reference[name]) for name in changed}
            effects[group] = predicted - predict(bundle, examples.assign(**values))
    return pd.DataFrame(effects, index=examples.index)


def _filled(values: pd.Series, value: Any) -> Any:
    """Return a column of the same type with one value."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return pd.Categorical([value] * len(values))
    return np.full(len(values), np.nan if value is None else value, dtype=values.dtype)


def reasons(
    bundle: Bundle, examples: pd.DataFrame, predicted: Floats, groups: dict[str, list[str]]
) -> pd.Series:
    """Return the groups with the largest effects (see `group_effects`) on each row's prediction.

    Each is a text such as "history +0.21, place -0.05".
    """
    effects = group_effects(bundle, examples, predicted, groups)
    names, values = effects.columns.to_numpy(dtype=str), effects.to_numpy()
    order = np.argsort(-np.abs(values), axis=1, kind="stable")[:, :TOP_REASONS]
    digits = "%+.2f" if is_binary(bundle) else "%+.3g"
    written = np.strings.mod(digits, np.take_along_axis(values, order, axis=1))
    parts = np.strings.add(np.strings.add(names[order], " "), written)
    return pd.Series(list(map(", ".join, parts)), examples.index, dtype="str")


def answer(
    bundle: Bundle, examples: pd.DataFrame, groups: dict[str, list[str]], explain: bool = True
) -> dict[str, Any]:
    """Return the columns of an answer for each row: prediction, decision, flags and reasons.

    Batch inference and the service both answer with this function.

    explain: without it reasons are empty, which takes an eighth of the time, or less for few rows.
    """
    found = predict_and_decide(bundle, examples)
    predicted = next(iter(found.values()))
    flags = join_flags(input_flags(bundle, examples, groups), len(examples))
    why = reasons(bundle, examples, predicted, groups) if explain else [""] * len(examples)
    return {**found, "flags": flags, "reasons": why}


def value_scorer(
    costs: Costs | RegressionCosts, features: list[str] | None = None
) -> Callable[[Any, pd.DataFrame, Any], float]:
    """Return a scorer of scikit-learn (`scoring`): the saving per 1,000 decisions.

    Costs that are columns are read from X: shuffle them, and the costs are shuffled too.
    features: the columns of X that the estimator reads; without it, all.
    """

    def score(estimator: Any, X: pd.DataFrame, y: Any) -> float:
        names = X.columns.tolist() if features is None else features
        rows = costs.at(X)
        decided = rows.decide(predict_uncalibrated(estimator, X, names))
        return per_1000(rows.saving(np.asarray(y), decided))

    return score
