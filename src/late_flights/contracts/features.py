"""The features, one row per flight, as known at its moment of prediction.

They are computed in pipelines/feature_engineering/nodes.py.
"""

from collections.abc import Callable
from typing import Any

import pandas as pd
from pandera.dtypes import Float32

from preflight.contracts.table import Utc, column

from late_flights.contracts.primary import Key

# The wildest delays seen are under a day and a half; means and sums of them stay below two days.
LIMITS: dict[str, dict[str, Any]] = {
    "minutes": {"ge": -2 * 1440, "le": 2 * 1440},
    "flights": {"ge": 0, "le": 2000},
    "miles": {"ge": 0, "le": 10},
    "mph": {"ge": -150, "le": 250},
    "share less overall share": {"ge": -1, "le": 1},
}


def _group(name: str) -> Callable[..., Any]:
    """Return `column` for one feature group; a feature may be missing, and keeps its unit's limits.

    Counts are never missing: none is 0.
    """

    def declare(description: str, unit: str | None = None, **checks: Any) -> Any:
        usual = {"nullable": unit != "flights", **LIMITS.get(unit or "", {})}
        return column(description, unit, group=name, **{**usual, **checks})

    return declare


schedule, congestion, weather = _group("schedule"), _group("congestion"), _group("weather")
operations, history = _group("operations"), _group("history")
aircraft, previous_leg = _group("aircraft"), _group("previous_leg")

Number = Float32


# look_back: windows of 28 days, and 3 more until it is known what became of a flight. look_ahead:
# the schedule to come.
class Features(Key, look_back="31D", look_ahead="2D"):
    """One row per scheduled departure: what was known two hours before it."""

    predict_at: Utc = column("moment of prediction: nothing later is used", "UTC")

    hour: Number = schedule("local hour", "hours", nullable=False, ge=0, le=23)
    minute_of_day: Number = schedule("local time", "minutes", nullable=False, ge=0, lt=1440)
    weekday: Number = schedule("0 is Monday", nullable=False, ge=0, le=6)
    days_to_holiday: Number = schedule(
        "to the nearest federal holiday, negative after it", "days", nullable=False, ge=-60, le=60
    )
    distance: Number = schedule("between the airports", "miles", nullable=False, le=10_000)
    block_minutes: Number = schedule(
        "scheduled from gate to gate", "minutes", nullable=False, gt=0, lt=1440
    )
    dest: pd.CategoricalDtype = schedule("airport of destination", nullable=False)

    departures_before: Number = congestion("scheduled at the origin in the hour before", "flights")
    departures_around_all: Number = congestion(
        "departures scheduled at all three airports within an hour", "flights"
    )
    arrivals_around: Number = congestion(
        "arrivals from New York scheduled at the destination within an hour", "flights"
    )

    visibility: Number = weather("last published", "miles")
    visibility_3h: Number = weather("least of three hours", "miles")
    rain_3h: Number = weather("sum of three hours", "inches", ge=0, le=30)
    gust: Number = weather("gusts, or the wind where there were none", "mph", ge=0)
    wind_east: Number = weather("wind towards the east", "mph")
    wind_north: Number = weather("wind towards the north", "mph")
    temperature: Number = weather("last published", "°F", ge=-40, le=130)
    pressure_change_3h: Number = weather("over three hours", "hPa", ge=-60, le=60)
    visibility_worst: Number = weather("least of the three airports", "miles")

    origin_delay_1h: Number = operations("mean departure delay at the origin, 1 hour", "minutes")
    origin_delay_3h: Number = operations("mean departure delay at the origin, 3 hours", "minutes")
    origin_departures_1h: Number = operations("departures from the origin, 1 hour", "flights")
    origin_backlog: Number = operations("due at the origin, neither gone nor cancelled", "flights")
    all_delay_1h: Number = operations("mean delay at all three airports, 1 hour", "minutes")
    all_late_share_1h: Number = operations(
        "departures over 30 minutes late at all three airports, 1 hour", "share", ge=0, le=1
    )
    all_departures_1h: Number = operations("departures from all three airports, 1 hour", "flights")
    all_backlog: Number = operations(
        "due at all three airports, neither gone nor cancelled", "flights"
    )
    all_cancelled_6h: Number = operations("cancelled at all three airports, 6 hours", "flights")
    carrier_origin_delay_3h: Number = operations(
        "the carrier's mean departure delay at the origin, 3 hours", "minutes"
    )
    carrier_delay_3h: Number = operations("the carrier's mean departure delay, 3 hours", "minutes")
    carrier_delay_24h: Number = operations("the carrier's mean departure delay, a day", "minutes")
    dest_arrival_delay_6h: Number = operations(
        "mean arrival delay at the destination, 6 hours", "minutes"
    )
    dest_departure_delay_6h: Number = operations(
        "mean departure delay to the destination, 6 hours", "minutes"
    )
    route_delay_24h: Number = operations("mean departure delay on the route, a day", "minutes")

    flight_number_rate: Number = history(
        "late flights of this flight number, 28 days", "share less overall share"
    )
    carrier_hour_rate: Number = history(
        "late flights of the carrier at this hour, 28 days", "share less overall share"
    )
    route_rate: Number = history("late flights on the route, 28 days", "share less overall share")
    last_arrival_delay: Number = history(
        "this flight number's last known arrival delay, from -60 to 180 (180: never came)",
        "minutes",
        ge=-60,
        le=180,
    )

    expected_age: Number = aircraft(
        "mean age of what the carrier flew on the route, 28 days", "years", ge=-1, le=60
    )
    expected_seats: Number = aircraft(
        "mean size of what the carrier flew on the route, 28 days", "seats", ge=20, le=900
    )

    previous_state: Number = previous_leg(
        "the aircraft's last departure from New York: -1 cancelled, 0 due, 1 flying, 2 landed",
        ge=-1,
        le=2,
    )
    previous_departure_delay: Number = previous_leg("its departure delay so far", "minutes")
    previous_arrival_delay: Number = previous_leg("its arrival delay so far", "minutes")
    planned_turn: Number = previous_leg("between its return and this departure", "minutes")
    slack: Number = previous_leg(
        "planned turn less its arrival delay so far", "minutes", ge=-4 * 1440, le=4 * 1440
    )
