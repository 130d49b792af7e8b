"""What a run was made from: told, compared, made again; and which versions may go."""

import json
import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from preflight.cli.reproduce import _differs, compare_runs, reproduce_run
from preflight.cli.versions import list_versions, prunable_versions
from preflight.deployment import champion
from preflight.errors import RunError
from preflight.runs.manifest import (
    RUN_MANIFEST,
    describe_code,
    evaluated_run,
    read_manifest,
    with_ancestors,
)
from preflight.runs.raw_files import hash_file

VERSIONS = [f"2013-01-0{day}T00.00.00.000Z" for day in range(1, 7)]

FILE = {"path": "data/a", "version": None, "sha256": "3" * 64}
WHOLE = dict.fromkeys(("verdict", "metrics", "end_to_end", "candidate"), FILE)


def manifest_of(version: str, **changes: Any) -> dict[str, Any]:
    written: dict[str, Any] = {
        "run": version,
        "status": "done",
        "error": None,
        "pipelines": [],
        "filters": {},
        "code": {"commit": "abc", "changed": [], "sha256": "0" * 64},
        "packages": {"pandas": "3.1.0"},
        "python": "3.11.4",
        "parameters": {"modeling": {"seed": 1, "folds": [1, 2]}},
        "catalog": {"candidate": {"type": "pickle"}},
        "inputs": {"raw": {"path": "data/01_raw/a.csv", "version": None, "sha256": "1" * 64}},
        "outputs": {},
    }
    return written | changes


def write(project: Path, version: str, candidate: str = "", **changes: Any) -> None:
    """A run on disk: its manifest and its candidate."""
    for name, text in {
        RUN_MANIFEST: json.dumps(manifest_of(version, **changes)),
        "data/06_models/candidate.skops": candidate or version,
    }.items():
        path = project / name / version / Path(name).name
        path.parent.mkdir(parents=True)
        path.write_text(text)


def promote(project: Path, version: str, instead_of: str | None = None) -> None:
    path = f"data/06_models/candidate.skops/{version}/candidate.skops"
    file = {"path": path, "version": version, "sha256": hash_file(project / path)}
    promoted = champion.champion_record(file, run=version, instead_of=instead_of)
    champion.promote(project / champion.POINTER, promoted)


def rests_on(version: str) -> dict[str, Any]:
    path = f"data/05_model_input/train.parquet/{version}/train.parquet"
    return {"inputs": {"train": {"path": path, "version": version, "sha256": "2" * 64}}}


def test_two_equal_runs_differ_in_nothing(tmp_path: Path) -> None:
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
def test_what_differs_is_named(
    tmp_path: Path, section: str, changes: dict[str, Any], line: str
) -> None:
    found = compare_runs(tmp_path, manifest_of(VERSIONS[0]), manifest_of(VERSIONS[1], **changes))
    assert line in found.pop(section)
    assert not any(found.values())


def test_metrics_are_compared_by_their_values(tmp_path: Path) -> None:
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


@pytest.mark.parametrize("stages", [["orphan_parcels"], ["inference, twice"]])
def test_a_run_is_not_pruned_for_what_its_pipelines_are_called(
    tmp_path: Path, stages: list[str]
) -> None:
    write(tmp_path, VERSIONS[0])
    write(tmp_path, VERSIONS[1], pipelines=stages)
    assert [v["version"] for v in prunable_versions(tmp_path, keep=1)] == [VERSIONS[0]]


def test_failed_inference_does_not_push_out_a_run_that_trained(tmp_path: Path) -> None:
    write(tmp_path, VERSIONS[0])
    for version in VERSIONS[1:4]:
        write(tmp_path, version, pipelines=["inference"], status="failed", error="no feed")
    assert [v["version"] for v in prunable_versions(tmp_path, keep=1)] == VERSIONS[1:3]
    assert [v["version"] for v in prunable_versions(tmp_path, keep=0)] == VERSIONS[:4]


def test_a_run_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="There is none: kedro run"):
        read_manifest(tmp_path, "never")
    write(tmp_path, VERSIONS[0])
    with pytest.raises(RunError, match=f"no manifest of a run 'never'. There are: {VERSIONS[0]}"):
        read_manifest(tmp_path, "never")
    assert read_manifest(tmp_path, VERSIONS[0])["run"] == VERSIONS[0]


@pytest.mark.parametrize("ended", ["trials", "seconds", "interrupted"])
def test_a_search_that_the_clock_ended_can_not_be_made_again(tmp_path: Path, ended: str) -> None:
    path = tmp_path / "best_params.json"
    path.write_text(json.dumps({"ended": ended}))
    outputs = {"best_params": {"path": path.name, "version": None, "sha256": "3" * 64}}
    write(tmp_path, VERSIONS[0], outputs=outputs, inputs={})
    faults = "\n".join(reproduce_run(tmp_path, VERSIONS[0], tmp_path / "clean"))
    assert ("the same trials can't be made again" in faults) == (ended != "trials")


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
        return _differs("verdict", *records, tmp_path / "before", tmp_path / "after")

    assert differs(size, speed | {"measured": None, "ok": None, "load": 2.5}) is None
    assert differs(size | {"ok": False}, speed) is not None


def test_versions_are_listed_with_what_they_are(tmp_path: Path) -> None:
    write(tmp_path, VERSIONS[0])
    write(tmp_path, VERSIONS[1], status="failed", error="a leak")
    write(tmp_path, VERSIONS[2], pipelines=["evaluation", "reporting"])
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


def test_pruning_spares_the_newest_and_what_they_and_the_champion_rest_on(tmp_path: Path) -> None:
    write(tmp_path, VERSIONS[0])  # the champion's train
    write(tmp_path, VERSIONS[1], candidate="the best", **rests_on(VERSIONS[0]))
    write(tmp_path, VERSIONS[2])
    write(tmp_path, VERSIONS[3])  # the newest one's train
    write(tmp_path, VERSIONS[4])
    write(tmp_path, VERSIONS[5], **rests_on(VERSIONS[3]))
    assert [v["version"] for v in prunable_versions(tmp_path, keep=1)] == [
        *VERSIONS[:3],
        VERSIONS[4],
    ]
    promote(tmp_path, VERSIONS[1])
    assert [v["version"] for v in prunable_versions(tmp_path, keep=1)] == [VERSIONS[2], VERSIONS[4]]
    assert prunable_versions(tmp_path, keep=9) == []
    assert [v["version"] for v in prunable_versions(tmp_path, keep=0)] == VERSIONS[2:]


def test_pruning_spares_the_champion_that_one_can_go_back_to(tmp_path: Path) -> None:
    write(tmp_path, VERSIONS[0])
    # the second was compared with the first, and not made from it
    path = f"data/06_models/candidate.skops/{VERSIONS[0]}/candidate.skops"
    file = {"path": path, "version": VERSIONS[0], "sha256": hash_file(tmp_path / path)}
    write(tmp_path, VERSIONS[1], inputs={"champion": file})
    assert [v["version"] for v in prunable_versions(tmp_path, keep=1)] == [VERSIONS[0]]
    promote(tmp_path, VERSIONS[0])
    promote(tmp_path, VERSIONS[1], instead_of=file["sha256"])
    assert prunable_versions(tmp_path, keep=0) == []


def test_the_newest_run_with_a_verdict_is_the_one_that_is_judged(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no verdict yet: kedro run"):
        evaluated_run(tmp_path)
    whole = {"verdict": FILE, "metrics": FILE, "end_to_end": FILE}
    write(tmp_path, VERSIONS[0], inputs={"candidate": FILE}, outputs=whole)
    write(tmp_path, VERSIONS[1], outputs=whole | {"candidate": FILE})
    write(tmp_path, VERSIONS[2], outputs={"report": FILE})
    assert evaluated_run(tmp_path)["run"] == VERSIONS[1]
    assert evaluated_run(tmp_path, VERSIONS[0])["run"] == VERSIONS[0]
    with pytest.raises(RunError, match=f"no verdict of run {VERSIONS[2]}"):
        evaluated_run(tmp_path, VERSIONS[2])
    with pytest.raises(RunError, match="no manifest of a run 'x'"):
        evaluated_run(tmp_path, "x")
    part = "2013-01-09T00.00.00.000Z"
    write(tmp_path, part, inputs={"candidate": FILE, "metrics": FILE}, outputs={"verdict": FILE})
    with pytest.raises(RunError, match=f"Run {part} gave a verdict and no end_to_end: it"):
        evaluated_run(tmp_path)


def test_what_a_run_was_made_from_is_compared_with_its_manifest(tmp_path: Path) -> None:
    model = tmp_path / f"data/06_models/candidate.skops/{VERSIONS[0]}/candidate.skops"
    made = {"path": str(model.relative_to(tmp_path)), "version": VERSIONS[0]}
    made["sha256"] = sha256(VERSIONS[0].encode()).hexdigest()
    write(tmp_path, VERSIONS[0], inputs={}, outputs={"candidate": made})
    write(tmp_path, VERSIONS[1], inputs={"candidate": made})
    judged = read_manifest(tmp_path, VERSIONS[1])
    every, faults = with_ancestors(tmp_path, judged)
    assert [run["run"] for run in every] == VERSIONS[:2]
    assert faults == []
    model.write_text("another")
    assert with_ancestors(tmp_path, judged)[1] == [f"{made['path']} has changed since"]
    model.unlink()
    assert with_ancestors(tmp_path, judged)[1] == [f"{made['path']} is gone"]
    (tmp_path / RUN_MANIFEST / VERSIONS[0] / "run_manifest.json").unlink()
    (orphan,) = with_ancestors(tmp_path, judged)[1][:1]
    assert orphan == f"run {VERSIONS[0]}, which it was made from, has left no manifest"


def test_the_hash_of_the_code_follows_the_code_and_nothing_else(tmp_path: Path) -> None:
    for name in ("src/a.py", "conf/base/c.yml", "pyproject.toml", "README.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    before = describe_code(tmp_path)
    assert before["commit"] is before["changed"] is None
    (tmp_path / "README.md").write_text("2")
    (tmp_path / "src/__pycache__").mkdir()
    (tmp_path / "src/__pycache__/a.pyc").write_text("2")
    assert describe_code(tmp_path) == before
    (tmp_path / "conf/base/c.yml").write_text("2")
    assert describe_code(tmp_path)["sha256"] != before["sha256"]


def test_the_commit_and_what_is_not_in_it_are_told(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("1")
    (tmp_path / "src").mkdir()
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    git = ["git", *who, "-C", str(tmp_path)]
    subprocess.run([*git, "init", "--quiet"], check=True)
    assert describe_code(tmp_path)["commit"] is None  # no commit yet
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "--quiet", "-m", "first"], check=True)
    clean = describe_code(tmp_path)
    assert len(clean["commit"]) == 40
    assert clean["changed"] == []
    (tmp_path / "src/new.py").write_text("2")
    assert describe_code(tmp_path)["changed"] == ["src/"]
    assert describe_code(tmp_path)["commit"] == clean["commit"]


def test_pruning_counts_runs_that_only_use_the_champion_by_themselves(tmp_path: Path) -> None:
    write(tmp_path, VERSIONS[0])
    for version in VERSIONS[1:5]:
        write(tmp_path, version, pipelines=["inference"])
    assert [v["version"] for v in prunable_versions(tmp_path, keep=2)] == VERSIONS[1:3]


def no_run(version: str) -> bytes:
    """A document that is JSON and no manifest, though it names a verdict."""
    return json.dumps({"run": version, "outputs": WHOLE}).encode()


def odd_file(version: str) -> bytes:
    return json.dumps(manifest_of(version, outputs=WHOLE | {"verdict": 3})).encode()


def truncated(version: str) -> bytes:
    return json.dumps(manifest_of(version, outputs=WHOLE)).encode()[:-20]


@pytest.mark.parametrize(
    "broken",
    [truncated, no_run, odd_file, lambda _: b"", lambda _: b"[]", lambda _: b"\xff\xfe\x00"],
    ids=["truncated", "no run", "odd file", "empty", "list", "bytes"],
)
def test_a_broken_manifest_is_that_of_an_orphan(tmp_path: Path, broken: Any) -> None:
    write(tmp_path, VERSIONS[0], outputs=WHOLE)
    write(tmp_path, VERSIONS[1])
    write(tmp_path, VERSIONS[2], outputs=WHOLE, **rests_on(VERSIONS[1]))
    assert evaluated_run(tmp_path)["run"] == VERSIONS[2]
    (tmp_path / RUN_MANIFEST / VERSIONS[2] / "run_manifest.json").write_bytes(broken(VERSIONS[2]))
    found = {v["version"]: v["what"] for v in list_versions(tmp_path)}
    assert found == {
        VERSIONS[0]: "all",
        VERSIONS[1]: "all",
        VERSIONS[2]: "orphan: a broken manifest",
    }
    assert [v["version"] for v in prunable_versions(tmp_path, keep=2)] == [VERSIONS[2]]
    assert evaluated_run(tmp_path)["run"] == VERSIONS[0]
    for read in (read_manifest, evaluated_run):
        with pytest.raises(
            RunError, match=f"The manifest of run '{VERSIONS[2]}' is broken: .*--prune"
        ):
            read(tmp_path, VERSIONS[2])
    write(tmp_path, VERSIONS[3], **rests_on(VERSIONS[2]))
    every, faults = with_ancestors(tmp_path, read_manifest(tmp_path, VERSIONS[3]))
    assert [run["run"] for run in every] == [VERSIONS[3]]
    assert faults[0] == f"run {VERSIONS[2]}, which it was made from, has left a broken manifest"


BROKEN = "other bytes, and the old ones are broken"


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
    tmp_path: Path, broken: bytes, fault: str
) -> None:
    manifests = []
    for version, content in zip(VERSIONS, (b'{"a": 0.8}', broken), strict=False):
        (tmp_path / version).mkdir()
        (tmp_path / version / "metrics.json").write_bytes(content)
        record = {"path": f"{version}/metrics.json", "sha256": version}
        manifests.append(manifest_of(version, outputs={"metrics": record}))
    assert compare_runs(tmp_path, *manifests)["metrics"] == ["a: only before"]
    good, bad = (run["outputs"]["metrics"] for run in manifests)
    assert _differs("metrics", good, good | {"sha256": "1"}, tmp_path, tmp_path) is None
    assert _differs("metrics", bad, good, tmp_path, tmp_path) == fault
