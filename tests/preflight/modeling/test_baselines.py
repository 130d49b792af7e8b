"""The baselines are what a person would compute by hand, and behave as scikit-learn asks."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import check_estimator

from preflight.modeling import baselines
from preflight.modeling.baselines import LinearAmounts, LookupAmounts, LookupTable, Rules
from preflight.modeling.skops_file import dump, load

Examples = Callable[..., pd.DataFrame]
ROWS = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from([5.0, 6.0]), st.booleans()),
    min_size=1,
    max_size=30,
)


def chance(model: Any, X: pd.DataFrame) -> list[float]:
    return model.predict_proba(X)[:, 1].tolist()


@given(ROWS, st.sampled_from([0.0, 1.0, 50.0]))
def test_a_lookup_table_is_the_shrunk_rate_of_each_combination(
    rows: list[tuple[str, float, bool]], prior_rows: float
) -> None:
    assume(len({label for *_, label in rows}) == 2)
    seen = pd.DataFrame(rows, columns=["place", "hour", "label"]).astype({"place": "category"})
    model = LookupTable(["place", "hour"], prior_rows).fit(seen, seen["label"])
    overall = seen["label"].mean()
    groups = seen.groupby(["place", "hour"], observed=True)["label"]
    by_hand = groups.transform(
        lambda label: (label.sum() + prior_rows * overall) / (len(label) + prior_rows)
    )
    assert chance(model, seen) == pytest.approx(by_hand.tolist())


def test_a_combination_never_seen_gets_the_overall_rate() -> None:
    seen = pd.DataFrame({"place": ["a", "a", "b", "b"], "hour": [1, 2, 1, 1]})
    model = LookupTable(["place", "hour"], prior_rows=0).fit(seen, [1, 0, 1, 1])
    asked = pd.DataFrame({"place": ["b", "b", "c", "a"], "hour": [2, 1, 1, 1]})
    assert chance(model, asked) == pytest.approx([0.75, 1, 0.75, 1])


@pytest.mark.parametrize("place", ["a", None])
def test_a_missing_value_is_no_error_and_gets_a_rate_between_the_extremes(place: Any) -> None:
    seen = pd.DataFrame({"place": ["a", "b", place, "b"], "hour": [1.0, np.nan, 1.0, 2.0]})
    model = LookupTable(["place", "hour"]).fit(seen, [1, 0, 1, 0])
    assert all(0 < value < 1 for value in chance(model, seen))


@pytest.mark.parametrize(("prior_rows", "rate"), [(0, 1), (1, 0.75), (3, 0.625), (1e9, 0.5)])
def test_rare_combinations_are_drawn_to_the_overall_rate(prior_rows: float, rate: float) -> None:
    seen = pd.DataFrame({"place": ["rare", "common"]})
    model = LookupTable(["place"], prior_rows).fit(seen, [1, 0])
    assert chance(model, seen) == pytest.approx([rate, 1 - rate])


def test_a_lookup_table_does_not_depend_on_index_or_order_of_rows() -> None:
    seen = pd.DataFrame({"place": list("aabb")}, index=[3, 3, 1, 0])
    label = np.array([1, 0, 1, 1])
    model = LookupTable(["place"], prior_rows=0).fit(seen, label)
    assert chance(model, seen) == [0.5, 0.5, 1, 1]
    order = [2, 0, 3, 1]
    again = LookupTable(["place"], prior_rows=0).fit(seen.iloc[order], label[order])
    assert chance(again, seen) == chance(model, seen)


READINGS = pd.DataFrame(
    {"slack": [-5.0, -5.0, 10.0, 10.0, np.nan, np.nan], "rain": [1.0, 0.0, 1.0, 0.0, 1.0, np.nan]}
)


def test_the_first_rule_that_holds_gives_the_rate_seen_with_it() -> None:
    model = Rules(["slack < 0", "rain > 0"]).fit(READINGS, [1, 0, 1, 0, 0, 1])
    # rows 0 and 1 by the first rule, 2 and 4 by the second, 3 and 5 by none
    assert chance(model, READINGS) == [0.5, 0.5, 0.5, 0.5, 0.5, 0.5]
    model = Rules(["slack < 0", "rain > 0"]).fit(READINGS, [1, 1, 1, 0, 0, 0])
    assert chance(model, READINGS) == [1, 1, 0.5, 0, 0.5, 0]
    swapped = Rules(["rain > 0", "slack < 0"]).fit(READINGS, [1, 1, 1, 0, 0, 0])
    assert chance(swapped, READINGS) == pytest.approx([2 / 3, 1, 2 / 3, 0, 2 / 3, 0])


def test_a_comparison_with_a_missing_value_does_not_hold() -> None:
    model = Rules(["slack < 0", "slack >= 0"]).fit(READINGS, [1, 1, 1, 1, 0, 0])
    assert chance(model, READINGS) == [1, 1, 1, 1, 0, 0]


def test_a_rule_that_never_held_has_the_overall_rate() -> None:
    model = Rules(["slack < -100"]).fit(READINGS, [1, 1, 1, 0, 0, 0])
    far = READINGS.assign(slack=-200.0)
    assert chance(model, far) == [0.5] * 6


def test_rules_may_join_conditions() -> None:
    model = Rules(["slack > 0 and (rain > 0 or rain < 0)"]).fit(READINGS, [0, 0, 1, 0, 0, 0])
    assert chance(model, READINGS) == [0, 0, 1, 0, 0, 0]


def test_a_rule_over_an_unknown_column_is_an_error_that_names_it() -> None:
    with pytest.raises(Exception, match="slak"):
        Rules(["slak < 0"]).fit(READINGS, [0, 0, 1, 0, 0, 0])


ESTIMATORS = [LookupTable(["place"], prior_rows=3), Rules(["signal < 0", "noise > 1"])]


@pytest.mark.parametrize("model", ESTIMATORS)
def test_an_estimator_keeps_scikit_learns_promises(model: Any, make_parcels: Examples) -> None:
    seen = make_parcels("2013-01-01", "2013-02-01", 200)
    same = type(model)(**model.get_params())
    assert same.get_params() == model.get_params() == clone(model).get_params()
    with pytest.raises(NotFittedError):
        same.predict_proba(seen)
    assert same.fit(seen, seen["label"]) is same
    assert same.get_params() == model.get_params()
    assert same.classes_.tolist() == [0, 1]
    found = same.predict_proba(seen)
    assert found.shape == (200, 2)
    assert found.sum(axis=1) == pytest.approx(np.ones(200))
    assert ((found >= 0) & (found <= 1)).all()
    assert same.predict(seen).tolist() == (found[:, 1] > 0.5).astype(int).tolist()
    assert set(same.predict(seen)) <= {0, 1}


@pytest.mark.parametrize("model", [LookupTable(["place"]), Rules(["place == 'x'"])])
def test_where_both_labels_are_as_probable_the_first_is_predicted(model: Any) -> None:
    seen = pd.DataFrame({"place": ["x", "x"]})
    assert model.fit(seen, [0, 1]).predict(seen).tolist() == [0, 0]


@pytest.mark.parametrize("model", ESTIMATORS)
def test_fitting_again_forgets_what_was_seen(model: Any, make_parcels: Examples) -> None:
    seen, other = (make_parcels("2013-01-01", "2013-02-01", 100, seed) for seed in (0, 1))
    twice = clone(model).fit(other, other["label"]).fit(seen, seen["label"])
    assert chance(twice, seen) == chance(clone(model).fit(seen, seen["label"]), seen)


OTHER_LABELS = "it refuses labels other than 0 and 1"
BY_NAME = "it reads a column by its name, and the check numbers the columns"
NO_DICTS = "it does not read values as numbers, so pandas refuses a dict, in its own words"
ROUGH = "one column says too little to be right half of the time: it is a baseline"
OF_RATES = {
    "check_estimators_dtypes": OTHER_LABELS,
    "check_classifier_data_not_an_array": OTHER_LABELS,
    "check_classifiers_classes": OTHER_LABELS,
    "check_fit2d_1feature": OTHER_LABELS,
    "check_dtype_object": NO_DICTS,
}
EXPECTED_FAILURES: dict[type, dict[str, str]] = {
    LookupTable: OF_RATES,
    Rules: OF_RATES | {"check_classifiers_train": ROUGH},
    LookupAmounts: {
        "check_dtype_object": NO_DICTS,
        "check_regressors_train": ROUGH,
        "check_regressor_data_not_an_array": BY_NAME,
    },
    LinearAmounts: {},
}


def test_scikit_learn_checks_every_estimator_of_the_engine() -> None:
    own = {one for one in vars(baselines).values() if isinstance(one, type)}
    own = {one for one in own if one.__module__ == baselines.__name__ and one.__name__[0] != "_"}
    assert own == set(EXPECTED_FAILURES)


@pytest.mark.parametrize(
    "model",
    [LookupTable(["x0"]), LookupAmounts(["x0"]), LinearAmounts(), Rules(["x0 < 0", "x0 < 1"])],
    ids=lambda model: type(model).__name__,
)
def test_an_estimator_passes_scikit_learns_checks_except_for_a_few_with_reasons(model: Any) -> None:
    done = check_estimator(model, on_skip=None, on_fail=None)
    failed = {one["check_name"] for one in done if one["status"] == "failed"}
    assert failed == set(EXPECTED_FAILURES[type(model)])
    assert sum(one["status"] == "passed" for one in done) > 40


@pytest.mark.parametrize("model", ESTIMATORS)
@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([1, 2], "Labels have to be 0 and 1, and y has the labels 1, 2"),
        ([-1, 1], "has the labels -1, 1"),
        ([0, 1, 2], "has the labels 0, 1, 2"),
        (["no", "yes"], "has the labels no, yes"),
        ([0.0, 0.5, 1.0], "Unknown label type: continuous"),
        ([0.0, np.nan], "contains NaN"),
        ([1], "one class only: all 200 labels are 1"),
    ],
    ids=str,
)
def test_labels_other_than_0_and_1_are_refused(
    model: Any, labels: list[Any], said: str, make_parcels: Examples
) -> None:
    seen = make_parcels("2013-01-01", "2013-02-01", 200)
    with pytest.raises(ValueError, match=said):
        clone(model).fit(seen, np.resize(labels, 200))


@pytest.mark.parametrize("dtype", ["int8", "float32", "bool", "Int8", "boolean"])
def test_classes_come_from_the_labels(dtype: str, make_parcels: Examples) -> None:
    seen = make_parcels("2013-01-01", "2013-02-01", 200)
    label = pd.Series(np.resize([0, 1, 1], 200)).astype(dtype)
    for model in ESTIMATORS:
        fitted = clone(model).fit(seen, label)
        assert fitted.classes_.tolist() == [0, 1]
        assert fitted.predict(seen).dtype == fitted.classes_.dtype
        assert chance(fitted, seen) == chance(clone(model).fit(seen, label.astype(int)), seen)


def test_a_table_with_other_columns_is_refused() -> None:
    seen = pd.DataFrame({"place": ["a", "b"], "hour": [1, 2]})
    for model in (LookupTable(["place"]), LookupAmounts(["place"]), Rules(["hour > 1"])):
        with pytest.raises(ValueError, match="feature names should match"):
            model.fit(seen, [0, 1]).predict(seen[["hour", "place"]])


def test_a_line_is_fitted_on_a_sparse_matrix_as_on_a_dense_one() -> None:
    x = np.eye(4)[[0, 1, 2, 3, 0, 1]]
    amount = np.arange(6)
    sparse = LinearAmounts(0.75).fit(csr_matrix(x), amount)
    dense = LinearAmounts(0.75).fit(x, amount)
    assert sparse.predict(csr_matrix(x)) == pytest.approx(dense.predict(x))


def test_values_with_blanks_are_not_taken_for_others() -> None:
    seen = pd.DataFrame({"place": ["x y", "x"], "kind": ["z", "y z"]})
    assert chance(LookupTable(["place", "kind"], prior_rows=0).fit(seen, [1, 0]), seen) == [1, 0]


def test_a_missing_value_is_a_value_to_look_up() -> None:
    seen = pd.DataFrame({"place": ["a", None, None], "kind": ["z", "z", "z"]})
    model = LookupTable(["place", "kind"], prior_rows=0).fit(seen, [1, 0, 0])
    assert chance(model, seen) == [1, 0, 0]


@pytest.mark.parametrize(
    ("seen", "asked"),
    [
        (["missing", None], ["missing", None]),
        (["nan", np.nan], ["nan", np.nan]),
        ([1, "1"], [1, "1"]),
        ([1, 2], [1.0, 2.0]),  # a column with a missing value is read as floats
        (np.float32([0.1, 1e8]), [0.1, 1e8]),
        ([2**53, 2**53 + 1], [2**53, 2**53 + 1]),
        (pd.array([1, None], "Int64"), [1.0, np.nan]),
        (pd.array([True, None], "boolean"), pd.array([True, None], "boolean")),
    ],
    ids=str,
)
def test_values_are_looked_up_by_what_they_are_and_not_by_their_text(seen: Any, asked: Any) -> None:
    model = LookupTable(["place"], prior_rows=0).fit(pd.DataFrame({"place": seen}), [1, 0])
    assert chance(model, pd.DataFrame({"place": asked})) == [1, 0]
    assert chance(model, pd.DataFrame({"place": ["other"]})) == [0.5]


def test_two_keys_are_not_taken_for_two_others_with_the_same_text() -> None:
    seen = pd.DataFrame({"place": ["a\x1fb", "a"], "kind": ["c", "b\x1fc"]})
    assert chance(LookupTable(["place", "kind"], prior_rows=0).fit(seen, [1, 0]), seen) == [1, 0]


def test_many_keys_with_many_values_each_are_told_apart() -> None:
    rng = np.random.default_rng(0)
    keys = list("abcdef")  # 3000 values each: more combinations than 64 bits can count
    seen = pd.DataFrame({key: rng.permutation(3000) for key in keys})
    label = rng.integers(0, 2, 3000)
    model = LookupTable(keys, prior_rows=0).fit(seen, label)
    assert chance(model, seen) == label.tolist()
    assert chance(model, seen.assign(f=seen["f"].to_numpy()[::-1])) == [label.mean()] * 3000


@pytest.mark.parametrize(
    "model", [LookupTable(["place", "hour"]), LookupAmounts(["place", "hour"])]
)
def test_a_table_is_saved_without_code_and_says_the_same_when_it_is_loaded(model: Any) -> None:
    rng = np.random.default_rng(0)
    seen = pd.DataFrame({"place": rng.choice(["a", "b", None], 200), "hour": rng.choice(3, 200)})
    model.fit(seen.astype({"place": "category", "hour": "float32"}), rng.random(200) > 0.5)
    file = io.BytesIO()
    dump(model, file)
    own = f"{type(model).__module__}.{type(model).__name__}"
    again = load(io.BytesIO(file.getvalue()), [own])
    asked = pd.concat([seen, seen.assign(place="new")])
    assert again.predict(asked).tolist() == model.predict(asked).tolist()


def test_a_lookup_of_amounts_is_the_quantile_of_each_combination_with_enough_rows() -> None:
    rng = np.random.default_rng(0)
    seen = pd.DataFrame(
        {"place": ["a"] * 30 + ["b"] * 30 + ["c"] * 5, "amount": rng.gamma(2, 10, 65)}
    ).astype({"place": "category"})
    model = LookupAmounts(["place"], quantile=0.75, fewest=10).fit(seen[["place"]], seen["amount"])
    by_hand = seen.groupby("place", observed=True)["amount"].quantile(0.75)
    overall = seen["amount"].quantile(0.75)
    asked = pd.DataFrame({"place": ["b", "a", "c", "new", None]})
    expected = [by_hand["b"], by_hand["a"], *[overall] * 3]
    assert model.predict(asked) == pytest.approx(expected)
    assert not hasattr(model, "predict_proba")
    with pytest.raises(NotFittedError):
        clone(model).predict(asked)


def test_a_line_is_moved_to_the_quantile_of_what_it_misses() -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 10, 5000)
    amount = 3 * x + rng.gamma(2, 4, len(x))
    seen = pd.DataFrame({"x": x})
    low, high = (LinearAmounts(quantile).fit(seen, amount) for quantile in (0.25, 0.9))
    for model, quantile in ((low, 0.25), (high, 0.9)):
        assert (amount <= model.predict(seen)).mean() == pytest.approx(quantile, abs=0.001)
    assert np.diff(high.predict(pd.DataFrame({"x": [0.0, 1.0]}))) == pytest.approx(3, abs=0.1)
    with pytest.raises(NotFittedError):
        clone(low).predict(seen)
