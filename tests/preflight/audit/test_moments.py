"""A decision is due as long before its event as the framing says."""

from typing import Any

import pandas as pd
import pytest

from preflight.audit.moments import check_moments
from preflight.contracts.table import IN_ADVANCE, Table, Utc, column
from preflight.problem.framing import Framing

MINUTES = pd.Timedelta(minutes=1)


class Parcels(Table, key=["parcel", "place"], known_at=IN_ADVANCE, event_time="ships_at"):
    """One row per parcel."""

    parcel: int = column("number")
    place: pd.CategoricalDtype = column("where it goes")
    ships_at: Utc = column("leaves", "UTC")


class Register(Table, key=["place"], known_at=IN_ADVANCE):
    """One row per place: no event."""

    place: str = column("name")


@pytest.fixture
def parcels() -> pd.DataFrame:
    ships = pd.date_range("2013-03-30", periods=50, freq="h", tz="UTC", unit="us")
    place = pd.Categorical(["east", "west"] * 25)
    return pd.DataFrame({"parcel": range(50), "place": place, "ships_at": ships})


def found(parcels: pd.DataFrame, lead: Any, framing: Framing) -> list[dict[str, Any]]:
    features = parcels[["parcel", "place"]].assign(predict_at=parcels["ships_at"] - lead)
    features = features.sample(frac=1, random_state=1)  # the order says nothing
    tables = {"parcels": parcels, "places": pd.DataFrame({"place": ["east"]})}
    contracts: Any = {"parcels": Parcels, "places": Register}
    return check_moments(features, ["parcel", "place"], tables, contracts, framing)


def test_decisions_that_are_due_as_framed_pass(parcels: pd.DataFrame, framing: Framing) -> None:
    (one,) = found(parcels, framing.prediction.lead_minutes * MINUTES, framing)
    assert one["state"] == "passed"
    assert one["evidence"] == "predict_at is ships_at of parcels less 60 minutes"


def test_decisions_that_are_due_later_are_counted(parcels: pd.DataFrame, framing: Framing) -> None:
    lead = pd.Series(60, parcels.index).where(parcels["parcel"] != 7, 59) * MINUTES
    (one,) = found(parcels, lead, framing)
    assert one["state"] == "failed"
    assert one["evidence"].startswith(
        "predict_at of 1 of 50 decisions is not ships_at of parcels less 60 minutes, the first: "
        "parcel 7, place west, predict_at 2013-03-30 06:01:00+00:00. Compute it so, or correct"
    )
