"""Tables that do not fit into memory: time and memory of each way to build the features.

    python -m benchmarks.scale                  (11 and 32 years: 3.5 and 10 million rows)
    python -m benchmarks.scale --years 106      (34 million rows: about three quarters of an hour)

The years are 364 days of 2013, shifted by as many each: weekdays stay. Raw files are Parquet, one
a year. Each run is `kedro run --pipelines data_engineering,feature_engineering` in a process of its
own: with all rows at once (plain, up to 11 years), a year at a time (large), and on two workers
(dask). Memory is the peak of resident memory: of the run itself, and of its largest worker.
"""

import argparse
import hashlib
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

from benchmarks.measure import project_copy, table

ZONE = "America/New_York"
YEAR = pd.Timedelta(days=364)
NO_SUMMER_TIME = ["PHX", "HNL", "SJU", "BQN", "PSE", "STT"]
DAY = pd.Timedelta(days=1)
ERA = 10  # years after which aircraft are replaced: none gets older than some fly today
PLAIN_UP_TO = 11  # years: with more, all rows at once take more memory than most machines have
PLAIN = """\
raw_flights: {type: pandas.ParquetDataset, filepath: data/01_raw/flights.parquet, load_args: null}
raw_weather: {type: pandas.ParquetDataset, filepath: data/01_raw/weather.parquet, load_args: null}
"""
RUN = ["data_engineering,feature_engineering"]


def shift(raw: pd.DataFrame, years: int) -> pd.DataFrame:
    """Return a raw table that many years later: the same local clock, weekday and values.

    Without days on which clocks change, and flights to where they don't if New York has summer time
    in one of the two years only: their local times don't fit to durations. (pandas knows no summer
    time after 2037.)
    """
    before = raw["time_hour"].dt.tz_convert(ZONE).dt.tz_localize(None)
    local = before + years * YEAR
    steady = keeps_clock(before) & keeps_clock(local)
    if "dest" in raw:
        steady &= (offset(before) == offset(local)) | ~raw["dest"].isin(NO_SUMMER_TIME)
    moment = local[steady].dt.tz_localize(ZONE).dt.tz_convert("UTC")
    later = raw[steady].assign(
        time_hour=moment.astype("datetime64[us, UTC]"),
        year=local.dt.year,
        month=local.dt.month,
        day=local.dt.day,
    )
    return later.assign(tailnum=renew(later["tailnum"], years)) if "tailnum" in later else later


def offset(local: pd.Series) -> pd.Series:
    """Return the offset from UTC at the start of each day."""
    day = local.dt.normalize()
    return day - day.dt.tz_localize(ZONE).dt.tz_convert("UTC").dt.tz_localize(None)


def keeps_clock(local: pd.Series) -> pd.Series:
    """Return whether clocks stay as they are on a day and the next."""
    return offset(local) == offset(local + 2 * DAY)


def renew(tailnum: pd.Series, years: int) -> pd.Series:
    """Return the registrations of an era: its letter in place of the N of the United States."""
    letter = chr(ord("A") + years // ERA) if years >= ERA else "N"
    return letter + tailnum.str[1:]


def write_years(project: Path, years: int) -> int:
    """Write the raw tables of so many years, and contracts and split for them; return the rows."""
    from preflight.runs.raw_files import accept

    raw = project / "data/01_raw"
    rows = 0
    for name, file in {"flights": "flights.csv.zip", "weather": "weather.csv"}.items():
        first = pd.read_csv(raw / file, parse_dates=["time_hour"])
        first = first[(first["month"] < 12) | (first["day"] < 31)]
        parts = [shift(first, year) for year in range(years)]
        (raw / name).mkdir()
        for year, part in enumerate(parts):
            part.to_parquet(raw / name / f"{2013 + year}.parquet", index=False)
        accept(raw / name)
        rows += sum(map(len, parts)) if name == "flights" else 0
        if years <= PLAIN_UP_TO:
            pd.concat(parts).to_parquet(raw / f"{name}.parquet", index=False)
    planes = pd.read_csv(raw / "planes.csv")
    eras = range(0, years, ERA)
    pd.concat(
        [planes.assign(tailnum=renew(planes["tailnum"], e), year=planes["year"] + e) for e in eras]
    ).to_csv(raw / "planes.csv", index=False)
    accept(raw)
    last = (pd.Timestamp(2013, 1, 1) + years * YEAR).year - 1  # the last whole year
    for file, old, new in (
        ("src/late_flights/contracts/raw.py", "isin=[2013]", "ge=2013"),
        ("src/late_flights/contracts/raw.py", "le=2013", "le=2200"),
        ("src/late_flights/contracts/primary.py", "le=2013", "le=2200"),
        ("conf/base/parameters/framing.yml", "_from: 2013", f"_from: {last}"),
    ):
        path = project / file
        path.write_text(path.read_text().replace(old, new))
    (project / "conf/plain").mkdir()
    (project / "conf/plain/catalog.yml").write_text(PLAIN)
    return rows


def measure(project: Path, env: str) -> tuple[float, float, float]:
    """Run in an environment; return wall seconds, and peak MB of the run and of a worker."""
    import psutil

    command = [sys.executable, "-m", "kedro", "run", "--env", env, "--pipelines", *RUN]
    began = time.perf_counter()
    with (project / f"{env}.log").open("w") as log:
        run = psutil.Popen(command, cwd=project, stdout=log, stderr=subprocess.STDOUT)
        own = worker = 0
        while run.poll() is None:
            try:
                own = max(own, run.memory_info().rss)
                sizes = [one.memory_info().rss for one in run.children(recursive=True)]
                worker = max([worker, *sizes])
            except psutil.NoSuchProcess:
                pass
            time.sleep(0.2)
    if run.returncode:
        raise RuntimeError((project / f"{env}.log").read_text()[-3000:])
    return time.perf_counter() - began, own / 1e6, worker / 1e6


def newest(project: Path, name: str) -> Path:
    """Return the newest version of a table: a file, or a folder of partitions."""
    return sorted((project / "data").glob(f"0*/{name}.parquet/*/{name}.parquet"))[-1]


def files_equal(one: Path, other: Path) -> bool:
    """Return whether two folders have the same files, byte by byte."""
    hashes = [
        [(f.name, hashlib.sha256(f.read_bytes()).digest()) for f in sorted(folder.iterdir())]
        for folder in (one, other)
    ]
    return hashes[0] == hashes[1]


def values_equal(whole: Path, partitions: Path) -> bool:
    """Return whether a file has the rows of all partitions, to the bit; categories as text."""
    table, start = pd.read_parquet(whole), 0
    texts = dict.fromkeys(table.select_dtypes("category"), "str")
    for file in sorted(partitions.iterdir()):
        part = pd.read_parquet(file).astype(texts)
        same = table.iloc[start : start + len(part)].reset_index(drop=True).astype(texts)
        if not same.equals(part):
            return False
        start += len(part)
    return start == len(table)


def main() -> None:
    """Print the table of each number of years."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--years", type=int, nargs="+", default=[11, 32])
    rows_of: list[list[str]] = []
    for years in parser.parse_args().years:
        with project_copy() as project:
            rows = write_years(project, years)
            made: dict[str, Path] = {}
            envs = ["large", "dask", *(["plain"] if years <= PLAIN_UP_TO else [])]
            for env in envs:
                seconds, own, worker = measure(project, env)
                made[env] = newest(project, "features")
                per_million = seconds / rows * 1e6
                size = [f"{rows:,}", env, f"{seconds:.0f}", f"{per_million:.1f}"]
                rows_of.append([*size, f"{own:,.0f}", f"{worker:,.0f}" if worker else ""])
                print(*rows_of[-1], flush=True)
            print("large and dask: same bytes", files_equal(made["large"], made["dask"]))
            if "plain" in made:
                print("plain and large: same values", values_equal(made["plain"], made["large"]))
    header = ["rows", "environment", "s", "s per million", "MB of the run", "MB of a worker"]
    table("Features of many years", header, rows_of)


if __name__ == "__main__":
    main()
