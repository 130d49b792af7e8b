"""The raw tables as published. Types are given to CSV text here; nothing else is changed."""

from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa

from preflight.contracts.raw_table import RawTable
from preflight.contracts.table import Utc, column, rule

ORIGINS = ["EWR", "JFK", "LGA"]
DAY = 24 * 60


def clock_minutes(clock: pd.Series) -> pd.Series:
    """Return minutes since midnight of a clock written as HHMM; 2400 gives 1440."""
    return clock // 100 * 60 + clock % 100


def minutes_off(t: pd.DataFrame, actual: str, scheduled: str, delay: str) -> pd.Series:
    """Return by how many minutes the delay is not that between two clocks, modulo a day."""
    return (clock_minutes(t[actual]) - clock_minutes(t[scheduled]) - t[delay]) % DAY


@rule("time_hour is the local date and hour", "time_hour", "year", "month", "day", "hour")
def local_hour(cls: Any, t: pd.DataFrame) -> pd.Series:
    """Return True where `time_hour` (UTC) is the local date and hour of the other columns."""
    told = pd.to_datetime(t[["year", "month", "day", "hour"]], errors="coerce")
    return t["time_hour"].dt.tz_convert("America/New_York").dt.tz_localize(None) == told


class RawFlights(
    RawTable, key=["time_hour", "carrier", "flight", "origin"], event_time="time_hour"
):
    """One row per scheduled departure from New York's three airports in 2013."""

    year: int = column("year of departure, local", isin=[2013])
    month: int = column("month of departure, local", ge=1, le=12)
    day: int = column("day of departure, local", ge=1, le=31)
    dep_time: float = column("actual departure, local", "HHMM", nullable=True)
    sched_dep_time: int = column("scheduled departure, local", "HHMM")
    dep_delay: float = column("departure delay", "minutes", nullable=True, ge=-120, le=2 * DAY)
    arr_time: float = column("actual arrival, local there", "HHMM", nullable=True)
    sched_arr_time: int = column("scheduled arrival, local there", "HHMM")
    arr_delay: float = column("arrival delay", "minutes", nullable=True, ge=-180, le=2 * DAY)
    carrier: str = column("airline, two-character code", str_length=2)
    flight: int = column("flight number", ge=1, le=9999)
    tailnum: str = column(
        "aircraft, as recorded after the fact",
        nullable=True,
        str_length={"min_value": 5, "max_value": 6},
    )
    origin: str = column("airport of departure, FAA code", isin=ORIGINS)
    dest: str = column("airport of destination, FAA code", str_length=3)
    air_time: float = column("time in the air", "minutes", nullable=True, gt=0, le=DAY)
    distance: int = column("between the airports", "miles", gt=0, le=10_000)
    hour: int = column("hour of the scheduled departure", "hours", ge=0, le=23)
    minute: int = column("minute of the scheduled departure", "minutes", ge=0, le=59)
    time_hour: Utc = column("hour of the scheduled departure", "UTC")

    @pa.check("dep_time", "sched_dep_time", "arr_time", "sched_arr_time", error="is a clock, HHMM")
    def clocks(cls, clock: pd.Series) -> pd.Series:
        return clock.isna() | (clock.between(1, 2400) & (clock % 100 < 60))

    @rule("hour and minute are those of sched_dep_time", "hour", "minute", "sched_dep_time")
    def scheduled_clock(cls, t: pd.DataFrame) -> pd.Series:
        return t["hour"] * 100 + t["minute"] == t["sched_dep_time"]

    utc_hour = local_hour

    @rule(
        "dep_delay is dep_time less sched_dep_time, modulo a day",
        "dep_time", "sched_dep_time", "dep_delay",
    )  # fmt: skip
    def departure_delay(cls, t: pd.DataFrame) -> pd.Series:
        off = minutes_off(t, "dep_time", "sched_dep_time", "dep_delay")
        return (off == 0) | (t["dep_time"].isna() & t["dep_delay"].isna())

    @rule(
        "arr_delay is arr_time less sched_arr_time, modulo a day",
        "arr_time", "sched_arr_time", "arr_delay",
    )  # fmt: skip
    def arrival_delay(cls, t: pd.DataFrame) -> pd.Series:
        """A diverted flight may have a time of arrival (elsewhere) and no delay."""
        off = minutes_off(t, "arr_time", "sched_arr_time", "arr_delay")
        return (off == 0) | t["arr_delay"].isna()

    @rule("nothing arrives that has not departed", "dep_time", "arr_time", "air_time", "arr_delay")
    def departs_first(cls, t: pd.DataFrame) -> pd.Series:
        """A cancelled flight has no arrival; an arrival delay comes with its times."""
        arrived = t["arr_delay"].notna()
        return ~(t["dep_time"].isna() & t["arr_time"].notna()) & (
            ~arrived | (t["arr_time"].notna() & t["air_time"].notna() & t["dep_time"].notna())
        )


class RawWeather(RawTable, key=["origin", "time_hour"], event_time="time_hour"):
    """One row per airport and hour, some hours missing."""

    origin: str = column("airport, FAA code", isin=ORIGINS)
    year: int = column("year, local", isin=[2013])
    month: int = column("month, local", ge=1, le=12)
    day: int = column("day, local", ge=1, le=31)
    hour: int = column("hour, local", ge=0, le=23)
    temp: float = column("temperature", "°F", nullable=True, ge=-40, le=130)
    dewp: float = column("dew point", "°F", nullable=True, ge=-60, le=90)
    humid: float = column("relative humidity", "%", nullable=True, ge=0, le=100)
    wind_dir: float = column("wind from", "degrees", nullable=True, ge=0, le=360)
    wind_speed: float = column(
        "wind; one impossible reading is published and cleaned later", "mph", nullable=True, ge=0
    )
    wind_gust: float = column("gusts", "mph", nullable=True, ge=0, le=250)
    precip: float = column("precipitation of the hour", "inches", ge=0, le=15)
    pressure: float = column("at sea level", "hPa", nullable=True, ge=870, le=1085)
    visib: float = column("visibility, 10 and more as 10", "miles", ge=0, le=10)
    time_hour: Utc = column("hour", "UTC")

    utc_hour = local_hour

    @rule("humid follows from temp and dewp in °F", "temp", "dewp", "humid")
    def humidity(cls, t: pd.DataFrame) -> pd.Series:
        """Magnus formula (Alduchov and Eskridge 1996); another unit breaks it on most rows.

        An hour's extremes may be of different minutes, so one row in twenty may be off by more
        than five points, and none by more than thirty: a temperature in °C is off by fifty.
        """
        celsius = (t[["temp", "dewp"]] - 32) / 1.8
        vapour = np.exp(17.625 * celsius / (243.04 + celsius))
        off = (100 * vapour["dewp"] / vapour["temp"] - t["humid"]).abs()
        return ~(off > (5 if (off > 5).mean() > 0.05 else 30))


class RawPlanes(RawTable, key=["tailnum"]):
    """One row per aircraft in the registry of a later date."""

    tailnum: str = column("registration", str_length={"min_value": 5, "max_value": 6})
    year: float = column("year of manufacture", nullable=True, ge=1900, le=2013)
    type: str = column("kind of aircraft")
    manufacturer: str = column("manufacturer")
    model: str = column("model")
    engines: int = column("number of engines", ge=1, le=8)
    seats: int = column("number of seats", ge=1, le=900)
    speed: float = column("cruising speed", "mph", nullable=True, ge=0, le=1000)
    engine: str = column("kind of engine")


class RawAirports(RawTable, key=["faa"]):
    """One row per airport of the United States (a few lie elsewhere)."""

    faa: str = column("FAA code", str_length=3)
    name: str = column("name")
    lat: float = column("latitude", "degrees north", ge=-90, le=90)
    lon: float = column("longitude", "degrees east", ge=-180, le=180)
    alt: int = column("altitude", "feet", ge=-1500, le=15_000)
    tz: int = column("standard time less UTC", "hours", ge=-12, le=14)
    dst: str = column("daylight saving: A as in the USA, N none, U unknown", isin=list("ANU"))
    tzone: str = column("time zone, IANA name", nullable=True)


class RawAirlines(RawTable, key=["carrier"]):
    """One row per airline."""

    carrier: str = column("two-character code", str_length=2)
    name: str = column("name")
