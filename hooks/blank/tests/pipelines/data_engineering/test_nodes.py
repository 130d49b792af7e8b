"""Repairs are counted, and nothing is lost."""

import pandas as pd
import pytest

from preflight.contracts.cleaning import Cleaning
from preflight.errors import RunError

from late_flights.contracts.primary import Parcels
from late_flights.contracts.raw import RawParcels
from late_flights.pipelines.data_engineering.nodes import clean_parcels


def raw_parcels() -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "parcel": [2, 1, 3],
            "ships_at": pd.to_datetime(["2024-01-02", "2024-01-01", "2024-01-03"], utc=True),
            "place": ["west", "north", "north"],
            "weight": [99.0, 2.0, 3.0],
            "glass": [0, 1, 1],
            "delivered_at": pd.to_datetime(["2024-01-04", "2024-01-03", None], utc=True),
            "broken": [1, 0, None],
        }
    ).astype({"ships_at": "datetime64[us, UTC]", "delivered_at": "datetime64[us, UTC]"})
    raw: pd.DataFrame = RawParcels.validate(table)
    return raw


def test_each_repair_is_counted_and_no_row_is_lost() -> None:
    parcels, cleaning = clean_parcels(raw_parcels())
    Parcels.validate(parcels, lazy=True)
    Cleaning.to_schema().columns["rows"].validate(cleaning)
    assert parcels["parcel"].tolist() == [1, 2, 3]
    assert parcels["weight"].tolist() == [2.0, 50.0, 3.0]
    assert cleaning.set_index("finding")["rows"].to_dict() == {
        "heavier than 50 kg": 1,
        "still on its way": 1,
    }


def test_a_number_that_the_clean_type_cannot_hold_is_refused() -> None:
    with pytest.raises(RunError, match="'parcel' has 1 value that int32 can't hold"):
        clean_parcels(raw_parcels().replace({"parcel": {3: 5_000_000_000}}))
