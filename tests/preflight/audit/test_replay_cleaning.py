"""Cleaning by later rows is found; by earlier rows, or by the row itself, it passes."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kedro.pipeline import Node, Pipeline

from preflight.audit.replay_cleaning import replay_cleaning
from preflight.contracts.raw_table import RawTable
from preflight.contracts.table import IN_ADVANCE, Table, Utc, column
from preflight.errors import RunError
from preflight.features.point_in_time import run_in_memory

from late_flights.pipelines.data_engineering import create_pipeline, nodes

AUDIT: Any = SimpleNamespace(seed=1)
NOWHERE = Path("no project")
REST = ["files: primary tables", "rows of parcels"]  # that pass, whatever the replay finds


class RawParcels(RawTable, key=["parcel"], event_time="ships_at"):
    """As they come."""

    parcel: int = column("number")
    ships_at: Utc = column("leaves", "UTC")
    place: str = column("where it goes")
    weight: float = column("weight", "kg", nullable=True)


class Undated(RawParcels):
    """Without a column by which rows are dated."""

    class Config:
        """No event_time."""

        metadata: dict[str, Any] = {"event_time": None}


class Parcels(Table, key=["parcel"], known_at=IN_ADVANCE, event_time="ships_at"):
    """Clean."""

    parcel: int = column("number")
    ships_at: Utc = column("leaves", "UTC")
    place: pd.CategoricalDtype = column("where it goes")
    weight: float = column("weight", "kg", known_at=IN_ADVANCE)


@pytest.fixture
def raw() -> pd.DataFrame:
    """Ninety parcels in disorder, of which each third has no weight."""
    number, rng = np.arange(90), np.random.default_rng(0)
    ships = pd.date_range("2013-01-01", periods=90, freq="h", tz="UTC", unit="us")
    weight = np.where(number % 3 == 0, np.nan, rng.uniform(1, 9, 90))
    place = rng.choice(["east", "west"], 90)
    rows = pd.DataFrame({"parcel": number, "ships_at": ships, "place": place, "weight": weight})
    return rows.sample(frac=1, random_state=1, ignore_index=True)


def in_order(raw: pd.DataFrame) -> pd.DataFrame:
    return raw.sort_values("ships_at", ignore_index=True).astype({"place": "category"})


def by_earlier_rows(raw: pd.DataFrame) -> pd.DataFrame:
    rows = in_order(raw)
    return rows.assign(weight=rows.groupby("place", observed=True)["weight"].ffill())


def fill_from_behind(raw: pd.DataFrame) -> pd.DataFrame:
    rows = in_order(raw)
    return rows.assign(weight=rows["weight"].bfill())


def mean_of_all(raw: pd.DataFrame) -> pd.DataFrame:
    rows = in_order(raw)
    return rows.assign(weight=rows["weight"].fillna(rows["weight"].mean()))


def mean_of_the_day(raw: pd.DataFrame) -> pd.DataFrame:
    rows = in_order(raw)
    mean = rows.groupby(rows["ships_at"].dt.date)["weight"].transform("mean")
    return rows.assign(weight=rows["weight"].fillna(mean))


def keep_what_comes_again(raw: pd.DataFrame) -> pd.DataFrame:
    rows = in_order(raw)
    return rows[rows["place"].shift(-1).eq(rows["place"])]


def replayed(
    clean: Callable[[pd.DataFrame], pd.DataFrame], raw: pd.DataFrame, of_raw: Any = RawParcels
) -> pd.DataFrame:
    graph = Pipeline([Node(clean, "raw_parcels", "parcels", name="clean")])
    contracts: Any = {"raw_parcels": of_raw, "parcels": Parcels}
    made = clean(raw)
    left_out = len(raw) - len(made)
    log = pd.DataFrame({"table": ["parcels"], "action": ["excluded"], "rows": [left_out]})
    return replay_cleaning(AUDIT, contracts, graph, log, NOWHERE, raw_parcels=raw, parcels=made)


@pytest.mark.parametrize("clean", [in_order, by_earlier_rows])
def test_cleaning_by_earlier_rows_passes(
    clean: Callable[[pd.DataFrame], pd.DataFrame], raw: pd.DataFrame
) -> None:
    found = replayed(clean, raw)
    assert found["state"].tolist() == ["passed"] * 3
    assert found["check"].tolist() == ["cleaning", *REST]
    assert found["evidence"][0].startswith(
        "parcels from the raw rows up to 3 moments from 02 January"
    )


@pytest.mark.parametrize(
    ("clean", "what"),
    [
        (fill_from_behind, "parcels.weight"),
        (mean_of_all, "parcels.weight"),
        (mean_of_the_day, "parcels.weight"),
        (keep_what_comes_again, "the rows of parcels"),
    ],
)
def test_cleaning_by_later_rows_is_found(
    clean: Callable[[pd.DataFrame], pd.DataFrame], raw: pd.DataFrame, what: str
) -> None:
    found = replayed(clean, raw)
    assert found["state"].tolist() == ["failed", "passed", "passed"]
    assert found["check"].tolist() == [f"cleaning: {what}", *REST]
    assert "sees the raw rows up to 2013-01-" in found["evidence"][0]
    assert "fill, correct and leave out by earlier rows" in found["evidence"][0]


def test_cleaning_that_needs_all_rows_is_told(raw: pd.DataFrame) -> None:
    def whole(raw: pd.DataFrame) -> pd.DataFrame:
        return in_order(raw).assign(weight=np.arange(90.0))

    with pytest.raises(
        RunError, match=r"'parcels' can't be cleaned .* let cleaning work with fewer"
    ):
        replayed(whole, raw)


def test_without_dated_raw_rows_nothing_is_tested(raw: pd.DataFrame) -> None:
    found = replayed(fill_from_behind, raw, Undated)
    assert found["state"].tolist() == ["untested", "passed"]
    assert "Declare the column by which a raw table is dated" in found["evidence"][0]


def filled(raw_weather: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The weather of the project, with gaps in pressure filled by the next reading."""
    weather, log = nodes.clean_weather(raw_weather)
    pressure = weather.groupby("origin", observed=True)["pressure"].bfill()
    return weather.assign(pressure=pressure), log


@pytest.mark.parametrize(("clean", "faults"), [(None, 0), (filled, 1)])
def test_a_fill_from_behind_in_the_weather_is_found(
    raw_tables: dict[str, pd.DataFrame],
    small_raw: dict[str, pd.DataFrame],
    project_contracts: Any,
    clean: Any,
    faults: int,
) -> None:
    graph = create_pipeline()
    if clean:
        others = [node for node in graph.nodes if node.name != "data_engineering.clean_weather"]
        planted = Node(clean, "raw_weather", ["weather", "weather_log"], name="planted")
        graph = Pipeline([*others, planted])
    files = {f"raw_{n.split('.')[0]}": table for n, table in (raw_tables | small_raw).items()}
    raw = {name: files[name] for name in graph.inputs()}
    for name in ("raw_flights", "raw_weather"):
        raw[name] = raw[name].assign(time_hour=pd.to_datetime(raw[name]["time_hour"]))
    names = ("flights", "weather", "airports", "aircraft", "cleaning")
    made = {name: run_in_memory(graph, raw, name) for name in names}
    log = made.pop("cleaning")
    found = replay_cleaning(AUDIT, project_contracts, graph, log, NOWHERE, **raw, **made)
    rows = found[found["check"].str.startswith("rows of ")]
    assert rows["state"].tolist() == ["passed"] * 4  # one airport more is counted as added
    assert "4 added" in rows["evidence"].iloc[1]
    failed = found.loc[found["state"] == "failed", "check"].tolist()
    assert failed == ["cleaning: weather.pressure"] * faults
