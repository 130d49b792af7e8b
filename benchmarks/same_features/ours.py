"""pandas and NumPy with the engine's trailing windows: all rows at once, or a year at a time."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from preflight.features.windows import Events, Ints, codes
from preflight.partitions import Partitions

from benchmarks import same_features as same

LEAD = pd.Timedelta(hours=same.LEAD_HOURS)
# The longest window, and three days until an outcome is known; the contract of features has it too.
LOOK_BACK = LEAD + pd.Timedelta(days=max(same.DAYS) + 3)
ANY = 10**9  # rows that fit into memory


def build(
    flights: pd.DataFrame, weather: pd.DataFrame, aircraft: pd.DataFrame, airports: pd.DataFrame
) -> pd.DataFrame:
    """Return the features of all flights. Grain: as `flights`."""
    now = flights["scheduled_departure"] - LEAD
    columns: dict[str, npt.NDArray[np.float64]] = {}

    origins = flights["origin"].cat.categories
    here = _numbers(flights["origin"])
    station = _numbers(weather["origin"].cat.set_categories(origins))
    published = Events(weather["published_at"], row=np.arange(len(weather))).by(station)
    row = published.at(here, now).last("row", pd.Timedelta(hours=same.WEATHER_HOURS))
    readings = weather[same.READINGS].reindex([*range(len(weather)), -1])  # -1: none
    readings = readings.iloc[np.nan_to_num(row, nan=-1).astype(np.int64)]
    columns.update({name: readings[name].to_numpy() for name in same.READINGS})

    columns.update(_looked_up(flights["tailnum"], aircraft.set_index("tailnum")[same.REGISTERED]))
    columns.update(_looked_up(flights["dest"], airports.set_index("faa")[["altitude"]]))

    failed_at = flights["cancelled_at"].fillna(flights["diverted_at"])
    late = (flights["arrival_delay"] > same.LATE) | failed_at.notna()
    outcomes = Events(flights["arrived_at"].fillna(failed_at), late=late.to_numpy())
    for name, key in same.KEYS.items():
        code = codes(*(flights[column] for column in key))
        window = outcomes.by(code).at(code, now)
        for days in same.DAYS:
            columns[f"{name}_count_{days}d"] = window.count(pd.Timedelta(days=days))
            columns[f"{name}_rate_{days}d"] = window.mean("late", pd.Timedelta(days=days))

    tail = _numbers(flights["tailnum"])
    arrived_at = flights["arrived_at"].where(tail >= 0)  # without a tail it is nobody's
    arrived = Events(arrived_at, delay=flights["arrival_delay"].to_numpy())
    before = arrived.by(tail).at(tail, now)
    columns["last_delay"] = before.last("delay", pd.Timedelta(days=same.LAST_DELAY_DAYS))
    features = {name: columns[name].astype("float32") for name in same.FEATURES}
    return pd.DataFrame({"id": flights["id"], **features}, copy=False)


def _numbers(category: pd.Series) -> Ints:
    """Return the number of each value's category; -1 where there is no value."""
    return category.cat.codes.to_numpy().astype(np.int64)


def _looked_up(key: pd.Series, table: pd.DataFrame) -> dict[str, npt.NDArray[np.float64]]:
    """Return the columns of a table for each key: one look-up per category, then by position."""
    found = table.reindex([*key.cat.categories, None])
    return {name: found[name].to_numpy()[key.cat.codes] for name in table}


def _others(source: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    return pd.read_parquet(source / "aircraft.parquet"), pd.read_parquet(
        source / "airports.parquet"
    )


def all_at_once(source: Path, target: Path) -> None:
    """Write the features of all flights, built in memory at once."""
    flights = Partitions.at(source / "flights", ANY).read(columns=same.FLIGHTS)
    weather = Partitions.at(source / "weather", ANY).read(columns=same.WEATHER)
    build(flights, weather, *_others(source)).to_parquet(target / "all.parquet")


def by_year(source: Path, target: Path) -> None:
    """Write the features a year at a time, each from its own rows and those it looks back on."""
    flights = Partitions.at(source / "flights", ANY)
    weather = Partitions.at(source / "weather", ANY)
    others = _others(source)
    for name, (first, last) in flights.spans("scheduled_departure").items():
        start = first - LOOK_BACK
        rows = flights.between("scheduled_departure", start, last)
        features = build(rows, weather.between("published_at", start, last), *others)
        own = rows["scheduled_departure"] >= first
        features[own].to_parquet(target / f"{name}.parquet")
