"""Joined trees predict what scikit-learn's own prediction is, to the bit, or nothing."""

import logging
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.pipeline import make_pipeline

from preflight.modeling import fast_trees
from preflight.modeling.fast_trees import FEW_ROWS, predict_few
from preflight.modeling.model import predict_uncalibrated
from preflight.modeling.preprocessing import numbered

NAMES = ["count", "place", "signal", "wet", "kind", "wide"]
PARAMS: dict[str, Any] = {"max_iter": 12, "min_samples_leaf": 5, "random_state": 0}
CATEGORIES: dict[str, Any] = {**PARAMS, "categorical_features": "from_dtype"}


def make_table(rows: int, seed: int = 0, places: str = "abcdefgh") -> pd.DataFrame:
    """Numbers of several types and two categories, with missing values in most."""
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=rows).astype("float32")
    place = rng.choice([*places], rows).astype(object)
    place[rng.random(rows) < 0.1] = None
    table = pd.DataFrame(
        {
            "count": rng.integers(0, 9, rows).astype("int16"),
            "place": pd.Categorical(place),
            "signal": np.where(rng.random(rows) < 0.1, np.nan, signal).astype("float32"),
            "wet": rng.random(rows) < 0.5,
            "kind": pd.Categorical(rng.choice(["x", "y"], rows)),
            "wide": rng.normal(size=rows),
        }
    )
    table.iloc[:3, table.columns.get_indexer(["signal", "wide"])] = np.nan
    return table


def make_label(table: pd.DataFrame) -> Any:
    return table["signal"].fillna(0) + table["place"].isin(["a", "c", "e"]) + table["wet"]


TABLE = make_table(2_000)
AMOUNT = make_label(TABLE).to_numpy(dtype=np.float64)
LATE = AMOUNT > 1
# with categories that were never seen, and a row without any value
ASKED = make_table(300, seed=1, places="abcdefghyz")


def classifier(**params: Any) -> Any:
    model = HistGradientBoostingClassifier(**CATEGORIES | params)
    return model.fit(TABLE, LATE)


def predict_own(model: Any, rows: pd.DataFrame) -> np.ndarray:
    if hasattr(model, "predict_proba"):
        return model.predict_proba(rows)[:, 1]
    return model.predict(rows)


def models() -> dict[str, tuple[Any, list[str]]]:
    numbers = ["count", "signal", "wet", "wide"]
    amounts = AMOUNT - AMOUNT.min()
    regressor = HistGradientBoostingRegressor
    quantile = {"loss": "quantile", "quantile": 0.7}
    return {
        "categories": (classifier(), NAMES),
        "one tree": (classifier(max_iter=1), NAMES),
        "many trees": (classifier(max_iter=300, max_leaf_nodes=4), NAMES),
        "calibrated classes": (classifier(class_weight="balanced"), NAMES),
        "stumps": (classifier(max_leaf_nodes=2), NAMES),
        "nothing learnt": (classifier(min_samples_leaf=2_000), NAMES),
        "numbers": (HistGradientBoostingClassifier(**PARAMS).fit(TABLE[numbers], LATE), numbers),
        "squared error": (regressor(**CATEGORIES).fit(TABLE, amounts), NAMES),
        "quantile": (regressor(**quantile, **CATEGORIES).fit(TABLE, amounts), NAMES),
        "poisson": (regressor(loss="poisson", **CATEGORIES).fit(TABLE, amounts), NAMES),
    }


MODELS = models()


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("size", [1, 7, FEW_ROWS])
def test_a_few_rows_are_predicted_as_all_at_once(name: str, size: int) -> None:
    model, columns = MODELS[name]
    rows = ASKED[columns]
    starts = range(0, len(rows), size)
    # None here: scikit-learn has changed. Try its new version, then set TRIED.
    found = np.concatenate([predict_few(model, rows.iloc[at : at + size]) for at in starts])
    assert found.tobytes() == np.ascontiguousarray(predict_own(model, rows)).tobytes()


def test_a_category_of_one_row_keeps_its_code() -> None:
    """The service makes a table with the categories of its rows alone."""
    model, columns = MODELS["categories"]
    rows = [ASKED[columns].iloc[[i]] for i in range(60)]
    for row in rows:
        for name in ("place", "kind"):
            row.isetitem(columns.index(name), row[name].cat.remove_unused_categories())
    found = np.concatenate([predict_few(model, row) for row in rows])
    assert np.array_equal(found, predict_own(model, ASKED[columns].head(60)))


def test_models_that_know_other_categories_are_not_confused() -> None:
    table = make_table(2_000, seed=2, places="hgzy")
    other = HistGradientBoostingClassifier(**CATEGORIES).fit(table, make_label(table) > 1)
    for at in range(20):
        row = ASKED.iloc[[at]]
        for model in (MODELS["categories"][0], other):
            assert np.array_equal(predict_few(model, row), predict_own(model, row))


def test_an_estimator_that_is_fitted_again_predicts_by_its_new_trees() -> None:
    model = classifier(warm_start=True)
    row = ASKED.head(1)
    before = predict_few(model, row)
    model.set_params(max_iter=24).fit(TABLE, LATE)
    assert np.array_equal(predict_few(model, row), predict_own(model, row))
    model.set_params(warm_start=False, max_iter=24).fit(TABLE, AMOUNT < 0)
    assert np.array_equal(predict_few(model, row), predict_own(model, row))
    assert not np.array_equal(before, predict_few(model, row))


class Mine(HistGradientBoostingClassifier):
    """An estimator of somebody's own, which may do anything."""


def other_estimators() -> dict[str, Any]:
    three = HistGradientBoostingClassifier(**CATEGORIES).fit(TABLE, np.arange(len(TABLE)) % 3)
    pipeline = make_pipeline(numbered(), HistGradientBoostingClassifier(**PARAMS))
    forest = make_pipeline(numbered(), RandomForestClassifier(5, random_state=0))
    return {
        "pipeline": pipeline.fit(TABLE, LATE),
        "forest": forest.fit(TABLE, LATE),
        "subclass": Mine(**CATEGORIES).fit(TABLE, LATE),
        "three classes": three,
    }


@pytest.mark.parametrize("name", ["pipeline", "forest", "subclass", "three classes"])
def test_another_estimator_gets_the_table_itself(name: str) -> None:
    model, row = other_estimators()[name], ASKED.head(1)
    assert predict_few(model, row) is None
    assert np.array_equal(predict_uncalibrated(model, row, NAMES), predict_own(model, row))


@pytest.mark.parametrize(
    "rows",
    [
        ASKED.head(FEW_ROWS + 1),
        ASKED.head(0),
        ASKED.head(2)[NAMES[::-1]],
        ASKED.head(2).astype({"place": "str"}),
        ASKED.head(2).astype({"signal": "Float32"}),
        ASKED.head(2).astype({"count": "category"}),
        ASKED.head(2).assign(place=pd.Categorical([1, 2])),
        ASKED.head(2).astype({"wide": object}),
    ],
    ids=["many", "none", "order", "text", "nullable", "number", "integers", "objects"],
)
def test_rows_of_another_kind_are_left_to_the_estimator(rows: pd.DataFrame) -> None:
    model = classifier()
    for _ in range(2):
        assert predict_few(model, rows) is None
    assert predict_few(model, ASKED.head(2)) is not None
    assert predict_few(model, rows) is None


def test_another_version_is_left_to_the_estimator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_trees, "TRIED", "0.")
    assert predict_few(MODELS["categories"][0], ASKED.head(1)) is None


def plant(function: str) -> Any:
    """Return a fault in the encoding, the order of trees, or scikit-learn itself."""
    right: Any = getattr(fast_trees, function)
    if function == "_encode":
        return lambda trees, rows: right(trees, rows)[:, ::-1].copy()
    if function == "_split_by_tree":
        return lambda nodes, starts, feature: right(nodes, starts, 0)

    def removed(*_: Any) -> Any:
        raise AttributeError("no such attribute any more")

    return removed


@pytest.mark.parametrize("function", ["_encode", "_split_by_tree", "_join"])
def test_a_planted_fault_makes_it_slower_and_not_wrong(
    function: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    model, rows = classifier(), ASKED.head(20)
    monkeypatch.setattr(fast_trees, function, plant(function))
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            found = predict_uncalibrated(model, rows, NAMES)
            assert np.array_equal(found, predict_own(model, rows))
    assert [one.message[:24] for one in caplog.records] == ["A few rows take longer: "]
