"""Measures the newest candidate as a service, for the promotion gate: `make bench-service`.

The candidate is served over loopback HTTP from a temporary copy of the project, and answers rows of
`reference_predictions`. hey makes the load. The result is saved as the dataset `service_limits`.
Linux only.
"""

import argparse
import contextlib
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from joblib import cpu_count
from kedro.framework.startup import bootstrap_project

from preflight.contracts.catalog import Contract, contracts_of, read_catalog, specs_of
from preflight.deployment import champion
from preflight.deployment.contracts import service_limits
from preflight.errors import RunError
from preflight.files import replacing
from preflight.modeling.resources import BUSY, machine_load
from preflight.runs.manifest import evaluated_run

MEASURED = "data/08_reporting/service_limits.json"  # as in the catalog
FRAMED_PROCESSES = 10  # of hey, for the framed rate


class Load(NamedTuple):
    """Requests: by how many processes of hey, each with how many clients."""

    processes: int
    clients: int
    rate: float | None = None  # requests a second of a client; None: the next after each answer


class Measurement(NamedTuple):
    """Result of a load: rate, percentiles of the latency, and failed requests."""

    per_second: float
    p50_ms: float
    p99_ms: float
    machine_load: float  # before the load: 1 where the machine was quiet
    failed: int


class Server(NamedTuple):
    """How a server is started, and the paths that say that it is ready and that take requests."""

    command: list[str]
    ready: str
    path: str


SERVICE = Server([sys.executable, "-m", "preflight.serving"], "/ready", "/predict")


class Running(NamedTuple):
    """A server at work."""

    url: str
    pid: int
    ready_seconds: float


@contextlib.contextmanager
def running(server: Server, folder: Path) -> Iterator[Running]:
    """Start a server in a folder with a project, and stop it at the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "PYTHONPATH": str(folder / "src"), "OMP_NUM_THREADS": "1"}
    environment["PATH"] = f"{Path(server.command[0]).parent}:{environment['PATH']}"
    command = [*server.command, "--port", str(port)]
    began = time.perf_counter()
    with (folder / f"output-{port}").open("w+") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
        try:
            while not _answers(f"http://127.0.0.1:{port}{server.ready}"):
                if process.poll() is not None:
                    output.seek(0)
                    raise RunError(f"The server does not start: {output.read()}")
                time.sleep(0.1)
            seconds = time.perf_counter() - began
            yield Running(f"http://127.0.0.1:{port}{server.path}", process.pid, seconds)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 15)
            process.wait()


def _answers(url: str) -> bool:
    with contextlib.suppress(OSError):
        urllib.request.urlopen(url, timeout=5).close()
        return True
    return False


def send(url: str, body: Path, load: Load, seconds: float) -> Measurement:
    """Return how a server answers a load of the same request for some seconds."""
    command = ["hey", "-z", f"{seconds:g}s", "-c", str(load.clients), "-o", "csv", "-t", "60"]
    command += ["-q", str(load.rate)] if load.rate else []
    command += ["-m", "POST", "-T", "application/json", "-D", str(body), url]
    busy, clients = machine_load(cpu_count()), []
    for _ in range(load.processes):
        clients.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        time.sleep(1 / load.rate / load.processes if load.rate else 0)  # not all at once
    parts = [pd.read_csv(io.StringIO(client.communicate()[0])) for client in clients]
    lasted = max((part["offset"] + part["response-time"]).max() for part in parts)
    requests = pd.concat(parts)
    p50, p99 = 1000 * requests["response-time"].quantile([0.5, 0.99])
    failed = int((requests["status-code"] != 200).sum())
    return Measurement(len(requests) / lasted, p50, p99, busy, failed)


def quietest(rounds: list[Measurement]) -> Measurement:
    """Return the round with the least p99 on a quiet machine, with the failures of all rounds."""
    best = min(rounds, key=lambda one: (max(one.machine_load, BUSY), one.p99_ms))
    return best._replace(failed=sum(one.failed for one in rounds))


def peak_mb(pid: int) -> float:
    """Return the peak memory of a process in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1000


def batch_of(stored: pd.DataFrame, contract: Contract, rows: int) -> pd.DataFrame:
    """Return some rows of the contract, each with another key, from stored ones."""
    some = stored[list(contract.to_schema().columns)]
    batch = some.iloc[np.arange(rows) % len(some)].reset_index(drop=True)
    key = next(name for name in contract.grain() if pd.api.types.is_integer_dtype(batch[name]))
    numbers = pd.Series(np.arange(rows) % 9999 + 1)
    return batch.assign(**{key: numbers.astype(batch[key].dtype)})


def as_json(rows: pd.DataFrame, orient: Any) -> Any:
    """Return rows as JSON values, with moments as text."""
    return json.loads(rows.to_json(orient=orient, date_format="iso"))


def write_bodies(batch: pd.DataFrame, folder: Path) -> tuple[Path, Path]:
    """Write the body of one row, and that of a batch by column; return their paths."""
    split = as_json(batch, "split")
    columns = dict(zip(split["columns"], zip(*split["data"], strict=True), strict=True))
    one, many = folder / "one.json", folder / "many.json"
    one.write_text(json.dumps({"rows": as_json(batch.head(1), "records")}))
    many.write_text(json.dumps({"columns": columns}))
    return one, many


def files_of(run: dict[str, Any]) -> dict[str, Any]:
    """Return the records of all files that a run read or wrote, by dataset."""
    return {**run["inputs"], **run["outputs"]}


def copy_with_candidate(project: Path, run: dict[str, Any], folder: Path) -> None:
    """Copy a project without data, with the candidate of a run as its champion."""
    for name in ("conf", "src"):
        shutil.copytree(project / name, folder / name)
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(project / name, folder / name)
    file = files_of(run)["candidate"]
    (folder / file["path"]).parent.mkdir(parents=True)
    shutil.copy(project / file["path"], folder / file["path"])
    champion.promote(folder / champion.POINTER, champion.champion_record(file, run["run"]))


def measure(project: Path, folder: Path, seconds: float, rounds: int, rows: int) -> dict[str, Any]:
    """Return what `service_limits` has of the candidate of the newest evaluated run.

    seconds: of each load. rounds: the quietest one counts. rows: of a batch.

    Raises:
        RunError: there is no evaluated run, or the service does not start.
    """
    run = evaluated_run(project)
    copy_with_candidate(project, run, folder)
    contract = contracts_of(specs_of(read_catalog(project)))["features"]
    stored = pd.read_parquet(project / files_of(run)["reference_predictions"]["path"])
    one, many = write_bodies(batch_of(stored, contract, rows), folder)
    rate = run["parameters"]["framing"]["serving"]["requests_per_second"]
    framed = Load(FRAMED_PROCESSES, 1, rate / FRAMED_PROCESSES)
    with running(SERVICE, folder) as service:
        send(service.url, one, Load(1, 2), min(seconds, 2))  # warm up
        pairs = [
            (send(service.url, one, framed, seconds), send(service.url, many, Load(1, 2), seconds))
            for _ in range(rounds)
        ]
        memory = peak_mb(service.pid)
    single, batches = (quietest(list(several)) for several in zip(*pairs, strict=True))
    return {
        "sha256": files_of(run)["candidate"]["sha256"],
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "requests_per_second": single.per_second,
        "p50_ms": single.p50_ms,
        "p99_ms": single.p99_ms,
        "rows_per_second": batches.per_second * rows,
        "failed": single.failed + batches.failed,
        "ready_seconds": service.ready_seconds,
        "memory_mb": memory,
        "load": max(single.machine_load, batches.machine_load),
    }


def main(argv: list[str] | None = None) -> None:
    """Measure the candidate of the project in the current folder, save and print the result."""
    parser = argparse.ArgumentParser("make bench-service", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="of each load")
    parser.add_argument("--rounds", type=int, default=3, help="of which the quietest counts")
    parser.add_argument("--rows", type=int, default=10_000, help="of a batch")
    options = parser.parse_args(argv)
    if not shutil.which("hey"):
        sys.exit("hey makes the load: apt-get install hey")
    project = Path.cwd()
    bootstrap_project(project)
    try:
        with tempfile.TemporaryDirectory() as folder:
            found = measure(project, Path(folder), **vars(options))
        version = files_of(evaluated_run(project))["candidate"]["version"]
    except RunError as error:
        sys.exit(str(error))
    service_limits.validate([found])
    with replacing(project / MEASURED / version / Path(MEASURED).name) as file:
        file.write(json.dumps(found, indent=2))
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
