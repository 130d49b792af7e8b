"""The primary tables: clean, in UTC, with the moment when each row and value became known.

`known_at` of a table (in `Config.metadata`) is the column with the moment when its rows became
known, or "in advance" for what is known long before. `known_at` of a column is the same for a value
that became known later than its row. `event_time` is the column by which a period is cut out.
"""

import pandas as pd
from pandera.dtypes import Float32, Int8, Int32
from pandera.typing import Series

from preflight.contracts.raw import PLACES
from preflight.contracts.table import IN_ADVANCE, Table, Utc, column, rule


class Key(Table):
    """What tells one decision from all others: its columns are in every table of results.

    A column of the key that is a feature as well has a group.
    """

    parcel: Series[Int32] = column("number of the parcel", ge=1)

    class Config:
        """The grain."""

        unique = ["parcel"]


class Parcels(Key):
    """One row per parcel, with what became of it."""

    ships_at: Series[Utc] = column("leaves the warehouse", "UTC")
    place: Series[pd.CategoricalDtype] = column("where it goes", isin=PLACES)
    weight: Series[Float32] = column("with its packing", "kg", gt=0)
    glass: Series[Int8] = column("1: there is glass in it", isin=[0, 1])
    delivered_at: Series[Utc] = column(
        "when it was delivered", "UTC", nullable=True, known_at="delivered_at"
    )
    broken: Series[Float32] = column(
        "1: the customer complained", nullable=True, isin=[0, 1], known_at="delivered_at"
    )

    class Config:
        """Orders are known long before they ship."""

        metadata = {"known_at": IN_ADVANCE, "event_time": "ships_at"}

    @rule("delivered after it has shipped", "ships_at", "delivered_at")
    def in_order(cls, t: pd.DataFrame) -> pd.Series:
        """Or still on its way."""
        return t["delivered_at"].isna() | (t["delivered_at"] > t["ships_at"])
