"""Values in another unit: of a group, of some months, of some of all rows."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

Find = Callable[..., dict[str, tuple[str, str]]]


def celsius(values: pd.Series) -> pd.Series:
    return (values - 32) / 1.8


def test_one_station_in_another_unit_fails(readings: pd.DataFrame, find: Find) -> None:
    west = readings["station"] == "west"
    spoilt = readings.assign(temperature=readings["temperature"].mask(west, celsius))
    told = find(readings=spoilt)
    assert [*told] == ["unit: readings.temperature of station west"]
    state, evidence = told["unit: readings.temperature of station west"]
    assert state == "failed"
    assert evidence.startswith("median 14.")
    assert "of the others in 12 of 12 months from January 2013 to December 2013, " in evidence
    assert "as °C in place of °F: convert temperature of station west in data_eng" in evidence
    assert find({"unit_ratio": 1000, "jump_ratio": 1000}, readings=spoilt) == {}


def test_one_station_in_another_unit_for_a_month_fails(
    readings: pd.DataFrame, local: pd.Series, find: Find
) -> None:
    some = (readings["station"] == "west") & (local.dt.month == 8)
    spoilt = readings.assign(temperature=readings["temperature"].mask(some, celsius))
    ((check, (state, evidence)),) = find(readings=spoilt).items()
    assert (check, state) == ("unit: readings.temperature of station west", "failed")
    assert "of the others in August 2013, as °C in place of °F" in evidence


@pytest.mark.parametrize(
    ("wrong", "when"),
    [
        ([6], "June 2013"),
        ([9, 10, 11, 12], "4 of 12 months from September 2013 to December 2013"),
        ([1, 2], "2 of 12 months from January 2013 to February 2013"),
    ],
)
def test_months_in_another_unit_fail(
    readings: pd.DataFrame, local: pd.Series, find: Find, wrong: list[int], when: str
) -> None:
    some = local.dt.month.isin(wrong)
    spoilt = readings.assign(
        pressure=readings["pressure"].mask(some, readings["pressure"] / 33.86389)
    )
    ((check, (state, evidence)),) = find(readings=spoilt).items()
    assert (check, state) == ("unit by month: readings.pressure", "failed")
    assert f"of the other months, in {when}, 33.86 times too small, as inHg" in evidence


@pytest.mark.parametrize("which", ["all", "one station"])
def test_some_rows_in_another_unit_fail(readings: pd.DataFrame, find: Find, which: str) -> None:
    some = np.random.default_rng(2).random(len(readings)) < (0.04 if which == "all" else 0.16)
    if which == "one station":
        some &= readings["station"] == "south"
    spoilt = readings.assign(temperature=readings["temperature"].mask(some, celsius))
    ((check, (state, evidence)),) = find(readings=spoilt).items()
    assert (check, state) == ("mixed units: readings.temperature", "failed")
    assert "stand apart from those next to them, as °C in place of °F" in evidence
    assert find({"mixed_share": 0.1}, readings=spoilt) == {}


def test_a_factor_without_a_stated_unit_is_a_warning_among_rows(
    readings: pd.DataFrame, find: Find
) -> None:
    some = np.random.default_rng(3).random(len(readings)) < 0.04
    spoilt = readings.assign(load=readings["load"].mask(some, readings["load"] * 1000))
    ((check, (state, evidence)),) = find(readings=spoilt).items()
    assert (check, state) == ("mixed units: readings.load", "warning")
    assert "1000 times too large" in evidence


def test_a_small_factor_is_a_warning(readings: pd.DataFrame, find: Find) -> None:
    some = readings["station"] == "east"
    spoilt = readings.assign(load=readings["load"].mask(some, readings["load"] * 1.609344))
    ((check, (state, evidence)),) = find(readings=spoilt).items()
    assert (check, state) == ("unit: readings.load of station east", "warning")
    assert "1.609 times too large" in evidence


def test_honest_differences_pass(readings: pd.DataFrame, local: pd.Series, find: Find) -> None:
    rng = np.random.default_rng(4)
    level = readings["station"].map({"east": 1.0, "north": 2.5, "south": 40.0, "west": 7.0})
    heavy = rng.pareto(1.2, len(readings)) + 1
    trend = 1 + local.dt.month / 4
    for load in (readings["load"] * level, heavy, readings["load"] * trend, heavy * level * trend):
        assert find(readings=readings.assign(load=load)) == {}
