"""The benchmarks compare like with like, and run; how long they take is not tested."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[3]
PEERS = [
    "pandas, rolling",
    "pandas, running totals",
    "polars, running totals",
    "polars, rolling",
]
# A small model on a fortieth of the flights, and little to evaluate.
SMALL = [
    *("--every", "40", "--rounds", "1", "--params"),
    "modeling.candidates.boosted_trees.space.max_iter.low=1",
    "modeling.candidates.boosted_trees.params.max_iter=5",
    "evaluation.replicates=100",
    "evaluation.importance_rows=300",
]
SCRIPTS = {
    "windows": (
        ["--every", "200", "--rounds", "1", "--copies", "1"],
        ["History features of 1,684 flights", "Cost of 1 times the rows"],
    ),
    "contracts": (SMALL, ["contracts, % of the run", "The dearest contracts"]),
    "kedro_overhead": (SMALL, ["kedro run | plain script", "What Kedro loads"]),
    "run": (SMALL, ["kedro run without search", "peak memory"]),
    "search": (
        ["--every", "40", "--trials", "2"],
        ["2 trials (medians of 1)", "two workers", "no trial given up"],
    ),
    "pruning": (
        ["--every", "40", "--trials", "3"],
        ["3 random trials", "fold 2, 100% of the trees"],
    ),
    "block": (
        ["--every", "20", "--step", "90"],
        ["of 4 days as they are were blocked", "Faults on ", "operations frozen"],
    ),
    "monitoring_alarms": (
        ["--every", "40", "--replays", "20"],
        ["in % of 20 replays", "real weeks in pairs, 12 weeks apart", "score inverted", "falls by"],
    ),
    "monitoring_faults": (
        ["--every", "40"],
        ["Faults from three starts", "score inverted | 2013-10-07", "labels of half of"],
    ),
    "monitoring_year": (
        ["--every", "20", "--rounds", "1", "--copies", "1"],
        ["Monitoring of 16,", "monitoring.join_decisions", "Peak memory"],
    ),
    "experiments": (
        ["--every", "10", "--worlds", "20"],
        ["20 experiments of 28 days with 3 airports", "power as designed", "groups refused"],
    ),
    "engines": (
        ["--every", "40", "--rounds", "1", "--years", "1", "2"],
        ["25 features of 8,420 flights", "DuckDB, windows", "25 features of 16,8"],
    ),
    "gate": (["--worlds", "3"], ["The gain condition in 3 worlds", "three-day fronts"]),
}


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import windows

    return windows


@pytest.fixture
def flights() -> pd.DataFrame:
    """Few keys and half-hour steps: many outcomes at one moment, at a window's very edge, or none.

    Two months; one in ten is cancelled, one in ten diverted, one in ten still on its way.
    """
    rng = np.random.default_rng(0)
    n = 1500
    departs = pd.Series(
        pd.Timestamp("2013-03-01", tz="UTC") + pd.to_timedelta(rng.integers(0, 2880, n) * 30, "min")
    ).dt.as_unit("us")
    arrives = departs + pd.to_timedelta(rng.integers(1, 12, n) * 30, "min").as_unit("us")
    delay = pd.Series((rng.integers(-2, 10, n) * 30).astype("float32"))
    end = pd.Series(
        rng.choice(["arrived", "cancelled", "diverted", "open"], n, p=[0.7, *[0.1] * 3])
    )
    arrived_at = (arrives + pd.to_timedelta(delay, unit="min")).dt.as_unit("us")
    return pd.DataFrame(
        {
            "carrier": pd.Categorical(rng.choice(["AA", "B6"], n)),
            "flight": rng.integers(1, 9, n).astype("int32"),
            "origin": pd.Categorical(rng.choice(["EWR", "JFK"], n)),
            "dest": pd.Categorical(rng.choice(["BOS", "SFO"], n)),
            "scheduled_departure": departs,
            "arrived_at": arrived_at.where(end == "arrived"),
            "cancelled_at": (departs + pd.Timedelta(hours=1)).where(end == "cancelled"),
            "diverted_at": (arrives + pd.Timedelta(hours=3)).where(end == "diverted"),
            "arrival_delay": delay.where(end == "arrived"),
        }
    )


@pytest.mark.parametrize("peer", PEERS)
def test_peers_compute_our_values(windows: ModuleType, flights: pd.DataFrame, peer: str) -> None:
    import polars as pl

    assert [*PEERS] == [name for name in windows.ENGINES if name != "preflight"]
    ours = windows.preflight_history(flights)
    given = pl.from_pandas(flights) if peer.startswith("polars") else flights
    theirs = windows.ENGINES[peer](given)
    assert list(theirs.columns) == list(ours.columns)
    assert 0 < ours["last_arrival_delay"].isna().sum() < len(ours) / 2
    windows.check_same(peer, theirs.to_numpy(), ours.to_numpy())


@pytest.mark.parametrize("wrong", [0.001, np.nan])
def test_other_values_and_other_gaps_are_noticed(windows: ModuleType, wrong: float) -> None:
    ours = np.array([[0.1, 0.2], [0.3, np.nan]], dtype="float32")
    theirs = ours.copy()
    windows.check_same("a peer", theirs, ours)
    theirs[0, 0] = wrong
    with pytest.raises(AssertionError, match="a peer"):
        windows.check_same("a peer", theirs, ours)


def test_clocks_count_a_moment_once(monkeypatch: pytest.MonkeyPatch, windows: ModuleType) -> None:
    from benchmarks import measure

    def ticks() -> Iterator[float]:
        yield from (0.0, 1.0, 3.0, 10.0)  # outer begins, inner begins, inner ends, outer ends

    for clock in ("perf_counter", "process_time"):
        monkeypatch.setattr(measure.time, clock, ticks().__next__)
    clocks = measure.Clocks()
    with clocks.time("load", "flights"), clocks.time("contract", "flights"):
        pass
    assert clocks.wall == {("load", "flights"): 8.0, ("contract", "flights"): 2.0}
    assert measure.total(clocks.cpu) == 10.0
    assert measure.total(clocks.cpu, "contract") == 2.0


def run_benchmark(script: str, *options: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{script}", *options],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("script", sorted((ROOT / "benchmarks").glob("[!_]*.py")))
def test_benchmark_can_be_imported(script: Path) -> None:
    """Also those that need a champion, a load generator or another library's Python."""
    code = f"import benchmarks.{script.stem}"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize("script", SCRIPTS)
def test_benchmark_runs(script: str) -> None:
    options, expected = SCRIPTS[script]
    shown = run_benchmark(script, *options)
    for words in expected:
        assert words in shown


def test_second_data_runs(tmp_path: Path) -> None:
    """A made year of the same form: the file itself comes from a package that is not installed."""
    rng = np.random.default_rng(0)
    at = pd.date_range("2011-01-01", periods=365 * 24, freq="h")
    warm = 0.6 - 0.2 * np.cos(2 * np.pi * at.day_of_year / 365)
    mean = 500 * warm * np.sin(np.pi * at.hour / 24) * rng.uniform(0.7, 1.3, len(at))
    hours = pd.DataFrame(
        {
            "day": at.day_of_year,
            "hr": at.hour,
            "holiday": 0,
            "weekday": (at.day_of_week + 1) % 7,
            "workingday": (at.day_of_week < 5).astype(int),
            "weathersit": rng.choice(["clear", "cloudy/misty"], len(at)),
            "temp": warm,
            "hum": rng.random(len(at)),
            "windspeed": rng.random(len(at)),
            "bikers": rng.poisson(mean),
        }
    )
    hours.to_csv(tmp_path / "hours.csv", index=False)
    csv = str(tmp_path / "hours.csv")
    shown = run_benchmark("second_data", "--csv", csv, "--replays", "20")
    for words in ("of 31 real weeks", "in % of 20 replays", "| 14 | calendar | "):
        assert words in shown
