"""Shared by all tests: what is in `conf`, and the primary tables of some weeks."""

import os
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import settings
from kedro.config import OmegaConfigLoader

from preflight.contracts.catalog import contracts_of, specs_of
from preflight.contracts.catalog import tables as catalog_tables
from preflight.problem.framing import Framing

from late_flights.pipelines.data_engineering.nodes import (
    clean_aircraft,
    clean_airports,
    clean_flights,
    clean_weather,
)
from late_flights.settings import CONFIG_LOADER_ARGS

PROJECT = Path(__file__).parents[1]
RAW = PROJECT / "data/01_raw"

# What `make test ARGS=...` or a user's shell hands on must not reach the commands that tests start.
OURS = "PREFLIGHT_|KEDRO_"
OUTER = re.compile(rf"(MAKEFLAGS|MFLAGS|MAKEOVERRIDES|MAKELEVEL|ARGS)$|{OURS}")
for variable in [name for name in os.environ if OUTER.match(name)]:
    del os.environ[variable]

# The same examples each time, however slow the machine is.
settings.register_profile("steady", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("steady")


@pytest.fixture(scope="session")
def conf() -> OmegaConfigLoader:
    """The shipped configuration, without what a user has in `conf/local`."""
    arguments = CONFIG_LOADER_ARGS | {"default_run_env": "base"}
    return OmegaConfigLoader(str(PROJECT / "conf"), **arguments)


@pytest.fixture(scope="session")
def framing(conf: OmegaConfigLoader) -> Framing:
    """The framing of conf/base."""
    return Framing.model_validate(conf["parameters"]["framing"])


@pytest.fixture(scope="session")
def project_contracts(conf: OmegaConfigLoader) -> dict[str, Any]:
    """The contracts of the project's own tables, by the names of their datasets."""
    return catalog_tables(contracts_of(specs_of(conf["catalog"])))


@pytest.fixture(scope="session")
def tables() -> dict[str, pd.DataFrame]:
    """The primary tables of the first ten weeks."""
    raw = {
        name: pd.read_csv(f"{RAW}/{file}", parse_dates=["time_hour"])
        for name, file in (("flights", "flights.csv.zip"), ("weather", "weather.csv"))
    }
    early = {
        name: table[table["time_hour"] < pd.Timestamp("2013-03-12", tz="UTC")]
        for name, table in raw.items()
    }
    airports, _ = clean_airports(pd.read_csv(f"{RAW}/airports.csv"))
    return {
        "flights": clean_flights(early["flights"], airports)[0],
        "weather": clean_weather(early["weather"])[0],
        "aircraft": clean_aircraft(pd.read_csv(f"{RAW}/planes.csv"))[0],
    }
