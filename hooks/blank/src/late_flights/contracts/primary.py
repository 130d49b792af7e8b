"""The primary tables: clean, in UTC, with the moment when each row and value became known.

`known_at` of a table is the column with the moment when its rows became
known, or "in advance" for what is known long before. `known_at` of a column is the same for a value
that became known later than its row. `event_time` is the column by which a period is cut out.
"""

from typing import Any

import pandas as pd
from pandera.dtypes import Float32, Int8, Int32

from preflight.contracts.table import IN_ADVANCE, Table, Utc, column, rule

from late_flights.contracts.raw import PLACES

# What `framing.decision.label` says: 0 or 1. Of amounts: float, and such as {"ge": 0}.
Label = Int8
LABEL: dict[str, Any] = {"isin": [0, 1]}


class Key(Table, key=["parcel"]):
    """What tells one decision from all others: its columns are in every table of results.

    A column of the key that is a feature as well has a group.
    """

    parcel: Int32 = column("number of the parcel", ge=1)


class Parcels(Key, known_at=IN_ADVANCE, event_time="ships_at"):
    """One row per parcel, with what became of it."""

    ships_at: Utc = column("leaves the warehouse", "UTC")
    place: pd.CategoricalDtype = column("where it goes", isin=PLACES)
    weight: Float32 = column("with its packing", "kg", gt=0)
    glass: Int8 = column("1: there is glass in it", isin=[0, 1])
    delivered_at: Utc = column("when it was delivered", "UTC", known_at="delivered_at")
    broken: Float32 = column("1: the customer complained", isin=[0, 1], known_at="delivered_at")

    @rule("delivered after it has shipped", "ships_at", "delivered_at")
    def in_order(cls, t: pd.DataFrame) -> pd.Series:
        """Or still on its way."""
        return t["delivered_at"].isna() | (t["delivered_at"] > t["ships_at"])
