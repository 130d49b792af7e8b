"""The features, one row per flight, as known at its moment of prediction; and the examples."""

from typing import Any

import pandas as pd
from pandera.dtypes import Float32, Int8
from pandera.typing import Series

from preflight.contracts.primary import FlightKey
from preflight.contracts.table import Table, Utc, column, rule

# The wildest delays seen are under a day and a half; means and sums of them stay below it too.
DELAY: dict[str, Any] = {"unit": "minutes", "nullable": True, "ge": -240, "le": 2880}
RATE: dict[str, Any] = {
    "unit": "share of flights, less the overall share",
    "nullable": True,
    "ge": -1,
    "le": 1,
}
COUNT: dict[str, Any] = {"unit": "flights", "ge": 0, "le": 2000}


class Features(FlightKey):
    """One row per scheduled departure: what was known two hours before it."""

    predict_at: Series[Utc] = column("moment of prediction: nothing later is used", "UTC")

    hour: Series[Float32] = column("local hour", "hours", group="schedule", ge=0, le=23)
    minute_of_day: Series[Float32] = column(
        "local time", "minutes since midnight", group="schedule", ge=0, lt=1440
    )
    weekday: Series[Float32] = column("0 is Monday", group="schedule", ge=0, le=6)
    days_to_holiday: Series[Float32] = column(
        "to the nearest federal holiday, negative after it", "days", group="schedule", ge=-60, le=60
    )
    distance: Series[Float32] = column("between the airports", "miles", group="schedule", gt=0)
    block_minutes: Series[Float32] = column(
        "scheduled from gate to gate", "minutes", group="schedule", gt=0, lt=1440
    )
    dest: Series[pd.CategoricalDtype] = column("airport of destination", group="schedule")

    departures_before: Series[Float32] = column(
        "departures scheduled at the origin in the hour before", group="congestion", **COUNT
    )
    departures_around_all: Series[Float32] = column(
        "departures scheduled at all three airports within an hour", group="congestion", **COUNT
    )
    arrivals_around: Series[Float32] = column(
        "arrivals from New York scheduled at the destination within an hour",
        group="congestion",
        **COUNT,
    )

    visibility: Series[Float32] = column(
        "last published", "miles", group="weather", nullable=True, ge=0, le=10
    )
    visibility_3h: Series[Float32] = column(
        "least of three hours", "miles", group="weather", nullable=True, ge=0, le=10
    )
    rain_3h: Series[Float32] = column(
        "sum of three hours", "inches", group="weather", nullable=True, ge=0, le=30
    )
    gust: Series[Float32] = column(
        "gusts, or the wind where there were none", "mph", group="weather", nullable=True, ge=0
    )
    wind_east: Series[Float32] = column(
        "wind towards the east", "mph", group="weather", nullable=True, ge=-150, le=150
    )
    wind_north: Series[Float32] = column(
        "wind towards the north", "mph", group="weather", nullable=True, ge=-150, le=150
    )
    temperature: Series[Float32] = column(
        "last published", "°F", group="weather", nullable=True, ge=-40, le=130
    )
    pressure_change_3h: Series[Float32] = column(
        "over three hours", "hPa", group="weather", nullable=True, ge=-60, le=60
    )
    visibility_worst: Series[Float32] = column(
        "least of the three airports", "miles", group="weather", nullable=True, ge=0, le=10
    )

    origin_delay_1h: Series[Float32] = column(
        "mean departure delay at the origin, last hour", group="operations", **DELAY
    )
    origin_delay_3h: Series[Float32] = column(
        "mean departure delay at the origin, last 3 hours", group="operations", **DELAY
    )
    origin_departures_1h: Series[Float32] = column(
        "departures from the origin, last hour", group="operations", **COUNT
    )
    origin_backlog: Series[Float32] = column(
        "due at the origin and neither gone nor cancelled", group="operations", **COUNT
    )
    all_delay_1h: Series[Float32] = column(
        "mean departure delay at all three airports, last hour", group="operations", **DELAY
    )
    all_late_share_1h: Series[Float32] = column(
        "departures over 30 minutes late at all three airports, last hour",
        "share",
        group="operations",
        nullable=True,
        ge=0,
        le=1,
    )
    all_departures_1h: Series[Float32] = column(
        "departures from all three airports, last hour", group="operations", **COUNT
    )
    all_backlog: Series[Float32] = column(
        "due at all three airports and neither gone nor cancelled", group="operations", **COUNT
    )
    all_cancelled_6h: Series[Float32] = column(
        "cancellations at all three airports, last 6 hours", group="operations", **COUNT
    )
    carrier_origin_delay_3h: Series[Float32] = column(
        "the carrier's mean departure delay at the origin, last 3 hours",
        group="operations",
        **DELAY,
    )
    carrier_delay_3h: Series[Float32] = column(
        "the carrier's mean departure delay, last 3 hours", group="operations", **DELAY
    )
    carrier_delay_24h: Series[Float32] = column(
        "the carrier's mean departure delay, last day", group="operations", **DELAY
    )
    dest_arrival_delay_6h: Series[Float32] = column(
        "mean arrival delay at the destination, last 6 hours", group="operations", **DELAY
    )
    dest_departure_delay_6h: Series[Float32] = column(
        "mean departure delay to the destination, last 6 hours", group="operations", **DELAY
    )
    route_delay_24h: Series[Float32] = column(
        "mean departure delay on the route, last day", group="operations", **DELAY
    )

    flight_number_rate: Series[Float32] = column(
        "late flights of this flight number, 28 days", group="history", **RATE
    )
    carrier_hour_rate: Series[Float32] = column(
        "late flights of the carrier at this hour, 28 days", group="history", **RATE
    )
    route_rate: Series[Float32] = column(
        "late flights on the route, 28 days", group="history", **RATE
    )
    last_arrival_delay: Series[Float32] = column(
        "this flight number's last known arrival delay, from -60 to 180 (180: never came)",
        "minutes",
        group="history",
        nullable=True,
        ge=-60,
        le=180,
    )

    expected_age: Series[Float32] = column(
        "mean age of the aircraft that the carrier flew on the route, 28 days",
        "years",
        group="aircraft",
        nullable=True,
        ge=-1,
        le=60,
    )
    expected_seats: Series[Float32] = column(
        "mean size of the aircraft that the carrier flew on the route, 28 days",
        "seats",
        group="aircraft",
        nullable=True,
        ge=20,
        le=900,
    )

    previous_state: Series[Float32] = column(
        "the aircraft's previous departure from New York: -1 cancelled, 0 due, 1 flying, 2 landed",
        group="previous_leg",
        nullable=True,
        ge=-1,
        le=2,
    )
    previous_departure_delay: Series[Float32] = column(
        "its departure delay so far", group="previous_leg", **DELAY
    )
    previous_arrival_delay: Series[Float32] = column(
        "its arrival delay so far", group="previous_leg", **DELAY
    )
    planned_turn: Series[Float32] = column(
        "scheduled between its return and this departure",
        "minutes",
        group="previous_leg",
        nullable=True,
        ge=-1440,
        le=1440,
    )
    slack: Series[Float32] = column(
        "planned turn less its arrival delay so far",
        "minutes",
        group="previous_leg",
        nullable=True,
        ge=-4320,
        le=4320,
    )

    @classmethod
    def groups(cls) -> dict[str, list[str]]:
        """Return the columns of each feature group, in the order of declaration."""
        groups: dict[str, list[str]] = {}
        for name, column_metadata in cls.columns().items():
            if "group" in column_metadata:
                groups.setdefault(column_metadata["group"], []).append(name)
        return groups

    @classmethod
    def names(cls) -> list[str]:
        """Return all features, in the order of declaration."""
        return [name for group in cls.groups().values() for name in group]


class Labels(Table):
    """One row per scheduled departure, in the order of the features: its label."""

    label: Series[Float32] = column(
        "1: arrived over 30 minutes late, was cancelled or diverted; missing while open",
        nullable=True,
        isin=[0, 1],
        known_at="label_known_at",
    )
    label_known_at: Series[Utc] = column(
        "arrival, or when the flight was known not to come",
        "UTC",
        nullable=True,
        known_at="label_known_at",
    )

    @rule("a label and its moment are known together", "label", "label_known_at")
    def known_together(cls, t: pd.DataFrame) -> pd.Series:
        """Neither without the other."""
        return t["label"].isna() == t["label_known_at"].isna()


class Examples(Features):
    """Features with their label: one part of the split, in the order of prediction."""

    label: Series[Int8] = column("1: late, cancelled or diverted", isin=[0, 1])
    label_known_at: Series[Utc] = column("when the label was known", "UTC")

    @rule("the label is known after the prediction", "predict_at", "label_known_at")
    def predicts(cls, t: pd.DataFrame) -> pd.Series:
        """What is known already need not be predicted."""
        return t["label_known_at"] > t["predict_at"]


class SplitSummary(Table):
    """One row per part of the split."""

    part: Series[str] = column("train, validation or test", isin=["train", "validation", "test"])
    first: Series[Utc] = column("first moment of prediction", "UTC")
    last: Series[Utc] = column("last moment of prediction", "UTC")
    rows: Series[int] = column("examples", "rows", gt=0)
    label_rate: Series[float] = column("share of label 1", gt=0, lt=1)
    left_out: Series[int] = column("examples whose label was not known in time", "rows", ge=0)

    class Config:
        """The key."""

        unique = ["part"]
