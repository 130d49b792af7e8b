"""The Makefile's set-up, with a stand-in for Python that only notes how it is called."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3]
TEXT = (PROJECT / "Makefile").read_text()
PYTHON = """#!/bin/sh
echo "$*" >> calls
case "$*" in
    "-m venv .venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python && cp "$0" .venv/bin/kedro ;;
    *"pip install"*) test ! -e no-network ;;
esac
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "Makefile").write_text(TEXT)
    for lock in ("requirements/core.lock", "requirements/dev.lock", "requirements/docs.lock"):
        (tmp_path / lock).parent.mkdir(exist_ok=True)
        (tmp_path / lock).write_text("a\n")
    (tmp_path / "python").write_text(PYTHON)
    (tmp_path / "python").chmod(0o755)
    return tmp_path


def make(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "-C", str(project), "--no-print-directory", "PYTHON=./python", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def installs(project: Path) -> list[str]:
    """The lock files installed since the last call, in order."""
    calls = project / "calls"
    found = re.findall(r"pip install .*-r (\S+)$", calls.read_text(), flags=re.MULTILINE)
    calls.write_text("")
    return found


def targets(project: Path) -> set[str]:
    """What can be made: a target may name, after a bar, a file of its part."""
    found = re.findall(r"^([a-z]+):(?:.* \| (\S+) ##)?", TEXT, flags=re.MULTILINE)
    return {name for name, part in found if (project / part).exists()} - {"force"}


def test_set_up_is_made_once_and_dev_adds_to_it(project: Path) -> None:
    assert make(project, "run").returncode == 0
    assert installs(project) == ["requirements/core.lock"]
    assert make(project, "run").returncode == 0
    assert installs(project) == []
    assert make(project, "test").returncode == 0
    assert installs(project) == ["requirements/dev.lock"]
    assert make(project, "run", "test", "lint").returncode == 0
    assert installs(project) == []


def test_pages_are_built_on_the_core_and_no_lock_undoes_another(project: Path) -> None:
    (project / "docs").mkdir()
    (project / "mkdocs.yml").touch()
    assert make(project, "docs").returncode == 0
    assert installs(project) == ["requirements/core.lock", "requirements/docs.lock"]
    assert make(project, "test", "docs", "run").returncode == 0
    assert installs(project) == ["requirements/dev.lock"]


def test_a_contract_is_drafted_from_the_named_file(project: Path) -> None:
    assert make(project, "contract", "FROM=a b.csv", "TO=c.py").returncode == 0
    assert "-m kedro contract a b.csv --to c.py\n" in (project / "calls").read_text()


def test_an_update_is_followed_by_the_tests(project: Path) -> None:
    assert make(project, "update", "FROM=a b", "ARGS=--checkout v2").returncode == 0
    calls = (project / "calls").read_text()
    assert re.search(r"-m kedro update a b --checkout v2\n(.*\n)*-m pytest .*loadfile *\n", calls)
    assert make(project, "update").returncode == 0
    assert "-m kedro update\n" in (project / "calls").read_text()


def test_hashes_are_required(project: Path) -> None:
    make(project, "test")
    calls = re.findall(r".*pip install.*", (project / "calls").read_text())
    assert len(calls) == 2
    assert all("--require-hashes" in call for call in calls)


def test_failed_install_fails_and_is_tried_again(project: Path) -> None:
    (project / "no-network").touch()
    for _ in range(2):
        assert make(project, "run").returncode != 0
        assert installs(project) == ["requirements/core.lock"]
    (project / "no-network").unlink()
    assert make(project, "run").returncode == 0
    assert installs(project) == ["requirements/core.lock"]


@pytest.mark.parametrize("lock", ["requirements/core.lock", "requirements/dev.lock"])
def test_changed_lock_is_installed_into_a_new_environment(project: Path, lock: str) -> None:
    make(project, "test")
    installs(project)
    left_over = project / ".venv/left-over"
    left_over.touch()
    (project / lock).write_text("b\n")
    assert make(project, "test").returncode == 0
    assert installs(project) == ["requirements/core.lock", "requirements/dev.lock"]
    assert not left_over.exists()
    assert make(project, "test").returncode == 0
    assert installs(project) == []


def test_environment_whose_interpreter_is_gone_is_made_again(project: Path) -> None:
    make(project, "run")
    installs(project)
    (project / ".venv/bin/python").unlink()
    (project / ".venv/bin/python").symlink_to("gone")
    assert make(project, "run").returncode == 0
    assert installs(project) == ["requirements/core.lock"]


def test_older_python_is_refused_in_one_sentence(project: Path) -> None:
    (project / "python").write_text(
        f"#!/bin/sh\nexec '{sys.executable}' -c \"import sys; sys.version_info = (3, 11, 3)\n$2\"\n"
    )
    result = make(project, "run")
    assert result.returncode != 0
    assert result.stderr.startswith("Python 3.11.4 or newer is needed, and ./python is 3.11.3: ")
    assert not (project / ".venv").exists()


def test_lock_says_that_it_needs_uv(project: Path) -> None:
    result = make(project, "lock", "UV=no-such-uv")
    assert result.returncode != 0
    assert "make lock needs uv" in result.stderr


def shown(project: Path) -> set[str]:
    return set(re.findall(r"^make ([a-z]+)", make(project, "help").stdout, flags=re.MULTILINE))


def test_help_lists_every_target() -> None:
    assert shown(PROJECT) == targets(PROJECT)


def test_a_part_that_was_deleted_is_not_spoken_of(project: Path) -> None:
    assert {"run", "test", "lint"} <= shown(project) == targets(project)
    assert shown(project).isdisjoint({"serve", "docs", "bench", "axe"})
    (project / "src/preflight/serving").mkdir(parents=True)
    assert "serve" not in shown(project)  # git leaves folders that hold what was compiled
    (project / "src/preflight/serving/app.py").touch()
    assert shown(project) == targets(project) >= {"serve"}


OUTER = {
    "MAKEFLAGS": " -- ARGS=-k\\ nothing",
    "MAKEOVERRIDES": "ARGS=-k\\ nothing",
    "ARGS": "-k nothing",
    "KEDRO_ENV": "nowhere",
    "PREFLIGHT_API_KEY": "secret",
}


def test_what_make_test_is_given_does_not_reach_what_tests_start() -> None:
    """Run the next test as `make test ARGS=...` does."""
    alone = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", f"{__file__}::test_nothing_is_inherited"],
        cwd=PROJECT,
        env=alone | OUTER,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_is_inherited() -> None:
    show = "import os; print([name for name in os.environ if name in set(os.sys.argv[1:])])"
    command = [sys.executable, "-c", show, *OUTER]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
