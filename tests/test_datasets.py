"""The project's own datasets."""

import json
from pathlib import Path

import pandas as pd
import pytest
from kedro.io import DatasetError

from preflight.datasets import IfThere, KeptVersions, ParquetTable


def test_what_is_not_there_is_nothing_until_it_is(tmp_path: Path) -> None:
    entry = {"type": "json.JSONDataset", "filepath": str(tmp_path / "one.json")}
    dataset = IfThere(entry)
    assert not dataset.exists()
    assert dataset.load() is None
    dataset.save({"a": 1})
    assert IfThere(entry).exists()
    assert IfThere(entry).load() == {"a": 1}


def test_a_file_that_can_not_be_read_is_not_taken_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text("{")
    with pytest.raises(DatasetError):
        IfThere({"type": "json.JSONDataset", "filepath": str(tmp_path / "one.json")}).load()


def test_kept_versions_come_in_order_and_are_only_read(tmp_path: Path) -> None:
    kept = KeptVersions(str(tmp_path / "verdict.json"))
    assert kept.load() == []
    for version in ("2013-01-02", "2013-01-01"):
        folder = tmp_path / "verdict.json" / version
        folder.mkdir(parents=True)
        (folder / "verdict.json").write_text(json.dumps(version))
    assert kept.load() == ["2013-01-01", "2013-01-02"]
    with pytest.raises(DatasetError, match="is read here"):
        kept.save([])


def test_a_missing_moment_is_an_empty_cell_of_the_preview(tmp_path: Path) -> None:
    dataset = ParquetTable(filepath=str(tmp_path / "t.parquet"))
    dataset.save(pd.DataFrame({"at": pd.to_datetime(["2013-01-01", None])}))
    assert dataset.preview()["data"][1] == [None]
