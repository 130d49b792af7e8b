"""Parcels with two features more, in three parts, and readings of stations, for the audit."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest

from preflight.audit.contracts import AuditParameters
from preflight.audit.table_checks import check_tables
from preflight.contracts.table import Table, Utc, column
from preflight.problem.framing import Framing

Parts = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


class WithLeak:
    """The contract of parcels with two features more."""

    names_: tuple[str, ...] = ("signal", "place", "noise", "one", "other")

    @classmethod
    def names(cls) -> list[str]:
        return list(cls.names_)

    @staticmethod
    def grain() -> list[str]:
        return ["parcel"]


@pytest.fixture(scope="session")
def contracts() -> dict[str, Any]:
    return {"features": WithLeak}


@pytest.fixture(scope="session")
def make_audit() -> Callable[..., AuditParameters]:
    """The parameters of the audit, some of them changed."""

    def make(**changed: Any) -> AuditParameters:
        return AuditParameters.model_validate(
            {
                "seed": 1,
                "moments": 2,
                "duplicate_share": 0.001,
                "single_auc": 0.85,
                "pair_auc": 0.95,
                "odds_ratio": 50,
                "pair_rows": 4000,
                "allowed": {"one_feature": {}, "one_value": {}, "two_features": {}},
            }
            | changed
        )

    return make


@pytest.fixture
def parts(make_parcels: Callable[..., pd.DataFrame]) -> Parts:
    """January and February, March, April: labels that were open at a boundary are left out."""
    rng = np.random.default_rng(3)
    bounds = ["2013-01-01", "2013-03-01 05:00", "2013-04-01 04:00", "2013-05-01"]
    made = []
    for number, (start, end) in enumerate(pairwise(bounds)):
        rows = 6000 if number == 0 else 1500
        part = make_parcels(start, end, rows, seed=number)
        part["parcel"] += 10_000 * number
        if number < 2:
            part = part[part["label_known_at"] <= pd.Timestamp(end, tz="UTC")]
        made.append(
            part.assign(
                one=rng.normal(size=len(part)), other=rng.normal(size=len(part))
            ).reset_index(drop=True)
        )
    return made[0], made[1], made[2]


@pytest.fixture(scope="session")
def failed() -> Callable[[pd.DataFrame], list[str]]:
    """The checks that have failed, of some findings."""
    return lambda findings: findings.loc[findings["state"] == "failed", "check"].tolist()


@pytest.fixture(scope="session")
def labels_of() -> Callable[[Parts], pd.DataFrame]:
    """What `labels` has of the parts, in another order and with a label that is open."""

    def make(parts: Parts) -> pd.DataFrame:
        known = pd.concat(parts)[["parcel", "label", "label_known_at"]]
        known = known.astype({"label": "float64"})
        return pd.concat([known[::-1], known.iloc[:1].assign(parcel=-1, label=np.nan)])

    return make


HOUR = pd.Timedelta(hours=1)


class Readings(Table, key=["station", "read_at"], known_at="read_at", event_time="read_at"):
    """One row per station and hour."""

    station: str = column("where")
    read_at: Utc = column("when", "UTC")
    kind: pd.CategoricalDtype = column("of the sensor")
    edition: str = column("of the file", isin=["first"])
    temperature: float = column("of the air", "°F", nullable=True)
    pressure: float = column("at sea level", "hPa")
    load: float = column("of the day, without a unit")
    checked_at: Utc = column("when somebody looked", "UTC", known_at="checked_at")
    verdict: float = column("what they said", known_at="checked_at")


class Decisions(Table, key=["number"], known_at="in advance", event_time="due_at"):
    """One row per decision."""

    number: int = column("of the decision")
    due_at: Utc = column("when it is due", "UTC")


STATIONS = [*enumerate(["east", "north", "south", "west"])]


def make_readings(seed: int = 0) -> pd.DataFrame:
    """Return rows of 2013, in which what happens comes to all stations at once."""
    rng = np.random.default_rng(seed)
    at = pd.date_range("2013-01-01 05:00", "2014-01-01 04:00", freq="h", tz="UTC", unit="us")
    hour = np.arange(len(at))
    storms = pd.Series(rng.normal(size=len(at))).ewm(alpha=0.2).mean().to_numpy() * 12
    season, day = -np.cos(hour / 8766 * 2 * np.pi), -np.cos(hour / 24 * 2 * np.pi)
    parts = []
    for number, station in STATIONS:
        noise = rng.normal(size=(3, len(at)))
        parts.append(
            pd.DataFrame(
                {
                    "station": station,
                    "read_at": at,
                    "edition": "first",
                    "kind": np.where(rng.random(len(at)) < 0.3, "new", "old"),
                    "temperature": 55 + number + 20 * season + 6 * day + storms + noise[0],
                    "pressure": 1015 - storms + noise[1],
                    "load": np.exp(5 + 0.3 * day + 0.2 * noise[2]),
                    "checked_at": at + 24 * HOUR,
                    "verdict": rng.integers(0, 2, len(at)).astype(float),
                }
            )
        )
    return pd.concat(parts, ignore_index=True).astype({"kind": "category"})


@pytest.fixture(scope="session")
def decisions() -> pd.DataFrame:
    """A decision an hour of 2013."""
    at = pd.date_range("2013-01-01 05:00", "2014-01-01 04:00", freq="h", tz="UTC", unit="us")
    return pd.DataFrame({"number": np.arange(len(at)), "due_at": at})


@pytest.fixture(scope="session")
def readings() -> pd.DataFrame:
    """A year of hourly readings at four stations."""
    return make_readings()


@pytest.fixture
def local(readings: pd.DataFrame, framing: Framing) -> pd.Series:
    """When they were read, by the clock of the split."""
    return readings["read_at"].dt.tz_convert(framing.split.timezone)


@pytest.fixture(scope="session")
def unlike() -> pd.DataFrame:
    """The same of stations that have nothing in common."""
    own = [make_readings(seed).groupby("station").get_group(name) for seed, name in STATIONS]
    return pd.concat(own, ignore_index=True)


@pytest.fixture(scope="session")
def dated_contracts() -> dict[str, Any]:
    return {"readings": Readings, "decisions": Decisions, "features": Decisions}


@pytest.fixture
def find(
    framing: Framing, make_audit: Callable[..., AuditParameters], dated_contracts: dict[str, Any]
) -> Callable[..., dict[str, tuple[str, str]]]:
    """State and evidence of each finding about dated tables that has not passed."""

    def find(limits: dict[str, float] | None = None, **tables: pd.DataFrame) -> Any:
        audit = make_audit(tables=limits or {})
        findings = check_tables(dated_contracts, framing, audit, **tables)
        rows = findings[findings["state"] != "passed"]
        states = zip(rows["state"], rows["evidence"], strict=True)
        return dict(zip(rows["check"], states, strict=True))

    return find
