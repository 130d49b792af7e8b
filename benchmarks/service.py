"""How fast the service answers over loopback, next to `mlflow models serve` with the same model.

    python -m benchmarks.service --mlflow PYTHON    (one with requirements/tracking.lock)

The model is the candidate of the newest verdict, with rows of `reference_predictions`, as in `make
bench-service`, which measures the two loads of the promotion gate alone.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from preflight.errors import RunError
from preflight.runs.manifest import evaluated_run
from preflight.serving.measure import (
    FRAMED_PROCESSES,
    SERVICE,
    Load,
    Measurement,
    Running,
    Server,
    as_json,
    batch_of,
    copy_with_candidate,
    files_of,
    peak_mb,
    quietest,
    running,
    send,
    write_bodies,
)

from late_flights.contracts.features import Features

from benchmarks import PROJECT
from benchmarks.measure import table

SAVE = """
import sys, mlflow
from pathlib import Path
from preflight.modeling import skops_file
with Path(sys.argv[1]).open("rb") as file:
    bundle = skops_file.load(file, sys.argv[3:])
mlflow.sklearn.save_model(bundle["estimator"], sys.argv[2], pyfunc_predict_fn="predict_proba",
    serialization_format="cloudpickle")
"""


class Round(NamedTuple):
    """One load of one server, with the CPU milliseconds of the server per request.

    Other work on the machine doesn't change these.
    """

    found: Measurement
    cpu_ms: float


def cpu_seconds(group: int) -> float:
    """Return the CPU seconds that a process and its children took (Linux)."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[2]) == group:
                ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def timed(server: Running, body: Path, load: Load, seconds: float) -> Round:
    before = cpu_seconds(server.pid)
    found = send(server.url, body, load, seconds)
    cpu = 1000 * (cpu_seconds(server.pid) - before) / (found.per_second * seconds)
    return Round(found, cpu)


def mlflow_server(python: str, run: dict[str, Any], folder: Path) -> Server:
    """Return the server of a candidate that mlflow saves in a folder."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "src")}
    trusted = run["catalog"]["candidate"]["load_args"]["trusted"]
    candidate = PROJECT / files_of(run)["candidate"]["path"]
    save = [python, "-c", SAVE, str(candidate), str(folder / "model"), *trusted]
    subprocess.run(save, check=True, env=environment, capture_output=True)
    serve = [python, "-m", "mlflow", "models", "serve", "--env-manager", "local", "--workers", "1"]
    return Server([*serve, "-m", str(folder / "model")], "/ping", "/invocations")


def mlflow_bodies(batch: pd.DataFrame, folder: Path) -> tuple[Path, Path]:
    """Write one row, and many, as mlflow takes them; return their paths."""
    undated = batch.select_dtypes(exclude="datetimetz")
    paths = folder / "mlflow-one.json", folder / "mlflow-many.json"
    for path, rows in zip(paths, (undated.head(1), undated), strict=True):
        path.write_text(json.dumps({"dataframe_split": as_json(rows, "split")}))
    return paths


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10, help="of each load")
    parser.add_argument("--rounds", type=int, default=3, help="of which the quietest counts")
    parser.add_argument("--rows", type=int, default=10_000, help="of a batch")
    parser.add_argument("--mlflow", help="a Python that has mlflow")
    options = parser.parse_args(argv)
    try:
        run = evaluated_run(PROJECT)
    except RunError as error:
        sys.exit(str(error))
    rate = run["parameters"]["framing"]["serving"]["requests_per_second"]
    loads = {
        "one row, 1 client": (0, Load(1, 1)),
        "one row, as framed": (0, Load(FRAMED_PROCESSES, 1, rate / FRAMED_PROCESSES)),
        "as framed, ten at once": (0, Load(1, 10, rate / 10)),
        "one row, 16 clients": (0, Load(1, 16)),
        "batches, 2 clients": (1, Load(1, 2)),
    }
    with tempfile.TemporaryDirectory() as where, contextlib.ExitStack() as started:
        folder = Path(where)
        copy_with_candidate(PROJECT, run, folder)
        stored = pd.read_parquet(PROJECT / files_of(run)["reference_predictions"]["path"])
        batch = batch_of(stored, Features, options.rows)
        servers = {"ours": (SERVICE, write_bodies(batch, folder))}
        if options.mlflow:
            server = mlflow_server(options.mlflow, run, folder)
            servers["mlflow"] = server, mlflow_bodies(batch, folder)
        started_servers = {
            name: (started.enter_context(running(server, folder)), made)
            for name, (server, made) in servers.items()
        }
        rounds: dict[tuple[str, str], list[Round]] = {}
        for server, made in started_servers.values():
            send(server.url, made[0], Load(1, 2), 2)  # warm up
        for _ in range(options.rounds):  # they take turns, as the machine has other work
            for what, (size, load) in loads.items():
                for name, (server, made) in started_servers.items():
                    found = timed(server, made[size], load, options.seconds)
                    rounds.setdefault((what, name), []).append(found)
        ours = started_servers["ours"][0]
        memory = peak_mb(ours.pid)
    lines = []
    for key, several in rounds.items():
        best = quietest([one.found for one in several])
        cpu = min(one.cpu_ms for one in several)
        numbers = [best.per_second, best.p50_ms, best.p99_ms, cpu, best.machine_load]
        lines.append([*key, *(f"{number:.1f}" for number in numbers), best.failed])
    table(
        f"{rate:g} requests a second are framed; a batch has {options.rows:,} rows",
        ["load", "server", "a second", "p50 ms", "p99 ms", "CPU ms", "busy", "failed"],
        lines,
    )
    print(f"\nOurs is ready after {ours.ready_seconds:.1f} s; its peak is {memory:.0f} MB.")


if __name__ == "__main__":
    main()
