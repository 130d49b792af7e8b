"""Drift from train to test."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from preflight.diagnosis.contracts import Drift
from preflight.diagnosis.drift import compute_drift


class Features:
    @staticmethod
    def groups() -> dict[str, list[str]]:
        return {"a": ["number", "steady"], "b": ["place"]}


CONTRACTS: Any = {"features": Features}


def rows(seed: int, **change: Any) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    table = {
        "number": rng.normal(size=5000),
        "steady": rng.normal(size=5000),
        "place": pd.Categorical(rng.choice(["x", "y"], 5000)),
    }
    return pd.DataFrame(table | change)


def found(train: pd.DataFrame, test: pd.DataFrame) -> dict[str, float]:
    table = compute_drift(train, test, CONTRACTS)
    Drift.validate(table, lazy=True)
    assert table["index"].is_monotonic_decreasing
    return dict(zip(table["feature"], table["index"], strict=True))


def test_the_same_distribution_is_stable() -> None:
    assert max(found(rows(1), rows(2)).values()) < 0.02


@pytest.mark.parametrize(
    ("feature", "values"),
    [
        ("number", np.random.default_rng(3).normal(1, 1, 5000)),  # moved by a standard deviation
        ("number", np.where(np.arange(5000) % 3, np.nan, 0.0)),  # a feed that stops
        ("place", pd.Categorical(["z"] * 5000)),  # a category that train never has
    ],
)
def test_a_change_is_found(feature: str, values: Any) -> None:
    index = found(rows(1), rows(2, **{feature: values}))
    assert index[feature] > 0.25
    assert index["steady"] < 0.02


def test_the_index_is_that_of_its_formula() -> None:
    place = pd.Categorical(["x"] * 4000 + ["y"] * 1000)
    train, test = rows(1, place=pd.Categorical(["x"] * 2500 + ["y"] * 2500)), rows(1, place=place)
    by_hand = 0.3 * np.log(0.8 / 0.5) - 0.3 * np.log(0.2 / 0.5)
    assert found(train, test)["place"] == pytest.approx(by_hand, rel=0.01)


def test_a_feature_that_is_always_missing_is_no_drift() -> None:
    nothing = np.full(5000, np.nan)
    assert found(rows(1, number=nothing), rows(2, number=nothing))["number"] == pytest.approx(0)
