"""Runs are told to MLflow, if it is there; the Optuna dashboard reads the search's studies."""

import json
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.request import urlopen
from wsgiref.simple_server import make_server

import optuna
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node, Pipeline

from preflight.hooks.tracking import TrackingHooks
from preflight.problem.framing import Framing

FIGURES = {"candidate": {"roc_auc": {"mean": 0.8, "low": None}}}


def nothing(*_: Any) -> Any:
    raise AssertionError("no node is run here")


class Mlflow(SimpleNamespace):
    """What the hook asks of MLflow: it only notes what it is given."""

    def __init__(self, active: bool) -> None:
        super().__init__(told={}, active_run=lambda: active or None)
        for name in ("log_params", "log_metrics", "log_artifact"):
            setattr(self, name, lambda given, name=name: self.told.update({name: given}))

    def set_tag(self, name: str, value: str) -> None:
        self.told[name] = value


@pytest.fixture
def verdict() -> dict[str, Any]:
    return {"decision": "hold", "what_if": []}


@pytest.fixture
def told(framing: Framing, tmp_path: Path, verdict: dict[str, Any]) -> Any:
    report = SimpleNamespace(_get_load_path=lambda: tmp_path / "report.html")
    catalog = DataCatalog(
        {
            "params:framing": MemoryDataset(framing),
            "metrics": MemoryDataset(FIGURES),
            "verdict": MemoryDataset(verdict, copy_mode="assign"),
        }
    )

    class Catalog:
        load = staticmethod(catalog.load)
        __getitem__ = staticmethod(lambda name: report)

    node = Node(nothing, "params:framing", ["metrics", "verdict", "report"], name="all")
    return lambda: TrackingHooks().after_pipeline_run(Pipeline([node]), Catalog())


def test_a_run_tells_mlflow_what_runs_are_compared_by(
    told: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mlflow = Mlflow(active=True)
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    told()
    assert mlflow.told["log_params"]["framing.costs.fn"] == 6
    assert mlflow.told["log_metrics"] == {"candidate.roc_auc.mean": 0.8}  # null is no number
    assert mlflow.told["decision"] == "hold"
    assert mlflow.told["log_artifact"] == tmp_path / "report.html"


def test_a_what_if_is_no_decision_for_mlflow(
    told: Any, monkeypatch: pytest.MonkeyPatch, verdict: dict[str, Any]
) -> None:
    mlflow = Mlflow(active=True)
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    verdict["what_if"] = ["framing.costs.fn is 10, in conf/base 5"]
    told()
    assert mlflow.told["decision"] == "what-if: hold"


def test_without_mlflow_or_a_run_of_it_nothing_is_told(
    told: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "mlflow", raising=False)
    told()
    mlflow = Mlflow(active=False)
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    told()
    assert mlflow.told == {}


def test_the_dashboard_opens_a_study(tmp_path: Path) -> None:
    import optuna_dashboard

    storage = f"sqlite:///{tmp_path}/studies.db"
    study = optuna.create_study(storage=storage, study_name="main-1", direction="maximize")
    study.optimize(lambda trial: trial.suggest_float("trees.rate", 0, 1), n_trials=2)
    server = make_server("127.0.0.1", 0, optuna_dashboard.wsgi(storage))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with urlopen(f"http://127.0.0.1:{server.server_port}/api/studies") as answer:
        shown = json.loads(answer.read())
    server.shutdown()
    server.server_close()
    assert [one["study_name"] for one in shown["study_summaries"]] == ["main-1"]
