"""Partial dependence: how the mean prediction changes with one feature."""

from typing import Any

import numpy as np
import pandas as pd

from preflight.diagnosis.contracts import Diagnosis
from preflight.modeling.model import Bundle, predict

STEPS = 11  # values of a number: quantiles, from the 5% to the 95% one
CATEGORIES = 8  # the most frequent ones


def compute_partial_dependence(
    candidate: Bundle, test: pd.DataFrame, importance: pd.DataFrame, diagnosis: Diagnosis
) -> pd.DataFrame:
    """Return the mean prediction with one feature set to a value for all rows (Friedman 2001).

    The most important features are shown, on a sample of test. Where features depend on each other,
    some of the rows made so do not occur.

    Grain: one row per feature and value, numbers in their order, categories by frequency.
    """
    sizes = min(diagnosis.dependence_rows, len(test))
    sample = test.sample(sizes, random_state=diagnosis.seed)
    top = importance.nlargest(diagnosis.dependence_features, "rise")["feature"]
    rows: list[dict[str, Any]] = []
    for feature in top:
        values = _values(test[feature])
        wide = sample.loc[sample.index.repeat(len(values))]
        set_to = pd.Series([*values] * len(sample), index=wide.index).astype(test[feature].dtype)
        predicted = predict(candidate, wide.assign(**{feature: set_to}))
        means = predicted.reshape(len(sample), len(values)).mean(axis=0)
        is_number = pd.api.types.is_numeric_dtype(test[feature])
        for value, mean in zip(values, means, strict=True):
            number = float(value) if is_number else np.nan
            rows.append(
                {"feature": feature, "value": str(value), "number": number, "predicted": mean}
            )
    return pd.DataFrame(rows, columns=["feature", "value", "number", "predicted"])


def _values(column: pd.Series) -> list[Any]:
    """Return the values that a feature is set to; missing is none of them."""
    known = column.dropna()
    if not pd.api.types.is_numeric_dtype(column):
        return [*known.value_counts().head(CATEGORIES).index]
    wanted = np.linspace(0.05, 0.95, STEPS)
    return [*np.unique(known.quantile(wanted, interpolation="nearest"))]
