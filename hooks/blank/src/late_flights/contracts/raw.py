"""The raw tables as they come. Types are given to CSV text here; nothing else is changed.

Begin here: one class per file, and an entry in conf/base/catalog/data_engineering.yml.
`make contract FROM=data/01_raw/yours.csv` drafts both. A new column goes on to primary.py, or is
dropped in pipelines/data_engineering/nodes.py. After a file has changed: `make accept`.
"""

from preflight.contracts.raw_table import RawTable
from preflight.contracts.table import Utc, column

PLACES = ["north", "south", "west"]


class RawParcels(RawTable, key=["parcel"], event_time="ships_at"):
    """One row per parcel."""

    parcel: int = column("number of the parcel", ge=1)
    ships_at: Utc = column("leaves the warehouse", "UTC")
    place: str = column("where it goes", isin=PLACES)
    weight: float = column("with its packing", "kg", gt=0, le=100)
    glass: int = column("1: there is glass in it", isin=[0, 1])
    delivered_at: Utc = column("when it was delivered", "UTC", nullable=True)
    broken: float = column("1: the customer complained", nullable=True, isin=[0, 1])
