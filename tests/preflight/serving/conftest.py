"""The service of a small project, and how to ask it."""

import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fastapi.testclient import TestClient
from kedro.io import DataCatalog, MemoryDataset, Version
from kedro_datasets.text import TextDataset

from preflight.datasets import LatestJson
from preflight.deployment import champion
from preflight.deployment.datasets import Champion
from preflight.inference.prediction_log import PredictionLog
from preflight.serving import app
from preflight.serving import log_writer as log
from preflight.serving import service as behind

from late_flights.contracts.features import Features

Promote = Callable[..., champion.ChampionRecord]
COLUMNS = list(Features.to_schema().columns)
LOG_CONTRACT = "late_flights.contracts.derived.PredictionLog"


def as_json(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as a client sends them."""
    return [
        {
            name: value.isoformat()
            if isinstance(value, pd.Timestamp)
            else None
            if isinstance(value, float) and math.isnan(value)
            else value
            for name, value in row.items()
        }
        for row in rows[COLUMNS].to_dict("records")
    ]


def another(bundle: Any) -> Any:
    """A model that says something else of every row."""
    return {**bundle, "slope": 0.5, "intercept": -1.0}


@pytest.fixture
def catalog(
    tmp_path: Path, project_contracts: dict[str, Any], trusted_types: list[str]
) -> DataCatalog:
    folder = tmp_path / "data/07_model_output/prediction_log"
    return DataCatalog(
        {
            "champion": Champion(str(tmp_path / champion.POINTER), trusted_types),
            "contracts": MemoryDataset(project_contracts, copy_mode="assign"),
            "prediction_log": PredictionLog(str(folder), LOG_CONTRACT),
            "latest_input_check": LatestJson(filepath=str(tmp_path / "check.json")),
            "latest_alarms": LatestJson(filepath=str(tmp_path / "alarms.json")),
            "model_card": TextDataset(
                filepath=str(tmp_path / "card.md"), version=Version(None, None)
            ),
        }
    )


@pytest.fixture
def client(
    tmp_path: Path, catalog: DataCatalog, served: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[TestClient]:
    """The service of a project without a champion."""
    monkeypatch.setattr(behind, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(log, "FLUSH_SECONDS", 0.05)
    service = app.create_app(catalog, tmp_path / champion.POINTER, served["framing"])
    with TestClient(service, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def ready(
    client: TestClient, tmp_path: Path, served: dict[str, Any], promote: Promote
) -> TestClient:
    """The service with the champion v1."""
    promote(tmp_path, served["bundle"], "v1")
    wait_for(lambda: client.get("/ready").status_code == 200)
    return client


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def ask(client: Any, rows: list[dict[str, Any]], **params: Any) -> Any:
    return client.post("/predict", content=json.dumps({"rows": rows}), params=params)


@pytest.fixture(scope="module")
def rows(served: dict[str, Any]) -> pd.DataFrame:
    return served["features"].iloc[20_000:20_040].reset_index(drop=True)
