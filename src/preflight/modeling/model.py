"""A model with all it needs to decide: estimator, calibration, threshold, features, origin."""

from collections.abc import Callable
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import TypeAdapter

from preflight.contracts.catalog import Contract
from preflight.errors import RunError
from preflight.problem.costs import AnyCosts, Costs, Decided, RegressionCosts, per_1000

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# sections of the framing that a model depends on
DECIDING = ("task", "prediction", "costs", "split")

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

    A classifier is asked for probabilities, anything else for what it predicts.
    """
    if examples.empty:
        return np.empty(0)
    seen = _only(examples, features)
    if hasattr(estimator, "predict_proba"):
        return np.asarray(estimator.predict_proba(seen)[:, 1], dtype=np.float64)
    return np.asarray(estimator.predict(seen), dtype=np.float64)


def _only(examples: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Return some columns; to choose them all takes as long as all else for one row."""
    return examples if examples.columns.tolist() == names else examples[names]


def apply_calibration(bundle: Bundle, raw: Floats) -> Floats:
    """Return what the estimator says after the bundle's calibration."""
    if is_binary(bundle):
        return platt_scale(raw, bundle["slope"], bundle["intercept"])
    return raw + bundle["intercept"]


def is_binary(bundle: Bundle) -> bool:
    """Return whether it says the probability of a label, not an amount."""
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
    given = bundle["provenance"]["framing"]["costs"]
    costs: Costs | RegressionCosts = TypeAdapter(AnyCosts).validate_python(given)
    return costs


def require_features(bundle: Bundle, features: Contract) -> None:
    """Raise RunError if a model reads a feature that the contract no longer has."""
    if unknown := [name for name in bundle["features"] if name not in features.names()]:
        raise RunError(
            f"The model reads features that are not in the contract {features.__name__}: "
            f"{', '.join(unknown)}. Declare them again, make and promote a new model (kedro run, "
            "then kedro run --pipelines deployment), or go back: kedro rollback"
        )


def predict_and_decide(bundle: Bundle, examples: pd.DataFrame) -> dict[str, Any]:
    """Return what a model says of each example, and what is decided: the columns of predictions."""
    predicted = predict(bundle, examples)
    if not is_binary(bundle):
        return {"prediction": predicted}
    return {"probability": predicted, "act": decide(bundle, predicted, examples)}


def reference_values(examples: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return what a bundle has to know of its examples to explain, and to tell what is new.

    typical: the median of each number (of integers the lower one), of all else the most frequent
        value; None if it is never there.
    known: the categories that were seen.
    """
    categories = examples.select_dtypes("category")
    known = {
        str(name): sorted(values.dropna().unique().tolist()) for name, values in categories.items()
    }
    middle = {str(name): _middle(values) for name, values in examples.items()}
    return {
        "typical": {
            n: None if pd.isna(v) else v if n in known else float(v) for n, v in middle.items()
        },
        "known": known,
    }


def _middle(values: pd.Series) -> Any:
    if pd.api.types.is_float_dtype(values):
        return values.median()
    if pd.api.types.is_integer_dtype(values):  # a value that the type can hold
        return values.quantile(0.5, interpolation="lower")
    return next(iter(values.mode()), None)


def input_flags(
    bundle: Bundle, examples: pd.DataFrame, groups: dict[str, list[str]]
) -> dict[str, Bools]:
    """Return which rows have a category that the model never saw, or lack a whole group.

    groups: the features of each group, by its name.
    """
    marks = {}
    for name, values in bundle["provenance"]["known"].items():
        category, seen = examples[name].array, set(values)
        new = [one not in seen for one in category.categories]
        marks[f"unseen {name}"] = np.array([*new, False])[category.codes]
    gone = _only(examples, bundle["features"]).isna().to_numpy()
    place = {name: i for i, name in enumerate(bundle["features"])}
    for group, names in groups.items():
        if used := [place[name] for name in names if name in place]:
            marks[f"no {group}"] = gone[:, used].all(axis=1)
    return marks


def join_flags(marks: dict[str, Bools], index: pd.Index) -> pd.Series:
    """Return for each row the names of its marks."""
    told = np.full(len(index), "", dtype=object)
    for name, mark in marks.items():
        if mark.any():
            told[mark] = np.where(told[mark] == "", name, told[mark] + f", {name}")
    return pd.Series(told, index, dtype="str")


def group_effects(
    bundle: Bundle, examples: pd.DataFrame, predicted: Floats, groups: dict[str, list[str]]
) -> pd.DataFrame:
    """Return by how much each group of features moves what is predicted, shape (n, groups).

    That is the prediction less what it would be if the group were as in a typical example: the
    median of its numbers, the most frequent of its categories (prediction difference:
    Robnik-Sikonja and Kononenko 2008). Each group is changed alone, and the rest stays: the moves
    do not add up to the prediction, and of two groups that tell the same neither may move it much.
    """
    middle = bundle["provenance"]["typical"]
    found = {}
    for group, names in groups.items():
        if changed := [name for name in names if name in bundle["features"]]:
            plain = examples.assign(**{n: _filled(examples[n], middle[n]) for n in changed})
            found[group] = predicted - predict(bundle, plain)
    return pd.DataFrame(found, index=examples.index)


def _filled(values: pd.Series, value: Any) -> Any:
    """Return a column of the same type with one value."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return pd.Categorical([value] * len(values))
    return np.full(len(values), np.nan if value is None else value, dtype=values.dtype)


def reasons(
    bundle: Bundle, examples: pd.DataFrame, predicted: Floats, groups: dict[str, list[str]]
) -> pd.Series:
    """Return the groups that move each row most, as "history +0.21, place -0.05".

    See `group_effects`.
    """
    moved = group_effects(bundle, examples, predicted, groups)
    by, value = moved.columns.to_numpy(dtype=str), moved.to_numpy()
    order = np.argsort(-np.abs(value), axis=1, kind="stable")[:, :TOP_REASONS]
    digits = "%+.2f" if is_binary(bundle) else "%+.3g"
    said = np.strings.mod(digits, np.take_along_axis(value, order, axis=1))
    parts = np.strings.add(np.strings.add(by[order], " "), said)
    return pd.Series(list(map(", ".join, parts)), examples.index, dtype="str")


def answer(
    bundle: Bundle, examples: pd.DataFrame, groups: dict[str, list[str]], explain: bool = True
) -> dict[str, Any]:
    """Return the columns of an answer for each row: prediction, decision, flags and reasons.

    Batch inference and the service both answer with this function.

    explain: without it reasons are empty, which takes an eighth of the time.
    """
    found = predict_and_decide(bundle, examples)
    predicted = next(iter(found.values()))
    flags = join_flags(input_flags(bundle, examples, groups), examples.index)
    why = reasons(bundle, examples, predicted, groups) if explain else [""] * len(examples)
    return {**found, "flags": flags, "reasons": why}


def value_scorer(
    costs: Costs | RegressionCosts, features: list[str] | None = None
) -> Callable[[Any, pd.DataFrame, Any], float]:
    """Return the saving per 1,000 decisions as scikit-learn takes it for `scoring`.

    Costs that are columns are read from X: shuffle them, and the costs are shuffled too.
    features: the columns of X that the estimator is shown; without it, all.
    """

    def score(estimator: Any, X: pd.DataFrame, y: Any) -> float:
        said = predict_uncalibrated(
            estimator, X, X.columns.tolist() if features is None else features
        )
        at = costs.at(X)
        return per_1000(at.saving(np.asarray(y), at.decide(said)))

    return score
