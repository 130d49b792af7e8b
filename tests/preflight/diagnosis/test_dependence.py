"""Partial dependence, against scikit-learn's own."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.inspection import partial_dependence

from preflight.diagnosis.contracts import PartialDependence
from preflight.diagnosis.dependence import compute_partial_dependence
from preflight.modeling.model import predict


@pytest.fixture
def found(made: dict[str, Any]) -> tuple[pd.DataFrame, dict[str, Any]]:
    features = made["candidate"]["features"]
    rise = np.linspace(1, 0, len(features))
    made = made | {"importance": pd.DataFrame({"feature": features, "rise": rise})}
    names = ("candidate", "test", "importance", "diagnosis")
    return compute_partial_dependence(*(made[name] for name in names)), made


def test_the_most_important_features_are_set_to_each_value(
    found: tuple[pd.DataFrame, dict[str, Any]],
) -> None:
    table, made = found
    PartialDependence.validate(table, lazy=True)
    features = made["candidate"]["features"][:2]
    assert [*dict.fromkeys(table["feature"])] == features
    sample = made["test"].sample(100, random_state=made["diagnosis"].seed)
    for feature in features:
        part = table[table["feature"] == feature]
        if part["number"].isna().all():
            continue
        assert part["number"].is_monotonic_increasing
        value = part["number"].iloc[0]
        at = sample.assign(
            **{feature: pd.Series(value, sample.index).astype(sample[feature].dtype)}
        )
        assert part["predicted"].iloc[0] == pytest.approx(predict(made["candidate"], at).mean())


def test_the_result_is_that_of_scikit_learn(found: tuple[pd.DataFrame, dict[str, Any]]) -> None:
    table, made = found
    part = table[table["number"].notna()]
    feature = part["feature"].iloc[0]
    part = part[part["feature"] == feature]
    candidate = made["candidate"] | {"slope": 1.0, "intercept": 0.0}
    sample = made["test"].sample(100, random_state=made["diagnosis"].seed)[candidate["features"]]
    grid = {feature: part["number"].to_numpy()}
    theirs = partial_dependence(
        candidate["estimator"], sample, [feature], custom_values=grid, method="brute",
        response_method="predict_proba",
    )  # fmt: skip
    names = ("test", "importance", "diagnosis")
    ours = compute_partial_dependence(candidate, *(made[name] for name in names))
    mine = ours.loc[ours["feature"] == feature, "predicted"]
    assert mine.to_numpy() == pytest.approx(theirs["average"][0], abs=1e-6)
