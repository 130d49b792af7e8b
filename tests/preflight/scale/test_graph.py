"""Pipelines of a run on partitions: one node builds a stage's tables, others get rows that fit."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node, Pipeline
from kedro.runner import SequentialRunner
from kedro.validation import TypeExtractor

from preflight.errors import RunError
from preflight.partitions import Partitions
from preflight.problem.framing import Framing
from preflight.scale.excerpts import Reading, reading_of, sum_logs, take
from preflight.scale.graph import by_period

TABLES = {"raw_orders", "orders", "cleaning", "features"}


def run(pipeline: Pipeline, tmp_path: Path, **given: Any) -> dict[str, Any]:
    given |= {"scratch": tmp_path, "cluster": None}
    datasets = {
        name: MemoryDataset(value, copy_mode="assign")
        for name, value in given.items()
        if value is not None
    }
    catalog = DataCatalog(datasets)
    catalog["cluster"] = NoCluster()
    return {name: one.load() for name, one in SequentialRunner().run(pipeline, catalog).items()}


class NoCluster(MemoryDataset):
    """Kedro saves no None."""

    def load(self) -> None:
        return None


def test_a_stage_becomes_one_node_with_the_same_outputs(
    cleaning_stage: Pipeline, contracts: dict[str, Any], files: Partitions, tmp_path: Path
) -> None:
    pipeline = by_period({"it": cleaning_stage}, TABLES, contracts)["it"]
    assert [node.name for node in pipeline.nodes] == ["cleaning_stage.build_partitions"]
    assert pipeline.outputs() == {"orders", "cleaning"}
    made = run(pipeline, tmp_path, raw_orders=files)
    assert {type(one) for one in made.values()} == {Partitions}
    assert list(made["orders"].files) == list(files.files)


def test_nodes_without_partitions_stay_and_readers_get_rows_that_fit(
    feature_stage: Pipeline, contracts: dict[str, Any], files: Partitions, tmp_path: Path,
    cleaning_stage: Pipeline,
) -> None:  # fmt: skip
    both = cleaning_stage + feature_stage
    pipeline = by_period({"it": both}, TABLES, contracts)["it"]
    assert sorted(node.name for node in pipeline.nodes) == [
        "cleaning_stage.build_partitions",
        "feature_stage.build_partitions",
        "feature_stage.count_rows",
    ]
    rows = run(pipeline, tmp_path, raw_orders=files)["rows"]
    assert 100 < rows <= 250  # of 600: the newest days, as many as fit


def test_what_is_made_from_partitions_and_used_elsewhere_has_to_be_in_partitions(
    cleaning_stage: Pipeline, contracts: dict[str, Any]
) -> None:
    more = Pipeline(
        [
            Node(lambda raw_orders: (raw_orders, 1), "raw_orders", ["orders", "extra"], name="two"),
            Node(lambda extra: extra, "extra", "used", name="use"),
        ],
        namespace="stage",
        prefix_datasets_with_namespace=False,
    )
    with pytest.raises(RunError, match="extra: made from a table in partitions, and not in part"):
        by_period({"it": more}, TABLES, contracts)


def test_typed_parameters_stay_typed(contracts: dict[str, Any]) -> None:
    def typed(raw_orders: pd.DataFrame, framing: Framing) -> pd.DataFrame:
        return raw_orders

    node = Node(typed, ["raw_orders", "params:framing"], "orders", name="typed")
    pipeline = by_period({"it": Pipeline([node])}, TABLES, contracts)
    assert TypeExtractor(pipeline).extract_types_from_pipelines() == {"framing": Framing}


@pytest.mark.parametrize(
    ("namespace", "inputs", "outputs", "reading"),
    [
        ("feature_engineering", ["features", "labels"], ["train", "test"], Reading.SAMPLE),
        ("audit", ["features", "train"], ["target_audit"], Reading.SAMPLE),
        ("audit", ["features", "orders"], ["replay_audit"], Reading.NEWEST),
        ("retraining", ["features", "labels"], ["challenger"], Reading.SAMPLE),
        ("inference", ["orders"], ["upcoming"], Reading.LAZY),
    ],
)
def test_a_node_gets_a_sample_or_the_newest_rows(
    namespace: str, inputs: list[str], outputs: list[str], reading: Reading
) -> None:
    node = Node(lambda *tables: tables, inputs, outputs, name="node", namespace=namespace)
    assert reading_of(node) is reading


def test_a_sample_states_its_share(files: Partitions, contracts: dict[str, Any]) -> None:
    features = files.read().astype({"shop": "category"})
    assert len(features) == 600
    taken = take({"orders": files}, Reading.SAMPLE, contracts, TABLES)["orders"]
    assert taken.attrs["share"] == 250 / 600
    assert 180 < len(taken) < 320


def test_the_newest_periods_are_the_same_of_each_table_and_begin_with_the_look_back(
    files: Partitions, contracts: dict[str, Any]
) -> None:
    logs = Partitions(files.files, 10_000)
    tables = {"orders": files, "features": logs}
    taken = take(tables, Reading.NEWEST, contracts, TABLES)
    newest = files.newest()
    assert newest == ["2024-03-02", "2024-03-03"]
    assert taken["features"]["ordered_at"].min() >= pd.Timestamp("2024-03-02", tz="UTC")
    first, second = taken["orders"]["ordered_at"].min(), taken["features"]["ordered_at"].min()
    assert pd.Timedelta("48h") < second - first <= pd.Timedelta("49h")
    alone = take({"orders": files}, Reading.NEWEST, contracts, TABLES)["orders"]
    assert len(alone) == len(taken["features"])


def test_logs_are_summed_and_whole_tables_count_once() -> None:
    log = pd.DataFrame(
        {
            "table": ["orders", "shops"],
            "finding": ["no amount", "no name"],
            "action": ["excluded", "kept"],
            "rows": [3, 1],
            "of": [100, 4],
        }
    )
    found = sum_logs([log, log.assign(rows=[2, 1])], {"orders"})
    assert found.set_index("table")[["rows", "of"]].T.to_dict("list") == {
        "orders": [5, 200],
        "shops": [1, 4],
    }
    assert found.dtypes.equals(log.dtypes)
