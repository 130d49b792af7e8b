"""The primary tables: clean, in UTC, with the moment when each row and value became known.

`known_at` of a table is the column with the moment when its rows became
known, or "in advance" for what is published long before. `known_at` of a column is the same for a
value that became known later than its row. `event_time` is the column by which a period is cut out.
"""

from typing import Any

import pandas as pd
from pandera.dtypes import Float32, Int8, Int32

from preflight.contracts.table import IN_ADVANCE, Table, Utc, column, rule

from late_flights.contracts.raw import ORIGINS

# What `framing.decision.label` says: 0 or 1. Of amounts: float, and such as {"ge": 0}.
Label = Int8
LABEL: dict[str, Any] = {"isin": [0, 1]}

HOUR = pd.Timedelta(hours=1)


class Key(Table, key=["carrier", "flight", "origin", "scheduled_departure"]):
    """What tells one scheduled departure from all others."""

    carrier: pd.CategoricalDtype = column("airline, two-character code", group="schedule")
    flight: Int32 = column("flight number", ge=1, le=9999)
    origin: pd.CategoricalDtype = column("airport of departure", isin=ORIGINS, group="schedule")
    scheduled_departure: Utc = column("scheduled departure", "UTC")


class Flights(Key, known_at=IN_ADVANCE, event_time="scheduled_departure"):
    """One row per scheduled departure, with what became of it."""

    dest: pd.CategoricalDtype = column("airport of destination")
    tailnum: pd.CategoricalDtype = column(
        "aircraft; missing for some cancelled flights",
        known_at="departed_at",
        assumption="recorded after departure, taken as the aircraft planned two hours before: "
        "a later swap would not show",
    )
    distance: Int32 = column("between the airports", "miles", gt=0)
    scheduled_arrival: Utc = column("scheduled arrival", "UTC")
    departed_at: Utc = column(
        "actual departure; missing while it has not", "UTC", known_at="departed_at"
    )
    arrived_at: Utc = column(
        "actual arrival at the destination; missing while it has not", "UTC", known_at="arrived_at"
    )
    cancelled_at: Utc = column(
        "cancellation known; assumed to be an hour after the scheduled departure",
        "UTC",
        known_at="cancelled_at",
    )
    diverted_at: Utc = column(
        "known not to arrive as planned; assumed to be three hours after it should have, "
        "given its departure",
        "UTC",
        known_at="diverted_at",
    )
    departure_delay: Float32 = column(
        "departure less scheduled departure", "minutes", known_at="departed_at"
    )
    arrival_delay: Float32 = column(
        "arrival less scheduled arrival", "minutes", known_at="arrived_at"
    )
    air_time: Float32 = column("time in the air", "minutes", gt=0, known_at="arrived_at")

    @rule("scheduled to arrive after departure", "scheduled_departure", "scheduled_arrival")
    def scheduled_in_order(cls, t: pd.DataFrame) -> pd.Series:
        block = t["scheduled_arrival"] - t["scheduled_departure"]
        return (block > 0 * HOUR) & (block < 24 * HOUR)

    @rule(
        "departure_delay is departed_at less scheduled_departure",
        "departed_at", "scheduled_departure", "departure_delay",
    )  # fmt: skip
    def departure_accounts(cls, t: pd.DataFrame) -> pd.Series:
        return minutes_account(t["departed_at"], t["scheduled_departure"], t["departure_delay"])

    @rule(
        "arrival_delay is arrived_at less scheduled_arrival",
        "arrived_at", "scheduled_arrival", "arrival_delay",
    )  # fmt: skip
    def arrival_accounts(cls, t: pd.DataFrame) -> pd.Series:
        return minutes_account(t["arrived_at"], t["scheduled_arrival"], t["arrival_delay"])

    @rule("taxi times are positive", "departed_at", "arrived_at", "air_time")
    def wheels_in_order(cls, t: pd.DataFrame) -> pd.Series:
        """Wheels are up before they are down: from gate to gate takes longer than in the air."""
        gate_to_gate = (t["arrived_at"] - t["departed_at"]).dt.total_seconds() / 60
        return t["arrived_at"].isna() | (gate_to_gate > t["air_time"])

    @rule(
        "each flight ended in exactly one way",
        "departed_at", "arrived_at", "cancelled_at", "diverted_at",
    )  # fmt: skip
    def one_end(cls, t: pd.DataFrame) -> pd.Series:
        """At most one end (none while under way), and a cancelled flight never departed."""
        ends = t[["arrived_at", "cancelled_at", "diverted_at"]].notna().sum(axis=1)
        return (ends <= 1) & ~(t["cancelled_at"].notna() & t["departed_at"].notna())


def minutes_account(end: pd.Series, start: pd.Series, minutes: pd.Series) -> pd.Series:
    """Return True where `minutes` is `end` less `start`, or end and minutes are both missing."""
    gap = (end - start).dt.total_seconds() / 60
    return (gap == minutes) | (end.isna() & minutes.isna())


class Weather(
    Table, key=["origin", "hour_start"], known_at="published_at", event_time="published_at"
):
    """One row per airport and hour with readings; hours without are absent."""

    origin: pd.CategoricalDtype = column("airport", isin=ORIGINS)
    hour_start: Utc = column("start of the hour", "UTC")
    published_at: Utc = column("end of the hour: its readings are known", "UTC")
    temp: Float32 = column("temperature", "°F", nullable=True, ge=-40, le=130)
    dewp: Float32 = column("dew point", "°F", nullable=True, ge=-60, le=90)
    humid: Float32 = column("relative humidity", "%", nullable=True, ge=0, le=100)
    wind_dir: Float32 = column(
        "wind from; missing when variable or calm", "degrees", nullable=True, ge=0, le=360
    )
    wind_speed: Float32 = column("wind", "mph", nullable=True, ge=0, le=150)
    wind_gust: Float32 = column(
        "gusts; missing when there were none", "mph", nullable=True, ge=0, le=250
    )
    precip: Float32 = column("precipitation of the hour", "inches", ge=0, le=15)
    pressure: Float32 = column("at sea level", "hPa", nullable=True, ge=870, le=1085)
    visib: Float32 = column("visibility, 10 and more as 10", "miles", ge=0, le=10)

    @rule("known an hour after its start", "hour_start", "published_at")
    def published_after(cls, t: pd.DataFrame) -> pd.Series:
        """The row covers readings up to its 51st minute."""
        return t["published_at"] == t["hour_start"] + HOUR


class Aircraft(Table, key=["tailnum"], known_at=IN_ADVANCE):
    """One row per registered aircraft. The registry is of a later date: assumed known."""

    tailnum: str = column("registration")
    year: Float32 = column("year of manufacture", "year", known_at=IN_ADVANCE, ge=1980, le=2013)
    seats: Float32 = column("number of seats", "seats", known_at=IN_ADVANCE, ge=20, le=900)


class Airports(Table, key=["faa"], known_at=IN_ADVANCE):
    """One row per airport."""

    faa: str = column("FAA code")
    name: str = column("name")
    timezone: str = column("time zone, IANA name", known_at=IN_ADVANCE)
