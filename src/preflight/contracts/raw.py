"""The raw tables as published. Types are given to CSV text here; nothing else is changed."""

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from preflight.contracts.table import Table, Utc, column, rule

ORIGINS = ["EWR", "JFK", "LGA"]
DAY = 24 * 60


def clock_minutes(clock: pd.Series) -> pd.Series:
    """Return minutes since midnight of a clock written as HHMM; 2400 gives 1440."""
    return clock // 100 * 60 + clock % 100


def is_clock(clock: pd.Series) -> pd.Series:
    """Return True where HHMM is a time from 0001 to 2400, or missing."""
    return clock.isna() | (clock.between(1, 2400) & (clock % 100 < 60))


def local_hour_agrees(table: pd.DataFrame) -> pd.Series:
    """Return True where `time_hour` (UTC) is the local date and hour of the other columns."""
    local = table["time_hour"].dt.tz_convert("America/New_York").dt
    return (
        (local.year == table["year"])
        & (local.month == table["month"])
        & (local.day == table["day"])
        & (local.hour == table["hour"])
    )


class RawTable(Table):
    """A published file: CSV text gets its declared types, and a value that can't is a failure."""

    class Config:
        """Numbers are read from text here and nowhere else."""

        coerce = True


class RawFlights(RawTable):
    """One row per scheduled departure from New York's three airports in 2013."""

    year: Series[int] = column("year of departure, local", isin=[2013])
    month: Series[int] = column("month of departure, local", ge=1, le=12)
    day: Series[int] = column("day of departure, local", ge=1, le=31)
    dep_time: Series[float] = column("actual departure, local", "HHMM", nullable=True)
    sched_dep_time: Series[int] = column("scheduled departure, local", "HHMM")
    dep_delay: Series[float] = column(
        "departure delay", "minutes", nullable=True, ge=-120, le=2 * DAY
    )
    arr_time: Series[float] = column("actual arrival, local there", "HHMM", nullable=True)
    sched_arr_time: Series[int] = column("scheduled arrival, local there", "HHMM")
    arr_delay: Series[float] = column(
        "arrival delay", "minutes", nullable=True, ge=-180, le=2 * DAY
    )
    carrier: Series[str] = column("airline, two-character code", str_length=2)
    flight: Series[int] = column("flight number", ge=1, le=9999)
    tailnum: Series[str] = column(
        "aircraft, as recorded after the fact",
        nullable=True,
        str_length={"min_value": 5, "max_value": 6},
    )
    origin: Series[str] = column("airport of departure, FAA code", isin=ORIGINS)
    dest: Series[str] = column("airport of destination, FAA code", str_length=3)
    air_time: Series[float] = column("time in the air", "minutes", nullable=True, gt=0, le=DAY)
    distance: Series[int] = column("between the airports", "miles", gt=0, le=10_000)
    hour: Series[int] = column("hour of the scheduled departure", "hours", ge=0, le=23)
    minute: Series[int] = column("minute of the scheduled departure", "minutes", ge=0, le=59)
    time_hour: Series[Utc] = column("hour of the scheduled departure", "UTC")

    class Config:
        """The key of the published table."""

        unique = ["time_hour", "carrier", "flight", "origin"]

    @pa.check("dep_time", "sched_dep_time", "arr_time", "sched_arr_time", error="is a clock, HHMM")
    def clocks(cls, clock: pd.Series) -> pd.Series:
        """Hours below 24 and minutes below 60."""
        return is_clock(clock)

    @rule("hour and minute are those of sched_dep_time", "hour", "minute", "sched_dep_time")
    def scheduled_clock(cls, t: pd.DataFrame) -> pd.Series:
        """The scheduled time is given twice."""
        return t["hour"] * 100 + t["minute"] == t["sched_dep_time"]

    @rule("time_hour is the local date and hour", "time_hour", "year", "month", "day", "hour")
    def utc_hour(cls, t: pd.DataFrame) -> pd.Series:
        """The hour is given in UTC and in local time."""
        return local_hour_agrees(t)

    @rule(
        "dep_delay is dep_time less sched_dep_time, modulo a day",
        "dep_time", "sched_dep_time", "dep_delay",
    )  # fmt: skip
    def departure_delay(cls, t: pd.DataFrame) -> pd.Series:
        """Clocks and delay tell the same story."""
        gap = clock_minutes(t["dep_time"]) - clock_minutes(t["sched_dep_time"]) - t["dep_delay"]
        return (gap % DAY == 0) | (t["dep_time"].isna() & t["dep_delay"].isna())

    @rule(
        "arr_delay is arr_time less sched_arr_time, modulo a day",
        "arr_time", "sched_arr_time", "arr_delay",
    )  # fmt: skip
    def arrival_delay(cls, t: pd.DataFrame) -> pd.Series:
        """A diverted flight may have a time of arrival (elsewhere) and no delay."""
        gap = clock_minutes(t["arr_time"]) - clock_minutes(t["sched_arr_time"]) - t["arr_delay"]
        return (gap % DAY == 0) | t["arr_delay"].isna()

    @rule("nothing arrives that has not departed", "dep_time", "arr_time", "air_time", "arr_delay")
    def departs_first(cls, t: pd.DataFrame) -> pd.Series:
        """A cancelled flight has no arrival; an arrival delay comes with its times."""
        arrived = t["arr_delay"].notna()
        return ~(t["dep_time"].isna() & t["arr_time"].notna()) & (
            ~arrived | (t["arr_time"].notna() & t["air_time"].notna() & t["dep_time"].notna())
        )


class RawWeather(RawTable):
    """One row per airport and hour, some hours missing."""

    origin: Series[str] = column("airport, FAA code", isin=ORIGINS)
    year: Series[int] = column("year, local", isin=[2013])
    month: Series[int] = column("month, local", ge=1, le=12)
    day: Series[int] = column("day, local", ge=1, le=31)
    hour: Series[int] = column("hour, local", ge=0, le=23)
    temp: Series[float] = column("temperature", "°F", nullable=True, ge=-40, le=130)
    dewp: Series[float] = column("dew point", "°F", nullable=True, ge=-60, le=90)
    humid: Series[float] = column("relative humidity", "%", nullable=True, ge=0, le=100)
    wind_dir: Series[float] = column("wind from", "degrees", nullable=True, ge=0, le=360)
    wind_speed: Series[float] = column(
        "wind; one impossible reading is published and cleaned later", "mph", nullable=True, ge=0
    )
    wind_gust: Series[float] = column("gusts", "mph", nullable=True, ge=0, le=250)
    precip: Series[float] = column("precipitation of the hour", "inches", ge=0, le=15)
    pressure: Series[float] = column("at sea level", "hPa", nullable=True, ge=870, le=1085)
    visib: Series[float] = column("visibility, 10 and more as 10", "miles", ge=0, le=10)
    time_hour: Series[Utc] = column("hour", "UTC")

    class Config:
        """Local date and hour would not do: autumn has one hour twice."""

        unique = ["origin", "time_hour"]

    @rule("time_hour is the local date and hour", "time_hour", "year", "month", "day", "hour")
    def utc_hour(cls, t: pd.DataFrame) -> pd.Series:
        """The hour is given in UTC and in local time."""
        return local_hour_agrees(t)

    @rule("humid follows from temp and dewp in °F", "temp", "dewp", "humid")
    def humidity(cls, t: pd.DataFrame) -> pd.Series:
        """Magnus formula (Alduchov and Eskridge 1996); another unit breaks it on most rows.

        An hour's extremes may be of different minutes, so one row in twenty may be off by more
        than five points.
        """
        celsius = (t[["temp", "dewp"]] - 32) / 1.8
        vapour = np.exp(17.625 * celsius / (243.04 + celsius))
        off = (100 * vapour["dewp"] / vapour["temp"] - t["humid"]).abs() > 5
        return ~off if off.mean() > 0.05 else off | True


class RawPlanes(RawTable):
    """One row per aircraft in the registry of a later date."""

    tailnum: Series[str] = column("registration", str_length={"min_value": 5, "max_value": 6})
    year: Series[float] = column("year of manufacture", nullable=True, ge=1900, le=2013)
    type: Series[str] = column("kind of aircraft")
    manufacturer: Series[str] = column("manufacturer")
    model: Series[str] = column("model")
    engines: Series[int] = column("number of engines", ge=1, le=8)
    seats: Series[int] = column("number of seats", ge=1, le=900)
    speed: Series[float] = column("cruising speed", "mph", nullable=True, ge=0, le=1000)
    engine: Series[str] = column("kind of engine")

    class Config:
        """The key."""

        unique = ["tailnum"]


class RawAirports(RawTable):
    """One row per airport of the United States (a few lie elsewhere)."""

    faa: Series[str] = column("FAA code", str_length=3)
    name: Series[str] = column("name")
    lat: Series[float] = column("latitude", "degrees north", ge=-90, le=90)
    lon: Series[float] = column("longitude", "degrees east", ge=-180, le=180)
    alt: Series[int] = column("altitude", "feet", ge=-1500, le=15_000)
    tz: Series[int] = column("standard time less UTC", "hours", ge=-12, le=14)
    dst: Series[str] = column(
        "daylight saving: A as in the USA, N none, U unknown", isin=list("ANU")
    )
    tzone: Series[str] = column("time zone, IANA name", nullable=True)

    class Config:
        """The key."""

        unique = ["faa"]


class RawAirlines(RawTable):
    """One row per airline."""

    carrier: Series[str] = column("two-character code", str_length=2)
    name: Series[str] = column("name")

    class Config:
        """The key."""

        unique = ["carrier"]
