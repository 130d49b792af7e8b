"""What the audit finds in the shipped tables: two warnings, and nothing that stops the run."""

from pathlib import Path

import pandas as pd
import yaml

from preflight.audit import check_tables
from preflight.audit.contracts import AuditParameters
from preflight.problem.framing import Framing

from late_flights.contracts.features import Features
from late_flights.contracts.primary import Flights, Weather
from late_flights.pipelines.data_engineering.nodes import (
    clean_airports,
    clean_flights,
    clean_weather,
)

CONF = Path(__file__).parents[3] / "conf/base/parameters"
CONTRACTS = {"flights": Flights, "weather": Weather, "features": Features}


def test_new_destinations_and_a_missing_day_are_warnings(
    raw_tables: dict[str, pd.DataFrame],
) -> None:
    given = {
        name: yaml.safe_load((CONF / f"{name}.yml").read_text(encoding="utf-8"))[name]
        for name in ("framing", "audit")
    }
    flights, weather = (
        raw.assign(time_hour=pd.to_datetime(raw["time_hour"]))
        for raw in (raw_tables["flights.csv.zip"], raw_tables["weather.csv"])
    )
    airports, _ = clean_airports(raw_tables["airports.csv"])
    found = check_tables(
        CONTRACTS,
        Framing.model_validate(given["framing"]),
        AuditParameters.model_validate(given["audit"]),
        flights=clean_flights(flights, airports)[0],
        weather=clean_weather(weather)[0],
    )
    evidence = found.set_index("check")["evidence"]
    assert dict(zip(found["check"], found["state"], strict=True)) == {
        "empty days: weather": "warning",
        "dead columns": "passed",
        "new values: flights.dest": "warning",
        "clocks": "passed",
        "units": "passed",
    }
    assert "on 1 of 365 days: 31 December 2013" in evidence["empty days: weather"]
    assert "not occur before: ILM (110), LEX (1)" in evidence["new values: flights.dest"]
