"""The history features: our windows, pandas and polars, at one year and at ten.

    python -m benchmarks.windows

Every engine reads the same Parquet file (not timed), runs once to warm up and once timed, in a
process of its own; engines take turns. Values are compared: equal to 1e-6, missing alike.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

import preflight  # noqa: F401  all engines get the memory as the project sets it

from benchmarks import peers
from benchmarks.measure import Clocks, arguments, fresh, kedro_run, peak_mb, project_copy, table

TOLERANCE = 1e-6


def preflight_history(flights: pd.DataFrame) -> pd.DataFrame:
    """The feature group as it is, with the costs and lead time that ship."""
    import yaml

    from preflight.problem.framing import Framing

    from late_flights.pipelines.feature_engineering.nodes import build_history_features
    from late_flights.pipelines.feature_engineering.pipeline import group

    from benchmarks import PROJECT

    framing = yaml.safe_load((PROJECT / "conf/base/parameters/framing.yml").read_text())
    node = group(build_history_features, "flights", "params:framing")
    return node.func(flights, Framing(**framing["framing"]))


ENGINES: dict[str, Callable[[Any], Any]] = {
    "preflight": preflight_history,
    "pandas, rolling": peers.pandas_rolling,
    "pandas, running totals": peers.pandas_totals,
    "polars, running totals": peers.polars_totals,
    "polars, rolling": peers.polars_rolling,
}


def write_flights(path: Path, every: int) -> None:
    """Write the primary table of flights, as the project's own pipeline makes it."""
    with project_copy(every) as project:
        kedro_run(project, Clocks(), [], ["data_engineering"])
        written = next((project / "data/03_primary/flights.parquet").rglob("*/flights.parquet"))
        pd.read_parquet(written).to_parquet(path)


def write_copies(source: Path, path: Path, copies: int) -> None:
    """Write the flights `copies` times, each 364 days after the one before: weekdays fit."""
    flights = pd.read_parquet(source)
    moments = list(flights.select_dtypes("datetimetz"))
    shifted = [
        flights.assign(**{m: flights[m] + pd.Timedelta(days=364 * i) for m in moments})
        for i in range(copies)
    ]
    in_order = pd.concat(shifted).sort_values("scheduled_departure", kind="stable")
    in_order.reset_index(drop=True).to_parquet(path)


def measure(engine: str, path: Path) -> tuple[float, float, float, npt.NDArray[np.float32]]:
    """Return CPU and wall seconds, MB at the peak over those of the table read, and the values."""
    if engine.startswith("polars"):
        import polars as pl

        flights: Any = pl.read_parquet(path)
    else:
        flights = pd.read_parquet(path)
    before = peak_mb()
    ENGINES[engine](flights)
    wall, cpu = time.perf_counter(), time.process_time()
    features = ENGINES[engine](flights)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return cpu, wall, peak_mb() - before, features.to_numpy()


def check_same(engine: str, values: npt.NDArray[Any], ours: npt.NDArray[Any]) -> None:
    """Raise AssertionError unless the values are equal to TOLERANCE and missing alike."""
    np.testing.assert_allclose(values, ours, rtol=0, atol=TOLERANCE, err_msg=engine)


def compare(path: Path, rounds: int) -> dict[str, tuple[float, ...]]:
    """Return each engine's CPU and wall seconds, its memory, and the seconds as multiples of ours.

    Medians over the rounds; a multiple is taken within a round, as the machine's pace changes.
    Raise AssertionError if values differ.
    """
    costs: dict[str, list[tuple[float, ...]]] = {name: [] for name in ENGINES}
    for _ in range(rounds):
        for engine in ENGINES:
            cpu, wall, memory, values = fresh(measure, engine, path)
            if engine == "preflight":
                ours, our_cpu, our_wall = values, cpu, wall
            check_same(engine, values, ours)
            costs[engine].append((cpu, wall, memory, cpu / our_cpu, wall / our_wall))
    return {
        engine: tuple(statistics.median(c) for c in zip(*cost, strict=True))
        for engine, cost in costs.items()
    }


def main(argv: list[str] | None = None) -> None:
    options = arguments(__doc__, rounds=5, every=1, copies=10).parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        year, years = Path(folder, "year.parquet"), Path(folder, "years.parquet")
        fresh(write_flights, year, options.every)
        if options.copies == 1:
            years = year
        else:
            fresh(write_copies, year, years, options.copies)
        at = {path: compare(path, options.rounds) for path in dict.fromkeys([year, years])}
        rows = {path: len(pd.read_parquet(path, columns=["carrier"])) for path in at}
    for path, costs in at.items():
        table(
            f"History features of {rows[path]:,} flights (median of {options.rounds})",
            ["engine", "CPU s", "wall s", "MB", "CPU / ours", "wall / ours"],
            [(e, *c[:2], round(c[2]), *c[3:]) for e, c in costs.items()],
        )
    grown = {e: (at[years][e][0] / c[0], at[years][e][1] / c[1]) for e, c in at[year].items()}
    table(
        f"Cost of {rows[years] / rows[year]:.0f} times the rows",
        ["engine", "times the CPU", "times the wall"],
        [(engine, *times) for engine, times in grown.items()],
    )


if __name__ == "__main__":
    main()
