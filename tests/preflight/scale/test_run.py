"""Runs of the example in partitions: the same values, and pipelines put back afterwards."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner
from kedro.framework.startup import bootstrap_project

from preflight.cli.commands import cli
from preflight.errors import RunError
from preflight.partitions import Partitions
from preflight.runs.manifest import read_manifest
from preflight.runs.raw_files import MANIFEST, hash_file

Project = Callable[..., Path]
STAGES = ("data_engineering", "feature_engineering", "audit")


@pytest.fixture
def cut(project: Project, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose raw tables are cut into months."""
    where = project()
    monkeypatch.chdir(where)
    done = CliRunner().invoke(cli, ["partition", "--by", "month"], obj=bootstrap_project(where))
    assert done.exit_code == 0, done.output
    assert "raw_flights: " in done.output and " files in data/01_raw/flights" in done.output
    return where


def newest(project: Path, name: str) -> pd.DataFrame:
    path = sorted(project.glob(f"data/0*/{name}.parquet/*/{name}.parquet"))[-1]
    table = Partitions.at(path, 1).read()
    return table.astype(dict.fromkeys(table.select_dtypes("category"), "str"))


def test_a_run_in_partitions_has_the_values_of_a_plain_one(
    cut: Path, run: Any, small: dict[str, Any]
) -> None:
    done = run(cut, *STAGES, params=small, env="large")
    assert "features and labels: 2013-02, 2 of" in done.said
    names = ("flights", "weather", "features", "labels", "train", "validation", "test")
    large = {name: newest(cut, name) for name in names}
    assert len(list(cut.glob("data/04_feature/features.parquet/*/features.parquet/*"))) > 1
    outputs = read_manifest(cut, done.version)["outputs"]
    folder = cut / outputs["features"]["path"]
    assert outputs["features"]["sha256"] == hash_file(folder)
    assert outputs["features"]["bytes"] == sum(one.stat().st_size for one in folder.iterdir())
    again = run(cut, *STAGES[:2], params=small)  # the pipelines are the plain ones again
    assert "features and labels:" not in again.said
    for name in names:
        pd.testing.assert_frame_equal(newest(cut, name), large[name], check_exact=True)
    assert list(cut.glob("data/unfinished/*")) == []


def test_inference_reads_the_partitions_that_it_needs(
    cut: Path, run: Any, small: dict[str, Any]
) -> None:
    asked = {"inference": {"moment": "2013-02-15T21:00:00Z"}}
    run(cut, "data_engineering", params=small, env="large")
    with pytest.raises(RunError, match="There is no champion"):
        run(cut, "inference", params=small | asked, env="large")
    large = newest(cut, "upcoming")
    run(cut, "data_engineering", params=small)
    with pytest.raises(RunError, match="There is no champion"):
        run(cut, "inference", params=small | asked)
    assert len(large) > 10
    pd.testing.assert_frame_equal(newest(cut, "upcoming"), large, check_exact=True)


def test_a_sample_is_stated_in_the_split(cut: Path, run: Any, small: dict[str, Any]) -> None:
    conf = cut / "conf/large/catalog.yml"
    conf.write_text(conf.read_text().replace("rows: 1_000_000", "rows: 9_000"))
    run(cut, *STAGES[:2], params=small, env="large")
    split, rows = newest(cut, "split_summary"), len(newest(cut, "features"))
    assert rows > 9_000
    assert split["share"].tolist() == [9_000 / rows] * 3
    assert 8_000 < split["rows"].sum() + split["left_out"].sum() < 10_000


def test_a_partition_that_changed_or_is_new_stops_the_run(
    cut: Path, run: Any, small: dict[str, Any]
) -> None:
    path = cut / "data/01_raw/weather/2013-01.parquet"
    before = path.read_bytes()
    pd.read_parquet(path).iloc[1:].to_parquet(path)
    with pytest.raises(RunError, match=r"weather/2013-01.parquet has changed"):
        run(cut, "data_engineering", params=small, env="large")
    path.write_bytes(before)
    (path.parent / "2014-01.parquet").write_bytes(before)
    with pytest.raises(RunError, match=r"2014-01.parquet is not in manifest.json"):
        run(cut, "data_engineering", params=small, env="large")
    (path.parent / "2014-01.parquet").unlink()
    path.unlink()
    with pytest.raises(RunError, match=r"2013-01.parquet is missing"):
        run(cut, "data_engineering", params=small, env="large")


def test_cut_files_keep_source_and_licence(cut: Path) -> None:
    whole = json.loads((cut / "data/01_raw" / MANIFEST).read_text())["flights.csv.zip"]
    parts = json.loads((cut / "data/01_raw/flights" / MANIFEST).read_text())
    assert {(one["source"], one["licence"]) for one in parts.values()} == {
        (whole["source"], whole["licence"])
    }
    assert sum(one["rows"] for one in parts.values()) == whole["rows"]


def test_without_partitions_the_command_that_makes_them_is_named(
    project: Project, run: Any, small: dict[str, Any]
) -> None:
    where = project()
    (where / "data/01_raw/flights").mkdir()
    (where / "data/01_raw/weather").mkdir()
    for name in ("flights", "weather"):
        (where / "data/01_raw" / name / MANIFEST).write_text("{}")
    with pytest.raises(Exception, match="kedro partition"):
        run(where, "data_engineering", params=small, env="large")


def test_a_raw_table_without_a_time_is_not_cut(project: Project) -> None:
    where = project()
    conf = where / "conf/large/catalog.yml"
    text = "raw_airlines:\n  <<: *partitions\n  filepath: data/01_raw/airlines\n"
    conf.write_text(conf.read_text().replace("raw_flights:", f"{text}\nraw_flights:"))
    done = CliRunner().invoke(cli, ["partition", "--by", "year"], obj=bootstrap_project(where))
    assert done.exit_code == 1
    assert "'raw_airlines' states no event_time" in done.output
    conf.write_text("{}")
    done = CliRunner().invoke(cli, ["partition", "--by", "year"], obj=bootstrap_project(where))
    assert "conf/large/catalog.yml names no raw table" in done.output
