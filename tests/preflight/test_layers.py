"""The direction of imports: the engine never imports the project, a stage no later stage."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


def check(project: Path) -> subprocess.CompletedProcess[str]:
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-c", command, "--no-cache"],
        cwd=project,
        env=os.environ | {"PYTHONPATH": "src"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_imports_go_one_way() -> None:
    done = check(PROJECT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 kept, 0 broken" in done.stdout


@pytest.mark.parametrize(
    ("module", "imported", "broken"),
    [
        ("preflight/errors.py", "late_flights.settings", "The engine never imports the project"),
        ("preflight/modeling/training.py", "preflight.evaluation.verdict", "never what comes"),
        ("preflight/evaluation/metrics.py", "preflight.inference.predict", "never what comes"),
        ("preflight/forecasts/__init__.py", "os", "forecasts"),
    ],
)
def test_an_import_in_the_other_direction_is_found(
    tmp_path: Path, module: str, imported: str, broken: str
) -> None:
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PROJECT / "src", tmp_path / "src", ignore=ignored)
    path = tmp_path / "src" / module
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as file:
        file.write(f"\nimport {imported}\n")
    done = check(tmp_path)
    assert done.returncode == 1
    assert broken in done.stdout + done.stderr
