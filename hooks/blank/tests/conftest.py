"""The project's own tables, as far as tests need a cut of them."""

from typing import Any

import pandas as pd
import pytest


@pytest.fixture(scope="session")
def small_raw() -> dict[str, pd.DataFrame]:
    """Raw files, by name, that are cut for a run in seconds; these are small enough."""
    return {}


@pytest.fixture(scope="session")
def small_params() -> dict[str, Any]:
    """Parameters that have to change with the cut, for example the dates of the split."""
    return {}
