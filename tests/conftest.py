"""The project's own tables: cuts of the raw files, and what cleaning makes of them."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from late_flights.pipelines.data_engineering.nodes import (
    clean_aircraft,
    clean_airports,
    clean_flights,
    clean_weather,
)

RAW = Path(__file__).parents[1] / "data/01_raw"
HOURLY = ["flights.csv.zip", "weather.csv"]  # files with a `time_hour`
Tables = dict[str, pd.DataFrame]


@pytest.fixture(scope="session")
def raw_tables() -> Tables:
    """The raw files, by name."""
    return {path.name: pd.read_csv(path) for path in sorted(RAW.glob("*.csv*"))}


@pytest.fixture(scope="session")
def small_raw(raw_tables: Tables) -> Tables:
    """Raw files that are cut for a run in seconds: seven weeks, of a sixth of the flights."""
    flights, weather = (
        raw_tables[name][raw_tables[name]["time_hour"] < "2013-02-18"] for name in HOURLY
    )
    return {
        "flights.csv.zip": flights[flights["carrier"].isin(["B6", "EV", "US"])],
        "weather.csv": weather,
    }


@pytest.fixture(scope="session")
def small_params() -> dict[str, Any]:
    """Parameters that have to change with the cut."""
    split = {
        "validation_from": "2013-02-04T00:00:00-05:00",
        "test_from": "2013-02-11T00:00:00-05:00",
    }
    return {"framing": {"split": split}}


@pytest.fixture(scope="session")
def tables(raw_tables: Tables) -> Tables:
    """The primary tables of the first ten weeks."""
    early = [raw_tables[name].query("time_hour < '2013-03-12'") for name in HOURLY]
    flights, weather = (
        table.assign(time_hour=pd.to_datetime(table["time_hour"])) for table in early
    )
    airports, _ = clean_airports(raw_tables["airports.csv"])
    return {
        "flights": clean_flights(flights, airports)[0],
        "weather": clean_weather(weather)[0],
        "aircraft": clean_aircraft(raw_tables["planes.csv"])[0],
    }
