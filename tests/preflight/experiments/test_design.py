"""A design is as long as the log says that it has to be; what cannot work is refused."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pandas as pd
import pytest
from pydantic import ValidationError

from preflight.errors import RunError
from preflight.experiments.outcomes import read_decisions
from preflight.inference.experiment import Design
from preflight.problem.framing import Framing

from .conftest import settings


def test_a_design_states_days_looks_and_power(design: Callable[..., Design]) -> None:
    made = design()
    assert made.looks == [date(2013, 4, 1), date(2013, 4, 29)]
    assert made.champion == "v1"
    assert made.salt == "act_or_not"
    assert made.units == pytest.approx(8 * 7 * 3, abs=4)  # three places a day
    assert made.level == pytest.approx(0.975)
    assert 0 <= made.false_share <= 0.1
    assert made.power > 0.5


def test_more_weeks_and_a_larger_effect_raise_the_power(design: Callable[..., Design]) -> None:
    usual, long, large = design(), design(weeks=12), design(effect_per_1000=400.0)
    assert long.power > usual.power
    assert large.power > usual.power
    assert long.standard_error == pytest.approx(usual.standard_error * (8 / 12) ** 0.5)


def test_without_weeks_it_is_as_short_as_the_power_allows(design: Callable[..., Design]) -> None:
    made = design(weeks=None, effect_per_1000=170.0)
    weeks = (made.end - made.start).days // 7
    assert made.power >= 0.8
    assert weeks > 2
    assert design(weeks=weeks - 1, effect_per_1000=170.0).power < 0.8


def test_an_effect_that_cannot_be_seen_is_named(design: Callable[..., Design]) -> None:
    with pytest.raises(RunError, match=r"12 weeks .* have a power of .* would be 80% for €\d"):
        design(weeks=None, effect_per_1000=20.0)


def test_all_decisions_of_a_period_are_a_unit_of_a_switchback(
    design: Callable[..., Design],
) -> None:
    made = design(unit=[], period_hours=12)
    assert made.units == pytest.approx(8 * 14, abs=4)
    assert made.standard_error > design(period_hours=12).standard_error


def test_units_that_are_never_drawn_again_stay_as_many(design: Callable[..., Design]) -> None:
    made = design(unit=["parcel"], period_hours=None, weeks=4)
    assert made.units == pytest.approx(12_000 / 18 * 4, rel=0.1)


def test_without_a_start_it_begins_next_monday(design: Callable[..., Design]) -> None:
    for moment, monday in (("2013-03-03T12:00:00Z", 4), ("2013-03-04T12:00:00Z", 11)):
        assert design(start=None, moment=moment, weeks=8).start == date(2013, 3, monday)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"start": "2013-02-28"}, "start is 2013-02-28, and it is 2013-02-28"),
        ({"unit": ["colour"]}, "unit has colour, .* There are: parcel, signal, place, noise"),
        ({"unit": ["signal"]}, "unit has signal, a measured number"),
        ({"champion": None}, "no champion"),
        ({"control": "champion", "treatment": "challenger", "challenger": "c9"}, "There are: none"),
        ({"unit": [], "period_hours": 96}, r"history has 13 units, about 6 of them"),
        ({"share": 0.1}, r"about 8 units of the smaller group .* needs 20"),
        ({"looks": 8}, r"about 10 units of the smaller group .* needs 20"),
        ({"moment": "2013-01-14T00:00:00Z"}, "days of decisions with labels .* needs 14"),
        ({"moment": "2012-01-14T00:00:00Z", "start": "2012-02-01"}, "log has no decision"),
    ],
)
def test_what_cannot_work_is_refused(
    design: Callable[..., Design], changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(RunError, match=message):
        design(**changed)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"control": "champion"}, "nothing is compared"),
        ({"control": "champion", "treatment": "untouched"}, "may not be untouched"),
        ({"treatment": "challenger"}, "give the version of the challenger"),
        ({"challenger": "c1"}, "give the version of the challenger"),
        ({"unit": [], "period_hours": None}, "give columns in unit"),
        ({"looks": 9}, r"weeks is 8: give 9 \(looks\) to 12"),
        ({"weeks": 13}, r"weeks is 13: give 2 \(looks\) to 12"),
        ({"unit": ["place", "place"]}, "unit has a column twice: place, place"),
        ({"name": "Not A File"}, "name"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        settings(**changed)


def test_the_champion_is_no_challenger_of_itself(design: Callable[..., Design]) -> None:
    policies = {"control": "champion", "treatment": "challenger", "challenger": "v1"}
    known = {"features": ["place"]}
    with pytest.raises(RunError, match=r"challenger is v1, .* There are: c1\."):
        design(challengers={"v1": dict, "c1": lambda: known}, **policies)


def test_a_design_on_the_days_of_another_one_is_refused_before_it_is_computed(
    operate: Any,
    framing: Framing,
    contracts: dict[str, Any],
    seal_design: Callable[..., Design],
) -> None:
    from preflight.experiments import design_experiment

    from .conftest import CHAMPION

    other = seal_design(name="other")
    given = (CHAMPION, {}, settings(), framing, contracts)
    with pytest.raises(RunError, match="experiment other lasts from 2013-03-04"):
        design_experiment({}, pd.DataFrame(), *given, experiments=[other])


def test_a_quantity_cannot_be_left_undecided(amount_framing: Framing, operate: Any) -> None:
    from preflight.experiments import design_experiment

    from .conftest import CHAMPION

    with pytest.raises(RunError, match="a quantity is always decided"):
        design_experiment({}, None, CHAMPION, {}, settings(), amount_framing, {"features": None})  # type: ignore[arg-type]


def test_a_log_without_a_day_is_named(
    operate: Callable[..., Any], framing: Framing, contracts: dict[str, Any]
) -> None:
    _, labels = operate()
    since, at = pd.Timestamp("2013-01-01", tz="UTC"), pd.Timestamp("2013-02-01", tz="UTC")
    with pytest.raises(RunError, match=r"It ends on no day\. Run: kedro run --pipelines inference"):
        read_decisions({}, labels, [], since, at, framing, contracts)
