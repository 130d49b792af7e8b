"""What a run was made from: told, and found again."""

import json
import subprocess
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from preflight.cli.versions import list_versions, reasons_to_keep
from preflight.errors import RunError
from preflight.runs.manifest import (
    LEDGER,
    RUN_MANIFEST,
    describe_code,
    evaluated_run,
    judged_candidates,
    read_manifest,
    with_ancestors,
)

WriteRun = Callable[..., None]
Run = dict[str, Any]
VERSIONS = [f"2013-01-0{day}T00.00.00.000Z" for day in range(1, 7)]

FILE = {"path": "data/a", "version": None, "bytes": 1, "sha256": "3" * 64}
WHOLE = dict.fromkeys(("verdict", "metrics", "reference_predictions", "candidate"), FILE)


def test_a_run_that_is_not_there_is_told_with_those_that_are(
    write_run: WriteRun, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match="There is none: kedro run"):
        read_manifest(tmp_path, "never")
    write_run(tmp_path, VERSIONS[0])
    with pytest.raises(RunError, match=f"no manifest of a run 'never'. There are: {VERSIONS[0]}"):
        read_manifest(tmp_path, "never")
    assert read_manifest(tmp_path, VERSIONS[0])["run"] == VERSIONS[0]


def test_the_newest_run_with_a_verdict_is_the_one_that_is_judged(
    write_run: WriteRun, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match="no verdict yet: kedro run"):
        evaluated_run(tmp_path)
    whole = {"verdict": FILE, "metrics": FILE, "reference_predictions": FILE}
    write_run(tmp_path, VERSIONS[0], inputs={"candidate": FILE}, outputs=whole)
    write_run(tmp_path, VERSIONS[1], outputs=whole | {"candidate": FILE})
    write_run(tmp_path, VERSIONS[2], outputs={"report": FILE})
    assert evaluated_run(tmp_path)["run"] == VERSIONS[1]
    assert evaluated_run(tmp_path, VERSIONS[0])["run"] == VERSIONS[0]
    with pytest.raises(RunError, match=f"no verdict of run {VERSIONS[2]}"):
        evaluated_run(tmp_path, VERSIONS[2])
    with pytest.raises(RunError, match="no manifest of a run 'x'"):
        evaluated_run(tmp_path, "x")
    part = "2013-01-09T00.00.00.000Z"
    write_run(
        tmp_path, part, inputs={"candidate": FILE, "metrics": FILE}, outputs={"verdict": FILE}
    )
    with pytest.raises(
        RunError, match=f"Run {part} gave a verdict and no reference_predictions: it"
    ):
        evaluated_run(tmp_path)


def test_candidates_are_judged_by_the_runs_that_gave_a_verdict(
    write_run: WriteRun, tmp_path: Path
) -> None:
    assert judged_candidates(tmp_path) == set()
    one, two, three = (FILE | {"version": version} for version in VERSIONS[:3])
    write_run(tmp_path, VERSIONS[0], outputs={"verdict": FILE, "candidate": one})
    write_run(tmp_path, VERSIONS[1], inputs={"candidate": two}, outputs={"verdict": FILE})
    write_run(tmp_path, VERSIONS[2], outputs={"candidate": three})  # not judged
    write_run(tmp_path, VERSIONS[3], inputs={"verdict": FILE, "candidate": three})  # only read
    assert judged_candidates(tmp_path) == set(VERSIONS[:2])


def test_what_a_run_was_made_from_is_compared_with_its_manifest(
    write_run: WriteRun, record_of: Callable[..., Run], tmp_path: Path
) -> None:
    model = tmp_path / f"data/06_models/candidate.skops/{VERSIONS[0]}/candidate.skops"
    digest = sha256(VERSIONS[0].encode()).hexdigest()
    made = record_of(str(model.relative_to(tmp_path)), digest, VERSIONS[0])
    write_run(tmp_path, VERSIONS[0], inputs={}, outputs={"candidate": made})
    write_run(tmp_path, VERSIONS[1], inputs={"candidate": made})
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
    (tmp_path / LEDGER).parent.mkdir()
    (tmp_path / LEDGER).write_text("{}")  # by the run itself
    assert describe_code(tmp_path)["changed"] == ["src/"]
    assert describe_code(tmp_path)["commit"] == clean["commit"]


def no_run(run: Run) -> bytes:
    """A document that is JSON and no manifest, though it names a verdict."""
    return json.dumps({"run": run["run"], "outputs": WHOLE}).encode()


def odd_file(run: Run) -> bytes:
    return json.dumps(run | {"outputs": WHOLE | {"verdict": 3}}).encode()


def truncated(run: Run) -> bytes:
    return json.dumps(run).encode()[:-20]


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(
    "broken",
    [truncated, no_run, odd_file, lambda _: b"", lambda _: b"[]", lambda _: b"\xff\xfe\x00"],
    ids=["truncated", "no run", "odd file", "empty", "list", "bytes"],
)
def test_a_broken_manifest_is_that_of_an_orphan(
    write_run: WriteRun, tmp_path: Path, broken: Any
) -> None:
    write_run(tmp_path, VERSIONS[0], outputs=WHOLE)
    write_run(tmp_path, VERSIONS[1])
    write_run(tmp_path, VERSIONS[2], outputs=WHOLE, rests_on=VERSIONS[1])
    assert evaluated_run(tmp_path)["run"] == VERSIONS[2]
    path = tmp_path / RUN_MANIFEST / VERSIONS[2] / "run_manifest.json"
    path.write_bytes(broken(json.loads(path.read_text())))
    found = {v["version"]: v["what"] for v in list_versions(tmp_path)}
    assert found == {
        VERSIONS[0]: "all",
        VERSIONS[1]: "all",
        VERSIONS[2]: "orphan: a broken manifest",
    }
    kept = reasons_to_keep(tmp_path, list_versions(tmp_path), keep=2)
    assert found.keys() - kept.keys() == {VERSIONS[2]}
    assert evaluated_run(tmp_path)["run"] == VERSIONS[0]
    for read in (read_manifest, evaluated_run):
        with pytest.raises(
            RunError, match=f"The manifest of run '{VERSIONS[2]}' is broken: .*--prune"
        ):
            read(tmp_path, VERSIONS[2])
    write_run(tmp_path, VERSIONS[3], rests_on=VERSIONS[2])
    every, faults = with_ancestors(tmp_path, read_manifest(tmp_path, VERSIONS[3]))
    assert [run["run"] for run in every] == [VERSIONS[3]]
    assert faults[0] == f"run {VERSIONS[2]}, which it was made from, has left a broken manifest"
