"""The clean tables, with the moment when each value became known."""

from typing import Any

import pandas as pd
from pandera.dtypes import Int8

from preflight.contracts.table import IN_ADVANCE, Table, Utc, column

Label = Int8
LABEL: dict[str, Any] = {"isin": [0, 1]}


class Key(Table, key=["inspection"]):
    """What tells one decision from all others."""

    inspection: int = column("row of the file", ge=0)


class Inspections(Key, known_at=IN_ADVANCE, event_time="year_begins"):
    """One row per inspection; its score is known by the end of the year."""

    year_begins: Utc = column("first day of the year", "UTC")
    name: pd.CategoricalDtype = column("of the kitchen")
    score: float = column("100 is best", "points", ge=0, le=100, known_at="year_ends")
    year_ends: Utc = column("last hour of the year", "UTC", known_at="year_ends")
