"""The history features as users of pandas and polars would write them, for comparison.

Each function takes the flights as that library reads them from Parquet and returns the same table
as `history_features` of the pipeline feature_engineering does. The figures that are part of
the problem (two hours ahead, late by 30 minutes, four weeks, 20 flights of prior) are written out.
"""

import pandas as pd
import polars as pl

PRIOR = 20
RATES = {
    "flight_number_rate": ["carrier", "flight"],
    "carrier_hour_rate": ["carrier", "hour"],
    "route_rate": ["origin", "dest"],
}
NUMBER = RATES["flight_number_rate"]


def pandas_tables(flights: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return outcomes at the moment when they were known, and the questions at theirs."""
    failed_at = flights["cancelled_at"].fillna(flights["diverted_at"])
    local = flights["scheduled_departure"].dt.tz_convert("America/New_York")
    keys = flights[["carrier", "flight", "origin", "dest"]].assign(hour=local.dt.hour)
    outcomes = keys.assign(
        at=flights["arrived_at"].fillna(failed_at),
        late=((flights["arrival_delay"] > 30) | failed_at.notna()).astype("float64"),
        delay=flights["arrival_delay"].fillna(180).clip(-60, 180),
    )
    questions = keys.assign(at=flights["scheduled_departure"] - pd.Timedelta(hours=2))
    return outcomes.dropna(subset="at").sort_values(["at", "delay"]), questions


def pandas_last_delay(outcomes: pd.DataFrame, questions: pd.DataFrame) -> pd.Series:
    """Return the last known delay of the flight number: merge_asof by key."""
    found = pd.merge_asof(
        questions[[*NUMBER, "at"]].sort_values("at").reset_index(names="row"),
        outcomes[[*NUMBER, "at", "delay"]],
        on="at",
        by=NUMBER,
        tolerance=pd.Timedelta(days=28) - pd.Timedelta(minutes=1),  # it includes its end
    )
    return found.set_index("row")["delay"].sort_index()


def pandas_rolling(flights: pd.DataFrame) -> pd.DataFrame:
    """Outcomes and questions in one log, groupby, rolling over 28 days; the usual way.

    A question is a row without an outcome. It sorts after the outcomes of the same moment, so that
    its window holds them.
    """
    outcomes, questions = pandas_tables(flights)
    asked = questions.reset_index(names="row")
    log = pd.concat([outcomes, asked]).sort_values("at", kind="stable", ignore_index=True)

    def totals(*keys: str) -> pd.DataFrame:
        by = list(keys)
        in_groups = log.sort_values(by, kind="stable") if by else log  # as groupby returns them
        groups = in_groups.groupby(by, observed=True) if by else in_groups
        late = groups.rolling("28D", on="at")["late"]
        counted = in_groups[["row"]].assign(n=late.count().to_numpy(), bad=late.sum().to_numpy())
        return counted.dropna(subset="row").set_index("row").sort_index().fillna({"bad": 0})

    everywhere = totals()
    overall = everywhere["bad"] / everywhere["n"]
    features = {}
    for name, keys in RATES.items():
        t = totals(*keys)
        features[name] = (t["bad"] + PRIOR * overall) / (t["n"] + PRIOR) - overall
    features["last_arrival_delay"] = pandas_last_delay(outcomes, questions)
    return pd.DataFrame(features, dtype="float32")


def pandas_totals(flights: pd.DataFrame) -> pd.DataFrame:
    """Running totals per key, and two merge_asof for each window: our idea in plain pandas."""
    outcomes, questions = pandas_tables(flights)
    upto = questions.sort_values("at", kind="stable").reset_index(names="row")
    since = upto.assign(at=upto["at"] - pd.Timedelta(days=28))
    outcomes["one"] = 1

    def totals(*keys: str) -> pd.DataFrame:
        by = list(keys)
        groups = outcomes.groupby(by, observed=True) if by else outcomes
        running = outcomes[[*by, "at"]].assign(
            n=groups["one"].cumsum(), bad=groups["late"].cumsum()
        )
        end, start = (
            pd.merge_asof(moments[[*by, "at"]], running, on="at", by=by or None)[["n", "bad"]]
            for moments in (upto, since)
        )
        return (end.fillna(0) - start.fillna(0)).set_index(upto["row"])

    everywhere = totals()
    overall = everywhere["bad"] / everywhere["n"]
    features = {}
    for name, keys in RATES.items():
        t = totals(*keys)
        features[name] = (t["bad"] + PRIOR * overall) / (t["n"] + PRIOR) - overall
    features["last_arrival_delay"] = pandas_last_delay(outcomes, questions)
    return pd.DataFrame(features, dtype="float32").sort_index()


def polars_tables(flights: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return outcomes at the moment when they were known, and the questions at theirs."""
    failed_at = pl.coalesce("cancelled_at", "diverted_at")
    late = (pl.col("arrival_delay") > 30).fill_null(False) | failed_at.is_not_null()
    local = pl.col("scheduled_departure").dt.convert_time_zone("America/New_York")
    keyed = flights.with_columns(hour=local.dt.hour())
    keys = ["carrier", "flight", "hour", "origin", "dest"]
    outcomes = keyed.select(
        *keys,
        at=pl.coalesce("arrived_at", failed_at),
        late=late.cast(pl.Int32),
        delay=pl.col("arrival_delay").fill_null(180).clip(-60, 180),
    )
    questions = keyed.select(*keys, at=pl.col("scheduled_departure") - pl.duration(hours=2))
    return (
        outcomes.drop_nulls("at").sort("at", "delay"),
        questions.with_row_index("row").sort("at"),
    )


def polars_last_delay(outcomes: pl.DataFrame, questions: pl.DataFrame) -> pl.Series:
    """Return the last known delay of the flight number: join_asof by key."""
    return questions.select(*NUMBER, "at").join_asof(
        outcomes.select(*NUMBER, "at", "delay"),
        on="at",
        by=NUMBER,
        tolerance=f"{28 * 24 * 60 - 1}m",  # it includes its end
        check_sortedness=False,
    )["delay"]


def polars_totals(flights: pl.DataFrame) -> pl.DataFrame:
    """Running totals per key, and two join_asof for each window."""
    outcomes, questions = polars_tables(flights)
    questions = questions.with_columns(start=pl.col("at") - pl.duration(days=28))

    def totals(*by: str) -> tuple[pl.Series, pl.Series]:
        n, bad = pl.col("late").cum_count(), pl.col("late").cum_sum()
        running = outcomes.select(
            *by, "at", n=n.over(by) if by else n, bad=bad.over(by) if by else bad
        )
        end, start = (
            questions.select(*by, moment)
            .join_asof(
                running,
                left_on=moment,
                right_on="at",
                by=list(by) or None,
                check_sortedness=False,
            )
            .select(pl.col("n", "bad").fill_null(0))
            for moment in ("at", "start")
        )
        return end["n"] - start["n"], end["bad"] - start["bad"]

    n, bad = totals()
    overall = bad / n
    features = {}
    for name, keys in RATES.items():
        n, bad = totals(*keys)
        features[name] = (bad + PRIOR * overall) / (n + PRIOR) - overall
    return _in_rows(questions, features, polars_last_delay(outcomes, questions))


def polars_rolling(flights: pl.DataFrame) -> pl.DataFrame:
    """Outcomes and questions in one log, rolling_sum_by over 28 days, over each key."""
    outcomes, questions = polars_tables(flights)
    log = (
        pl.concat([outcomes, questions], how="diagonal")
        .sort("at", maintain_order=True)
        .with_columns(pl.col("late").fill_null(0), one=pl.col("late").is_not_null().cast(pl.Int32))
    )

    def total(value: str, *by: str) -> pl.Expr:
        window = pl.col(value).rolling_sum_by("at", window_size="28d")
        return window.over(by) if by else window

    asked = log.with_columns(
        n=total("one"),
        bad=total("late"),
        **{f"n_{name}": total("one", *by) for name, by in RATES.items()},
        **{f"bad_{name}": total("late", *by) for name, by in RATES.items()},
    ).drop_nulls("row")
    overall = asked["bad"] / asked["n"]
    features = {
        name: (asked[f"bad_{name}"] + PRIOR * overall) / (asked[f"n_{name}"] + PRIOR) - overall
        for name in RATES
    }
    return _in_rows(asked, features, polars_last_delay(outcomes, questions))


def _in_rows(
    questions: pl.DataFrame, features: dict[str, pl.Series], last_delay: pl.Series
) -> pl.DataFrame:
    """Return the features in the order of the flights."""
    columns = {**features, "last_arrival_delay": last_delay}
    in_time = pl.DataFrame({name: c.cast(pl.Float32) for name, c in columns.items()})
    return in_time.with_columns(questions["row"]).sort("row").drop("row")
