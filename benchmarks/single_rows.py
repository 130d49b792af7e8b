"""How fast one row is answered, in process and over HTTP, next to an earlier commit and to mlflow.

    python -m benchmarks.single_rows --before WORKTREE --mlflow PYTHON    (needs hey)

The model is the candidate of the newest verdict, the same file for all. All take turns: the machine
has other work. WORKTREE: of an earlier commit, made by git worktree add. PYTHON: one that has
requirements/tracking.lock.
"""

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

from preflight.errors import RunError
from preflight.runs.manifest import evaluated_run
from preflight.serving.measure import (
    SERVICE,
    Load,
    batch_of,
    copy_with_candidate,
    files_of,
    running,
    send,
    write_bodies,
)

from late_flights.contracts.features import Features

from benchmarks import PROJECT
from benchmarks.measure import table
from benchmarks.service import mlflow_bodies, mlflow_server

CLIENTS = (1, 8, 16)
IN_PROCESS = """
import json, sys, time
import numpy as np, pandas as pd
from late_flights.contracts.features import Features
from preflight.modeling.model import answer, predict
from preflight.modeling.skops_file import load
with open(sys.argv[1], "rb") as file:
    bundle = load(file, sys.argv[3:])
rows = pd.read_parquet(sys.argv[2])[bundle["features"]]
groups = Features.groups()
asked = {
    "prediction": lambda row: predict(bundle, row),
    "whole answer": lambda row: answer(bundle, row, groups, explain=False),
}
found = {}
for name, ask in asked.items():
    took = []
    for i in range(320):
        row = rows.iloc[[i % len(rows)]]
        began = time.process_time_ns()
        ask(row)
        took.append(time.process_time_ns() - began)
    found[name] = [float(one) / 1e6 for one in np.quantile(took[20:], [0.5, 0.99])]  # warm
print(json.dumps(found))
"""

Rounds = dict[tuple[str, ...], list[tuple[float, ...]]]


def copy_project(run: dict[str, Any], tree: Path, folder: Path) -> Path:
    """Return a copy of the project with the code of a worktree, and the candidate as champion."""
    folder.mkdir()
    copy_with_candidate(PROJECT, run, folder)
    for name in ("conf", "src"):
        shutil.rmtree(folder / name)
        shutil.copytree(tree / name, folder / name)
    return folder


def in_process(folder: Path, run: dict[str, Any]) -> dict[str, tuple[float, ...]]:
    """Return the CPU milliseconds of one row, median and p99, in a new process."""
    files = files_of(run)
    rows = PROJECT / files["reference_predictions"]["path"]
    trusted = run["catalog"]["candidate"]["load_args"]["trusted"]
    environment = {**os.environ, "PYTHONPATH": str(folder / "src"), "OMP_NUM_THREADS": "1"}
    given = [str(folder / files["candidate"]["path"]), str(rows), *trusted]
    command = [sys.executable, "-c", IN_PROCESS, *given]
    made = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return {name: tuple(values) for name, values in json.loads(made.stdout).items()}


def written(rounds: Rounds, key: tuple[str, ...]) -> list[str]:
    """Return a line of the table: medians, and the median of the ratios of each round."""
    made = rounds[key]
    middle = [statistics.median(values) for values in zip(*made, strict=True)]
    ratios = [now[0] / one[0] for now, one in zip(rounds[(key[0], "now")], made, strict=True)]
    return [*key, *(f"{value:.2f}" for value in middle), f"{statistics.median(ratios):.2f}"]


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--before", type=Path, help="a worktree of an earlier commit")
    parser.add_argument("--mlflow", help="a Python that has mlflow")
    parser.add_argument("--seconds", type=float, default=5, help="of each load")
    parser.add_argument("--rounds", type=int, default=5, help="of which the median counts")
    options = parser.parse_args(argv)
    try:
        run = evaluated_run(PROJECT)
    except RunError as error:
        sys.exit(str(error))
    trees = {"now": PROJECT} | ({"before": options.before} if options.before else {})
    rounds: Rounds = {}
    with tempfile.TemporaryDirectory() as where, contextlib.ExitStack() as started:
        copies = {name: copy_project(run, t, Path(where) / name) for name, t in trees.items()}
        stored = pd.read_parquet(PROJECT / files_of(run)["reference_predictions"]["path"])
        batch = batch_of(stored, Features, 1)
        for _ in range(options.rounds):
            for name, folder in copies.items():
                for what, took in in_process(folder, run).items():
                    rounds.setdefault((what, name), []).append(took)
        one, _ = write_bodies(batch, Path(where))
        servers = {n: (started.enter_context(running(SERVICE, f)), one) for n, f in copies.items()}
        if options.mlflow:
            server = mlflow_server(options.mlflow, run, Path(where))
            row, _ = mlflow_bodies(batch, Path(where))
            servers["mlflow"] = started.enter_context(running(server, Path(where))), row
        for server, body in servers.values():
            send(server.url, body, Load(1, 2), 2)  # warm up
        for _ in range(options.rounds):
            for clients in CLIENTS:
                for name, (server, body) in servers.items():
                    found = send(server.url, body, Load(1, clients), options.seconds)
                    took = (found.per_second, found.p50_ms, found.p99_ms, float(found.failed))
                    rounds.setdefault((f"{clients} clients", name), []).append(took)
    lines = [written(rounds, key) for key in rounds]
    about = f"medians of {options.rounds} rounds"
    process = [line for line in lines if not line[0].endswith("clients")]
    table(f"CPU of one row, {about}", ["what", "code", "ms", "p99", "now / this"], process)
    heads = ["load", "server", "a second", "p50 ms", "p99 ms", "failed", "now / this"]
    served = [line for line in lines if line[0].endswith("clients")]
    table(f"One row over HTTP, {about} of {options.seconds:g} s", heads, served)


if __name__ == "__main__":
    main()
