"""DuckDB: its usual way, windows with RANGE, and its fastest of five tried, running totals.

Slower were one pass over outcomes and questions with a running sum, texts as keys, and a chain of
tables without the joins by `id`.
"""

from pathlib import Path

import duckdb

from benchmarks import same_features as same

THREADS, MEMORY = 2, "8GB"
HOUR = 3_600_000_000  # microseconds; numbers compare faster than moments with a time zone
DAY = 24 * HOUR
KEYS = ["carrier", "origin", "dest", "tailnum"]

SETTINGS = """
SET threads = {threads}; SET memory_limit = '{memory}'; SET temp_directory = '{target}/spilled';
SET preserve_insertion_order = false
"""
# Keys as enums: texts take longer.
ENUM = "CREATE TYPE {key} AS ENUM (SELECT DISTINCT {key} FROM '{source}/flights/*.parquet' \
WHERE {key} IS NOT NULL ORDER BY 1)"
TABLES = """
CREATE TEMP TABLE flights AS SELECT
  id, carrier::carrier AS carrier, origin::origin AS origin, dest::dest AS dest,
  tailnum::tailnum AS tailnum, arrival_delay,
  epoch_us(scheduled_departure) - {lead} AS now,
  epoch_us(arrived_at) AS arrived_at,
  epoch_us(coalesce(arrived_at, cancelled_at, diverted_at)) AS known_at,
  (coalesce(arrival_delay > {late}, false)
    OR coalesce(cancelled_at, diverted_at) IS NOT NULL)::INTEGER AS late
FROM '{source}/flights/*.parquet';
CREATE TEMP TABLE weather AS SELECT
  origin::origin AS origin, epoch_us(published_at) AS published_at, {readings}
FROM '{source}/weather/*.parquet'
"""
WINDOWS = """
CREATE TEMP TABLE by_{name} AS SELECT id, {features}
FROM (
  SELECT id, {key}, now AS moment, NULL AS late FROM flights
  UNION ALL
  SELECT NULL, {key}, known_at, late FROM flights WHERE known_at IS NOT NULL
)
WINDOW {windows}
QUALIFY id IS NOT NULL
"""
TOTALS = """
CREATE TEMP TABLE totals_{name} AS
SELECT {key}, moment, sum(n) OVER past AS n, sum(bad) OVER past AS bad
FROM (
  SELECT {key}, known_at AS moment, count(*) AS n, sum(late) AS bad
  FROM flights WHERE known_at IS NOT NULL GROUP BY ALL
)
WINDOW past AS (PARTITION BY {key} ORDER BY moment);
CREATE TEMP TABLE by_{name} AS SELECT f.id, {features} FROM flights f {joins}
"""
WRITE = """
COPY (
  SELECT f.id, {features}
  FROM flights f
  ASOF LEFT JOIN weather w ON f.origin = w.origin AND f.now >= w.published_at
  ASOF LEFT JOIN (
    SELECT tailnum, arrived_at, max(arrival_delay) AS delay FROM flights
    WHERE arrived_at IS NOT NULL AND tailnum IS NOT NULL GROUP BY ALL
  ) l ON f.tailnum = l.tailnum AND f.now >= l.arrived_at
  LEFT JOIN '{source}/aircraft.parquet' a ON f.tailnum::VARCHAR = a.tailnum
  LEFT JOIN '{source}/airports.parquet' p ON f.dest::VARCHAR = p.faa
  {joins}
) TO '{target}/all.parquet' (FORMAT parquet)
"""


def _connect(source: Path, target: Path) -> duckdb.DuckDBPyConnection:
    """Return a connection with the tables `flights` and `weather`."""
    db = duckdb.connect()
    db.execute(SETTINGS.format(threads=THREADS, memory=MEMORY, target=target))
    for key in KEYS:
        db.execute(ENUM.format(key=key, source=source))
    readings, lead = ", ".join(same.READINGS), same.LEAD_HOURS * HOUR
    db.execute(TABLES.format(source=source, late=same.LATE, lead=lead, readings=readings))
    return db


def _write(db: duckdb.DuckDBPyConnection, source: Path, target: Path) -> None:
    """Add weather, look-ups and the last delay to the tables of history, and write all."""
    fresh = f"f.now - w.published_at < {same.WEATHER_HOURS * HOUR}"
    recent = f"f.now - l.arrived_at < {same.LAST_DELAY_DAYS * DAY}"
    values = {name: name for name in same.FEATURES}
    values |= {name: f"CASE WHEN {fresh} THEN w.{name} END" for name in same.READINGS}
    values["last_delay"] = f"CASE WHEN {recent} THEN l.delay END"
    features = ", ".join(f"({value})::FLOAT AS {name}" for name, value in values.items())
    joins = " ".join(f"JOIN by_{name} USING (id)" for name in same.KEYS)
    db.execute(WRITE.format(features=features, joins=joins, source=source, target=target))


def windows(source: Path, target: Path) -> None:
    """Outcomes and questions in one log, aggregates over RANGE windows of each key."""
    db = _connect(source, target)
    for name, columns in same.KEYS.items():
        key = ", ".join(columns)
        features = ", ".join(
            f"count(late) OVER w{d} AS {name}_count_{d}d, avg(late) OVER w{d} AS {name}_rate_{d}d"
            for d in same.DAYS
        )
        over = ", ".join(
            f"w{d} AS (PARTITION BY {key} ORDER BY moment "
            f"RANGE BETWEEN {d * DAY - 1} PRECEDING AND CURRENT ROW)"
            for d in same.DAYS
        )
        db.execute(WINDOWS.format(name=name, key=key, features=features, windows=over))
    _write(db, source, target)


def running_totals(source: Path, target: Path) -> None:
    """Running totals of each key, and an ASOF JOIN for each end of a window."""
    db = _connect(source, target)
    for name, columns in same.KEYS.items():
        joins = ""
        for d in [0, *same.DAYS]:
            same_key = " AND ".join(f"f.{column} = t{d}.{column}" for column in columns)
            joins += f"ASOF LEFT JOIN totals_{name} t{d} ON {same_key} "
            joins += f"AND f.now - {d * DAY} >= t{d}.moment "
        features = ", ".join(
            f"coalesce(t0.n, 0) - coalesce(t{d}.n, 0) AS {name}_count_{d}d, "
            f"(coalesce(t0.bad, 0) - coalesce(t{d}.bad, 0)) / nullif({name}_count_{d}d, 0) "
            f"AS {name}_rate_{d}d"
            for d in same.DAYS
        )
        key = ", ".join(columns)
        db.execute(TOTALS.format(name=name, key=key, features=features, joins=joins))
    _write(db, source, target)
