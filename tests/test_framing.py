"""Money and time follow from the framing, and one that makes no sense is refused in a sentence."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from kedro.config import OmegaConfigLoader
from pydantic import ValidationError

from preflight.errors import RunError
from preflight.framing import Costs, Framing, Outcomes, Split

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


def test_a_saving_is_what_never_acting_costs_less_what_was_paid() -> None:
    costs = Outcomes(tp=2, fp=7, fn=11, tn=3)
    label, act = np.array([1, 1, 0, 0]), np.array([True, False, True, False])
    paid = np.array([costs.tp, costs.fn, costs.fp, costs.tn])
    never = np.where(label, costs.fn, costs.tn)
    assert costs.saving(label, act).tolist() == (never - paid).tolist()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"tp": 5}, "acting when it is needed costs 5.0 and not acting 5.0: never acting is"),
        ({"tp": 6}, "acting when it is needed costs 6.0 and not acting 5.0: never acting is"),
        ({"fp": 0}, "acting in vain costs 0.0 and not acting 0.0: always acting is always best"),
        ({"tn": 2}, "acting in vain costs 1.0 and not acting 2.0: always acting is always best"),
        (dict.fromkeys(["tp", "fp", "fn", "tn"], 1), "all four costs are equal: every decision"),
        ({"fn_factors": [0.2, 2]}, "a miss may cost .*, not more than acting"),
        ({"fn_factors": [1.5, 2]}, "fn_factors go from 1.5 to 2: they have to rise, past 1"),
    ],
)
def test_costs_that_leave_nothing_to_decide_are_refused(
    change: dict[str, float], sentence: str
) -> None:
    sound = {"unit": "euros", "tp": 1, "fp": 1, "fn": 5, "tn": 0}
    assert Costs.model_validate(sound).at(NO_TABLE).threshold == 0.2
    with pytest.raises(ValidationError, match=sentence):
        Costs.model_validate(sound | change)


OUTCOMES = {"tp": 1.0, "fp": 1.5, "fn": 5.3, "tn": 0.25}


@given(names=st.sets(st.sampled_from(sorted(OUTCOMES)), min_size=1), seed=st.integers(0, 99))
def test_a_column_of_one_value_is_that_constant(names: set[str], seed: int) -> None:
    rng = np.random.default_rng(seed)
    label, chance = rng.integers(0, 2, 30), rng.random(30)
    constant = Costs(unit="euros", **OUTCOMES).at(NO_TABLE)
    table = pd.DataFrame({f"of_{name}": [OUTCOMES[name]] * 30 for name in names})
    column = Costs(unit="euros", **OUTCOMES | {name: f"of_{name}" for name in names}).at(table)
    assert set(np.broadcast_to(column.threshold, 30)) == {constant.threshold}
    act = chance > constant.threshold
    np.testing.assert_array_equal(chance > column.threshold, act)
    np.testing.assert_array_equal(column.saving(label, act), constant.saving(label, act))
    assert column.per_1000(label, act) == constant.per_1000(label, act)


def dear(**changes: Any) -> Costs:
    """Costs under which a miss costs what the column `amount` says."""
    return Costs.model_validate(
        {"unit": "euros", "tp": 2, "fp": 1, "fn": "amount", "tn": 0} | changes
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
    assert found.per_1000(label, chance > found.threshold) == pytest.approx(1000 * (52 - 2) / 6)


def test_costs_are_found_by_their_name_and_else_where_predictions_keep_them() -> None:
    examples = pd.DataFrame({"amount": [3.0, 6.0], "cost_fn": [70.0, 80.0], "act": [True, False]})
    kept = dear().kept(examples)
    assert {name: values.tolist() for name, values in kept.items()} == {"cost_fn": [3, 6]}
    np.testing.assert_array_equal(dear().at(pd.DataFrame(kept)).fn, [3, 6])
    assert dear(fn=6).kept(examples) == {}


@pytest.mark.parametrize("column", [["text"], [True], None])
def test_a_cost_that_is_no_column_of_numbers_is_told_with_those_there_are(column: Any) -> None:
    table = pd.DataFrame({"distance": [1.0], "seats": [3], "place": ["a"], "late": [True]})
    with pytest.raises(RunError, match=r"costs.fn names 'amount', which .* distance, seats\.$"):
        dear().at(table if column is None else table.assign(amount=column))


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ({"amount": [np.nan, 6, np.inf, 6]}, ["'fn: amount' is missing in 2 of 4 rows"]),
        (
            {"amount": [6, 2, -5, 2.001]},
            ["'fn: amount', at the least of its fn_factors, is not above 'tp: 2.0' in 2 of 4 rows"],
        ),
        ({"vain": [1, 0, -1, 1]}, ["'fp: vain' is not above 'tn: 0.0' in 2 of 4 rows"]),
        (
            {"amount": [6, None, 1, 6], "vain": [None, 1, 1, 0]},
            [
                "fn: amount' is missing in 1 of",
                "fp: vain' is missing in 1",
                "tp: 2.0' in 1",
                "tn: 0",
            ],
        ),
    ],
)
def test_rows_without_a_cost_or_a_choice_are_counted(
    changes: dict[str, Any], faults: list[str]
) -> None:
    costs, sound = dear(fp="vain"), pd.DataFrame({"amount": [6.0] * 4, "vain": [1.0] * 4})
    assert costs.at(sound).threshold == pytest.approx([0.2] * 4)
    with pytest.raises(RunError) as refused:
        costs.at(sound.assign(**changes))
    first, *told, last = str(refused.value).splitlines()
    assert first == "framing.costs gives some rows nothing to decide:"
    assert last.startswith("Correct the column where the features are made")
    assert len(told) == len(faults)
    assert all(any(fault in line for line in told) for fault in faults)


@pytest.mark.parametrize(("factors", "amount"), [((0.5, 2), 4), ((1, 3), -1)])
def test_a_miss_has_to_cost_more_at_the_least_of_its_factors_as_well(
    factors: tuple[float, float], amount: float
) -> None:
    table, tp = pd.DataFrame({"amount": [float(amount), 6.0]}), 2 if amount > 0 else -2
    assert dear(tp=tp).at(table)
    with pytest.raises(RunError, match=r"least of its fn_factors, .* in 1 of 2 rows"):
        dear(tp=tp, fn_factors=factors).at(table)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"tn": 1}, "acting in vain costs 1.0 and not acting 1.0"),
        ({"fn": 2, "fp": "vain"}, "acting when it is needed costs 2.0 and not acting 2.0"),
        ({"fn_factors": [1.5, 2]}, "fn_factors go from 1.5 to 2: they have to rise, past 1"),
        (dict.fromkeys(["tp", "fp", "fn", "tn"], "amount"), "all four costs are equal"),
    ],
)
def test_constants_beside_a_column_are_looked_at_before_a_run(
    changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValidationError, match=sentence):
        dear(**changes)


def sections(section: dict[str, Any], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    below = [sections(v, (*path, k)) for k, v in section.items() if isinstance(v, dict)]
    return [path, *(one for some in below for one in some)]


def test_an_unknown_key_is_refused_in_every_section(framing_as_written: dict[str, Any]) -> None:
    found = sections(framing_as_written)
    assert len(found) > 1
    for path in found:
        section = framing_as_written
        for name in path:
            section = section[name]
        section["treshold"] = 1
        with pytest.raises(ValidationError) as error:
            Framing.model_validate(framing_as_written)
        (fault,) = error.value.errors()
        assert (fault["loc"], fault["type"]) == ((*path, "treshold"), "extra_forbidden")
        del section["treshold"]
    Framing.model_validate(framing_as_written)


@pytest.mark.parametrize(
    "path", [("goal", "objective"), ("costs", "fn"), ("costs",), ("split", "test_from")]
)
def test_a_missing_key_is_refused(framing_as_written: dict[str, Any], path: tuple[str]) -> None:
    section = framing_as_written
    for name in path[:-1]:
        section = section[name]
    del section[path[-1]]
    with pytest.raises(ValidationError, match=path[-1]):
        Framing.model_validate(framing_as_written)


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("prediction", "lead_minutes", 0),
        ("split", "embargo_hours", -1),
        ("split", "timezone", "America/New_Yrok"),
        ("costs", "fn", float("inf")),
        ("costs", "tp", float("nan")),
        ("costs", "fn", True),
        ("costs", "fn", None),
        ("split", "validation_from", "2013-03-01T00:00:00"),
        (None, "confidence", 0.5),
        (None, "confidence", 1),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(
    framing_as_written: dict[str, Any], section: str | None, key: str, value: Any
) -> None:
    (framing_as_written[section] if section else framing_as_written)[key] = value
    with pytest.raises(ValidationError, match=key):
        Framing.model_validate(framing_as_written)


@pytest.mark.parametrize("test_from", ["2013-03-01T00:00:00-05:00", "2013-02-01T00:00:00-05:00"])
def test_a_test_that_does_not_follow_the_validation_is_refused(
    framing_as_written: dict[str, Any], test_from: str
) -> None:
    framing_as_written["split"]["test_from"] = test_from
    with pytest.raises(ValidationError, match=r"must come after validation_from"):
        Framing.model_validate(framing_as_written)


@pytest.mark.parametrize(
    ("section", "change", "sentence"),
    [
        (
            "project",
            {"upkeep_per_month": 1990},
            "can't pay: the achievable saving of 200 per 1,000",
        ),
        ("project", {"budget": 11_500}, r"11,400 over 6 months after upkeep, less than the budget"),
        ("success", {"least_net_saving": 11_500}, r"the least net saving \(11,500\)"),
        ("project", {"label_price": 0}, "labels cost nothing\\? Give label_price, or say why"),
        ("goal", {"kpi": {"name": "a", "now": 5, "wanted": 5}}, "it is 5 now and 5 is wanted"),
    ],
)
def test_a_project_that_makes_no_sense_is_refused(
    framing_as_written: dict[str, Any], section: str, change: dict[str, Any], sentence: str
) -> None:
    Framing.model_validate(framing_as_written)
    framing_as_written[section] |= change
    with pytest.raises(ValidationError, match=sentence):
        Framing.model_validate(framing_as_written)


def test_errors_of_all_sections_come_at_once(framing_as_written: dict[str, Any]) -> None:
    framing_as_written["costs"] |= {"fn": 1}
    framing_as_written["project"] |= {"label_price": 0}
    framing_as_written["goal"]["kpi"] |= {"wanted": 400}
    with pytest.raises(ValidationError) as refused:
        Framing.model_validate(framing_as_written)
    assert len(refused.value.errors()) == 3


def test_a_saving_over_the_months_is_less_its_upkeep(framing: Framing) -> None:
    # 50 per 1,000 of 10,000 a month are 500, less 100 of upkeep, for six months
    assert framing.net(50) == 2400
    assert framing.net(framing.least_per_1000) == pytest.approx(600)


def test_a_framing_can_not_be_changed_while_it_is_used(framing: Framing) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        framing.costs.fn = 10


def utc(*moments: str) -> pd.Series:
    return pd.Series(pd.to_datetime(list(moments), utc=True, format="ISO8601")).dt.as_unit("us")


def test_a_day_begins_at_the_local_midnight(framing: Framing) -> None:
    day = framing.split.day(
        utc("2013-01-02T04:59:59.999999", "2013-01-02T05:00", "2013-07-02T04:00")
    )
    assert day.dt.strftime("%Y-%m-%d %H:%M").tolist() == [
        "2013-01-01 00:00",
        "2013-01-02 00:00",
        "2013-07-02 00:00",
    ]
    assert day.dt.tz is None


@pytest.mark.parametrize(
    ("date", "hours"), [("2013-03-10", 23), ("2013-11-03", 25), ("2013-11-04", 24)]
)
def test_the_day_on_which_the_clock_changes_is_one_day(
    framing: Framing, date: str, hours: int
) -> None:
    around = pd.Timestamp(date, tz="UTC") + pd.to_timedelta(np.arange(-24, 48), unit="h")
    day = framing.split.day(pd.Series(around))
    assert day.value_counts()[pd.Timestamp(date)] == hours
    assert day.is_monotonic_increasing


def test_days_are_counted_in_the_time_zone_of_the_framing(framing: Framing) -> None:
    split = framing.split.model_copy(update={"timezone": "Asia/Tokyo"})
    assert isinstance(split, Split)
    assert split.day(utc("2013-01-01T15:00")).tolist() == [pd.Timestamp("2013-01-02")]


@pytest.fixture
def shipped(conf: OmegaConfigLoader) -> Callable[[], Framing]:
    return lambda: Framing.model_validate(conf["parameters"]["framing"])


def test_the_shipped_framing_is_valid_and_acts_from_one_in_five(
    shipped: Callable[[], Framing],
) -> None:
    framing = shipped()
    assert framing.costs.at(NO_TABLE).threshold == 0.2
    assert framing.split.day(pd.Series([framing.split.test_from])).dt.day.tolist() == [1]


def test_each_name_that_is_no_feature_is_told_with_its_place(framing: Framing) -> None:
    assert framing.unknown_columns(["place"]) == []
    costs = framing.costs.model_copy(update={"fn": "amount"})
    rails = framing.guardrails.model_copy(update={"protected": ["age"]})
    split = framing.split.model_copy(update={"groups": ["house"]})
    wrong = framing.model_copy(
        update={"slices": ["plaice", "month"], "guardrails": rails, "split": split, "costs": costs}
    )
    assert wrong.unknown_columns(["place"]) == [
        "framing.slices names ['plaice'], which are no features",
        "framing.guardrails.protected names ['age'], which are no features",
        "framing.split.groups names ['house'], which are no features",
        "framing.costs names ['amount'], which are no features",
    ]


@pytest.mark.parametrize(
    ("section", "key", "value", "words"),
    [
        ("goal", "objective", "  ", "at least 1 character"),
        ("decision", "act", "", "at least 1 character"),
        ("costs", "fn", True, "neither a number nor the name of a feature"),
        ("costs", "fn", "", "neither a number nor the name of a feature"),
    ],
)
def test_what_says_nothing_is_refused(
    framing_as_written: dict[str, Any], section: str, key: str, value: Any, words: str
) -> None:
    framing_as_written[section][key] = value
    with pytest.raises(ValidationError, match=words) as refused:
        Framing.model_validate(framing_as_written)
    assert refused.value.error_count() == 1


def test_a_baseline_that_is_named_twice_is_refused(framing_as_written: dict[str, Any]) -> None:
    framing_as_written["baselines"] *= 2
    with pytest.raises(ValidationError, match="baselines names one twice"):
        Framing.model_validate(framing_as_written)
