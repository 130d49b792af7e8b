"""Features are what was known at the moment of prediction: against slow oracles, and replayed."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import yaml

from preflight.contracts.catalog import Contracts
from preflight.features.contracts import SplitSummary
from preflight.features.point_in_time import as_of, in_yearly_chunks, run_in_memory
from preflight.features.split import split_examples
from preflight.problem.framing import Framing

from late_flights.contracts.derived import Examples, Labels
from late_flights.contracts.features import Features
from late_flights.contracts.primary import Flights, Weather
from late_flights.pipelines.feature_engineering import nodes
from late_flights.pipelines.feature_engineering.pipeline import create_pipeline

Tables = dict[str, pd.DataFrame]
KEY = ["carrier", "flight", "origin", "scheduled_departure"]
HOUR, DAY = pd.Timedelta(hours=1), pd.Timedelta(days=1)


@pytest.fixture(scope="module")
def framing() -> Framing:
    with open("conf/base/parameters/framing.yml") as file:
        return Framing.model_validate(yaml.safe_load(file)["framing"])


Build = Callable[[Tables], pd.DataFrame]


@pytest.fixture(scope="module")
def build(framing: Framing, project_contracts: Contracts) -> Build:
    """Builds the features, as the pipeline does."""
    given = {"params:framing": framing, "contracts": project_contracts}
    return lambda tables: run_in_memory(create_pipeline(), {**tables, **given}, "features")


@pytest.fixture(scope="module")
def features(tables: Tables, build: Build) -> pd.DataFrame:
    return build(tables)


def by_key(table: pd.DataFrame) -> pd.DataFrame:
    text = {
        name: table[name].astype(str) for name in ("carrier", "origin", "dest") if name in table
    }
    return table.assign(**text).sort_values(KEY, ignore_index=True)


def known_at(tables: Tables, moment: pd.Timestamp) -> Tables:
    """The tables as they stood."""
    return {
        "flights": as_of(tables["flights"], Flights, moment),
        "weather": as_of(tables["weather"], Weather, moment),
        "aircraft": tables["aircraft"],
    }


def test_features_and_labels_keep_their_contracts(
    tables: Tables, features: pd.DataFrame, framing: Framing
) -> None:
    Features.validate(features, lazy=True)
    Labels.validate(nodes.compute_labels(tables["flights"], framing), lazy=True)


def test_the_order_of_the_rows_carries_nothing(
    tables: Tables, features: pd.DataFrame, build: Build
) -> None:
    shuffled = {name: table.sample(frac=1, random_state=7) for name, table in tables.items()}
    reset = {name: table.reset_index(drop=True) for name, table in shuffled.items()}
    pd.testing.assert_frame_equal(by_key(build(reset)), by_key(features))


@pytest.mark.parametrize(
    "moment", ["2013-02-08 21:00", "2013-02-09 13:00", "2013-02-27 02:00", "2013-03-08 16:17"]
)
def test_a_replay_of_the_past_as_it_stood_gives_the_same_features(
    tables: Tables, features: pd.DataFrame, build: Build, moment: str
) -> None:
    now = pd.Timestamp(moment, tz="UTC")
    due = features["predict_at"].between(now - 2 * HOUR, now, inclusive="right")
    exactly = features["predict_at"] == features.loc[due, "predict_at"].max()
    last = features.loc[exactly, "predict_at"].iloc[0]
    replayed = build(known_at(tables, last))
    pd.testing.assert_frame_equal(replayed[exactly], features[exactly])


def test_four_weeks_and_three_days_of_history_are_enough(
    tables: Tables, features: pd.DataFrame, build: Build
) -> None:
    start = pd.Timestamp("2013-03-04", tz="UTC")
    halo = start - 31 * DAY
    flights, weather = tables["flights"], tables["weather"]
    cut = {
        **tables,
        "flights": flights[flights["scheduled_departure"] >= halo].reset_index(drop=True),
        "weather": weather[weather["hour_start"] >= halo].reset_index(drop=True),
    }
    built = build(cut)
    pd.testing.assert_frame_equal(
        by_key(built[built["predict_at"] >= start]),
        by_key(features[features["predict_at"] >= start]),
    )


def test_less_history_than_the_longest_window_shows(
    tables: Tables, features: pd.DataFrame, build: Build
) -> None:
    start = pd.Timestamp("2013-03-04", tz="UTC")
    flights = tables["flights"]
    short = flights[flights["scheduled_departure"] >= start - 14 * DAY].reset_index(drop=True)
    built = by_key(build({**tables, "flights": short}))
    whole = by_key(features[features["scheduled_departure"] >= start - 14 * DAY])
    assert (built["route_rate"] != whole["route_rate"]).mean() > 0.5


@pytest.mark.parametrize("days", [1, 20, 69])
def test_built_period_by_period_the_features_are_the_same(
    tables: Tables,
    features: pd.DataFrame,
    build: Build,
    monkeypatch: pytest.MonkeyPatch,
    days: int,
) -> None:
    monkeypatch.setattr("preflight.features.point_in_time.YEAR", days * DAY)
    pd.testing.assert_frame_equal(build(tables), features)


def test_periods_that_look_back_too_little_show(
    tables: Tables, features: pd.DataFrame, framing: Framing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("preflight.features.point_in_time.YEAR", 20 * DAY)

    class Forgetful(Features, look_back="14D"):
        """Features that look back less far than they do."""

    forgetful = in_yearly_chunks(nodes.build_history_features, Flights, Forgetful)
    built = forgetful(tables["flights"], framing)
    assert (built["route_rate"] != features["route_rate"]).mean() > 0.3


def departed(flights: pd.DataFrame, now: pd.Timestamp, hours: float) -> pd.Series:
    return (flights["departed_at"] > now - hours * HOUR) & (flights["departed_at"] <= now)


def late(flights: pd.DataFrame) -> pd.Series:
    never = flights["cancelled_at"].notna() | flights["diverted_at"].notna()
    return (flights["arrival_delay"] > 30) | never


def known(flights: pd.DataFrame, now: pd.Timestamp, days: float) -> pd.DataFrame:
    moment = flights["arrived_at"].fillna(flights["cancelled_at"]).fillna(flights["diverted_at"])
    in_window = (moment > now - days * DAY) & (moment <= now)
    return flights[in_window].assign(known_at=moment[in_window])


def origin_delay_3h(f: pd.DataFrame, w: pd.DataFrame, row: pd.Series) -> float:
    here = f[(f["origin"] == row["origin"]) & departed(f, row["predict_at"], 3)]
    return here["departure_delay"].mean()


def all_late_share_1h(f: pd.DataFrame, w: pd.DataFrame, row: pd.Series) -> float:
    return (f.loc[departed(f, row["predict_at"], 1), "departure_delay"] > 30).mean()


def origin_backlog(f: pd.DataFrame, w: pd.DataFrame, row: pd.Series) -> float:
    due = f[(f["origin"] == row["origin"]) & (f["scheduled_departure"] <= row["predict_at"])]
    gone = (due["departed_at"] <= row["predict_at"]) | (due["cancelled_at"] <= row["predict_at"])
    return float((~gone).sum())


def departures_before(f: pd.DataFrame, w: pd.DataFrame, row: pd.Series) -> float:
    leaves = f.loc[f["origin"] == row["origin"], "scheduled_departure"]
    mine = row["scheduled_departure"]
    return float(((leaves > mine - HOUR) & (leaves <= mine)).sum() - 1)


def dest_arrival_delay_6h(f: pd.DataFrame, w: pd.DataFrame, row: pd.Series) -> float:
    landed = (f["arrived_at"] > row["predict_at"] - 6 * HOUR) & (
        f["arrived_at"] <= row["predict_at"]
    )
    return f.loc[landed & (f["dest"] == row["dest"]), "arrival_delay"].mean()


def route_rate(f: pd.DataFrame, w: pd.DataFrame, row: pd.Series) -> float:
    past = known(f, row["predict_at"], 28)
    route = past[(past["origin"] == row["origin"]) & (past["dest"] == row["dest"])]
    overall = late(past).mean()
    return (late(route).sum() + 20 * overall) / (len(route) + 20) - overall


def last_arrival_delay(f: pd.DataFrame, w: pd.DataFrame, row: pd.Series) -> float:
    past = known(f, row["predict_at"], 28)
    mine = past[(past["carrier"] == row["carrier"]) & (past["flight"] == row["flight"])]
    if mine.empty:
        return np.nan
    last = mine[mine["known_at"] == mine["known_at"].max()]
    return last["arrival_delay"].fillna(180).clip(-60, 180).max()


def rain_3h(f: pd.DataFrame, w: pd.DataFrame, row: pd.Series) -> float:
    here = w[(w["origin"] == row["origin"]) & (w["published_at"] <= row["predict_at"])]
    last = here["hour_start"].max()
    if row["predict_at"] - last - HOUR >= 6 * HOUR:
        return np.nan
    return round(here.loc[here["hour_start"] > last - 3 * HOUR, "precip"].sum(), 2)


def visibility_worst(f: pd.DataFrame, w: pd.DataFrame, row: pd.Series) -> float:
    seen = w[w["published_at"].between(row["predict_at"] - 6 * HOUR, row["predict_at"], "right")]
    return seen.sort_values("hour_start").groupby("origin", observed=True)["visib"].last().min()


def slack(f: pd.DataFrame, w: pd.DataFrame, row: pd.Series) -> float:
    mine = row["scheduled_departure"]
    same = f[(f["tailnum"] == row["tailnum"]) & (f["scheduled_departure"] < mine)]
    if same.empty or mine - same["scheduled_departure"].max() > DAY:
        return np.nan
    leg, now = same.loc[same["scheduled_departure"].idxmax()], row["predict_at"]
    if leg["arrived_at"] <= now:
        delay = leg["arrived_at"] - leg["scheduled_arrival"]
    else:
        delay = max(now - leg["scheduled_departure"], 0 * HOUR)
        if leg["departed_at"] <= now:
            delay = leg["departed_at"] - leg["scheduled_departure"]
        delay = max(delay, now - leg["scheduled_arrival"])
    block = leg["scheduled_arrival"] - leg["scheduled_departure"]
    return (mine - leg["scheduled_arrival"] - block - delay).total_seconds() / 60


@pytest.mark.parametrize(
    "oracle",
    [
        origin_delay_3h,
        all_late_share_1h,
        origin_backlog,
        departures_before,
        dest_arrival_delay_6h,
        route_rate,
        last_arrival_delay,
        rain_3h,
        visibility_worst,
        slack,
    ],
)
def test_a_feature_is_what_a_slow_reading_of_its_definition_gives(
    tables: Tables,
    features: pd.DataFrame,
    oracle: Callable[[pd.DataFrame, pd.DataFrame, pd.Series], float],
) -> None:
    flights = tables["flights"]
    some = flights.assign(predict_at=features["predict_at"]).sample(40, random_state=3)
    slow = [oracle(flights, tables["weather"], row) for _, row in some.iterrows()]
    fast = features.loc[some.index, oracle.__name__]
    np.testing.assert_allclose(fast, slow, rtol=1e-5, atol=1e-5)
    assert np.isfinite(slow).sum() > 10  # the comparison is not one of gaps


def test_a_flight_without_a_recorded_aircraft_looks_like_the_one_before_it(
    tables: Tables, features: pd.DataFrame
) -> None:
    flights, leg = tables["flights"], Features.groups()["previous_leg"]
    unrecorded = flights["tailnum"].isna()
    assert unrecorded.sum() > 100
    for row, flight in flights[unrecorded].sample(60, random_state=3).iterrows():
        age = flight["scheduled_departure"] - flights["scheduled_departure"]
        same = (flights["carrier"] == flight["carrier"]) & (flights["origin"] == flight["origin"])
        before = flights[same & ~unrecorded & (age >= 0 * HOUR) & (age < DAY)]
        if before.empty:
            assert features.loc[row, leg].isna().all()
            continue
        last = before.sort_values(["scheduled_departure", "flight"]).index[-1]
        pd.testing.assert_series_equal(
            features.loc[row, leg], features.loc[last, leg], check_names=False
        )


def test_labels_say_late_cancelled_or_diverted_and_wait_until_it_is_known(
    tables: Tables, framing: Framing
) -> None:
    flights = tables["flights"]
    labels = nodes.compute_labels(flights, framing)
    assert labels["label"].equals(late(flights).astype("float64"))
    moment = pd.Timestamp("2013-02-08 21:00", tz="UTC")
    open_then = nodes.compute_labels(known_at(tables, moment)["flights"], framing)
    assert (open_then["label"].notna() == (labels["label_known_at"] <= moment)).all()


def test_no_label_of_a_part_was_open_when_the_next_began(
    tables: Tables, features: pd.DataFrame, framing: Framing, project_contracts: Contracts
) -> None:
    boundaries = [pd.Timestamp("2013-02-09 02:00", tz="UTC"), pd.Timestamp("2013-02-20", tz="UTC")]
    there = framing.split.model_copy(
        update={"validation_from": boundaries[0], "test_from": boundaries[1]}
    )
    labels = nodes.compute_labels(tables["flights"], framing)
    *parts, _, summary = split_examples(
        features, labels, framing.model_copy(update={"split": there}), project_contracts
    )
    train, validation, test = parts
    assert train["label_known_at"].max() <= boundaries[0]
    assert validation["predict_at"].min() >= boundaries[0]
    assert validation["label_known_at"].max() <= boundaries[1] <= test["predict_at"].min()
    assert summary["left_out"].gt(0).tolist() == [True, True, False]
    assert summary["rows"].sum() + summary["left_out"].sum() == len(features)
    SplitSummary.validate(summary, lazy=True)
    for part in parts:
        Examples.validate(part, lazy=True)

    longer = there.model_copy(update={"embargo_hours": 24})
    *_, later = split_examples(
        features, labels, framing.model_copy(update={"split": longer}), project_contracts
    )
    assert (later["left_out"] > summary["left_out"]).tolist() == [True, True, False]
