"""Shared by all tests of a project: what is in `conf`, and steady ground to test on.

The project's own tables are in tests/conftest.py.
"""

import os
import re
from pathlib import Path
from typing import Any

# Threads of scikit-learn that wait for each other sleep meanwhile: by default they spin, and where
# several tests run at once, or others work on the machine, that takes twenty times the CPU time.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import pytest
from hypothesis import settings
from kedro.config import OmegaConfigLoader

from preflight.contracts.catalog import contracts_of, specs_of
from preflight.contracts.catalog import tables as catalog_tables
from preflight.problem.framing import Framing

from late_flights.settings import CONFIG_LOADER_ARGS

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
    """Return the shipped configuration, without what a user has in `conf/local`."""
    arguments = CONFIG_LOADER_ARGS | {"default_run_env": "base"}
    return OmegaConfigLoader(str(Path(__file__).parent / "conf"), **arguments)


@pytest.fixture(scope="session")
def framing(conf: OmegaConfigLoader) -> Framing:
    """Return the framing of conf/base."""
    return Framing.model_validate(conf["parameters"]["framing"])


@pytest.fixture(scope="session")
def project_contracts(conf: OmegaConfigLoader) -> dict[str, Any]:
    """Return the contracts of the project's own tables, by the names of their datasets."""
    return catalog_tables(contracts_of(specs_of(conf["catalog"])))
