"""What a challenger costs the champion: in the shadow, killed, and with planted errors.

    python -m benchmarks.shadow    (needs hey and a run with a verdict)

The service answers one row a request, from a temporary copy of the project. The challenger is the
same model with another calibration. Rounds without and with it take turns.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from preflight.errors import RunError
from preflight.inference.experiment import FOLDER, Design, Designs
from preflight.inference.shadow import (
    COMPARISONS,
    SETTING,
    ShadowSetting,
    read_comparisons,
    save_document,
)
from preflight.modeling.skops_file import dump, load
from preflight.runs.manifest import evaluated_run
from preflight.serving.measure import (
    FRAMED_PROCESSES,
    SERVICE,
    Load,
    Measurement,
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


def write_challengers(folder: Path, run: dict[str, Any]) -> None:
    """Write a challenger that answers, `other`, and one that fails, `broken`."""
    record = files_of(run)["candidate"]
    with (folder / record["path"]).open("rb") as file:
        bundle = load(file, run["catalog"]["candidate"]["load_args"]["trusted"])
    broken = {**bundle, "features": bundle["features"][:-1]}  # its estimator wants all of them
    for version, one in (("other", {**bundle, "slope": 0.9}), ("broken", broken)):
        path = folder / "data/06_models/challenger.skops" / version / "challenger.skops"
        path.parent.mkdir(parents=True)
        with path.open("wb") as file:
            dump(one, file)


def challenger_processes(service: int) -> list[int]:
    """Return the challenger's process of a service, if it runs (Linux)."""
    listed = subprocess.run(
        ["pgrep", "-P", str(service), "-f", "spawn_main"],
        capture_output=True,
        text=True,
        check=False,
    )
    return [int(pid) for pid in listed.stdout.split()]


def counter(url: str, name: str) -> float:
    """Return a value of /metrics; 0 as long as it is not there."""
    text = urllib.request.urlopen(url.replace("/predict", "/metrics")).read().decode()
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


def wait(condition: Any, seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise RunError("the service does not follow")
        time.sleep(0.05)


class Client(threading.Thread):
    """Asks for one row after the other, and keeps what it was told."""

    def __init__(self, url: str, body: bytes) -> None:
        super().__init__(daemon=True)
        self._url, self._body = url, body
        self.answers: list[float] = []
        self.failed = 0
        self.ended = threading.Event()

    def run(self) -> None:
        """Ask until `stop`."""
        while not self.ended.is_set():
            try:
                with urllib.request.urlopen(self._url, self._body, timeout=9) as one:
                    self.answers.append(json.load(one)["answers"][0]["probability"])
            except OSError:
                self.failed += 1

    def stop(self) -> None:
        """Wait for the last answer."""
        self.ended.set()
        self.join()


def interleave(
    url: str, pid: int, folder: Path, body: Path, load: Load, seconds: float, rounds: int
) -> list[tuple[Measurement, Measurement]]:
    """Return rounds without and with a challenger in the shadow; which comes first alternates."""
    pairs = []
    for number in range(rounds):
        found = {}
        for shadowed in (False, True) if number % 2 else (True, False):
            if shadowed:
                save_document(
                    ShadowSetting(challenger="other", since=datetime.now(UTC)), folder / SETTING
                )
                before = counter(url, 'preflight_shadow_rows_total{found="compared"}')
                wait(lambda: challenger_processes(pid))
                urllib.request.urlopen(url, body.read_bytes()).close()
                name = 'preflight_shadow_rows_total{found="compared"}'
                wait(lambda before=before, name=name: counter(url, name) > before)
            else:
                (folder / SETTING).unlink(missing_ok=True)
                wait(lambda: not challenger_processes(pid))
            found[shadowed] = send(url, body, load, seconds)
        pairs.append((found[False], found[True]))
    (folder / SETTING).unlink(missing_ok=True)
    wait(lambda: not challenger_processes(pid))
    return pairs


def kill(url: str, pid: int, folder: Path, body: bytes, kills: int) -> Client:
    """Kill the challenger's process again and again while a client asks."""
    save_document(ShadowSetting(challenger="other", since=datetime.now(UTC)), folder / SETTING)
    client = Client(url, body)
    client.start()
    for _ in range(kills):
        name = 'preflight_shadow_rows_total{found="compared"}'
        before = counter(url, name)
        wait(lambda before=before, name=name: counter(url, name) > before, 90)
        (found,) = challenger_processes(pid)
        os.kill(found, signal.SIGKILL)
        wait(lambda found=found: found not in challenger_processes(pid))
    client.stop()
    (folder / SETTING).unlink()
    return client


def canary(url: str, folder: Path, body: bytes) -> tuple[float, Client]:
    """Return how many seconds after its design a failing canary is back at no unit."""
    designs = Designs(str(folder / FOLDER))
    client = Client(url, body)
    client.start()
    time.sleep(1)
    began = time.monotonic()
    designs.save(
        Design.seal(
            name="planted", control="champion", treatment="challenger", champion="v",
            challenger="broken", unit=["carrier"], period_hours=None, share=0.999, salt="planted",
            start=date(2013, 1, 1), looks=[date(2100, 1, 1)], alpha=0.05, effect_per_1000=1.0,
            power=0.8, standard_error=1.0, units=10, false_share=0.0, made_at=datetime.now(UTC),
        )
    )  # fmt: skip
    wait(lambda: designs.load()[0].stopped)
    before = -1.0
    failed = 'preflight_challenger_total{found="failed"}'
    while (now := counter(url, failed)) > before:  # until the service asks it no more
        before = now
        time.sleep(0.6)
    seconds = time.monotonic() - began - 0.6
    client.stop()
    return seconds, client


def interval(ratios: list[float]) -> str:
    """Return the median of ratios, with its 95% interval (bootstrap)."""
    rng = np.random.default_rng(0)
    draws = np.median(rng.choice(ratios, (2_000, len(ratios))), axis=1)
    low, high = np.quantile(draws, [0.025, 0.975])
    return f"{np.median(ratios):.3f} ({low:.3f} to {high:.3f})"


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5, help="of each load")
    parser.add_argument("--rounds", type=int, default=20, help="without and with")
    parser.add_argument("--rate", type=float, default=100, help="requests a second")
    parser.add_argument("--kills", type=int, default=10)
    options = parser.parse_args(argv)
    try:
        run = evaluated_run(PROJECT)
    except RunError as error:
        sys.exit(str(error))
    load = Load(FRAMED_PROCESSES, 1, options.rate / FRAMED_PROCESSES)
    with tempfile.TemporaryDirectory() as where:
        folder = Path(where)
        copy_with_candidate(PROJECT, run, folder)
        write_challengers(folder, run)
        stored = pd.read_parquet(PROJECT / files_of(run)["reference_predictions"]["path"])
        one, _ = write_bodies(batch_of(stored, Features, 1), folder)
        with running(SERVICE, folder) as service:
            url, pid = service.url, service.pid
            send(url, one, load, 2)  # warm up
            pairs = interleave(url, pid, folder, one, load, options.seconds, options.rounds)
            killed = kill(url, pid, folder, one.read_bytes(), options.kills)
            seconds, asked = canary(url, folder, one.read_bytes())
        (compared,) = read_comparisons(folder / COMPARISONS)
    alone, shadowed = zip(*pairs, strict=True)
    table(
        f"One row at {options.rate:g} requests a second, {options.rounds} rounds of "
        f"{options.seconds:g} s",
        ["", "without, ms", "in the shadow, ms", "ratio (95% interval)"],
        [
            [
                name,
                *(
                    f"{np.median([getattr(o, field) for o in some]):.2f}"
                    for some in (alone, shadowed)
                ),
                interval([getattr(b, field) / getattr(a, field) for a, b in pairs]),
            ]
            for name, field in (("median", "p50_ms"), ("99%", "p99_ms"))
        ],
    )
    rows = compared.rows + compared.dropped + compared.failed
    table(
        "Faults of the challenger, as a client sees them",
        ["fault", "requests", "failed", "other answers than the champion's"],
        [
            [name, len(c.answers) + c.failed, c.failed, len(set(c.answers)) - 1]
            for name, c in ((f"{options.kills} kills", killed), ("planted errors", asked))
        ],
    )
    print(f"{compared.rows:,} of {rows:,} rows were compared, {compared.dropped:,} were dropped.")
    print(f"The canary with planted errors was back at 0% {seconds:.1f} s after its design.")


if __name__ == "__main__":
    main()
