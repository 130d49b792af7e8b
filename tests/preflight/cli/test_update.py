"""`kedro update`: what it refuses to begin with, and how it describes what it did."""

import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from preflight.cli import cli
from preflight.cli.merge import Merge
from preflight.cli.update import RECORD, _describe, update_project
from preflight.errors import RunError


def git(folder: Path, *arguments: str) -> None:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
    subprocess.run(command, cwd=folder, check=True)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    record = {"source": None, "release": "1.0.0", "answers": {"repo_name": "own"}}
    (folder / RECORD).write_text(json.dumps(record))
    return folder


def test_the_project_has_to_be_in_git_as_it_stands(project: Path) -> None:
    with pytest.raises(RunError, match="not in git"):
        update_project(project, None)
    git(project, "init", "-q")
    with pytest.raises(RunError, match="not in git"):
        update_project(project, None)
    git(project, "add", ".")
    git(project, "commit", "-qm", "all")
    with pytest.raises(RunError, match="Name the template: kedro update FOLDER"):
        update_project(project, None)
    (project / "new.txt").touch()
    with pytest.raises(RunError, match="Commit them first"):
        update_project(project, None)


def test_a_project_without_a_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"\.preflight\.json is missing"):
        update_project(tmp_path, None)


def test_update_is_a_command_of_the_project() -> None:
    shown = CliRunner().invoke(cli, ["update", "--help"])
    assert "--checkout" in shown.output


@pytest.fixture
def versions(tmp_path: Path) -> list[Path]:
    for name in ("old", "new", "project"):
        for part in ("src/preflight", "conf/base", "conf/local"):
            (tmp_path / name / part).mkdir(parents=True)
        text = f'__version__ = "{1 if name == "old" else 2}.0.0"\n'
        (tmp_path / name / "src/preflight/__init__.py").write_text(text)
        release = {"release": "v1.0.0" if name == "old" else "v1.0.0-3-gabc"}
        (tmp_path / name / RECORD).write_text(json.dumps(release))
    (tmp_path / "old/conf/base/a.yml").write_text("search:\n  trials: 3\n  seed: 1\nold: {a: 1}\n")
    (tmp_path / "new/conf/base/b.yml").write_text("search:\n  attempts: 3\n  seed: 2\n")
    (tmp_path / "project/conf/local/c.yml").write_text("search: {trials: 2}\n")
    (tmp_path / "project/conf/base/a.yml").write_text("<<<<<<< HEAD\nold: 1\n=======\n")
    return [tmp_path / name for name in ("project", "old", "new")]


def test_settings_that_came_and_went_are_named(versions: list[Path]) -> None:
    lines = _describe(*versions, Merge(["a", "b"], ["b"], ["c"]))
    assert lines[:4] == [
        "Updated from version 1.0.0 to 2.0.0 (v1.0.0-3-gabc): 2 files changed.",
        "Deleted in this project, new or changed in the template:\n  c",
        "Settings:\n  gone: old\n  gone: search.trials\n  new: search.attempts\n"
        "  conf/local/c.yml still has search.trials",
        "Conflicts:\n  b",
    ]


def test_an_update_that_changes_nothing_says_so(versions: list[Path]) -> None:
    (line,) = _describe(*versions, Merge([], [], []))
    assert line == "Nothing to do: the project has version 1.0.0 of the template."
