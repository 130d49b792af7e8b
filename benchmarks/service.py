"""How fast the service answers over loopback, next to `mlflow models serve` with the same model.

    python -m benchmarks.service                    (needs a champion, and hey)
    python -m benchmarks.service --mlflow PYTHON    (one with requirements-tracking.lock)

The load comes from hey (`apt-get install hey`). Rows are those of `end_to_end`, the service runs in
a temporary folder with the champion of the project, and its log is written as always.
"""

import argparse
import contextlib
import csv
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
from pathlib import Path

import numpy as np
import pandas as pd

from preflight import champion

from benchmarks import PROJECT
from benchmarks.measure import table

TRUSTED = [
    "functools.partial",
    "sklearn.utils.validation.check_array",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
]
SAVE = """
import sys, mlflow
from preflight import champion, model_file
from pathlib import Path
pointer = Path(sys.argv[1]) / champion.POINTER
with champion.file_of(pointer, champion.current(pointer)).open("rb") as file:
    bundle = model_file.load(file, sys.argv[3:])
mlflow.sklearn.save_model(bundle["estimator"], sys.argv[2], pyfunc_predict_fn="predict_proba",
    serialization_format="cloudpickle")
"""


@contextlib.contextmanager
def running(command: list[str], cwd: Path, port: int, path: str) -> Iterator[tuple[int, float]]:
    """Start a server, and yield its process and the seconds until it was ready."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "src"), "OMP_NUM_THREADS": "1"}
    environment["PATH"] = f"{Path(command[0]).parent}:{environment['PATH']}"
    began = time.perf_counter()
    with (cwd / "told").open("w+") as told:
        process = subprocess.Popen(
            command, cwd=cwd, env=environment, stdout=told, stderr=told, start_new_session=True
        )
        try:
            while True:
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5).close()
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


def load(url: str, body: Path, seconds: int, clients: int, rate: int | None = None) -> list[str]:
    """Ask for some seconds; return requests per second, and p50, p99 in ms and failures."""
    limit = ["-q", str(rate / clients)] if rate else []
    command = ["hey", "-z", f"{seconds}s", "-c", str(clients), *limit, "-o", "csv", "-t", "60"]
    command += ["-m", "POST", "-T", "application/json", "-D", str(body), url]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = list(csv.DictReader(done.stdout.splitlines()))
    took = 1000 * np.array([float(row["response-time"]) for row in rows])
    failed = sum(row["status-code"] != "200" for row in rows)
    lasted = max(float(row["offset"]) + float(row["response-time"]) for row in rows)
    p50, p99 = np.quantile(took, [0.5, 0.99])
    return [f"{len(rows) / lasted:.1f}", f"{p50:.1f}", f"{p99:.1f}", f"{failed}"]


def memory(pid: int) -> str:
    """Return the peak of a process's memory in MB (Linux)."""
    status = Path(f"/proc/{pid}/status").read_text()
    return f"{int(status.split('VmHWM:')[1].split()[0]) / 1000:.0f}"


def bodies(folder: Path, rows: int) -> dict[str, Path]:
    """Write one row, and many, as each server takes them."""
    stored = sorted((PROJECT / "data/07_model_output/end_to_end.parquet").glob("*/*.parquet"))[-1]
    few = pd.read_parquet(stored).drop(columns="probability")
    flights = np.arange(rows) % 9999 + 1
    many = few.iloc[np.arange(rows) % len(few)].reset_index(drop=True)
    many = many.assign(flight=flights.astype("int32"))
    made = {}
    for size, part in (("one", few.head(1)), ("many", many)):
        whole = json.loads(part.to_json(orient="records", date_format="iso"))
        dated = part.select_dtypes("datetimetz").columns
        split = json.loads(part.drop(columns=dated).to_json(orient="split"))
        for name, content in (("ours", {"rows": whole}), ("mlflow", {"dataframe_split": split})):
            made[f"{name} {size}"] = folder / f"{name}-{size}.json"
            made[f"{name} {size}"].write_text(json.dumps(content))
    return made


def quietest(rounds: list[list[str]]) -> list[str]:
    """Return the round with the least p99, as other work on the machine is not the server's."""
    least = min(rounds, key=lambda told: float(told[2]))
    return [*least[:3], str(sum(int(told[3]) for told in rounds))]


def started(folder: Path, options: argparse.Namespace) -> dict[str, tuple[list[str], str, str]]:
    """Return for each server its command, and the paths that say it is ready and that answer."""
    ours = [sys.executable, "-m", "preflight.serving"]
    servers = {"ours": (ours, "/ready", "/predict")}
    if options.mlflow:
        environment = {**os.environ, "PYTHONPATH": str(PROJECT / "src")}
        save = [options.mlflow, "-c", SAVE, str(folder), str(folder / "model"), *TRUSTED]
        subprocess.run(save, check=True, env=environment, capture_output=True)
        serve = [options.mlflow, "-m", "mlflow", "models", "serve", "--env-manager", "local"]
        servers["mlflow"] = ([*serve, "-m", str(folder / "model")], "/ping", "/invocations")
    return servers


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=10, help="of each load")
    parser.add_argument("--rounds", type=int, default=3, help="of which the quietest is told")
    parser.add_argument("--rows", type=int, default=10_000, help="of a batch")
    parser.add_argument("--mlflow", help="a Python that has mlflow")
    options = parser.parse_args(argv)
    if not shutil.which("hey"):
        sys.exit("hey makes the load: apt-get install hey")
    if champion.current(PROJECT / champion.POINTER) is None:
        sys.exit("There is no champion: kedro run --pipelines deployment")
    with tempfile.TemporaryDirectory() as where:
        folder = Path(where)
        for name in ("conf", "src", "data/06_models"):
            shutil.copytree(PROJECT / name, folder / name)
        for name in ("pyproject.toml", ".telemetry"):
            shutil.copy(PROJECT / name, folder / name)
        made = bodies(folder, options.rows)
        loads = {
            "one row, 1 client": ("one", 1, None),
            "one row, 300 a second": ("one", 10, 300),
            "one row, 16 clients": ("one", 16, None),
            f"{options.rows:,} rows, 2 clients": ("many", 2, None),
        }
        with contextlib.ExitStack() as servers:
            urls, about = {}, []
            for name, (command, ready, ask) in started(folder, options).items():
                port = free_port()
                pid, seconds = servers.enter_context(
                    running([*command, "--port", str(port)], folder, port, ready)
                )
                urls[name] = f"http://127.0.0.1:{port}{ask}"
                load(urls[name], made[f"{name} one"], 2, 2)  # warm
                about.append([name, f"{seconds:.1f}", memory(pid) if name == "ours" else ""])
            found: dict[tuple[str, str], list[list[str]]] = {}
            for _ in range(options.rounds):  # they take turns, as the machine has other work
                for what, (size, clients, rate) in loads.items():
                    for name, url in urls.items():
                        told = load(url, made[f"{name} {size}"], options.seconds, clients, rate)
                        found.setdefault((what, name), []).append(told)
    lines = [[what, name, *quietest(rounds)] for (what, name), rounds in found.items()]
    table("Requests", ["load", "server", "a second", "p50 ms", "p99 ms", "failed"], lines)
    table("Process", ["server", "ready after s", "peak MB"], about)


if __name__ == "__main__":
    main()
