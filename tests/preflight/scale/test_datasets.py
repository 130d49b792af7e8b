"""Tables in partitions as datasets: versions that are complete or not there."""

from pathlib import Path

import pandas as pd
import pytest
from kedro.io import DatasetError, Version

from preflight.partitions import Partitions
from preflight.scale.datasets import PartitionedTable, Scratch

ONE = "2026-01-01T00.00.00.000Z"


def made(folder: Path) -> Partitions:
    folder.mkdir(parents=True)
    for name in ("2023", "2024"):
        pd.DataFrame({"year": [int(name)]}).to_parquet(folder / f"{name}.parquet")
    return Partitions.at(folder, 10)


def test_a_version_is_moved_to_its_place_and_read_from_there(tmp_path: Path) -> None:
    place = tmp_path / "table.parquet"
    dataset = PartitionedTable(str(place), 10, version=Version(None, ONE))
    assert not dataset.exists()
    dataset.save(made(tmp_path / "scratch/it"))
    assert not (tmp_path / "scratch").exists()
    found = PartitionedTable(str(place), 10, version=Version(None, None)).load()
    assert list(found.files) == ["2023", "2024"]
    assert found.files["2023"] == place / ONE / "table.parquet" / "2023.parquet"
    assert found.rows == 10
    with pytest.raises(DatasetError, match="must not exist"):
        dataset.save(made(tmp_path / "scratch/again"))


def test_a_version_of_a_run_without_partitions_is_one_partition(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet" / ONE / "table.parquet"
    path.parent.mkdir(parents=True)
    pd.DataFrame({"year": [2024]}).to_parquet(path)
    found = PartitionedTable(
        str(tmp_path / "table.parquet"), 10, version=Version(None, None)
    ).load()
    assert found.read()["year"].tolist() == [2024]


def test_raw_files_are_only_read(tmp_path: Path) -> None:
    raw = PartitionedTable(str(tmp_path / "raw"), 10)
    files = made(tmp_path / "raw")
    assert list(raw.load().files) == ["2023", "2024"]
    with pytest.raises(DatasetError, match="is only read"):
        raw.save(files)


def test_a_deferred_table_is_a_function_that_reads_the_newest_rows(tmp_path: Path) -> None:
    made(tmp_path / "table")
    read = PartitionedTable(str(tmp_path / "table"), 1, deferred=True).load()
    assert read()["year"].tolist() == [2024]


def test_scratch_is_there_when_it_is_needed(tmp_path: Path) -> None:
    assert Scratch(str(tmp_path / "a/b")).load().is_dir()
