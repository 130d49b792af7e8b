"""The service as a process: started as a user does, killed at any moment."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from preflight.inference.prediction_log import PredictionLog
from preflight.modeling.model import predict

from late_flights.contracts.derived import PredictionLog as LoggedPredictions
from late_flights.contracts.features import Features


@pytest.fixture
def project(
    tmp_path: Path,
    served: dict[str, Any],
    copy_project: Callable[[Path], Path],
    promote: Callable[..., Any],
) -> Path:
    """A copy of the project with a champion, and without data."""
    promote(copy_project(tmp_path), served["bundle"], "v1")
    return tmp_path


def log_of(project: Path) -> pd.DataFrame:
    folder = project / "data/07_model_output/prediction_log"
    return PredictionLog(str(folder), "late_flights.contracts.derived.PredictionLog").load()


def body_of(rows: pd.DataFrame) -> bytes:
    text = rows[list(Features.to_schema().columns)].to_json(orient="records", date_format="iso")
    return f'{{"rows": {text}}}'.encode()


@contextmanager
def service(project: Path) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """Its address and process, as soon as it is ready."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "preflight.serving", "--port", str(port)]
    environment = {**os.environ, "PYTHONPATH": str(project / "src")}
    with (project / "told").open("wb") as told:
        process = subprocess.Popen(command, cwd=project, env=environment, stdout=told, stderr=told)
    try:
        address = f"http://127.0.0.1:{port}"
        until = time.monotonic() + 60
        while True:
            try:
                get(f"{address}/ready")
                break
            except (urllib.error.URLError, ConnectionError):
                assert process.poll() is None, (project / "told").read_text()
                assert time.monotonic() < until
                time.sleep(0.1)
        yield address, process
    finally:
        process.kill()
        process.wait()


def get(url: str, body: bytes | None = None) -> Any:
    with urllib.request.urlopen(url, body, timeout=30) as answer:
        return json.load(answer)


def test_a_service_that_is_killed_leaves_a_log_that_is_whole_and_true(
    project: Path, served: dict[str, Any]
) -> None:
    """Killed once, as soon as something is logged; benchmarks/kills.py does it at any moment."""
    rows = served["features"].iloc[20_000:20_020].reset_index(drop=True)
    chance, body = predict(served["bundle"], rows), body_of(rows)
    told: dict[str, list[float]] = {}
    folder = project / "data/07_model_output/prediction_log"
    with service(project) as (address, process):
        until = time.monotonic() + 60
        while not list(folder.rglob("*.parquet")) and time.monotonic() < until:
            answer = get(f"{address}/predict", body)
            told[answer["moment"]] = [one["probability"] for one in answer["answers"]]
            time.sleep(0.05)
        process.kill() if os.name == "nt" else os.kill(process.pid, signal.SIGKILL)
    assert all(one == chance.tolist() for one in told.values())
    kept = LoggedPredictions.validate(log_of(project))  # readable, free of doubles
    assert len(kept) > 0
    for moment, group in kept.groupby("moment"):
        assert group["probability"].tolist() == told[pd.Timestamp(moment).isoformat()]


def test_a_service_that_is_stopped_has_logged_all_and_does_not_wait_for_a_body_that_is_half_sent(
    project: Path, served: dict[str, Any]
) -> None:
    body = body_of(served["features"].iloc[[20_000]])
    with service(project) as (address, process):
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as half:
            half.sendall(b'POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n\r\n{"rows')
            for _ in range(5):
                get(f"{address}/predict", body)
            process.terminate()
            assert process.wait(timeout=60) in {0, -signal.SIGTERM}  # without, it would never end
    assert len(log_of(project)) == 5
