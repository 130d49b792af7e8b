"""How fast the service answers over loopback, next to `mlflow models serve` with the same model.

    make bench-service                              (needs a run with a verdict, and hey)
    python -m benchmarks.service --mlflow PYTHON    (one with requirements/tracking.lock)

The model is the candidate that a deployment would promote: the promotion gate reads what is
measured here (`service_limits`). It is served from a temporary folder, with rows of `end_to_end`;
the log is written as always. The load comes from hey (`apt-get install hey`).
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

from preflight.deployment import champion
from preflight.deployment.contracts import service_limits
from preflight.errors import RunError
from preflight.files import replacing
from preflight.modeling.resources import BUSY, machine_load
from preflight.runs.manifest import evaluated_run

from late_flights.contracts.features import Features

from benchmarks import PROJECT
from benchmarks.measure import table

MEASURED = "data/08_reporting/service_limits.json"  # as in the catalog
FRAMED, BATCH = "one row, as framed", "batches, 2 clients"
SAVE = """
import sys, mlflow
from pathlib import Path
from preflight import model_file
with Path(sys.argv[1]).open("rb") as file:
    bundle = model_file.load(file, sys.argv[3:])
mlflow.sklearn.save_model(bundle["estimator"], sys.argv[2], pyfunc_predict_fn="predict_proba",
    serialization_format="cloudpickle")
"""


class Load(NamedTuple):
    """What is asked: which body, by so many processes of hey, each with so many clients."""

    body: str
    processes: int
    clients: int
    rate: float | None = None  # requests a second of a client; None: as fast as it is answered


class Told(NamedTuple):
    """What was seen: requests a second, percentiles of their time in ms, and failures."""

    a_second: float
    p50: float
    p99: float
    cpu: float  # ms of the server for a request: other work on the machine doesn't change it
    busy: float  # the machine's load before it: 1 where it was quiet
    failed: int


class Server(NamedTuple):
    """How a server is started, where it says that it is ready, and where it is asked."""

    command: list[str]
    ready: str
    path: str


@contextlib.contextmanager
def running(server: Server, cwd: Path, port: int) -> Iterator[tuple[int, float]]:
    """Start a server, and yield its process and the seconds until it was ready."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "src"), "OMP_NUM_THREADS": "1"}
    environment["PATH"] = f"{Path(server.command[0]).parent}:{environment['PATH']}"
    command = [*server.command, "--port", str(port)]
    began = time.perf_counter()
    with (cwd / f"told-{port}").open("w+") as told:
        process = subprocess.Popen(
            command, cwd=cwd, env=environment, stdout=told, stderr=told, start_new_session=True
        )
        try:
            while True:
                with contextlib.suppress(OSError):
                    address = f"http://127.0.0.1:{port}{server.ready}"
                    urllib.request.urlopen(address, timeout=5).close()
                    break
                if process.poll() is not None:
                    told.seek(0)
                    sys.exit(told.read())
                time.sleep(0.1)
            yield process.pid, time.perf_counter() - began
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 15)
            process.wait()


def free_port() -> int:
    """Return a port that nobody has."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def cpu_seconds(group: int) -> float:
    """Return the CPU seconds that a process and its children took (Linux)."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[2]) == group:
                ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def ask(url: str, body: Path, load: Load, seconds: int, pid: int) -> Told:
    """Ask the server with this process for some seconds."""
    command = ["hey", "-z", f"{seconds}s", "-c", str(load.clients), "-o", "csv", "-t", "60"]
    command += ["-q", str(load.rate)] if load.rate else []
    command += ["-m", "POST", "-T", "application/json", "-D", str(body), url]
    busy = machine_load(cpu_count())
    asking, before = [], cpu_seconds(pid)
    for _ in range(load.processes):
        asking.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        time.sleep(1 / load.rate / load.processes if load.rate else 0)  # not all at once
    parts = [pd.read_csv(io.StringIO(one.communicate()[0])) for one in asking]
    lasted = max((part["offset"] + part["response-time"]).max() for part in parts)
    every = pd.concat(parts)
    p50, p99 = 1000 * every["response-time"].quantile([0.5, 0.99])
    cpu = 1000 * (cpu_seconds(pid) - before) / len(every)
    return Told(len(every) / lasted, p50, p99, cpu, busy, int((every["status-code"] != 200).sum()))


def quietest(rounds: list[Told]) -> Told:
    """Return the quiet round with the least p99, or the one that was nearest to it."""
    least = min(rounds, key=lambda told: (max(told.busy, BUSY), told.p99))
    return least._replace(failed=sum(told.failed for told in rounds))


def memory(pid: int) -> float:
    """Return the peak of a process's memory in MB (Linux)."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1000


def bodies(stored: Path, folder: Path, rows: int) -> dict[str, Path]:
    """Write one row, and many, as each server takes them."""
    few = pd.read_parquet(stored)[list(Features.to_schema().columns)]
    many = few.iloc[np.arange(rows) % len(few)].reset_index(drop=True)
    key = next(n for n in Features.grain() if pd.api.types.is_integer_dtype(few[n]))
    many[key] = (np.arange(rows) % 9999 + 1).astype(few[key].dtype)  # each row another
    split = {size: _as_json(part, "split") for size, part in (("one", few.head(1)), ("many", many))}
    columns = dict(
        zip(split["many"]["columns"], zip(*split["many"]["data"], strict=True), strict=True)
    )
    undated = few.select_dtypes(exclude="datetimetz").columns
    contents = {
        "ours one": {"rows": _as_json(few.head(1), "records")},
        "ours many": {"columns": columns},
        "mlflow one": {"dataframe_split": _as_json(few.head(1)[undated], "split")},
        "mlflow many": {"dataframe_split": _as_json(many[undated], "split")},
    }
    for name, content in contents.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return {name: folder / f"{name}.json" for name in contents}


def _as_json(rows: pd.DataFrame, orient: Any) -> Any:
    return json.loads(rows.to_json(orient=orient, date_format="iso"))


def set_up(folder: Path) -> dict[str, Any]:
    """Copy the project with its candidate as champion; return the run that judged it."""
    try:
        run = evaluated_run(PROJECT)
    except RunError as error:
        sys.exit(str(error))
    for name in ("conf", "src"):
        shutil.copytree(PROJECT / name, folder / name)
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(PROJECT / name, folder / name)
    file = {**run["inputs"], **run["outputs"]}["candidate"]
    (folder / file["path"]).parent.mkdir(parents=True)
    shutil.copy(PROJECT / file["path"], folder / file["path"])
    champion.promote(folder / champion.POINTER, champion.champion_record(file, run["run"]))
    return run


def servers(
    folder: Path, candidate: Path, trusted: list[str], mlflow: str | None
) -> dict[str, Server]:
    """Return what is compared."""
    ours = Server([sys.executable, "-m", "preflight.serving"], "/ready", "/predict")
    if mlflow is None:
        return {"ours": ours}
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "src")}
    save = [mlflow, "-c", SAVE, str(candidate), str(folder / "model"), *trusted]
    subprocess.run(save, check=True, env=environment, capture_output=True)
    serve = [mlflow, "-m", "mlflow", "models", "serve", "--env-manager", "local", "--workers", "1"]
    theirs = Server([*serve, "-m", str(folder / "model")], "/ping", "/invocations")
    return {"ours": ours, "mlflow": theirs}


def keep(file: dict[str, Any], about: dict[str, float], one: Told, many: Told, rows: int) -> None:
    """Leave what the promotion gate reads, beside what the run left that made the candidate."""
    found = {
        "sha256": file["sha256"],
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "requests_per_second": one.a_second,
        "p50_ms": one.p50,
        "p99_ms": one.p99,
        "rows_per_second": many.a_second * rows,
        "failed": one.failed + many.failed,
        "load": max(one.busy, many.busy),
        **about,
    }
    service_limits.validate([found])
    path = PROJECT / MEASURED / file["version"] / Path(MEASURED).name
    with replacing(path) as kept:
        kept.write(json.dumps(found, indent=2))


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=int, default=10, help="of each load")
    parser.add_argument("--rounds", type=int, default=3, help="of which the quietest is told")
    parser.add_argument("--rows", type=int, default=10_000, help="of a batch")
    parser.add_argument("--mlflow", help="a Python that has mlflow")
    options = parser.parse_args(argv)
    if not shutil.which("hey"):
        sys.exit("hey makes the load: apt-get install hey")
    with tempfile.TemporaryDirectory() as where, contextlib.ExitStack() as started:
        folder = Path(where)
        run = set_up(folder)
        files = {**run["inputs"], **run["outputs"]}
        rate = run["parameters"]["framing"]["serving"]["requests_per_second"]
        made = bodies(PROJECT / files["end_to_end"]["path"], folder, options.rows)
        loads = {
            "one row, 1 client": Load("one", 1, 1),
            FRAMED: Load("one", 10, 1, rate / 10),
            "as framed, ten at once": Load("one", 1, 10, rate / 10),
            "one row, 16 clients": Load("one", 1, 16),
            BATCH: Load("many", 1, 2),
        }
        trusted = run["catalog"]["candidate"]["load_args"]["trusted"]
        candidate = PROJECT / files["candidate"]["path"]
        urls, process = {}, {}
        for name, server in servers(folder, candidate, trusted, options.mlflow).items():
            port = free_port()
            process[name] = started.enter_context(running(server, folder, port))
            urls[name] = f"http://127.0.0.1:{port}{server.path}"
            ask(urls[name], made[f"{name} one"], Load("one", 1, 2), 2, process[name][0])  # warm
        rounds: dict[tuple[str, str], list[Told]] = {}
        for _ in range(options.rounds):  # they take turns, as the machine has other work
            for what, load in loads.items():
                for name, url in urls.items():
                    told = ask(
                        url, made[f"{name} {load.body}"], load, options.seconds, process[name][0]
                    )
                    rounds.setdefault((what, name), []).append(told)
        pid, ready = process["ours"]
        about = {"ready_seconds": ready, "memory_mb": memory(pid)}
    found = {key: quietest(several) for key, several in rounds.items()}
    keep(files["candidate"], about, found[FRAMED, "ours"], found[BATCH, "ours"], options.rows)
    lines = [[*key, *(f"{n:.1f}" for n in told[:-1]), told.failed] for key, told in found.items()]
    table(
        f"{rate:g} requests a second are framed; a batch has {options.rows:,} rows",
        ["load", "server", "a second", "p50 ms", "p99 ms", "CPU ms", "busy", "failed"],
        lines,
    )
    print(f"\nOurs is ready after {ready:.1f} s and takes {about['memory_mb']:.0f} MB at the most.")


if __name__ == "__main__":
    main()
