"""25 features in pandas with our windows, in polars and in DuckDB: at 1, 10 and 30 years.

    python -m benchmarks.engines

All read the same Parquet files and write Parquet files, both measured, each in a process of its
own, with two threads. Engines take turns. Values are compared: counts and as-of values have to be
equal, shares to 1e-6. What takes too long or too much memory is stopped, and the table says so.
"""

import ast
import inspect
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from benchmarks import PROJECT
from benchmarks import same_features as same
from benchmarks.measure import (
    Clocks,
    arguments,
    fresh,
    kedro_run,
    peak_mb,
    project_copy,
    table,
)

THREADS = 2
LIMIT_S = 15 * 60
LIMIT_GB = 15
TOLERANCE = 1e-6
YEAR = pd.Timedelta(days=364)  # whole weeks: weekdays fit

# By name: the module and function, and whether it runs on more than one year.
ENGINES = {
    "pandas, our windows": ("ours", "all_at_once", True),
    "pandas, our windows, by year": ("ours", "by_year", True),
    "polars, rolling": ("in_polars", "rolling", True),
    "polars, running totals": ("in_polars", "running_totals", True),
    "DuckDB, running totals": ("in_duckdb", "running_totals", True),
    "DuckDB, windows": ("in_duckdb", "windows", False),
}
OURS = next(iter(ENGINES))


class Cost(NamedTuple):
    """What one build took: seconds, and MB of the process at its peak."""

    cpu: float
    wall: float
    mb: float


def engine(name: str) -> Callable[[Path, Path], None]:
    """Return the function that writes an engine's features."""
    module, function, _ = ENGINES[name]
    return getattr(import_module(f"benchmarks.same_features.{module}"), function)


def write_year(folder: Path, every: int) -> None:
    """Write the primary tables of flights and weather as they ship, and what is looked up."""
    with project_copy(every) as project:
        kedro_run(project, Clocks(), [], ["data_engineering"])
        for name in ("flights", "weather", "aircraft"):
            kept = project / f"data/03_primary/{name}.parquet"
            rows = pd.read_parquet(next(kept.rglob(f"*/{name}.parquet")))
            if name == "flights":
                rows = rows.sort_values("scheduled_departure", ignore_index=True)
            rows.to_parquet(folder / f"{name}.parquet")
    airports = pd.read_csv(PROJECT / "data/01_raw/airports.csv", usecols=["faa", "alt"])
    airports.rename(columns={"alt": "altitude"}).to_parquet(folder / "airports.parquet")


def write_years(year: Path, folder: Path, years: int) -> None:
    """Write the year several times, each 364 days after the one before, a file for each.

    Of all but the last what is scheduled or published after 364 days is left out: keys stay unique.
    """
    folder.mkdir()
    aircraft = pd.read_parquet(year / "aircraft.parquet", columns=["tailnum", *same.REGISTERED])
    aircraft.to_parquet(folder / "aircraft.parquet")
    shutil.copy(year / "airports.parquet", folder)
    begins = pd.read_parquet(year / "flights.parquet")["scheduled_departure"].min()
    for name, time_ in (("flights", "scheduled_departure"), ("weather", "published_at")):
        (folder / name).mkdir()
        rows = pd.read_parquet(year / f"{name}.parquet")
        moments = list(rows.select_dtypes("datetimetz"))
        for i in range(years):
            kept = rows if i == years - 1 else rows[rows[time_] < begins + YEAR]
            shifted = kept.assign(**{column: kept[column] + i * YEAR for column in moments})
            if name == "flights":
                shifted["id"] = range(i * len(rows), i * len(rows) + len(kept))
            shifted.to_parquet(folder / name / f"year-{i:02}.parquet", index=False)


def measure(name: str, source: Path, target: Path) -> Cost:
    """Return what it takes to read the tables, build the features and write them."""
    os.environ["POLARS_MAX_THREADS"] = str(THREADS)  # before polars is imported
    import pyarrow as pa
    import pyarrow.parquet

    pa.set_cpu_count(THREADS)
    build = engine(name)
    wall, cpu = time.perf_counter(), time.process_time()
    build(source, target)
    return Cost(time.process_time() - cpu, time.perf_counter() - wall, peak_mb())


def send_cost(answers: Connection, *args: Any) -> None:
    """Send what `measure(*args)` returns."""
    answers.send(measure(*args))


def measure_within_limits(name: str, source: Path, target: Path) -> Cost | str:
    """Return the cost of one build in a new process, or why it was stopped."""
    import psutil

    context = get_context("spawn")
    answer, answers = context.Pipe(duplex=False)
    process = context.Process(target=send_cost, args=(answers, name, source, target))
    process.start()
    worker = psutil.Process(process.pid)
    stopped = "stopped by the system"
    while not answer.poll(0.2) and process.is_alive():
        if sum(worker.cpu_times()[:2]) > LIMIT_S:
            stopped = f"stopped after {LIMIT_S // 60} minutes of CPU"
            process.kill()
        elif worker.memory_info().rss > LIMIT_GB * 1e9:
            stopped = f"stopped at {LIMIT_GB} GB"
            process.kill()
    cost = answer.recv() if answer.poll() else stopped
    process.join()
    if process.exitcode == 1:
        raise RuntimeError(f"{name} failed: see above")
    return cost


def differences(ours: Path, theirs: Path) -> dict[str, int]:
    """Return by feature how many values differ from ours: shares by 1e-6, all others at all.

    Raise AssertionError if the flights are others.
    """
    one, other = (
        pd.read_parquet(at).sort_values("id", ignore_index=True)[["id", *same.FEATURES]]
        for at in (ours, theirs)
    )
    assert one["id"].equals(other["id"]), f"{theirs} has other flights"
    found = {}
    for name in same.FEATURES:
        allowed = TOLERANCE if "rate" in name else 0
        a, b = one[name].astype("float32"), other[name].astype("float32")
        found[name] = int((~(((a - b).abs() <= allowed) | (a.isna() & b.isna()))).sum())
    return {name: count for name, count in found.items() if count}


def lines(function: Callable[..., Any]) -> int:
    """Return the lines of code of a function and all of its module that it needs.

    Without docstrings, comments, blank lines and imports.
    """
    text = Path(inspect.getfile(function)).read_text("utf-8")
    parts = {}
    for part in ast.parse(text).body:
        if isinstance(part, ast.FunctionDef):
            parts[part.name] = part
        elif isinstance(part, ast.Assign):
            parts |= {name.id: part for name in ast.walk(part.targets[0]) if _is_name(name)}
    needed, found = {function.__name__}, set()
    while new := (needed & parts.keys()) - found:
        found |= new
        needed |= {n.id for name in new for n in ast.walk(parts[name]) if _is_name(n)}
    numbers = set()
    for part in map(parts.get, found):
        numbers |= set(range(part.lineno, part.end_lineno + 1))
    for part in map(parts.get, found):
        if isinstance(part, ast.FunctionDef) and ast.get_docstring(part):
            numbers -= set(range(part.body[0].lineno, part.body[0].end_lineno + 1))
    code = [line.strip() for i, line in enumerate(text.splitlines(), start=1) if i in numbers]
    return sum(bool(line) and not line.startswith("#") for line in code)


def _is_name(node: ast.AST) -> bool:
    return isinstance(node, ast.Name)


def compare(source: Path, folder: Path, rounds: int, engines: Iterable[str]) -> dict[str, Any]:
    """Return each engine's costs of all rounds, or why it was stopped.

    Raise AssertionError if values differ.
    """
    costs: dict[str, Any] = {name: [] for name in engines}
    for number in range(rounds):
        for name in engines:
            if isinstance(costs[name], str):
                continue
            target = folder / f"{source.name} {name}"
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir()
            cost = measure_within_limits(name, source, target)
            if isinstance(cost, str):
                costs[name] = cost
                continue
            costs[name].append(cost)
            if number == 0:
                found = fresh(differences, folder / f"{source.name} {OURS}", target)
                assert not found, f"{name} differs: {found}"
    return costs


def show(rows: int, costs: dict[str, Any]) -> None:
    """Print a table: medians, and multiples of ours taken within a round."""
    shown: list[list[Any]] = []
    for name, rounds in costs.items():
        if isinstance(rounds, str):
            shown.append([name, rounds, "", "", "", "", ""])
            continue
        pairs = list(zip(rounds, costs[OURS], strict=True))
        cpu, wall, mb = (statistics.median(column) for column in zip(*rounds, strict=True))
        ratio_cpu = statistics.median(one.cpu / our.cpu for one, our in pairs)
        ratio_wall = statistics.median(one.wall / our.wall for one, our in pairs)
        shown.append([name, cpu, wall, round(mb), ratio_cpu, ratio_wall, lines(engine(name))])
    table(
        f"25 features of {rows:,} flights (medians of {max(map(len, costs.values()))})",
        ["engine", "CPU s", "wall s", "MB", "CPU / first", "wall / first", "lines of code"],
        shown,
    )


def main(argv: list[str] | None = None) -> None:
    parser = arguments(__doc__, rounds=3, every=1)
    parser.add_argument("--years", type=int, nargs="*", default=[1, 10, 30])
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="preflight-") as name:
        folder = Path(name)
        fresh(write_year, folder, options.every)
        for years in options.years:
            source = folder / f"{years} years"
            fresh(write_years, folder, source, years)
            engines = [name for name, (*_, many) in ENGINES.items() if many or years == 1]
            costs = compare(source, folder, options.rounds if years <= 10 else 1, engines)
            rows = sum(len(pd.read_parquet(p, columns=["id"])) for p in source.glob("flights/*"))
            show(rows, costs)


if __name__ == "__main__":
    main()
