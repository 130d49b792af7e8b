"""The test set stays unseen: data reach the candidate through train and validation only."""

import os
from collections.abc import Iterator
from typing import Any

from kedro.pipeline import Pipeline

from preflight.errors import RunError

PARTS = {"train", "validation"}
# what else development may read: no rows, or settings
WITHOUT_ROWS = {
    "split_summary",
    "test_keys",
    "contracts",
    "trusted_types",
    "study_storage",
    "cluster",
    "run_version",
}
AUDIT = "audit"  # its nodes read all data, and give documents


def require_test_isolated(
    graph: Pipeline, catalog: Any, result: str = "candidate", space: str = ""
) -> None:
    """Refuse a graph in which data reach a result by another way than train and validation.

    Args:
        result: the dataset that test must not reach: `candidate`, or `preview`.
        space: namespace of the datasets, with a dot.

    Raises:
        RunError: a node before the result reads `test`, its file under another name, or data that
            were not split.
    """
    if result not in graph.datasets():
        return
    before = graph.to_outputs(result)
    file = _file_of(catalog, "test")
    tests = {name for name in before.datasets() if file and _file_of(catalog, name) == file}
    if readers := [
        node.name
        for node in before.nodes
        if {"test", f"{space}test", *tests}.intersection(node.inputs)
    ]:
        alias = "".join(f" (as {name})" for name in sorted(tests - {"test"}))
        raise RunError(
            f"'test'{alias} reaches '{result}' through {', '.join(readers)}, so metrics on the "
            "test set would be too good. Let only evaluation read 'test'."
        )
    if doors := [
        f"{name} (read by {node})"
        for name, node in _doors(before, {f"{space}{part}" for part in PARTS})
    ]:
        raise RunError(
            f"Data reach '{result}' beside train and validation: {', '.join(doors)}. Rows of test "
            "may be among them, and metrics would be too good. Make a feature of it before the "
            "split (feature_engineering), or read train and validation instead."
        )


def _doors(before: Pipeline, parts: set[str]) -> Iterator[tuple[str, str]]:
    """Yield each dataset with rows that development reads beside the parts, and its reader."""
    if not before.datasets() >= parts:
        return
    development = before.from_inputs(*parts)
    audited = {name for node in before.nodes if node.namespace == AUDIT for name in node.outputs}
    known = parts | WITHOUT_ROWS | audited | development.all_outputs()
    for node in development.nodes:
        if node.namespace != AUDIT:
            for name in sorted({*node.inputs} - known):
                if not name.startswith(("params:", "parameters")):
                    yield name, node.name


def _file_of(catalog: Any, name: str) -> str | None:
    """Return the path of a dataset's file or folder of versions; None if it has none."""
    path = getattr(catalog.get(name), "_filepath", None)
    return os.path.realpath(str(path)) if path else None
