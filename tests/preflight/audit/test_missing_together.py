"""A column that is missing exactly where a moment is missing is of that moment, not of its row."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from preflight.audit.missing_together import find_missing_together
from preflight.contracts.table import IN_ADVANCE, Table, Utc, column


class Parcels(Table, key=["parcel"], known_at=IN_ADVANCE, event_time="ships_at"):
    """One row per parcel."""

    parcel: int = column("number")
    ships_at: Utc = column("leaves", "UTC")
    delivered_at: Utc = column("arrives", "UTC", known_at="delivered_at")
    score: float = column("of the carrier", known_at=IN_ADVANCE)


class Assumed(Parcels):
    """The same, where a person says why."""

    score: float = column("of the carrier", known_at=IN_ADVANCE, assumption="agreed beforehand")


class Stated(Parcels):
    """The same, where the contract says when it comes."""

    score: float = column("of the carrier", known_at="delivered_at")


def parcels(late: int, missing: int) -> pd.DataFrame:
    """A hundred parcels: some are on their way, and some have no score."""
    number = np.arange(100)
    ships = pd.Series(pd.date_range("2013-01-01", periods=100, freq="h", tz="UTC", unit="us"))
    return pd.DataFrame(
        {
            "parcel": number,
            "ships_at": ships,
            "delivered_at": (ships + pd.Timedelta(days=1)).where(number >= late),
            "score": np.where(number >= missing, number / 7, np.nan),
        }
    )


def found(table: pd.DataFrame, contract: Any = Parcels) -> list[dict[str, Any]]:
    return find_missing_together({"parcels": table}, {"parcels": contract})


def test_a_column_that_comes_with_a_moment_is_found_with_its_remedy() -> None:
    (one,) = found(parcels(30, 30))
    assert one["state"] == "failed"
    assert one["check"] == "known_at: parcels.score"
    assert "missing exactly where delivered_at is missing (30 of 100 rows)" in one["evidence"]
    assert 'declare known_at="delivered_at" in Parcels' in one["evidence"]


@pytest.mark.parametrize(
    ("late", "missing", "contract"),
    [
        (30, 31, Parcels),  # not the same rows
        (5, 5, Parcels),  # so few may agree by chance
        (0, 0, Parcels),
        (30, 30, Stated),
        (30, 30, Assumed),
    ],
)
def test_others_are_not(late: int, missing: int, contract: Any) -> None:
    assert found(parcels(late, missing), contract) == []
