"""The versions on disk: listed, and which of them may go."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from preflight.cli.commands import cli
from preflight.cli.versions import list_versions, reasons_to_keep
from preflight.deployment import champion
from preflight.inference.experiment import FOLDER, Designs
from preflight.inference.shadow import SETTING, ShadowSetting, save_document
from preflight.runs.manifest import LEDGER
from preflight.runs.raw_files import hash_file

WriteRun = Callable[..., None]
VERSIONS = [f"2013-01-0{day}T00.00.00.000Z" for day in range(1, 7)]
pytestmark = pytest.mark.usefixtures("registered")


def promote(project: Path, version: str, instead_of: str | None = None) -> None:
    path = f"data/06_models/candidate.skops/{version}/candidate.skops"
    file = {"path": path, "version": version, "sha256": hash_file(project / path)}
    promoted = champion.champion_record(file, run=version, instead_of=instead_of)
    champion.promote(project / champion.POINTER, promoted)


def prunable_versions(project: Path, keep: int) -> list[Any]:
    found = list_versions(project)
    kept = reasons_to_keep(project, found, keep)
    return [one for one in found if one["version"] not in kept]


@pytest.mark.parametrize("stages", [["orphan_parcels"], ["inference, twice"]])
def test_a_run_is_not_pruned_for_what_its_pipelines_are_called(
    write_run: WriteRun, tmp_path: Path, stages: list[str]
) -> None:
    write_run(tmp_path, VERSIONS[0])
    write_run(tmp_path, VERSIONS[1], pipelines=stages)
    assert [v["version"] for v in prunable_versions(tmp_path, keep=1)] == [VERSIONS[0]]


def test_failed_inference_does_not_push_out_a_run_that_trained(
    write_run: WriteRun, tmp_path: Path
) -> None:
    write_run(tmp_path, VERSIONS[0])
    for version in VERSIONS[1:4]:
        write_run(tmp_path, version, pipelines=["inference"], status="failed", error="no feed")
    assert [v["version"] for v in prunable_versions(tmp_path, keep=1)] == VERSIONS[1:3]
    assert [v["version"] for v in prunable_versions(tmp_path, keep=0)] == VERSIONS[:4]


def test_runs_that_failed_early_do_not_push_out_a_result(
    write_run: WriteRun, tmp_path: Path
) -> None:
    write_run(tmp_path, VERSIONS[0])
    for version in VERSIONS[1:4]:
        write_run(tmp_path, version, status="failed", error="a broken contract")
    assert [v["version"] for v in prunable_versions(tmp_path, keep=1)] == VERSIONS[1:3]
    write_run(tmp_path, VERSIONS[4])
    assert [v["version"] for v in prunable_versions(tmp_path, keep=1)] == VERSIONS[:3]


@pytest.mark.parametrize("answer", ["n", "y"])
def test_pruning_marks_each_version_that_it_deletes_before_it_asks(
    answer: str, write_run: WriteRun, tmp_path: Path
) -> None:
    write_run(tmp_path, VERSIONS[0])
    write_run(tmp_path, VERSIONS[1])
    write_run(tmp_path, VERSIONS[2])  # the newest one's train
    write_run(tmp_path, VERSIONS[3], rests_on=VERSIONS[2])
    promote(tmp_path, VERSIONS[0])
    (tmp_path / LEDGER).write_text("{}\n")
    project = SimpleNamespace(project_path=tmp_path)
    arguments = ["versions", "--prune", "--keep", "1"]
    told = CliRunner().invoke(cli, arguments, obj=project, input=answer).output
    *lines, question, _ = told.splitlines()
    assert [line.split("all  ")[1] for line in lines] == [
        "keep: champion", "DELETE", "keep: a newer run was made from it", "keep: of the newest 1",
    ]  # fmt: skip
    assert question.startswith("Delete the versions marked DELETE: 1 version, ")
    left = [one["version"] for one in list_versions(tmp_path)]
    assert left == [v for v in VERSIONS[:4] if v != VERSIONS[1] or answer == "n"]
    assert (tmp_path / LEDGER).exists()
    listed = CliRunner().invoke(cli, ["versions"], obj=project).output
    assert [line.split("all")[1].strip() for line in listed.splitlines()][:1] == ["champion"]
    assert "keep" not in listed


def test_versions_are_listed_with_what_they_are(write_run: WriteRun, tmp_path: Path) -> None:
    write_run(tmp_path, VERSIONS[0])
    write_run(tmp_path, VERSIONS[1], status="failed", error="a leak")
    write_run(tmp_path, VERSIONS[2], pipelines=["evaluation", "reporting"])
    write_run(tmp_path, VERSIONS[4], pipelines=["audit"], status="unfinished", error="killed")
    orphan = tmp_path / f"data/08_reporting/figures/f.json/{VERSIONS[3]}/f.json"
    orphan.parent.mkdir(parents=True)
    orphan.write_text("{}")
    promote(tmp_path, VERSIONS[0])
    found = {v["version"]: (v["what"], v["needed_by"]) for v in list_versions(tmp_path)}
    assert found == {
        VERSIONS[0]: ("all", "champion"),
        VERSIONS[1]: ("all: failed", ""),
        VERSIONS[2]: ("evaluation, reporting", ""),
        VERSIONS[3]: ("orphan: no manifest", ""),
        VERSIONS[4]: ("audit: unfinished", ""),
    }
    assert list_versions(tmp_path)[3]["bytes"] == 2


def test_pruning_spares_the_newest_and_what_they_and_the_champion_rest_on(
    write_run: WriteRun, tmp_path: Path
) -> None:
    write_run(tmp_path, VERSIONS[0])  # the champion's train
    write_run(tmp_path, VERSIONS[1], candidate="the best", rests_on=VERSIONS[0])
    write_run(tmp_path, VERSIONS[2])
    write_run(tmp_path, VERSIONS[3])  # the newest one's train
    write_run(tmp_path, VERSIONS[4])
    write_run(tmp_path, VERSIONS[5], rests_on=VERSIONS[3])
    assert [v["version"] for v in prunable_versions(tmp_path, keep=1)] == [
        *VERSIONS[:3],
        VERSIONS[4],
    ]
    promote(tmp_path, VERSIONS[1])
    assert [v["version"] for v in prunable_versions(tmp_path, keep=1)] == [VERSIONS[2], VERSIONS[4]]
    assert prunable_versions(tmp_path, keep=9) == []
    assert [v["version"] for v in prunable_versions(tmp_path, keep=0)] == VERSIONS[2:]


def test_pruning_spares_the_models_of_experiments_and_of_the_shadow(
    write_run: WriteRun, seal_design: Callable[..., Any], tmp_path: Path
) -> None:
    for version in VERSIONS[:4]:
        write_run(tmp_path, version)
    assert prunable_versions(tmp_path, keep=0) != []
    design = seal_design(champion=VERSIONS[0], challenger=VERSIONS[1], treatment="challenger")
    Designs(str(tmp_path / FOLDER)).save(design)
    save_document(
        ShadowSetting(challenger=VERSIONS[2], since=datetime.now(UTC)), tmp_path / SETTING
    )
    assert [v["version"] for v in prunable_versions(tmp_path, keep=0)] == [VERSIONS[3]]
    needed = [one["needed_by"] for one in list_versions(tmp_path)]
    assert needed == ["experiment", "experiment", "shadow", ""]


def test_pruning_spares_the_champion_that_one_can_go_back_to(
    write_run: WriteRun, record_of: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    write_run(tmp_path, VERSIONS[0])
    # the second was compared with the first, and not made from it
    path = f"data/06_models/candidate.skops/{VERSIONS[0]}/candidate.skops"
    file = record_of(path, hash_file(tmp_path / path), VERSIONS[0])
    write_run(tmp_path, VERSIONS[1], inputs={"champion": file})
    assert [v["version"] for v in prunable_versions(tmp_path, keep=1)] == [VERSIONS[0]]
    promote(tmp_path, VERSIONS[0])
    promote(tmp_path, VERSIONS[1], instead_of=file["sha256"])
    assert prunable_versions(tmp_path, keep=0) == []


def test_pruning_counts_runs_that_only_use_the_champion_by_themselves(
    write_run: WriteRun, tmp_path: Path
) -> None:
    write_run(tmp_path, VERSIONS[0])
    for version in VERSIONS[1:5]:
        write_run(tmp_path, version, pipelines=["inference"])
    assert [v["version"] for v in prunable_versions(tmp_path, keep=2)] == VERSIONS[1:3]
