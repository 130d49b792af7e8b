"""polars, lazy and with the streaming engine, in its usual way and in its fastest of five tried.

Slower were `cum_sum().over(key)` with `join_asof(by=key)`, `search_sorted` on collected columns,
and a table for each key joined by `id`. `LazyFrame.rolling(group_by=)` was not tried again: it is
slower than `rolling_sum_by` in `benchmarks.windows`.
"""

from pathlib import Path

import polars as pl

from benchmarks import same_features as same

Flights = pl.LazyFrame
BITS = 27  # of a moment in minutes since 1970


def _flights(source: Path) -> Flights:
    """Return the flights with now, and the outcome with the moment when it was known."""
    failed_at = pl.coalesce("cancelled_at", "diverted_at")
    late = (pl.col("arrival_delay") > same.LATE).fill_null(False) | failed_at.is_not_null()
    return (
        pl.scan_parquet(source / "flights")
        .select(same.FLIGHTS)
        .with_columns(
            now=pl.col("scheduled_departure") - pl.duration(hours=same.LEAD_HOURS),
            known_at=pl.coalesce("arrived_at", failed_at),
            late=late.cast(pl.Int32),
        )
    )


def _write(asked: Flights, flights: Flights, source: Path, target: Path) -> None:
    """Add weather, look-ups and the last delay to flights with their history, and write all."""
    weather = pl.scan_parquet(source / "weather").select(same.WEATHER).sort("published_at")
    arrived = (
        flights.drop_nulls(["arrived_at", "tailnum"])
        .select("tailnum", "arrived_at", last_delay="arrival_delay")
        .sort("arrived_at", "last_delay")
    )
    # A tolerance includes its end, our windows don't: times are whole minutes.
    weather_keeps = f"{same.WEATHER_HOURS * 60 - 1}m"
    delay_keeps = f"{same.LAST_DELAY_DAYS * 24 * 60 - 1}m"
    (
        asked.sort("now")
        .join_asof(
            weather,
            left_on="now",
            right_on="published_at",
            by="origin",
            tolerance=weather_keeps,
            check_sortedness=False,
        )
        .join_asof(
            arrived,
            left_on="now",
            right_on="arrived_at",
            by="tailnum",
            tolerance=delay_keeps,
            check_sortedness=False,
        )
        .with_columns(pl.col("tailnum", "dest").cast(pl.String))
        .join(pl.scan_parquet(source / "aircraft.parquet"), on="tailnum", how="left")
        .join(
            pl.scan_parquet(source / "airports.parquet"), left_on="dest", right_on="faa", how="left"
        )
        .select("id", pl.col(same.FEATURES).cast(pl.Float32))
        .sink_parquet(target / "all.parquet", compression="snappy", engine="streaming")
    )


def rolling(source: Path, target: Path) -> None:
    """Outcomes and questions in one log, rolling_sum_by over each key."""
    flights = _flights(source)
    keys = ["carrier", "origin", "dest"]
    outcomes = flights.drop_nulls("known_at").select(*keys, "late", moment="known_at", one=1)
    asked = flights.select("id", *keys, "tailnum", "now", moment="now")
    log = pl.concat([outcomes, asked], how="diagonal").with_columns(
        pl.col("late", "one").fill_null(0)
    )

    def total(value: str, key: list[str], days: int) -> pl.Expr:
        return pl.col(value).rolling_sum_by("moment", f"{days}d").over(key)

    totals = {
        f"{name}_{what}_{days}d": total(value, key, days)
        for name, key in same.KEYS.items()
        for days in same.DAYS
        for what, value in (("count", "one"), ("rate", "late"))
    }
    rates = {name: pl.col(name) / pl.col(name.replace("rate", "count")) for name in totals}
    history = (
        log.sort("moment")
        .with_columns(**totals)
        .drop_nulls("id")
        .with_columns(**{n: rate.fill_nan(None) for n, rate in rates.items() if "rate" in n})
    )
    _write(history, flights, source, target)


def running_totals(source: Path, target: Path) -> None:
    """Key and time as one integer, running totals, and a join_asof for each end of a window."""
    flights = _flights(source)

    def code(column: str) -> pl.Expr:
        return pl.col(column).to_physical().cast(pl.Int64)

    def stamp(name: str, moment: str) -> pl.Expr:
        key = sum((code(c) * 2 ** (16 * i) for i, c in enumerate(same.KEYS[name])), start=pl.lit(0))
        return key * 2**BITS + pl.col(moment).dt.epoch("us") // 60_000_000

    asked = flights.select("id", "carrier", "origin", "dest", "tailnum", "now")
    for name in same.KEYS:
        running = (
            flights.drop_nulls("known_at")
            .select("late", stamp=stamp(name, "known_at"))
            .sort("stamp")
            .select("stamp", n=pl.int_range(1, pl.len() + 1), bad=pl.col("late").cum_sum())
        )
        ends = asked.with_columns(end=stamp(name, "now")).sort("end")
        for days in [0, *same.DAYS]:
            ends = ends.with_columns(stamp=pl.col("end") - days * 24 * 60).join_asof(
                running, on="stamp", suffix=f"_{days}", check_sortedness=False
            )
            ends = ends.rename({"n": f"n_{days}", "bad": f"bad_{days}"})
        features = {}
        for days in same.DAYS:
            n, bad = (
                pl.col(f"{total}_0").fill_null(0) - pl.col(f"{total}_{days}").fill_null(0)
                for total in ("n", "bad")
            )
            features[f"{name}_count_{days}d"] = n.cast(pl.Float32)
            features[f"{name}_rate_{days}d"] = (bad / n).fill_nan(None).cast(pl.Float32)
        asked = ends.with_columns(**features).select(pl.exclude("^(stamp|end|n_.*|bad_.*)$"))
    _write(asked, flights, source, target)
