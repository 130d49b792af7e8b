"""Tables built one period at a time have the values of one build, and nothing half-made stays."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from kedro.pipeline import Pipeline

from preflight.contracts.table import IN_ADVANCE, Table, Utc, column
from preflight.errors import RunError
from preflight.features.point_in_time import run_in_memory
from preflight.partitions import Partitions
from preflight.scale.periods import build_partitions


@pytest.fixture
def clean(tmp_path: Path, cleaning_stage: Pipeline, contracts: dict[str, Any]) -> Any:
    def clean(files: Partitions) -> dict[str, Partitions]:
        outputs, given = ["cleaning", "orders"], {"raw_orders": files}
        return build_partitions(cleaning_stage, outputs, contracts, tmp_path, None, given)

    return clean


@pytest.fixture
def build(tmp_path: Path, feature_stage: Pipeline, contracts: dict[str, Any]) -> Any:
    def build(given_orders: Partitions, **changed: Any) -> Partitions:
        graph, given = feature_stage.to_outputs("features"), {"orders": given_orders}
        known = {**contracts, **changed}
        return build_partitions(graph, ["features"], known, tmp_path, None, given)["features"]

    return build


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.half-made"))


def test_partitions_have_the_values_of_one_build(
    clean: Any, build: Any, files: Partitions, raw: pd.DataFrame, cleaning_stage: Pipeline,
    feature_stage: Pipeline,
) -> None:  # fmt: skip
    orders = clean(files)["orders"]
    whole = run_in_memory(cleaning_stage, {"raw_orders": raw}, "orders")
    pd.testing.assert_frame_equal(orders.read(), whole)
    features = build(orders)
    expected = run_in_memory(feature_stage, {"orders": whole}, "features")
    pd.testing.assert_frame_equal(features.read(), expected, check_exact=True)
    assert list(features.files) == list(files.files)


def test_without_the_look_back_values_would_differ(
    build: Any, clean: Any, files: Partitions, contracts: dict[str, Any]
) -> None:
    orders = clean(files)["orders"]
    right = build(orders).read()

    class Short(contracts["features"], look_back="1h", look_ahead="0D"):  # type: ignore[misc]
        """Looks further back than it says."""

    wrong = build(orders, features=Short).read()
    assert (wrong["orders_before"] != right["orders_before"]).mean() > 0.3


def test_a_missing_partition_is_named(
    tmp_path: Path, contracts: dict[str, Any], files: Partitions
) -> None:
    fewer = files.pick([*files.files][1:])
    graph = Pipeline([])
    for given in ({"raw_orders": files, "other": fewer}, {"raw_orders": fewer, "other": files}):
        with pytest.raises(RunError, match=r"has no partition 2024-02-27, which other tables have"):
            build_partitions(graph, ["orders"], contracts, tmp_path, None, given)


def test_a_corrupt_partition_is_named_and_nothing_is_left(
    clean: Any, files: Partitions, tmp_path: Path
) -> None:
    files.files["2024-02-29"].write_bytes(b"PAR1 and then nothing")
    with pytest.raises(
        RunError, match=r"Partition '2024-02-29' can't be read: .*2024-02-29.parquet"
    ):
        clean(files)
    assert left(tmp_path) == []


def test_a_partition_with_another_schema_is_named_and_nothing_is_left(
    clean: Any, files: Partitions, tmp_path: Path
) -> None:
    path = files.files["2024-03-01"]
    pd.read_parquet(path).rename(columns={"amount": "price"}).to_parquet(path)
    with pytest.raises(RunError, match=r"Partition '2024-03-01': Dataset 'raw_orders', as read"):
        clean(files)
    assert left(tmp_path) == []


def test_a_value_that_breaks_a_contract_stops_the_run(clean: Any, files: Partitions) -> None:
    path = files.files["2024-03-01"]
    pd.read_parquet(path).assign(amount=-1.0).to_parquet(path)
    with pytest.raises(RunError, match=r"(?s)Partition '2024-03-01': .*amount is below 0"):
        clean(files)


def test_a_key_in_two_partitions_is_named_with_both(
    clean: Any, files: Partitions, tmp_path: Path
) -> None:
    first, second = (pd.read_parquet(one) for one in list(files.files.values())[:2])
    row = first[first["amount"] > 0].tail(1)
    pd.concat([row, second]).to_parquet(files.files["2024-02-28"])
    with pytest.raises(RunError, match=r"'orders' has a key twice: shop ., ordered_at 2024-02-27"):
        clean(files)
    assert left(tmp_path) == []


def test_a_row_in_the_file_of_another_period_is_an_overlap(clean: Any, files: Partitions) -> None:
    first, second = (pd.read_parquet(one) for one in list(files.files.values())[:2])
    row = first[first["amount"] > 0].tail(3)
    first.drop(row.index).to_parquet(files.files["2024-02-27"])
    pd.concat([row.head(1), second]).to_parquet(files.files["2024-02-28"])
    clean(files)  # still one after the other
    pd.concat([row.tail(2), first.drop(row.index)]).to_parquet(files.files["2024-02-27"])
    with pytest.raises(RunError, match=r"overlap in time: '2024-02-27' ends at .*28' beg"):
        clean(files)


def test_a_rule_of_the_whole_table_is_checked_over_all_partitions(
    clean: Any, files: Partitions
) -> None:
    for path in files.files.values():  # each file has one shop: right for all, wrong for a file
        table = pd.read_parquet(path)
        table.assign(shop="a" if path.stem < "2024-03" else "b").to_parquet(path)
    clean(files)
    for path in files.files.values():
        pd.read_parquet(path).assign(shop="a").to_parquet(path)
    with pytest.raises(RunError, match=r"'orders', all partitions .* at least two shops"):
        clean(files)


def test_a_partition_without_rows_is_named(build: Any, clean: Any, files: Partitions) -> None:
    orders = clean(files)["orders"]
    path = orders.files["2024-02-28"]
    pd.read_parquet(path).head(0).astype({"shop": "category"}).to_parquet(path)
    with pytest.raises(RunError, match=r"Partition '2024-02-28' of 'orders' has no rows"):
        build(orders)


def test_features_without_a_row_for_each_decision_are_refused(
    tmp_path: Path, contracts: dict[str, Any], clean: Any, files: Partitions
) -> None:
    from kedro.pipeline import Node

    orders = clean(files)["orders"]
    graph = Pipeline([Node(lambda orders: orders.head(3), "orders", "features", name="few")])
    with pytest.raises(RunError, match=r"'features' has 3 rows for .* decisions"):
        build_partitions(graph, ["features"], contracts, tmp_path, None, {"orders": orders})


def test_tables_without_a_time_can_not_be_cut(build: Any, clean: Any, files: Partitions) -> None:
    orders = clean(files)["orders"]

    class Undated(Table, key=["shop", "ordered_at"], known_at=IN_ADVANCE):
        """Orders, without their event_time."""

        shop: pd.CategoricalDtype = column("shop")
        ordered_at: Utc = column("order", "UTC")
        amount: float = column("amount", "EUR")

    with pytest.raises(RunError, match=r"No partitioned table has the key of the features"):
        build(orders, orders=Undated)
