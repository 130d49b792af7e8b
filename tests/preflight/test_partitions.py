"""Tables in partitions: what is read of them, and what is said of files that can't be."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from preflight.errors import RunError
from preflight.partitions import Partitions, concatenate

START = pd.Timestamp("2024-01-01", tz="UTC").as_unit("us")


@pytest.fixture
def table() -> pd.DataFrame:
    hours = pd.to_timedelta(np.arange(96), unit="h")
    kind = ["a"] * 24 + ["c"] * 24 + ["b"] * 48
    return pd.DataFrame({"at": START + hours, "number": np.arange(96), "kind": kind})


@pytest.fixture
def partitions(tmp_path: Path, table: pd.DataFrame) -> Partitions:
    for day, part in table.groupby(table["at"].dt.day):
        typed = part.astype({"kind": "category", "at": "datetime64[us, UTC]"})
        typed.to_parquet(tmp_path / f"day-{day}.parquet", row_group_size=10, index=False)
    (tmp_path / "manifest.json").write_text("{}")
    return Partitions.at(tmp_path, rows=50)


def test_rows_are_those_of_all_files_and_categories_those_of_all_rows(
    partitions: Partitions, table: pd.DataFrame
) -> None:
    found = partitions.read()
    assert found["number"].tolist() == table["number"].tolist()
    assert found["kind"].cat.categories.tolist() == ["a", "b", "c"]
    assert found["kind"].astype("str").tolist() == table["kind"].tolist()
    assert partitions.counts == {f"day-{day}": 24 for day in (1, 2, 3, 4)}


def test_a_period_is_read_from_the_files_that_have_it(
    partitions: Partitions, table: pd.DataFrame
) -> None:
    start, end = START + pd.Timedelta("20h"), START + pd.Timedelta("50h")
    partitions.files["day-4"].write_bytes(partitions.files["day-4"].read_bytes())
    found = partitions.between("at", start, end)
    assert found["number"].tolist() == table.index[20:51].tolist()
    assert partitions.between("at", start)["number"].tolist() == table.index[20:].tolist()
    assert partitions.between("at", end=start)["number"].tolist() == table.index[:21].tolist()
    none = partitions.between("at", START + pd.Timedelta("900D"))
    assert none.empty and list(none) == ["at", "number", "kind"]


def test_spans_without_statistics_are_read_from_the_column(tmp_path: Path) -> None:
    moments = pd.Series(START + pd.to_timedelta([3, 1, 2], unit="h"))
    table = pa.table({"at": pa.array(moments)})
    pq.write_table(table, tmp_path / "plain.parquet", write_statistics=False)
    assert Partitions.at(tmp_path, 10).spans("at") == {"plain": (moments.min(), moments.max())}


def test_a_sample_is_the_same_each_time_and_for_each_table_of_the_key(
    partitions: Partitions, table: pd.DataFrame
) -> None:
    one, share = partitions.sample(["number"])
    other, _ = Partitions(partitions.files, 50).sample(["number"])
    assert share == 50 / 96
    assert 30 < len(one) < 70
    pd.testing.assert_frame_equal(one, other)
    every, share = Partitions(partitions.files, 96).sample(["number"])
    assert (len(every), share) == (96, 1)


def test_the_newest_partitions_are_those_that_fit_or_the_last(partitions: Partitions) -> None:
    assert partitions.newest() == ["day-3", "day-4"]
    assert Partitions(partitions.files, 5).newest() == ["day-4"]
    assert len(Partitions(partitions.files, 1000).newest()) == 4


def test_a_file_of_its_own_is_one_period(partitions: Partitions) -> None:
    alone = Partitions.at(partitions.files["day-2"], 10)
    assert list(alone.files) == ["all"] and len(alone.read()) == 24


def test_a_folder_without_files_says_how_to_make_them(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"has no Parquet files. .*2013-02.parquet.*kedro partition"):
        Partitions.at(tmp_path, 10)


def test_a_damaged_file_is_named(partitions: Partitions) -> None:
    partitions.files["day-3"].write_bytes(b"nothing")
    for read in (partitions.read, lambda: partitions.counts, lambda: partitions.spans("at")):
        with pytest.raises(RunError, match=r"Partition 'day-3' can't be read: .*day-3.parquet"):
            read()


def test_a_file_without_the_time_is_named(partitions: Partitions) -> None:
    pd.DataFrame({"number": [1]}).to_parquet(partitions.files["day-2"])
    with pytest.raises(RunError, match=r"Partition 'day-2' has no column 'at'"):
        partitions.spans("at")


def test_parts_keep_their_columns_and_order(table: pd.DataFrame) -> None:
    parts = [table.iloc[50:].astype({"kind": "category"}), table.astype({"kind": "category"})]
    found = concatenate(parts)
    assert list(found) == list(table)
    assert found.index.tolist() == list(range(len(found)))
