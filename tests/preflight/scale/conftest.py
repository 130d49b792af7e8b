"""Orders of shops in files of a day each: tables, contracts, and the pipelines that build them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kedro.pipeline import Node, Pipeline

from preflight.contracts.cleaning import Cleaning
from preflight.contracts.raw_table import RawTable
from preflight.contracts.table import IN_ADVANCE, Table, Utc, column, table_rule
from preflight.features.windows import Events, codes
from preflight.partitions import Partitions

DAY = pd.Timedelta(days=1)
DAYS = 6
SPAN = 2 * DAY  # of the windows


class RawOrders(RawTable, key=["shop", "ordered_at"], event_time="ordered_at"):
    """One row per order, as exported."""

    shop: str = column("shop")
    ordered_at: Utc = column("order", "UTC")
    amount: float = column("amount", "EUR", ge=0)


class Orders(Table, key=["shop", "ordered_at"], known_at=IN_ADVANCE, event_time="ordered_at"):
    """One row per order."""

    shop: pd.CategoricalDtype = column("shop")
    ordered_at: Utc = column("order", "UTC")
    amount: float = column("amount", "EUR", ge=0)

    @table_rule("there are at least two shops", "shop")
    def two_shops(cls, table: pd.DataFrame) -> bool:
        return table["shop"].nunique() >= 2


class Features(Table, key=["shop", "ordered_at"], look_back="49h", look_ahead="0D"):
    """One row per order."""

    shop: pd.CategoricalDtype = column("shop", group="what")
    ordered_at: Utc = column("order", "UTC")
    orders_before: int = column("orders of the shop in two days", group="history")
    mean_before: float = column("their mean amount", "EUR", nullable=True, group="history")


def clean_orders(raw_orders: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the orders above 0, and the log."""
    kept = raw_orders[raw_orders["amount"] > 0].sort_values(["ordered_at", "shop"])
    log = pd.DataFrame(
        {
            "table": ["orders", "shops"],
            "finding": ["no amount", "no name"],
            "action": ["excluded", "kept"],
            "rows": [len(raw_orders) - len(kept), 1],
            "of": [len(raw_orders), 4],
        }
    )
    return kept.astype({"shop": "category"}).reset_index(drop=True), log


def build_features(orders: pd.DataFrame) -> pd.DataFrame:
    """Return what was known before each order of its shop."""
    shop, at = codes(orders["shop"]), orders["ordered_at"]
    window = Events(at, amount=orders["amount"].to_numpy()).by(shop).at(shop, at - DAY / 24)
    return orders[["shop", "ordered_at"]].assign(
        orders_before=window.count(SPAN), mean_before=window.mean("amount", SPAN)
    )


@pytest.fixture(scope="session")
def contracts() -> dict[str, Any]:
    return {
        "raw_orders": RawOrders,
        "orders": Orders,
        "cleaning": Cleaning,
        "features": Features,
    }


@pytest.fixture(scope="session")
def cleaning_stage() -> Pipeline:
    node = Node(clean_orders, "raw_orders", ["orders", "cleaning"], name="clean_orders")
    return Pipeline([node], namespace="cleaning_stage", prefix_datasets_with_namespace=False)


@pytest.fixture(scope="session")
def feature_stage() -> Pipeline:
    return Pipeline(
        [
            Node(build_features, "orders", "features", name="build_features"),
            Node(len, "features", "rows", name="count_rows"),
        ],
        namespace="feature_stage",
        prefix_datasets_with_namespace=False,
    )


@pytest.fixture(scope="session")
def raw() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    minutes = np.sort(rng.choice(DAYS * 1440, 600, replace=False))
    return pd.DataFrame(
        {
            "shop": rng.choice(["a", "b", "c", "d"], 600),
            "ordered_at": pd.Timestamp("2024-02-27", tz="UTC").as_unit("us")
            + pd.to_timedelta(minutes, unit="min"),
            "amount": rng.choice([0.0, 1.25, 3.1, 40.7], 600, p=[0.05, 0.35, 0.3, 0.3]),
        }
    ).astype({"ordered_at": "datetime64[us, UTC]"})


@pytest.fixture
def files(tmp_path: Path, raw: pd.DataFrame) -> Partitions:
    """The raw orders, a file for each day."""
    return write(raw, tmp_path / "raw_orders")


def write(table: pd.DataFrame, folder: Path, rows: int = 250) -> Partitions:
    """Write a file for each day, and return them."""
    folder.mkdir(parents=True)
    for day, part in table.groupby(table["ordered_at"].dt.strftime("%Y-%m-%d")):
        part.to_parquet(folder / f"{day}.parquet", index=False)
    return Partitions.at(folder, rows)
