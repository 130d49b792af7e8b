"""From the raw files to clean tables in UTC, with every repair counted."""

import numpy as np
import pandas as pd

from preflight.contracts.exact import narrow
from preflight.errors import RunError

from late_flights.contracts.raw import clock_minutes

HOUR = pd.Timedelta(hours=1)
DAY = pd.Timedelta(days=1)

# Absent from the published airports though flown to.
PUERTO_RICO = {
    "BQN": "Rafael Hernandez",
    "PSE": "Mercedita",
    "SJU": "Luis Munoz Marin International",
    "STT": "Cyril E King",
}


def _found(table: str, rows: int, *findings: tuple[str, str, int]) -> pd.DataFrame:
    """Return the cleaning log of one table from findings: what, what was done, to how many rows."""
    log = pd.DataFrame(findings, columns=["finding", "action", "rows"]).astype({"rows": "int64"})
    return log.assign(of=rows, table=table)[["table", "finding", "action", "rows", "of"]]


def clean_airports(raw_airports: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the airports with their time zones, those of Puerto Rico added, and the cleaning log.

    Grain: one row per airport.
    """
    added = pd.DataFrame(
        {"faa": PUERTO_RICO.keys(), "name": PUERTO_RICO.values()},
    ).assign(timezone="America/Puerto_Rico")
    added = added[~added["faa"].isin(raw_airports["faa"])]
    published = raw_airports.rename(columns={"tzone": "timezone"})[["faa", "name", "timezone"]]
    airports = pd.concat([published, added]).sort_values("faa", ignore_index=True)
    return airports, _found(
        "airports",
        len(raw_airports),
        ("airport absent, in the time zone of Puerto Rico", "added", len(added)),
        ("no time zone", "kept", published["timezone"].isna().sum()),
    )


def clean_aircraft(raw_planes: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return year and seats of each aircraft, and the cleaning log. Grain: one row per aircraft.

    A registration is used again when an aircraft is gone: a DC-7 of 1956 or a four-seater did not
    fly for an airline in 2013, so these years and seats belong to another aircraft.
    """
    reused = (raw_planes["year"] < 1980) | (raw_planes["seats"] < 20)
    known = raw_planes[["year", "seats"]].mask(reused).apply(narrow, dtype="float32")
    aircraft = pd.concat([raw_planes["tailnum"], known], axis=1)
    aircraft = aircraft.sort_values("tailnum", ignore_index=True)
    return aircraft, _found(
        "aircraft",
        len(raw_planes),
        (
            "built before 1980 or under 20 seats: registration reused",
            "set to missing",
            reused.sum(),
        ),
        ("no year of manufacture", "kept", raw_planes["year"].isna().sum()),
    )


def clean_weather(raw_weather: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the hourly weather with the moment it is known, and the cleaning log.

    Grain: one row per airport and hour with readings. Units as published: °F, mph, inches, miles.
    """
    impossible = raw_weather["wind_speed"] > 150  # mph; the strongest ever here was 113
    readings = raw_weather.drop(columns=["year", "month", "day", "hour", "time_hour", "origin"])
    readings = readings.assign(wind_speed=readings["wind_speed"].mask(impossible))
    readings = readings.apply(narrow, dtype="float32")
    known = {
        "origin": raw_weather["origin"].astype("category"),
        "hour_start": raw_weather["time_hour"],
        "published_at": raw_weather["time_hour"] + HOUR,
    }
    weather = pd.concat([pd.DataFrame(known), readings], axis=1)
    weather = weather.sort_values(["hour_start", "origin"], ignore_index=True)
    span = (raw_weather["time_hour"].max() - raw_weather["time_hour"].min()) / HOUR + 1
    hours = int(span) * raw_weather["origin"].nunique()
    return weather, _found(
        "weather",
        len(raw_weather),
        ("wind above 150 mph", "set to missing", impossible.sum()),
        ("hour without a row", "kept", hours - len(raw_weather)),
        ("no pressure", "kept", raw_weather["pressure"].isna().sum()),
        ("no wind direction", "kept", raw_weather["wind_dir"].isna().sum()),
    )


def clean_flights(
    raw_flights: pd.DataFrame, airports: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the flights in UTC, in the order of the schedule, and the cleaning log.

    Grain: one row per scheduled departure. The published order (by actual departure within a day)
    tells who was late, so rows are sorted by schedule and key. Cancellations and diversions have
    no time in the data; when they were known is assumed (see the contract).

    Raises:
        RunError: a destination is not in `airports` or has no time zone there.
    """
    raw = raw_flights.sort_values(["time_hour", "minute", "carrier", "flight", "origin"])
    departure = raw["time_hour"] + pd.to_timedelta(raw["minute"], unit="min")
    arrival = _scheduled_arrival(raw, departure, airports.set_index("faa")["timezone"])
    departed = departure + pd.to_timedelta(raw["dep_delay"], unit="min")
    cancelled, diverted = raw["dep_time"].isna(), raw["dep_time"].notna() & raw["arr_delay"].isna()
    ferry = cancelled & (raw["origin"] == "EWR") & (raw["dest"] == "LGA")
    midnight = (raw[["dep_time", "arr_time"]] == 2400).any(axis=1)
    text = {name: raw[name].astype("category") for name in ("carrier", "origin", "dest", "tailnum")}
    flights = pd.DataFrame(
        {
            "carrier": text["carrier"],
            "flight": narrow(raw["flight"], "int32"),
            "origin": text["origin"],
            "scheduled_departure": departure,
            "dest": text["dest"],
            "tailnum": text["tailnum"],
            "distance": narrow(raw["distance"], "int32"),
            "scheduled_arrival": arrival,
            "departed_at": departed,
            "arrived_at": arrival + pd.to_timedelta(raw["arr_delay"], unit="min"),
            "cancelled_at": (departure + HOUR).where(cancelled),
            "diverted_at": (departed + (arrival - departure) + 3 * HOUR).where(diverted),
            "departure_delay": narrow(raw["dep_delay"], "float32"),
            "arrival_delay": narrow(raw["arr_delay"], "float32"),
            "air_time": narrow(raw["air_time"], "float32"),
        }
    )[~ferry].reset_index(drop=True)
    return flights, _found(
        "flights",
        len(raw),
        ("ferry flight between New York's airports", "excluded", ferry.sum()),
        (
            "cancelled, assumed known an hour after the scheduled departure",
            "kept",
            (cancelled & ~ferry).sum(),
        ),
        (
            "diverted or lost, assumed known three hours after it should have landed",
            "kept",
            diverted.sum(),
        ),
        (
            "aircraft not recorded; all cancelled, so never used as a sign",
            "kept",
            (raw["tailnum"].isna() & ~ferry).sum(),
        ),
        ("actual clock at 24:00, read as midnight", "repaired", midnight.sum()),
    )


def _scheduled_arrival(raw: pd.DataFrame, departure: pd.Series, timezones: pd.Series) -> pd.Series:
    """Return the scheduled arrival in UTC from the clock at the destination.

    The day is rolled forward in local time where the flight would arrive before it departs;
    adding 24 hours in UTC would be an hour off on the days when the clock changes.
    """
    zone = raw["dest"].map(timezones)
    if zone.isna().any():
        lost = sorted(raw.loc[zone.isna(), "dest"].unique())
        raise RunError(
            f"Dataset 'raw_flights': destinations {lost} have no time zone in 'airports'. "
            "Add them to raw_airports, or as clean_airports does for PUERTO_RICO."
        )
    clock = pd.to_timedelta(clock_minutes(raw["sched_arr_time"]), unit="min")
    arrival = pd.Series(pd.NaT, index=raw.index, dtype=departure.dtype)
    for name, rows in zone.groupby(zone, observed=True).groups.items():
        leaves = departure.loc[rows].dt.tz_convert(name).dt.tz_localize(None)
        lands = leaves.dt.normalize() + clock.loc[rows]
        lands = lands.mask(lands <= leaves, lands + DAY)
        # The hour that autumn repeats: the first of the two is the sooner after departure.
        first = np.ones(len(lands), dtype=bool)
        local = lands.dt.tz_localize(name, ambiguous=first, nonexistent="shift_forward")
        arrival.loc[rows] = local.dt.tz_convert("UTC")
    return arrival


def join_cleaning_logs(
    airports_log: pd.DataFrame,
    aircraft_log: pd.DataFrame,
    weather_log: pd.DataFrame,
    flights_log: pd.DataFrame,
    flights: pd.DataFrame,
    aircraft: pd.DataFrame,
    raw_airlines: pd.DataFrame,
) -> pd.DataFrame:
    """Return what cleaning did to all tables, and which keys of flights lead nowhere.

    Grain: one row per table and finding. Rows whose key leads nowhere are kept, their look-ups are
    missing.
    """
    unregistered = flights["tailnum"].notna() & ~flights["tailnum"].isin(aircraft["tailnum"])
    unnamed = ~flights["carrier"].isin(raw_airlines["carrier"])
    links = _found(
        "flights",
        len(flights),
        ("aircraft not in the registry", "kept", unregistered.sum()),
        ("carrier not among the airlines", "kept", unnamed.sum()),
    )
    logs = [flights_log, links, weather_log, aircraft_log, airports_log]
    return pd.concat(logs, ignore_index=True)
