"""The versions on disk: listed, and which of them may go."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from preflight.cli.versions import list_versions, prunable_versions
from preflight.deployment import champion
from preflight.runs.raw_files import hash_file

WriteRun = Callable[..., None]
VERSIONS = [f"2013-01-0{day}T00.00.00.000Z" for day in range(1, 7)]
pytestmark = pytest.mark.usefixtures("registered")


def promote(project: Path, version: str, instead_of: str | None = None) -> None:
    path = f"data/06_models/candidate.skops/{version}/candidate.skops"
    file = {"path": path, "version": version, "sha256": hash_file(project / path)}
    promoted = champion.champion_record(file, run=version, instead_of=instead_of)
    champion.promote(project / champion.POINTER, promoted)


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


def test_versions_are_listed_with_what_they_are(write_run: WriteRun, tmp_path: Path) -> None:
    write_run(tmp_path, VERSIONS[0])
    write_run(tmp_path, VERSIONS[1], status="failed", error="a leak")
    write_run(tmp_path, VERSIONS[2], pipelines=["evaluation", "reporting"])
    orphan = tmp_path / f"data/08_reporting/figures/f.json/{VERSIONS[3]}/f.json"
    orphan.parent.mkdir(parents=True)
    orphan.write_text("{}")
    promote(tmp_path, VERSIONS[0])
    found = {v["version"]: (v["what"], v["champion"]) for v in list_versions(tmp_path)}
    assert found == {
        VERSIONS[0]: ("all", True),
        VERSIONS[1]: ("all: failed", False),
        VERSIONS[2]: ("evaluation, reporting", False),
        VERSIONS[3]: ("orphan: no manifest", False),
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
