"""Shared by tests of the engine: runs on disk."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kedro.pipeline import Node, Pipeline

from preflight.runs.manifest import RUN_MANIFEST


def written_manifest(version: str, **changes: Any) -> dict[str, Any]:
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


@pytest.fixture(scope="session")
def manifest_of() -> Callable[..., dict[str, Any]]:
    """The manifest of a run, by its version, with some of it changed."""
    return written_manifest


@pytest.fixture(scope="session")
def write_run() -> Callable[..., None]:
    """Writes a run to disk: its manifest and its candidate. rests_on: the version of its train."""

    def write(
        project: Path, version: str, candidate: str = "", rests_on: str = "", **changes: Any
    ) -> None:
        if rests_on:
            file = f"data/05_model_input/train.parquet/{rests_on}/train.parquet"
            train = {"path": file, "version": rests_on, "sha256": "2" * 64}
            changes = {**changes, "inputs": {"train": train}}
        for name, text in {
            RUN_MANIFEST: json.dumps(written_manifest(version, **changes)),
            "data/06_models/candidate.skops": candidate or version,
        }.items():
            path = project / name / version / Path(name).name
            path.parent.mkdir(parents=True)
            path.write_text(text)

    return write


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A project that trains in its default run, and predicts on demand."""
    train = Pipeline([Node(lambda raw: raw, "raw", "candidate", name="fit")])
    use = Pipeline([Node(lambda champion: champion, "champion", "predictions", name="predict")])
    found = {"modeling": train, "inference": use, "__default__": train}
    monkeypatch.setattr("preflight.cli.versions.pipelines", found)
