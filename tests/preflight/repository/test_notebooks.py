"""Notebooks are kept without outputs; `test_run.py` executes them on a finished run."""

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[3] / "notebooks").glob("*.ipynb"))
Cell = dict[str, Any]


def left_over(cells: list[Cell]) -> list[str]:
    """Return the cells that hold what running them has left."""
    return [
        cell["id"]
        for cell in cells
        if cell.get("outputs") or cell.get("execution_count") or cell["metadata"]
    ]


def test_there_are_notebooks() -> None:
    assert len(NOTEBOOKS) == 4


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_is_valid_and_clean(path: Path) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    nbformat.validate(notebook)
    assert left_over(notebook["cells"]) == []
    assert set(notebook["metadata"]) == {"kernelspec", "language_info"}


def test_what_a_run_has_left_is_found() -> None:
    clean = {"id": "a", "metadata": {}, "outputs": [], "execution_count": None}
    assert left_over([clean, {"id": "b", "metadata": {}}]) == []
    changes: list[Cell] = [{"outputs": [1]}, {"execution_count": 3}, {"metadata": {"a": 1}}]
    for change in changes:
        assert left_over([clean | change]) == ["a"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_leaves_the_test_closed(path: Path) -> None:
    assert 'load("test")' not in path.read_text(encoding="utf-8")
