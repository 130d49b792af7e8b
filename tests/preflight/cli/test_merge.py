"""An update in a small project: what is replaced, merged, left out, refused."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from preflight.cli.merge import Merge, merge_versions
from preflight.errors import RunError

CONF, NODES, ENGINE = "conf/base/modeling.yml", "src/own/late/nodes.py", "src/preflight/model.py"
LINES = "".join(f"line_{i}: {i}\n" for i in range(9))
FIRST = {
    CONF: LINES,
    NODES: LINES,
    ENGINE: LINES,
    "src/preflight/dropped.py": "old, too\n",
    "src/own/extra/nodes.py": "a\n",
    "Makefile": "all:\n\ttrue\n",
    "docs/away.md": "away\n",
}
Edit = Callable[..., None]
Act = Callable[[], Merge]


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    command = ["git", *who, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def write(folder: Path, **files: str | None) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True) if text is None else path.write_text(text)


@pytest.fixture(params=["", "services/late"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A project at the root of its repository, or in a folder of a larger one."""
    root = tmp_path / "repository"
    write(root / request.param, **FIRST)
    write(root, **{".gitignore": "hidden*\n"})
    git(root, "init", "-q")
    return root / request.param


@pytest.fixture
def old(tmp_path: Path) -> Path:
    write(tmp_path / "old", **FIRST)
    return tmp_path / "old"


@pytest.fixture
def new(old: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(old, tmp_path / "new"))


@pytest.fixture
def merge(project: Path, old: Path, new: Path) -> Act:
    def act() -> Merge:
        git(project, "add", ":/")
        git(project, "commit", "-qm", "all")
        return merge_versions(project, old, new)

    return act


def test_both_changes_stay_and_the_engine_is_replaced(project: Path, new: Path, merge: Act) -> None:
    write(project, **{CONF: LINES.replace("line_1: 1", "line_1: mine"), "mine.py": "mine\n"})
    changed = LINES.replace("line_7: 7", "line_8_renamed: 7")
    write(new, **{CONF: changed, ENGINE: "new\n", "src/preflight/dropped.py": None})
    write(new, **{"src/preflight/more.py": "more\n", "docs/away.md": None})
    done = merge()
    assert (project / CONF).read_text() == changed.replace("line_1: 1", "line_1: mine")
    assert (project / ENGINE).read_text() == "new\n"
    assert (project / "mine.py").read_text() == "mine\n"
    assert not (project / "docs/away.md").exists()
    assert not (project / "src/preflight/dropped.py").exists()
    more = ["src/preflight/dropped.py", "src/preflight/more.py", "docs/away.md"]
    assert sorted(done.changed) == sorted([CONF, ENGINE, *more])
    assert done.conflicts == done.left_out == []
    assert git(project, "log", "--oneline").count("\n") == 1  # nothing is committed


def test_a_conflict_is_marked_as_git_does_and_can_be_undone(
    project: Path, new: Path, merge: Act
) -> None:
    write(project, **{CONF: LINES.replace("line_1: 1", "line_1: mine"), "docs/away.md": "kept\n"})
    write(new, **{CONF: LINES.replace("line_1: 1", "line_1: theirs"), "docs/away.md": None})
    done = merge()
    assert sorted(done.conflicts) == [CONF, "docs/away.md"]
    text = (project / CONF).read_text()
    assert "<<<<<<< HEAD\nline_1: mine\n=======\nline_1: theirs\n>>>>>>> " in text
    assert "new version" in text
    assert (project / "docs/away.md").read_text() == "kept\n"
    git(project, "reset", "--hard", "-q")
    assert git(project, "status", "--porcelain") == ""
    assert "mine" in (project / CONF).read_text()


def test_what_the_project_deleted_stays_deleted(project: Path, new: Path, merge: Act) -> None:
    write(project, **{"src/own/extra/nodes.py": None, "Makefile": None})
    write(new, **{"src/own/extra/nodes.py": "b\n", "src/own/extra/more.py": "c\n"})
    write(new, **{"src/own/extra/deep/more.py": "d\n", "src/own/other/nodes.py": "e\n"})
    done = merge()
    left_out = ["src/own/extra/deep/more.py", "src/own/extra/more.py", "src/own/extra/nodes.py"]
    assert sorted(done.left_out) == left_out
    assert done.changed == ["src/own/other/nodes.py"]
    assert not (project / "src/own/extra/more.py").exists()
    assert not (project / "src/own/extra/nodes.py").exists()
    assert not (project / "Makefile").exists()


def test_a_file_that_the_project_moved_gets_the_change(
    project: Path, new: Path, merge: Act
) -> None:
    write(project, **{NODES: None, "src/own/renamed/nodes.py": LINES})
    write(new, **{NODES: LINES.replace("line_7: 7", "line_7: theirs")})
    merge()
    assert "line_7: theirs" in (project / "src/own/renamed/nodes.py").read_text()
    assert not (project / NODES).exists()


def test_an_edited_engine_is_refused_by_name_and_the_way_out_works(
    project: Path, new: Path, merge: Act
) -> None:
    mine = LINES.replace("line_1: 1", "line_1: mine")
    write(project, **{ENGINE: mine, "src/preflight/mine.py": "mine\n", CONF: "mine\n"})
    write(new, **{ENGINE: LINES.replace("line_7: 7", "line_7: theirs")})
    with pytest.raises(RunError) as refused:
        merge()
    text = str(refused.value)
    assert f"edited:\n  src/preflight/mine.py\n  {ENGINE}\nMove" in text
    assert git(project, "status", "--porcelain") == ""
    for line in text.splitlines():
        if line.startswith("  git "):  # as the message says
            subprocess.run(line, shell=True, cwd=project, check=True)
    assert (project / ENGINE).read_text() == LINES
    assert not (project / "src/preflight/mine.py").exists()
    merge()
    git(project, "commit", "-qm", "update")
    git(project, "apply", "--3way", "engine.patch")
    assert (project / ENGINE).read_text() == mine.replace("line_7: 7", "line_7: theirs")
    assert (project / "src/preflight/mine.py").exists()


def test_no_ignored_file_is_overwritten(project: Path, new: Path, merge: Act) -> None:
    write(project, **{"hidden.txt": "mine\n"})
    write(new, **{"hidden.txt": "theirs\n"})
    with pytest.raises(RunError, match=r"git ignores here\. Move: hidden\.txt"):
        merge()
    assert (project / "hidden.txt").read_text() == "mine\n"


def test_the_same_version_changes_nothing(project: Path, merge: Act) -> None:
    assert merge() == Merge([], [], [])
    assert git(project, "status", "--porcelain") == ""


def test_a_merge_that_fails_leaves_the_project_as_it_was(
    project: Path, new: Path, merge: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(new, **{ENGINE: "new\n", "src/own/other/nodes.py": "e\n"})

    def interrupt(project: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("preflight.cli.merge._states", interrupt)
    with pytest.raises(KeyboardInterrupt):
        merge()
    assert git(project, "status", "--porcelain") == ""
    assert (project / ENGINE).read_text() == LINES
    assert not (project / "src/own/other/nodes.py").exists()
