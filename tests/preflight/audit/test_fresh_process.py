"""What a function keeps between calls is missing in a new process: so it is found."""

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest
from kedro.pipeline import Node, Pipeline

from preflight.audit.findings import Finding
from preflight.audit.fresh_process import replay_in_fresh_process
from preflight.audit.opened_files import Opened
from preflight.audit.replay import Replay
from preflight.features.point_in_time import group, run_in_memory

NAME = "features_of_visits"
MODULE = '''
"""Features of visits, written as a project does."""

from pathlib import Path

import pandas as pd

from preflight.contracts.table import Table, Utc, column

KEPT = {}
FILE = Path(__file__).with_name("data") / "means.txt"
MEANS = FILE.read_text() if FILE.exists() else ""


class Visits(Table, key=["visit"], known_at="booked_at", event_time="booked_at"):
    visit: int = column("number")
    booked_at: Utc = column("booking", "UTC")
    cost: float = column("cost", "EUR")


class Features(Table, key=["visit"], look_back="9D", look_ahead="0D"):
    visit: int = column("number")


def build_features(visits):
    made = visits[["visit", "cost"]]
    return made.assign(predict_at=visits["booked_at"])


def with_mean_of_the_first_call(visits):
    mean = KEPT.setdefault("mean", visits["cost"].mean())
    return build_features(visits).assign(less_mean=visits["cost"] - mean)


def set_up_elsewhere(visits):
    return build_features(visits).assign(scaled=visits["cost"] / KEPT["scale"])
'''


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A module that a new process can import, and its folder."""
    (tmp_path / f"{NAME}.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield import_module(NAME)
    del sys.modules[NAME]


Replayed = Callable[..., tuple[Finding, Opened]]


@pytest.fixture
def replayed(project: ModuleType, tmp_path: Path) -> Replayed:
    """What is found in features of two weeks, made by a node."""
    booked = pd.date_range("2020-01-01", periods=14 * 24, freq="h", tz="UTC", unit="us")
    visits = pd.DataFrame({"visit": range(len(booked)), "booked_at": booked})
    visits = visits.assign(cost=visits["visit"] % 7 + visits["visit"] / 100)
    contracts: Any = {"visits": project.Visits}

    def replay(node: Node) -> tuple[Finding, Opened]:
        pipeline = Pipeline([node])
        features = run_in_memory(pipeline, {"visits": visits}, "features")
        reach = (pd.Timedelta(days=3), pd.Timedelta(0))
        past = Replay(pipeline, {"visits": visits}, features, ["visit"], reach, contracts)
        (found,), opened = replay_in_fresh_process(past, booked[200], tmp_path / "data")
        return found, opened

    return replay


def test_features_of_the_inputs_alone_pass(replayed: Replayed, project: ModuleType) -> None:
    for node in (
        Node(project.build_features, "visits", "features"),
        group(project.Visits, project.Features, project.build_features, "visits"),
    ):
        found, opened = replayed(node)
        assert (found["check"], found["state"]) == ("fresh process", "passed")
        assert "due by 2020-01-09 08:00 UTC were built in a new process" in found["evidence"]
        assert opened == {}


def test_a_value_that_is_kept_between_calls_is_found(
    replayed: Replayed, project: ModuleType
) -> None:
    found, _ = replayed(Node(project.with_mean_of_the_first_call, "visits", "features"))
    assert (found["check"], found["state"]) == ("fresh process", "failed")
    assert found["evidence"].startswith("less_mean of decisions due by 2020-01-09 08:00 UTC differ")
    assert "(visit " in found["evidence"]
    assert "a function keeps values between calls" in found["evidence"]


def test_what_is_set_up_elsewhere_is_found(replayed: Replayed, project: ModuleType) -> None:
    project.KEPT["scale"] = 2
    found, _ = replayed(Node(project.set_up_elsewhere, "visits", "features"))
    assert (found["check"], found["state"]) == ("fresh process", "failed")
    assert "can't be built in a new process: KeyError('scale')" in found["evidence"]


def test_a_file_that_a_module_reads_as_it_is_imported_is_found(
    replayed: Replayed, project: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/means.txt").write_text("1")
    _, opened = replayed(Node(project.build_features, "visits", "features"))
    assert {file: where.split(",")[0] for file, where in opened.items()} == {
        "data/means.txt": "<module>"
    }


def test_functions_that_no_process_can_be_given_are_told(
    replayed: Replayed, project: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def inside(visits: pd.DataFrame) -> pd.DataFrame:
        made: pd.DataFrame = project.build_features(visits)
        return made

    def of_a_notebook(visits: pd.DataFrame) -> pd.DataFrame:
        return inside(visits)

    of_a_notebook.__module__, of_a_notebook.__qualname__ = "__main__", "of_a_notebook"
    monkeypatch.setattr(sys.modules["__main__"], "of_a_notebook", of_a_notebook, raising=False)
    for function in (inside, of_a_notebook):
        found, opened = replayed(Node(function, "visits", "features"))
        assert (found["check"], found["state"]) == ("untested: fresh process", "untested")
        assert function.__name__ in found["evidence"]
        assert found["evidence"].endswith("with `def` in a module of the project")
        assert opened == {}
