"""A bundle decides by itself: its features by name, its calibration, its threshold."""

from typing import Any, Self

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline

from preflight.errors import RunError
from preflight.modeling.model import (
    Bundle,
    _filled,
    decide,
    group_effects,
    input_flags,
    is_binary,
    join_flags,
    log_odds,
    platt_scale,
    predict,
    predict_and_decide,
    predict_uncalibrated,
    reasons,
    reference_values,
    require_features,
    value_scorer,
)
from preflight.problem.costs import Costs, RegressionCosts

COSTS = {"unit": "EUR", "tp": 2.0, "fp": 1.0, "fn": "amount", "tn": 0.0}
CHANCES = st.lists(st.floats(0, 1), min_size=1, max_size=20).map(np.array)


class Weighs:
    """An estimator that shows what it was given: 0.1 of the first column and 0.01 of the second."""

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        assert list(X.columns) == ["b", "a"]
        rate = X.to_numpy() @ [0.1, 0.01]
        return np.column_stack([1 - rate, rate])


@pytest.fixture
def bundle() -> Bundle:
    return {
        "estimator": Weighs(),
        "slope": 1.0,
        "intercept": 0.0,
        "threshold": 0.2,
        "features": ["b", "a"],
        "provenance": {"framing": {"task": "binary"}},
    }


@given(CHANCES)
def test_a_calibration_that_changes_nothing_gives_the_very_same_numbers(raw: np.ndarray) -> None:
    assert platt_scale(raw, 1.0, 0.0).tobytes() == raw.tobytes()


@given(CHANCES, st.floats(0.1, 3), st.floats(-3, 3))
def test_a_calibration_is_a_line_on_log_odds(
    raw: np.ndarray, slope: float, intercept: float
) -> None:
    inside = np.clip(raw, 0.01, 0.99)
    found = platt_scale(inside, slope, intercept)
    assert log_odds(found) == pytest.approx(slope * log_odds(inside) + intercept, abs=1e-4)


@given(CHANCES, st.floats(0.1, 5), st.floats(-5, 5))
def test_a_calibration_keeps_the_order_and_stays_a_probability(
    raw: np.ndarray, slope: float, intercept: float
) -> None:
    found = platt_scale(np.sort(raw), slope, intercept)
    assert (np.diff(found) >= 0).all()
    assert ((found >= 0) & (found <= 1)).all()


def test_calibration_by_hand() -> None:
    assert platt_scale(np.array([0.5, 0.8]), 2.0, 0.0) == pytest.approx([0.5, 16 / 17])
    assert platt_scale(np.array([0.5]), 1.0, np.log(3)) == pytest.approx([0.75])


def test_certainty_has_finite_log_odds_of_either_sign() -> None:
    odds = log_odds(np.array([0.0, 0.5, 1.0]))
    assert odds[1] == 0
    assert -np.inf < odds[0] < -10
    assert odds[2] == pytest.approx(-odds[0])


def test_acting_needs_more_than_the_threshold(bundle: Bundle) -> None:
    chance = np.array([np.nextafter(0.2, 0), 0.2, np.nextafter(0.2, 1)])
    assert decide(bundle, chance, pd.DataFrame()).tolist() == [False, False, True]


def test_a_threshold_of_one_never_acts(bundle: Bundle) -> None:
    bundle["threshold"] = 1.0
    assert not decide(bundle, np.array([0.0, 1.0]), pd.DataFrame()).any()


def test_without_a_threshold_the_costs_it_carries_decide_row_by_row(bundle: Bundle) -> None:
    examples = pd.DataFrame({"a": [0.0] * 3, "b": [3.0] * 3, "amount": [3.0, 4.0, 60.0]})
    bundle |= {"threshold": None, "provenance": {"framing": {"costs": COSTS}}}
    chance = predict(bundle, examples)  # the estimator is not shown the amount
    assert chance == pytest.approx([0.3] * 3)
    assert decide(bundle, chance, examples).tolist() == [False, False, True]  # above 1/2, 1/3, 1/59
    bundle["threshold"] = 0.2
    assert decide(bundle, chance, examples).all()


@pytest.mark.parametrize("columns", [["b", "a"], ["a", "b"], ["extra", "a", "more", "b"]])
def test_features_are_picked_by_name(bundle: Bundle, columns: list[str]) -> None:
    values: dict[str, Any] = {"a": [1, 2], "b": [3, 4], "extra": [9, 9], "more": ["x", None]}
    table = pd.DataFrame(values)[columns]
    assert predict(bundle, table) == pytest.approx([0.31, 0.42])


def test_a_missing_feature_is_an_error_that_names_it(bundle: Bundle) -> None:
    with pytest.raises(KeyError, match="b"):
        predict(bundle, pd.DataFrame({"a": [1.0]}))


def test_a_model_that_reads_what_the_contract_no_longer_has_is_refused_with_what_to_do(
    bundle: Bundle,
) -> None:
    contract: Any = type("Boxes", (), {"names": staticmethod(lambda: ["a", "b", "c"])})
    require_features(bundle, contract)
    changed: Any = type("Fewer", (), {"names": staticmethod(lambda: ["a", "c"])})
    with pytest.raises(RunError, match=r"contract Fewer: b\..*kedro rollback"):
        require_features(bundle, changed)


def test_probabilities_are_calibrated(bundle: Bundle) -> None:
    bundle |= {"slope": 2.0, "intercept": 0.5}
    raw = np.array([0.31])
    found = predict(bundle, pd.DataFrame({"a": [1.0], "b": [3.0]}))
    assert found == pytest.approx(platt_scale(raw, 2.0, 0.5))
    assert found != pytest.approx(raw)


def test_a_steep_line_gives_certainty_without_a_warning() -> None:
    assert platt_scale(np.array([1e-9, 1 - 1e-9]), 40.0, 0.0).tolist() == [0.0, 1.0]


def test_a_probability_has_64_bits_whatever_the_estimator_gives(bundle: Bundle) -> None:
    class Short(Weighs):
        def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
            return super().predict_proba(X).astype("float32")

    bundle["estimator"] = Short()
    table = pd.DataFrame({"a": [0.0, 1.0], "b": [1.0, 1.0]})
    assert predict(bundle, table).dtype == np.float64
    assert predict(bundle, table) == pytest.approx([0.1, 0.11])


def test_a_scorer_is_the_saving_per_1000_within_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    X = pd.DataFrame({"a": rng.normal(size=200), "amount": rng.uniform(3, 60, 200)})
    y = (rng.random(200) < 1 / (1 + np.exp(-X["a"]))).astype(int)
    score, model = value_scorer(Costs.model_validate(COSTS)), LogisticRegression()
    by_hand = []
    for train, test in KFold(4).split(X):
        chance = model.fit(X.iloc[train], y[train]).predict_proba(X.iloc[test])[:, 1]
        amount = X["amount"].iloc[test]
        saved = np.where(y[test] == 1, amount - 2, -1) * (chance > 1 / (amount - 1))
        by_hand.append(1000 * saved.mean())
    assert len(set(by_hand)) == 4
    assert cross_val_score(model, X, y, cv=KFold(4), scoring=score) == pytest.approx(by_hand)
    grid = GridSearchCV(model, {"C": [1.0]}, cv=KFold(4), scoring=score).fit(X, y)
    assert grid.best_score_ == pytest.approx(np.mean(by_hand))


def test_a_scorer_shows_the_estimator_its_features_alone() -> None:
    X = pd.DataFrame({"amount": [3.0, 60.0], "a": [0.0, 0.0], "b": [3.0, 3.0]})
    score = value_scorer(Costs.model_validate(COSTS), ["b", "a"])
    assert score(Weighs(), X, [1, 1]) == 1000 * 58 / 2  # acts on the dear one only
    assert score(Weighs(), X, [1, 0]) == 1000 * -1 / 2


GROUPS = {"first": ["a"], "second": ["b"], "unused": ["c"]}
TRADE = {"a": "float32", "b": "float32", "place": "category"}


def test_what_is_typical_and_known_comes_from_the_examples() -> None:
    examples = pd.DataFrame(
        {"a": [1, 2, 9], "b": [None] * 3, "place": ["north", "north", None]}
    ).astype(TRADE)
    assert reference_values(examples) == {
        "reference_values": {"a": 2.0, "b": None, "place": "north"},
        "seen_categories": {"place": ["north"]},
    }


def test_a_move_is_against_the_typical_value_of_one_group(bundle: Bundle) -> None:
    bundle["provenance"] |= {"reference_values": {"a": 1.0, "b": 2.0}, "seen_categories": {}}
    table = pd.DataFrame({"a": [1.0, 3.0], "b": [7.0, 1.0]})
    chance = predict(bundle, table)
    found = group_effects(bundle, table, chance, GROUPS)
    assert found["first"].tolist() == pytest.approx([0, 0.02])
    assert found["second"].tolist() == pytest.approx([0.5, -0.1])
    assert "unused" not in found
    assert reasons(bundle, table, chance, GROUPS).tolist() == [
        "second +0.50, first +0.00",
        "second -0.10, first +0.02",
    ]
    assert table["a"].tolist() == [1, 3]
    assert reasons(bundle, table.iloc[:0], chance[:0], GROUPS).tolist() == []


def test_what_was_never_seen_or_is_missing_is_flagged(bundle: Bundle) -> None:
    bundle["provenance"] |= {"seen_categories": {"place": ["north"]}}
    table = pd.DataFrame(
        {"a": [1, None, None], "b": [1, 1, None], "place": ["north", "south", None]}
    ).astype(TRADE)
    marks = input_flags(bundle, table, GROUPS | {"whole": ["a", "b"]})
    told = ["", "unseen place, no first", "no first, no second, no whole"]
    assert join_flags(marks, len(table)).tolist() == told


def test_a_category_is_replaced_by_the_typical_one() -> None:
    values = pd.Series(["south", None], dtype="category")
    assert list(_filled(values, "north")) == ["north", "north"]
    assert np.isnan(_filled(pd.Series([1.0], dtype="float32"), None)).all()


class Amounts:
    """An estimator that shows what it was given, as `Weighs`, and has no probabilities."""

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        assert list(X.columns) == ["b", "a"]
        return (X.to_numpy() @ [10, 1]).astype("float32")


@pytest.fixture
def of_amounts(bundle: Bundle) -> Bundle:
    made = {
        "framing": {"task": "regression"},
        "reference_values": {"a": 1.0, "b": 2.0},
        "seen_categories": {},
    }
    return {**bundle, "estimator": Amounts(), "threshold": None, "provenance": made}


def test_an_amount_is_what_is_predicted_shifted_and_is_the_decision(of_amounts: Bundle) -> None:
    table = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    assert predict_uncalibrated(of_amounts["estimator"], table, ["b", "a"]).tolist() == [31, 42]
    assert predict(of_amounts, table).dtype == np.float64
    of_amounts["intercept"] = -2.5
    said = predict(of_amounts, table)
    assert said.tolist() == [28.5, 39.5]
    assert decide(of_amounts, said, table) is said
    found = predict_and_decide(of_amounts, table)
    assert list(found) == ["prediction"]
    assert found["prediction"].tolist() == [28.5, 39.5]
    assert predict(of_amounts, table.iloc[:0]).shape == (0,)


def test_a_probability_is_answered_with_what_is_decided(bundle: Bundle) -> None:
    found = predict_and_decide(bundle, pd.DataFrame({"a": [0.0, 0.0], "b": [3.0, 1.0]}))
    assert found["probability"] == pytest.approx([0.3, 0.1])
    assert found["act"].tolist() == [True, False]


def test_a_model_from_before_there_were_tasks_says_probabilities(bundle: Bundle) -> None:
    bundle["provenance"] = {"framing": {"costs": COSTS}}
    assert is_binary(bundle)


def test_the_reasons_of_an_amount_are_in_its_unit(of_amounts: Bundle) -> None:
    table = pd.DataFrame({"a": [1.0, 3.0], "b": [712.0, 1.0]})
    told = reasons(of_amounts, table, predict(of_amounts, table), GROUPS)
    assert told.tolist() == ["second +7.1e+03, first +0", "second -10, first +2"]


def test_a_scorer_of_amounts_is_the_saving_per_1000() -> None:
    costs = RegressionCosts(unit="EUR", overage=1, underage=3, default_amount=20)
    X = pd.DataFrame({"a": [1.0, 2.0], "b": [1.0, 2.0]})
    # 11 where 10 is right, and 22 where 30 is: 1 and 24, not 10 and 30
    score = value_scorer(costs, ["b", "a"])(Amounts(), X, [10, 30])
    assert score == 1000 * (9 + 6) / 2


class Holes(ClassifierMixin, BaseEstimator):
    """An estimator without a number for some rows: those with 0 in the first column."""

    def __init__(self, hole: float) -> None:
        self.hole = hole

    def fit(self, X: pd.DataFrame, y: Any) -> Self:
        self.classes_ = np.array([0, 1])
        return self

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        return np.where(X[["b"]] == 0, self.hole, [0.4, 0.6])


class AmountHoles(RegressorMixin, BaseEstimator):
    """The same of amounts."""

    def __init__(self, hole: float) -> None:
        self.hole = hole

    def fit(self, X: pd.DataFrame, y: Any) -> Self:
        self.fitted_ = True
        return self

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        return np.where(X["b"] == 0, self.hole, 3.0)


@pytest.mark.parametrize("hole", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", [Holes, AmountHoles])
def test_a_prediction_that_is_no_number_is_refused_with_model_and_count(
    kind: type[Any], hole: float
) -> None:
    """As `nan > threshold` it would be a decision not to act."""
    rows = pd.DataFrame({"b": [0.0, 1.0, 0.0, 2.0], "a": [1.0, 1.0, 2.0, 2.0]})
    for made in (kind(hole), make_pipeline("passthrough", kind(hole))):
        estimator = made.fit(rows[["b", "a"]], [0, 1, 0, 1])
        with pytest.raises(RunError, match=rf"^{kind.__name__} predicts no number for 2 of 4 rows"):
            predict_uncalibrated(estimator, rows, ["b", "a"])
        assert len(predict_uncalibrated(estimator, rows[rows["b"] > 0], ["b", "a"])) == 2
