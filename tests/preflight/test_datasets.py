"""The project's own datasets."""

import json
import pickle
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from kedro.io import DataCatalog, DatasetError, Version

from preflight.contracts.raw_table import RawTable
from preflight.contracts.table import column
from preflight.datasets import AllVersions, Folder, LatestJson, OptionalJson, ParquetTable
from preflight.deployment import champion
from preflight.deployment.datasets import Champion, Promotion
from preflight.errors import RunError
from preflight.hooks.guards import ContractHooks
from preflight.modeling.skops_file import dump
from preflight.runs.raw_files import hash_file


class RawCodes(RawTable, key=["code"]):
    """One row per code."""

    code: str = column("the code")


def codes(folder: Path, validator: Any, **entry: Any) -> DataCatalog:
    """Return a catalog of one CSV file whose codes begin with 0, as the hook leaves it."""
    (folder / "codes.csv").write_text("code\n007\n08\n")
    entry = {"type": "pandas.CSVDataset", "filepath": str(folder / "codes.csv"), **entry}
    catalog = DataCatalog.from_config({"raw_codes": entry | {"validator": validator}})
    ContractHooks().after_catalog_created(catalog)
    return catalog


RAW_CODES = f"{__name__}.RawCodes"


def test_a_csv_file_is_read_by_its_contract_in_other_processes_too(tmp_path: Path) -> None:
    catalog = codes(tmp_path, RAW_CODES)
    for one in (catalog, pickle.loads(pickle.dumps(catalog))):  # as ParallelRunner hands it on
        assert one.load("raw_codes")["code"].tolist() == ["007", "08"]


def test_what_the_catalog_says_of_reading_goes_first(tmp_path: Path) -> None:
    catalog = codes(tmp_path, RAW_CODES, load_args={"nrows": 1, "dtype": {"code": "object"}})
    assert catalog.load("raw_codes")["code"].tolist() == ["007"]
    assert catalog["raw_codes"]._load_args == {"nrows": 1, "dtype": {"code": "object"}}


@pytest.mark.parametrize("more", [{"enabled": False}, {"on": "save"}, {"severity": "warn"}])
def test_a_contract_that_does_not_convert_leaves_the_types_to_pandas(
    tmp_path: Path, more: dict[str, Any]
) -> None:
    catalog = codes(tmp_path, {"class": RAW_CODES, **more})
    assert catalog["raw_codes"]._load_args == {}


def test_other_datasets_are_read_as_they_are(tmp_path: Path) -> None:
    entry = {"type": "pandas.ParquetDataset", "filepath": str(tmp_path / "codes.parquet")}
    catalog = DataCatalog.from_config({"raw_codes": entry | {"validator": RAW_CODES}})
    ContractHooks().after_catalog_created(catalog)
    assert catalog["raw_codes"]._load_args == {}


def test_without_contracts_types_are_left_to_pandas(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEDRO_DATASET_VALIDATION", "false")
    assert codes(tmp_path, RAW_CODES)["raw_codes"]._load_args == {}


def test_there_is_no_champion_until_one_is_promoted(tmp_path: Path) -> None:
    pointer = str(tmp_path / "data/06_models/champion.json")
    dataset = Champion(pointer, trusted=[])
    assert not dataset.exists()
    assert dataset.load() is None
    with pytest.raises(DatasetError, match="no champion"):
        Promotion(pointer).load()
    with pytest.raises(DatasetError, match="--pipelines deployment"):
        dataset.save({})
    file = tmp_path / "data/06_models/candidate.skops/v1/candidate.skops"
    file.parent.mkdir(parents=True)
    with file.open("wb") as opened:
        dump({"provenance": {"examples": 3}}, opened)
    path = file.relative_to(tmp_path).as_posix()
    record = {"path": path, "version": "v1", "sha256": hash_file(file)}
    Promotion(pointer).save(champion.champion_record(record, run="v2").model_dump())
    assert dataset.exists()
    assert dataset.load() == {"provenance": {"examples": 3, "version": "v1"}}
    assert Promotion(pointer).load()["run"] == "v2"
    assert dataset._get_load_path() == file  # what the manifest of a run records
    file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(RunError, match="has changed"):
        champion.file_of(Path(pointer), champion.read(Path(pointer)).champions[0])
    with pytest.raises(DatasetError, match="has changed"):
        dataset.load()


def test_a_folder_is_only_read(tmp_path: Path) -> None:
    assert Folder(str(tmp_path)).load() == tmp_path
    with pytest.raises(DatasetError, match="only read"):
        Folder(str(tmp_path)).save(1)


def test_kept_versions_come_in_order_and_are_only_read(tmp_path: Path) -> None:
    kept = AllVersions(str(tmp_path / "verdict.json"))
    assert kept.load() == []
    for version in ("2013-01-02", "2013-01-01"):
        folder = tmp_path / "verdict.json" / version
        folder.mkdir(parents=True)
        (folder / "verdict.json").write_text(json.dumps({"run": version}))
    assert kept.load() == [{"run": "2013-01-01"}, {"run": "2013-01-02"}]
    with pytest.raises(DatasetError, match="only read"):
        kept.save([])


@pytest.mark.parametrize("broken", [b'{"run": ', b"", b"[1]", b"\xff\xfe{}"])
def test_a_kept_version_that_is_broken_is_left_out_and_named(
    broken: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = AllVersions(str(tmp_path / "verdict.json"))
    for version, content in {"2013-01-01": b'{"run": 1}', "2013-01-02": broken}.items():
        (tmp_path / "verdict.json" / version).mkdir(parents=True)
        (tmp_path / "verdict.json" / version / "verdict.json").write_bytes(content)
    assert kept.load() == [{"run": 1}]
    assert [record.getMessage().split(" is ")[0] for record in caplog.records] == [
        str(tmp_path / "verdict.json/2013-01-02/verdict.json")
    ]


def test_a_missing_moment_is_an_empty_cell_of_the_preview(tmp_path: Path) -> None:
    dataset = ParquetTable(filepath=str(tmp_path / "t.parquet"))
    dataset.save(pd.DataFrame({"at": pd.to_datetime(["2013-01-01", None])}))
    assert dataset.preview()["data"][1] == [None]


def test_an_optional_file_is_none_until_it_is_there(tmp_path: Path) -> None:
    dataset = OptionalJson(filepath=str(tmp_path / "a.json"), version=Version(None, "1"))
    assert dataset.load() is None
    dataset.save({"a": 1})
    again = OptionalJson(filepath=str(tmp_path / "a.json"), version=Version(None, None))
    assert again.load() == {"a": 1}


def test_a_file_keeps_the_document_of_the_latest_moment(tmp_path: Path) -> None:
    dataset = LatestJson(filepath=str(tmp_path / "a.json"))
    written = [
        {"moment": moment, "n": n}
        for n, moment in enumerate(
            ["2013-01-02T00:00:00Z", "2013-01-01T00:00:00Z", "2013-01-01T23:00:00-05:00"]
        )
    ]
    for document, kept in zip(written, (0, 0, 2), strict=True):
        dataset.save(document)
        assert dataset.load() == written[kept]
    dataset.save(written[2] | {"n": 3})  # the same moment again: repaired meanwhile
    assert dataset.load()["n"] == 3
