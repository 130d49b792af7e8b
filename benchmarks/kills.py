"""What fifty kills leave: of promotions, of inference and of the service (kill -9).

    python -m benchmarks.kills    (needs a champion)

Half of those who write the prediction log are killed at a random moment, the others as soon as a
file of it is seen half made. All of it happens in a temporary copy of the project.
"""

import argparse
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path

import pandas as pd

from preflight.deployment import champion
from preflight.inference.prediction_log import PredictionLog
from preflight.serving.measure import batch_of, write_bodies

from late_flights.contracts.derived import PredictionLog as LoggedPredictions
from late_flights.contracts.features import Features

from benchmarks import PROJECT
from benchmarks.measure import table

LOG = "data/07_model_output/prediction_log"
CHANGE = """
import sys
from pathlib import Path
from preflight.deployment import champion
pointer, other = Path(sys.argv[1]), champion.ChampionRecord.model_validate_json(sys.argv[2])
print("ready", flush=True)
while True:
    first = champion.current(pointer).version != other.version
    champion.promote(pointer, other) if first else champion.roll_back(pointer)
"""
# writes all the time, not every five seconds
SERVE = """
from preflight.serving import log_writer
log_writer.FLUSH_SECONDS = 0.01
from preflight.serving.__main__ import main
main()
"""


def start(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    """Start a Python in the copy of the project."""
    environment = {**os.environ, "PYTHONPATH": str(folder / "src"), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE if "ready" in arguments[1] else subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def half_made(folder: Path) -> set[Path]:
    """Return the files of the log that were begun and never put in their place."""
    return set((folder / LOG).glob("day=*/*.half-made"))


def kill(process: "subprocess.Popen[str]", folder: Path, wait: float | None) -> bool:
    """Kill after so many seconds, or (None) inside a write; return whether it fell inside one."""
    before = half_made(folder)
    until = time.monotonic() + (60 if wait is None else wait)
    while time.monotonic() < until and process.poll() is None:
        if wait is None and half_made(folder) - before:
            break
        time.sleep(0 if wait is None else 0.01)
    process.kill()
    process.wait()
    return bool(half_made(folder) - before)


def kept(folder: Path) -> pd.DataFrame:
    """Return the log; its contract holds that nothing is there twice."""
    log = PredictionLog(str(folder / LOG), "late_flights.contracts.derived.PredictionLog")
    return LoggedPredictions.validate(log.load()) if log.exists() else pd.DataFrame()


def promotions(folder: Path, kills: int) -> tuple[int, str]:
    """Kill what promotes and rolls back all the time."""
    pointer, versions = folder / champion.POINTER, []
    first = champion.current(pointer)
    assert first is not None
    other = first.model_copy(update={"version": "other", "instead_of": first.sha256})
    for _ in range(kills):
        process = start(folder, "-c", CHANGE, str(pointer), other.model_dump_json())
        assert process.stdout
        process.stdout.readline()
        kill(process, folder, random.uniform(0, 0.1))
        now = champion.current(pointer)
        assert now is not None
        champion.file_of(pointer, now)
        versions.append(now.version)
    if versions[-1] == "other":
        champion.roll_back(pointer)
    return 0, f"a whole champion each time: {versions.count('other')} times the other one"


def inferences(folder: Path, kills: int) -> tuple[int, str]:
    """Kill runs of inference, and then make all their moments at once."""
    flights = sorted((PROJECT / "data/03_primary/flights.parquet").glob("*/*.parquet"))[-1]
    last = pd.read_parquet(flights, columns=["scheduled_departure"])["scheduled_departure"].max()
    moments = [last - pd.Timedelta(hours=hours) for hours in (30, 29, 28, 27, 26)]
    run = ("-m", "kedro", "run", "--pipelines", "inference", "--params")
    inside = 0
    for i in range(kills):
        given = f"inference.moment={moments[i % len(moments)].isoformat()}"
        inside += kill(start(folder, *run, given), folder, random.uniform(3, 9) if i % 2 else None)
        kept(folder)
    given = f"inference.moment={moments[0].isoformat()},inference.until={moments[-1].isoformat()}"
    assert start(folder, *run, given).wait() == 0
    rows = kept(folder)
    assert not rows.duplicated(Features.grain()).any()
    return inside, f"a backfill of their {len(moments)} moments: {len(rows)} decisions, each once"


def services(folder: Path, kills: int) -> tuple[int, str]:
    """Kill services that are asked all the time."""
    stored = sorted(
        (PROJECT / "data/07_model_output/reference_predictions.parquet").glob("*/*.parquet")
    )[-1]
    one, _ = write_bodies(batch_of(pd.read_parquet(stored), Features, 1), folder)
    body = one.read_bytes()
    told: dict[str, float] = {}
    inside = 0
    for i in range(kills):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        process = start(folder, "-c", SERVE, "--port", str(port))
        asking = threading.Thread(target=ask_all_the_time, args=(port, body, told, process.poll))
        asking.start()
        before = len(told)
        while asking.is_alive() and len(told) == before:  # until it is ready
            time.sleep(0.1)
        inside += kill(process, folder, random.uniform(0, 3) if i % 2 else None)
        asking.join()
    rows = kept(folder)
    rows = rows[rows["source"] == "service"]
    answered = pd.Series(told).rename(pd.Timestamp)
    assert (rows["probability"].to_numpy() == rows["moment"].map(answered)).all()
    return inside, f"{len(told)} answered, {len(rows)} of them logged, none that was not answered"


def ask_all_the_time(
    port: int, body: bytes, told: dict[str, float], ended: Callable[[], object]
) -> None:
    """Ask until the service is no more."""
    while ended() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/predict", body, timeout=9) as one:
                answer = json.load(one)
            told[answer["moment"]] = answer["answers"][0]["probability"]
        except (OSError, ValueError, HTTPException):  # not there yet, or no more
            time.sleep(0.02)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, nargs=3, default=[20, 15, 15], help="of each kind")
    options = parser.parse_args(argv)
    if champion.current(PROJECT / champion.POINTER) is None:
        sys.exit("There is no champion: kedro run --pipelines deployment")
    random.seed(0)
    lines = []
    with tempfile.TemporaryDirectory() as where:
        folder = Path(where)
        for name in ("conf", "src", "data/06_models", "data/03_primary"):
            shutil.copytree(PROJECT / name, folder / name)
        for name in ("pyproject.toml", ".telemetry"):
            shutil.copy(PROJECT / name, folder / name)
        for kind, kills in zip((promotions, inferences, services), options.kills, strict=True):
            inside, left = kind(folder, kills)
            lines.append([kind.__name__, kills, inside or "", left])
    table("Killed", ["what", "kills", "inside a write of the log", "what was left"], lines)


if __name__ == "__main__":
    main()
