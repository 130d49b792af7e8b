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

from preflight.framing import Costs, Framing, Split

PRICE = st.floats(-100, 100).map(lambda price: round(price, 2))
GAP = st.floats(0.01, 100).map(lambda price: round(price, 2))


@given(tn=PRICE, tp=PRICE, in_vain=GAP, missed=GAP, chance=st.floats(0, 1))
def test_above_the_threshold_acting_is_the_cheaper_of_the_two(
    tn: float, tp: float, in_vain: float, missed: float, chance: float
) -> None:
    costs = Costs(unit="euros", tp=tp, fp=tn + in_vain, fn=tp + missed, tn=tn)
    acting = chance * costs.tp + (1 - chance) * costs.fp
    waiting = chance * costs.fn + (1 - chance) * costs.tn
    assume(abs(acting - waiting) > 1e-6)
    assert (chance > costs.threshold) == (acting < waiting)
    assert 0 < costs.threshold < 1


@given(chance=st.lists(st.floats(0, 1), min_size=1, max_size=20), seed=st.integers(0, 99))
def test_no_other_threshold_saves_more_where_probabilities_are_true(
    chance: list[float], seed: int
) -> None:
    costs = Costs(unit="euros", tp=1, fp=1, fn=5, tn=0)
    p = np.array(chance)

    def expected(threshold: float) -> float:
        act = p > threshold
        ones, zeros = np.ones(len(p), dtype=bool), np.zeros(len(p), dtype=bool)
        return float(p @ costs.saving(ones, act) + (1 - p) @ costs.saving(zeros, act))

    others = np.random.default_rng(seed).random(20)
    assert all(expected(costs.threshold) >= expected(other) - 1e-9 for other in others)


def test_savings_are_those_of_a_table_made_by_hand() -> None:
    costs = Costs(unit="euros", tp=2, fp=7, fn=11, tn=3)
    label, act = np.array([1, 1, 0, 0]), np.array([True, False, True, False])
    assert costs.saving(label, act).tolist() == [9, 0, -4, 0]
    assert costs.saving(label.astype(bool), act).tolist() == [9, 0, -4, 0]


def test_a_saving_is_what_never_acting_costs_less_what_was_paid() -> None:
    costs = Costs(unit="euros", tp=2, fp=7, fn=11, tn=3)
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
        ({"fn_factors": [0.2, 2]}, "a miss always cost more .* 1 is not more than 1"),
        ({"fn_factors": [1.5, 2]}, r"fn_factors \(1.5 to 2\) must hold 1"),
    ],
)
def test_costs_that_leave_nothing_to_decide_are_refused(
    change: dict[str, float], sentence: str
) -> None:
    sound = {"unit": "euros", "tp": 1, "fp": 1, "fn": 5, "tn": 0}
    assert Costs.model_validate(sound).threshold == 0.2
    with pytest.raises(ValidationError, match=sentence):
        Costs.model_validate(sound | change)


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


def test_the_range_of_costs_moves_the_threshold(framing: Framing) -> None:
    cheap, dear = framing.costs.range()
    assert (cheap.fn, dear.fn) == (6 * 0.8, 6 * 1.25)
    assert dear.threshold < framing.costs.threshold < cheap.threshold


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
    assert framing.costs.threshold == 0.2
    assert framing.split.day(pd.Series([framing.split.test_from])).dt.day.tolist() == [1]
