"""Two runs compared, and a run made again."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from preflight.cli.reproduce import (
    _difference,
    _evaluations_of,
    _restore_workspace,
    compare_runs,
    reproduce_run,
)
from preflight.evaluation.ledger import EvaluationLedger
from preflight.runs.manifest import LEDGER, read_manifest

WriteRun = Callable[..., None]
ManifestOf = Callable[..., dict[str, Any]]
VERSIONS = [f"2013-01-0{day}T00.00.00.000Z" for day in range(1, 7)]
DAY = "2013-01-01"


def test_two_equal_runs_differ_in_nothing(manifest_of: ManifestOf, tmp_path: Path) -> None:
    one, two = manifest_of(VERSIONS[0]), manifest_of(VERSIONS[1])
    assert not any(compare_runs(tmp_path, one, two).values())


@pytest.mark.parametrize(
    ("section", "changes", "line"),
    [
        (
            "data",
            {"inputs": {"raw": {"path": "a", "version": None, "sha256": "9" * 64}}},
            "raw: 111111111111 -> 999999999999",
        ),
        (
            "code",
            {"code": {"commit": "def", "changed": [], "sha256": "0" * 64}},
            "commit: abc -> def",
        ),
        (
            "parameters",
            {"parameters": {"modeling": {"seed": 2, "folds": [1, 2]}}},
            "modeling.seed: 1 -> 2",
        ),
        ("catalog", {"catalog": {}}, "candidate.type: only before"),
        ("packages", {"packages": {"pandas": "3.2.0"}}, "pandas: 3.1.0 -> 3.2.0"),
        ("packages", {"python": "3.12.0"}, "python: 3.11.4 -> 3.12.0"),
        ("pipelines", {"pipelines": ["audit"]}, "run: all -> ['audit']"),
    ],
)
def test_what_difference_is_named(
    manifest_of: ManifestOf, tmp_path: Path, section: str, changes: dict[str, Any], line: str
) -> None:
    found = compare_runs(tmp_path, manifest_of(VERSIONS[0]), manifest_of(VERSIONS[1], **changes))
    assert line in found.pop(section)
    assert not any(found.values())


def test_metrics_are_compared_by_their_values(manifest_of: ManifestOf, tmp_path: Path) -> None:
    manifests = []
    for version, value in zip(VERSIONS, (0.8, 0.75), strict=False):
        path = tmp_path / version / "metrics.json"
        path.parent.mkdir()
        path.write_text(json.dumps({"candidate": {"roc_auc": {"mean": value}}}))
        record = {"path": f"{version}/metrics.json", "sha256": version}
        manifests.append(manifest_of(version, outputs={"metrics": record}))
    found = compare_runs(tmp_path, *manifests)
    assert found["metrics"] == ["candidate.roc_auc.mean: 0.8 -> 0.75"]
    assert found["outputs"] == [f"metrics: {VERSIONS[0][:12]} -> {VERSIONS[1][:12]}"]


@pytest.mark.parametrize("ended", ["trials", "seconds"])
def test_a_search_that_the_clock_ended_can_not_be_made_again(
    write_run: WriteRun, record_of: ManifestOf, tmp_path: Path, ended: str
) -> None:
    path = tmp_path / "best_params.json"
    path.write_text(json.dumps({"ended": ended}))
    outputs = {"best_params": record_of(path.name, "3" * 64)}
    write_run(tmp_path, VERSIONS[0], outputs=outputs, inputs={})
    faults = "\n".join(reproduce_run(tmp_path, VERSIONS[0], tmp_path / "clean"))
    assert ("modeling.search.seconds=null" in faults) == (ended != "trials")


def test_a_run_is_made_again_with_the_test_evaluations_until_then(
    write_run: WriteRun, tmp_path: Path
) -> None:
    one = {"candidate": "0" * 16, "test": "A" * 8, "rows": 1, "first": DAY, "last": DAY}
    ledger = EvaluationLedger(str(tmp_path / LEDGER))
    ledger.save([{"run": version, **one} for version in VERSIONS])
    for n, version in enumerate(VERSIONS):
        code = {"commit": None, "changed": None, "sha256": "0" * 64}
        write_run(tmp_path, version, inputs={}, code=code)
        clean = tmp_path / f"clean_{n}"
        EvaluationLedger(str(clean / LEDGER)).save([{"run": "of the commit", **one}])
        _restore_workspace(tmp_path, read_manifest(tmp_path, version), clean)
        then = EvaluationLedger(str(clean / LEDGER)).load()
        assert [entry["run"] for entry in then] == VERSIONS[: n + 1]
    assert len(ledger.load()) == len(VERSIONS)


def test_of_a_run_in_tasks_the_evaluations_are_those_before_its_own_in_the_ledger() -> None:
    first, second, third = ({"run": version} for version in VERSIONS[:3])
    written = [second, first, third]  # the first run was not done when the second one evaluated
    assert _evaluations_of(VERSIONS[0], written) == [second, first]
    assert _evaluations_of(VERSIONS[1], written) == [second]
    assert _evaluations_of(VERSIONS[2], written) == written
    assert _evaluations_of(VERSIONS[3], written) == written  # its candidate was counted before
    assert _evaluations_of(VERSIONS[0], [*written, first]) == [*written, first]  # two candidates


def test_limits_of_speed_are_not_compared_and_others_are(tmp_path: Path) -> None:
    size = {"name": "model_mb", "measured": 3.0, "ok": True, "load": None}
    speed = {"name": "p99_ms", "measured": 9.0, "ok": True, "load": 1.0}

    def differs(*limits: dict[str, Any]) -> str | None:
        records = []
        for folder, of in (("before", [size, speed]), ("after", limits)):
            path = tmp_path / folder / "verdict.json"
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps({"limits": of}))
            records.append({"path": path.name, "sha256": folder})
        return _difference("verdict", *records, tmp_path / "before", tmp_path / "after")

    assert differs(size, speed | {"measured": None, "ok": None, "load": 2.5}) is None
    assert differs(size | {"ok": False}, speed) is not None


BROKEN = "has changed, and the old file is broken"


@pytest.mark.parametrize(
    ("broken", "fault"),
    [
        (b"", BROKEN),
        (b'{"a": ', BROKEN),
        (b"\xff", BROKEN),
        (b"[1]", ": only before; a: only after"),
    ],
)
def test_broken_results_are_compared_as_if_they_were_gone(
    manifest_of: ManifestOf, tmp_path: Path, broken: bytes, fault: str
) -> None:
    manifests = []
    for version, content in zip(VERSIONS, (b'{"a": 0.8}', broken), strict=False):
        (tmp_path / version).mkdir()
        (tmp_path / version / "metrics.json").write_bytes(content)
        record = {"path": f"{version}/metrics.json", "sha256": version}
        manifests.append(manifest_of(version, outputs={"metrics": record}))
    assert compare_runs(tmp_path, *manifests)["metrics"] == ["a: only before"]
    good, bad = (run["outputs"]["metrics"] for run in manifests)
    assert _difference("metrics", good, good | {"sha256": "1"}, tmp_path, tmp_path) is None
    assert _difference("metrics", bad, good, tmp_path, tmp_path) == fault
