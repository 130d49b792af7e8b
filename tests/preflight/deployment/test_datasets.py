"""What is read of the champion's evaluation, and of all challengers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from kedro.io import DatasetError

from preflight.deployment import champion
from preflight.deployment.datasets import ModelVersions, OfChampion
from preflight.modeling.skops_file import dump
from preflight.runs.raw_files import hash_file


@pytest.fixture
def promoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """A pointer, and tables of the run that evaluated the champion and of a later one."""
    tables, runs = {}, {}
    for run in ("r1", "r2"):
        tables[run] = tmp_path / "data" / f"{run}.parquet"
        tables[run].parent.mkdir(exist_ok=True)
        pd.DataFrame({"run": [run]}).to_parquet(tables[run])
        path, digest = f"data/{run}.parquet", hash_file(tables[run])
        runs[run] = {"inputs": {}, "outputs": {"table": {"path": path, "sha256": digest}}}
    monkeypatch.setattr("preflight.deployment.datasets.read_manifest", lambda _, run: runs[run])
    return tables | {"pointer": tmp_path / champion.POINTER}


def promote(pointer: Path, **record: Any) -> None:
    usual = {"version": "v", "path": "a", "override": None, "instead_of": None}
    before = champion.current(pointer)
    usual["instead_of"] = before and before.sha256
    champion.promote(pointer, champion.ChampionRecord.model_validate(usual | record))


def test_a_table_is_that_of_the_run_that_evaluated_the_champion(promoted: dict[str, Path]) -> None:
    dataset = OfChampion(str(promoted["pointer"]), "table")
    assert dataset.load() is None  # nothing was promoted yet
    promote(promoted["pointer"], run="r1", sha256="a" * 64)
    assert dataset.load().to_dict("list") == {"run": ["r1"]}
    promote(promoted["pointer"], run="r3", recipe_run="r2", sha256="b" * 64)  # a refit
    assert dataset.load().to_dict("list") == {"run": ["r2"]}


def test_a_table_that_changed_since_is_refused(promoted: dict[str, Path]) -> None:
    promote(promoted["pointer"], run="r1", sha256="a" * 64)
    pd.DataFrame({"run": ["other"]}).to_parquet(promoted["r1"])
    with pytest.raises(DatasetError, match=r"data/r1\.parquet, which the evaluation .*Restore it"):
        OfChampion(str(promoted["pointer"]), "table").load()


def test_pointers_of_before_refits_can_be_read(promoted: dict[str, Path]) -> None:
    promote(promoted["pointer"], run="r1", sha256="a" * 64)
    written = json.loads(promoted["pointer"].read_text())
    for one in (*written["champions"], *(change["champion"] for change in written["history"])):
        del one["recipe_run"]
    promoted["pointer"].write_text(json.dumps(written))
    now = champion.current(promoted["pointer"])
    assert now is not None
    assert now.recipe_run is None


def test_candidates_with_a_verdict_are_challengers_too(
    tmp_path: Path, write_run: Callable[..., None], record_of: Callable[..., Any]
) -> None:
    judged, other = "2026-01-01T00.00.00.000Z", "2026-01-02T00.00.00.000Z"
    folder = tmp_path / "data/06_models"
    made = {
        "candidate": record_of(f"{folder.name}/c", "1" * 64, judged),
        "verdict": record_of("verdict.json", "2" * 64, judged),
    }
    write_run(tmp_path, judged, outputs=made)
    write_run(tmp_path, other, outputs={"candidate": record_of("c", "3" * 64, other)})
    refit = folder / "challenger.skops/2026-01-03T00.00.00.000Z/challenger.skops"
    refit.parent.mkdir(parents=True)
    with refit.open("wb") as opened:
        dump({"made": "refit"}, opened)
    models = ModelVersions(
        str(folder / "challenger.skops"), [], judged=str(folder / "candidate.skops")
    )
    assert list(models.load()) == [judged, refit.parent.name]
    assert list(ModelVersions(str(folder / "challenger.skops"), []).load()) == [refit.parent.name]


def test_all_versions_of_a_model_are_read_one_at_a_time(tmp_path: Path) -> None:
    for version in ("2013-02", "2013-01"):
        file = tmp_path / "model.skops" / version / "model.skops"
        file.parent.mkdir(parents=True)
        with file.open("wb") as opened:
            dump({"made": version}, opened)
    found = ModelVersions(str(tmp_path / "model.skops"), []).load()
    assert list(found) == ["2013-01", "2013-02"]
    assert [read() for read in found.values()] == [{"made": "2013-01"}, {"made": "2013-02"}]
    assert ModelVersions(str(tmp_path / "none.skops"), []).load() == {}
    file.write_bytes(file.read_bytes()[:-1])
    assert found["2013-02"]() == {"made": "2013-02"}
    with pytest.raises(
        DatasetError, match=f"model is damaged: {file}. .* delete the folder 2013-01"
    ):
        found["2013-01"]()
