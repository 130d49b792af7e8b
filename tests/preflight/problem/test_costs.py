"""What a decision costs: the cheapest is found, of acts and of amounts."""

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from preflight.errors import RunError
from preflight.problem.costs import Costs, Outcomes, RegressionCosts, UnitCosts, per_1000

PRICE = st.floats(-100, 100).map(lambda price: round(price, 2))
NO_TABLE = pd.DataFrame()  # constants need none
GAP = st.floats(0.01, 100).map(lambda price: round(price, 2))


@given(tn=PRICE, tp=PRICE, in_vain=GAP, missed=GAP, chance=st.floats(0, 1))
def test_above_the_threshold_acting_is_the_cheaper_of_the_two(
    tn: float, tp: float, in_vain: float, missed: float, chance: float
) -> None:
    costs = Outcomes(tp=tp, fp=tn + in_vain, fn=tp + missed, tn=tn)
    acting = chance * costs.tp + (1 - chance) * costs.fp
    waiting = chance * costs.fn + (1 - chance) * costs.tn
    assume(abs(acting - waiting) > 1e-6)
    assert (chance > costs.threshold) == (acting < waiting)
    assert 0 < costs.threshold < 1


@given(chance=st.lists(st.floats(0, 1), min_size=1, max_size=20), seed=st.integers(0, 99))
def test_no_other_threshold_saves_more_where_probabilities_are_true(
    chance: list[float], seed: int
) -> None:
    costs = Outcomes(tp=1, fp=1, fn=5, tn=0)
    p = np.array(chance)

    def expected(threshold: float) -> float:
        act = p > threshold
        ones, zeros = np.ones(len(p), dtype=bool), np.zeros(len(p), dtype=bool)
        return float(p @ costs.saving(ones, act) + (1 - p) @ costs.saving(zeros, act))

    others = np.random.default_rng(seed).random(20)
    assert all(expected(costs.threshold) >= expected(other) - 1e-9 for other in others)


def test_savings_are_those_of_a_table_made_by_hand() -> None:
    costs = Outcomes(tp=2, fp=7, fn=11, tn=3)
    label, act = np.array([1, 1, 0, 0]), np.array([True, False, True, False])
    assert costs.saving(label, act).tolist() == [9, 0, -4, 0]
    assert costs.saving(label.astype(bool), act).tolist() == [9, 0, -4, 0]


def test_an_expected_saving_is_the_mean_over_labels_drawn_by_the_probability() -> None:
    costs, rng = Outcomes(tp=2.0, fp=3.0, fn=10.0, tn=1.0), np.random.default_rng(0)
    chance, act = np.array([0.1, 0.6, 0.6]), np.array([True, True, False])
    labels = rng.random((40_000, 3)) < chance
    seen = np.mean([costs.saving(one, act) for one in labels], axis=0)
    assert costs.expected_saving(chance, act) == pytest.approx(seen, abs=0.1)
    amounts = UnitCosts(overage=1.0, underage=2.0, default_amount=5.0)
    assert amounts.expected_saving(np.array([4.0]), np.array([4.0])) == 1.0  # it comes true


def test_a_saving_is_what_never_acting_costs_less_what_was_paid() -> None:
    costs = Outcomes(tp=2, fp=7, fn=11, tn=3)
    label, act = np.array([1, 1, 0, 0]), np.array([True, False, True, False])
    paid = np.array([costs.tp, costs.fn, costs.fp, costs.tn])
    never = np.where(label, costs.fn, costs.tn)
    assert costs.saving(label, act).tolist() == (never - paid).tolist()


FN, FP = (
    r"\bfn\b[^;]* not above tp\b",
    r"\bfp\b[^;]* not above tn\b",
)  # the condition that is broken


def refused(costs: type[Costs | RegressionCosts], given: dict[str, Any]) -> str:
    """The message for costs that are refused before a run, with one fault."""
    with pytest.raises(ValidationError) as error:
        costs.model_validate(given)
    assert error.value.error_count() == 1
    return str(error.value.errors()[0]["msg"])


@pytest.mark.parametrize(
    ("change", "faults", "shown"),
    [
        ({"tp": 5}, [FN], ["tp: 5.0", "fn: 5.0"]),
        ({"tp": 6}, [FN], ["tp: 6", "fn: 5"]),
        ({"fp": 0}, [FP], ["fp: 0.0", "tn: 0.0", "EUR"]),
        ({"tn": 2}, [FP], ["fp: 1", "tn: 2"]),
        (dict.fromkeys(["tp", "fp", "fn", "tn"], 1), [FN, FP], ["fn: 1", "tn: 1"]),
        ({"fn_factors": [0.2, 2]}, [FN], ["tp: 1", "fn: 5", "0.2 times"]),
        ({"fn_factors": [1.5, 2]}, ["fn_factors"], ["1.5 and 2"]),
        ({"fn_factors": [0.5, 0.9]}, ["fn_factors"], ["0.5 and 0.9"]),
    ],
)
def test_costs_that_leave_nothing_to_decide_are_refused(
    change: dict[str, float], faults: list[str], shown: list[str]
) -> None:
    sound = {"unit": "EUR", "tp": 1, "fp": 1, "fn": 5, "tn": 0}
    assert Costs.model_validate(sound).at(NO_TABLE).threshold == 0.2
    message = refused(Costs, sound | change)
    assert [bool(re.search(one, message)) for one in (FN, FP)] == [FN in faults, FP in faults]
    assert all(re.search(one, message) for one in [*faults, *shown])


OUTCOMES = {"tp": 1.0, "fp": 1.5, "fn": 5.3, "tn": 0.25}


@given(names=st.sets(st.sampled_from(sorted(OUTCOMES)), min_size=1), seed=st.integers(0, 99))
def test_a_column_of_one_value_is_that_constant(names: set[str], seed: int) -> None:
    rng = np.random.default_rng(seed)
    label, chance = rng.integers(0, 2, 30), rng.random(30)
    constant = Costs(unit="EUR", **OUTCOMES).at(NO_TABLE)
    table = pd.DataFrame({f"of_{name}": [OUTCOMES[name]] * 30 for name in names})
    column = Costs(unit="EUR", **OUTCOMES | {name: f"of_{name}" for name in names}).at(table)
    assert set(np.broadcast_to(column.threshold, 30)) == {constant.threshold}
    act = chance > constant.threshold
    np.testing.assert_array_equal(chance > column.threshold, act)
    np.testing.assert_array_equal(column.saving(label, act), constant.saving(label, act))


def dear(**changes: Any) -> Costs:
    """Costs under which a miss costs what the column `amount` says."""
    return Costs.model_validate(
        {"unit": "EUR", "tp": 2, "fp": 1, "fn": "amount", "tn": 0} | changes
    )


def test_each_row_has_the_threshold_and_the_saving_of_its_own_costs() -> None:
    amount = np.array([3, 6, 50, 3, 6, 50], dtype="float32")
    found = dear().at(pd.DataFrame({"amount": amount, "other": 9}))
    assert found.threshold == pytest.approx([1 / 2, 1 / 5, 1 / 49] * 2)
    chance = 0.3
    acting, waiting = chance * 2 + (1 - chance) * 1, chance * amount
    np.testing.assert_array_equal(chance > found.threshold, acting < waiting)
    label = np.array([1, 1, 1, 0, 0, 0])
    assert found.saving(label, np.ones(6, dtype=bool)).tolist() == [1, 4, 48, -1, -1, -1]
    assert found.saving(label, np.zeros(6, dtype=bool)).tolist() == [0] * 6
    saved = found.saving(label, found.decide(np.full(6, chance)))
    assert per_1000(saved) == pytest.approx(1000 * (52 - 2) / 6)


def test_costs_are_found_by_their_name_and_else_where_predictions_keep_them() -> None:
    examples = pd.DataFrame({"amount": [3.0, 6.0], "cost_fn": [70.0, 80.0], "act": [True, False]})
    kept = dear().cost_columns(examples)
    assert {name: values.tolist() for name, values in kept.items()} == {"cost_fn": [3, 6]}
    np.testing.assert_array_equal(dear().at(pd.DataFrame(kept)).fn, [3, 6])
    assert dear(fn=6).cost_columns(examples) == {}


@pytest.mark.parametrize("column", [["text"], [True], None])
def test_a_cost_that_is_no_column_of_numbers_is_told_with_those_there_are(column: Any) -> None:
    table = pd.DataFrame({"distance": [1.0], "seats": [3], "place": ["a"], "late": [True]})
    with pytest.raises(RunError, match=r"costs.fn names 'amount', which .* distance, seats\.$"):
        dear().at(table if column is None else table.assign(amount=column))


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ({"amount": [np.nan, 6, np.inf, 6]}, ["fn is missing in 2 of 4 rows"]),
        ({"amount": [6, 2, -5, 2.001]}, [f"{FN}.* in 2 of 4 rows"]),
        ({"vain": [1, 0, -1, 1]}, [f"{FP}.* in 2 of 4 rows"]),
        (
            {"amount": [6, None, 1, 6], "vain": [None, 1, 1, 0]},
            ["fp is missing in 1", "fn is missing in 1", f"{FN}.* in 1 of 4", f"{FP}.* in 1 of 4"],
        ),
    ],
)
def test_rows_without_a_cost_or_a_choice_are_counted(
    changes: dict[str, Any], faults: list[str]
) -> None:
    costs, sound = dear(fp="vain"), pd.DataFrame({"amount": [6.0] * 4, "vain": [1.0] * 4})
    assert costs.at(sound).threshold == pytest.approx([0.2] * 4)
    with pytest.raises(RunError) as error:
        costs.at(sound.assign(**changes))
    where, *lines, remedy = str(error.value).splitlines()
    assert "framing.costs" in where
    assert all(part in remedy for part in ("tp: 2", "fp: vain", "fn: amount", "tn: 0", "EUR"))
    assert len(lines) == len(faults)
    assert all(re.search(fault, line) for fault, line in zip(faults, lines, strict=True))


@pytest.mark.parametrize(("factors", "amount"), [((0.5, 2), 4), ((1, 3), -1)])
def test_a_miss_has_to_cost_more_at_the_least_of_its_factors_as_well(
    factors: tuple[float, float], amount: float
) -> None:
    table, tp = pd.DataFrame({"amount": [float(amount), 6.0]}), 2 if amount > 0 else -2
    assert dear(tp=tp).at(table)
    with pytest.raises(RunError, match=f"{FN}.* in 1 of 2 rows"):
        dear(tp=tp, fn_factors=factors).at(table)


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ({"tn": 1}, [FP]),
        ({"fn": 2, "fp": "vain"}, [FN]),
        ({"fn_factors": [1.5, 2]}, ["fn_factors are 1.5 and 2"]),
        (dict.fromkeys(["tp", "fp", "fn", "tn"], "amount"), [FN, FP]),
        ({"tp": "amount"}, [FN]),
    ],
)
def test_constants_beside_a_column_are_looked_at_before_a_run(
    changes: dict[str, Any], faults: list[str]
) -> None:
    message = refused(Costs, dear().model_dump() | changes)
    assert [bool(re.search(one, message)) for one in (FN, FP)] == [FN in faults, FP in faults]
    assert all(re.search(fault, message) for fault in faults)


SOLD: dict[str, Any] = {"unit": "EUR", "overage": 1, "underage": 3, "default_amount": 20}
UNIT = st.floats(0.1, 10).map(lambda price: round(price, 2))


@given(over=UNIT, under=UNIT, seed=st.integers(0, 99))
def test_no_amount_is_cheaper_than_the_quantile_that_the_costs_ask_for(
    over: float, under: float, seed: int
) -> None:
    label = np.random.default_rng(seed).gamma(2, 10, 101).round(1)
    costs = UnitCosts(over, under, default_amount=0.0)
    asked = np.quantile(label, costs.quantile, method="inverted_cdf")
    best = max(costs.saving(label, np.full(101, amount)).sum() for amount in np.unique(label))
    assert costs.saving(label, np.full(101, asked)).sum() == pytest.approx(best, abs=1e-6)


def test_an_amount_is_its_own_decision_and_saves_what_it_is_nearer_by() -> None:
    costs = RegressionCosts.model_validate(SOLD).at(NO_TABLE)
    label, amount = np.array([10.0, 20.0, 30.0]), np.array([12.0, 20.0, 25.0])
    assert costs.decide(amount) is amount
    # of 20: 10 too much, right, 10 too little; of the amounts: 2 too much, right, 5 too little
    assert costs.saving(label, amount).tolist() == [10 - 2, 0, 30 - 15]
    assert costs.with_miss_cost_scaled(2).saving(label, amount).tolist() == [8, 0, 60 - 30]
    assert costs.saving(label, label).tolist() == [10, 0, 30]
    whole = np.array([10, 20, 30], dtype="int8")
    assert costs.saving(whole, amount).tolist() == [8, 0, 15]


@given(names=st.sets(st.sampled_from(["overage", "underage", "default_amount"]), min_size=1))
def test_a_column_of_one_value_is_that_constant_of_amounts_too(names: set[str]) -> None:
    label = np.random.default_rng(0).normal(20, 9, 30)
    table = pd.DataFrame({f"of_{name}": [float(SOLD[name])] * 30 for name in names})
    priced = RegressionCosts.model_validate(SOLD | {name: f"of_{name}" for name in names})
    constant = RegressionCosts.model_validate(SOLD).at(NO_TABLE)
    found = priced.at(table).saving(label, label + 2)
    np.testing.assert_array_equal(found, constant.saving(label, label + 2))
    kept = pd.DataFrame(priced.cost_columns(table))
    assert set(kept) == {f"cost_{name}" for name in names}
    np.testing.assert_array_equal(priced.at(kept).saving(label, label + 2), found)


def test_the_quantile_is_told_unless_each_row_has_its_own() -> None:
    assert RegressionCosts.model_validate(SOLD).quantile == 0.75
    assert RegressionCosts.model_validate(SOLD | {"default_amount": "usual"}).quantile == 0.75
    assert RegressionCosts.model_validate(SOLD | {"underage": "margin"}).quantile is None
    table = pd.DataFrame({"margin": [1.0, 3.0]})
    at = RegressionCosts.model_validate(SOLD | {"underage": "margin"}).at(table)
    assert np.asarray(at.quantile).tolist() == [0.5, 0.75]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"overage": 0}, r"overage is not above 0\b.*overage: 0"),
        ({"underage": -1}, r"underage is not above 0\b.*underage: -1"),
        ({"underage": True}, "neither a number nor the name of a feature"),
        ({"underage_factors": [1.5, 2]}, "underage_factors are 1.5 and 2"),
        ({"underage_factors": [0.5, 0.9]}, "underage_factors are 0.5 and 0.9"),
        ({"fn": 5}, "not permitted"),
    ],
)
def test_amounts_of_which_nothing_is_to_be_learnt_are_refused(
    change: dict[str, Any], sentence: str
) -> None:
    RegressionCosts.model_validate(SOLD)
    assert re.search(sentence, refused(RegressionCosts, SOLD | change))


@pytest.mark.parametrize(
    ("margin", "sentence"),
    [
        ([3.0, np.nan, 2.0], "underage is missing in 1 of 3 rows"),
        ([3.0, 0.0, -1.0], "underage is not above 0 in 2 of 3 rows"),
    ],
)
def test_rows_without_a_cost_of_an_error_are_counted(margin: list[float], sentence: str) -> None:
    priced = RegressionCosts.model_validate(SOLD | {"underage": "margin"})
    assert priced.at(pd.DataFrame({"margin": [3.0, 1.0, 2.0]})).underage.tolist() == [3, 1, 2]
    with pytest.raises(RunError, match=sentence):
        priced.at(pd.DataFrame({"margin": margin}))
    with pytest.raises(RunError, match=r"costs.underage names 'margin', which is no column"):
        priced.at(pd.DataFrame({"other": margin}))


def test_factors_are_those_of_the_kind_of_costs() -> None:
    assert RegressionCosts.model_validate(SOLD | {"underage_factors": [0.5, 2]}).factors == (0.5, 2)
    assert dear(fn_factors=[0.9, 2]).factors == (0.9, 2)
