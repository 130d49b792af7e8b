"""A group's clock against those of the others."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

HOUR = pd.Timedelta(hours=1)

Find = Callable[..., dict[str, tuple[str, str]]]
CHECK = "clock: readings.station north"


def without_storms(readings: pd.DataFrame) -> pd.DataFrame:
    """Return readings of which nothing is common but the daily cycle."""
    rng, day = np.random.default_rng(1), readings["read_at"].dt.hour / 24 * 2 * np.pi
    noise = rng.normal(size=(3, len(readings)))
    temperature, pressure = 60 + 10 * np.sin(day) + 2 * noise[0], 1015 + noise[1]
    return readings.assign(temperature=temperature, pressure=pressure, load=100 + noise[2])


def shifted(readings: pd.DataFrame, hours: int) -> pd.DataFrame:
    north = readings["station"] == "north"
    return readings.assign(read_at=readings["read_at"] + north * hours * HOUR)


@pytest.mark.parametrize("hours", [-5, -1, 1, 5])
def test_one_station_with_another_clock_fails(
    readings: pd.DataFrame, find: Find, hours: int
) -> None:
    told = find(readings=shifted(readings, hours))
    assert [*told] == [CHECK]
    state, evidence = told[CHECK]
    assert state == "failed"
    way = f"{abs(hours)} h {'later' if hours > 0 else 'earlier'} than of the others"
    assert evidence.startswith(f"read_at of station north is {way}: without this, its changes")
    assert "Correct the time zone in data_engineering" in evidence
    assert find({"clock_gain": 2}, readings=shifted(readings, hours)) == {}


def test_by_the_daily_cycle_alone_it_is_a_warning(readings: pd.DataFrame, find: Find) -> None:
    told = find(readings=shifted(without_storms(readings), 6))
    assert [*told] == [CHECK]
    assert told[CHECK][0] == "warning"
    assert "is 6 h later than of the others: without this, its daily cycle" in told[CHECK][1]


def test_a_daily_cycle_that_is_honestly_an_hour_late_passes(
    readings: pd.DataFrame, find: Find
) -> None:
    quiet = without_storms(readings)
    noon = 30 * np.exp(-(((readings["read_at"].dt.hour - 12) / 1.1) ** 2))  # a short peak
    for cycle in (quiet, quiet.assign(temperature=quiet["temperature"] + noon)):
        assert find(readings=shifted(cycle, 1)) == {}
    north = readings["station"] == "north"
    late = np.sin(readings["read_at"].dt.hour / 24 * 2 * np.pi) * north * 8  # with the same storms
    honest = readings.assign(temperature=readings["temperature"] + late)
    assert find(readings=honest) == {}


def test_groups_with_nothing_in_common_are_not_compared(unlike: pd.DataFrame, find: Find) -> None:
    peak = unlike["station"].map({"east": 0, "north": 5, "south": 9, "west": 14})
    load = 100 + 20 * np.cos((unlike["read_at"].dt.hour - peak) / 24 * 2 * np.pi)
    honest = unlike.assign(load=load, temperature=load / 2, pressure=900 + load)
    assert find(readings=honest) == {}
