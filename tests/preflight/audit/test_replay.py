"""Leaks of every kind, planted into a small copy of the feature pipeline, are caught and named."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from kedro.pipeline import Node, Pipeline

from preflight.audit import replay
from preflight.audit.chosen_moments import choose_moments
from preflight.audit.contracts import AuditParameters
from preflight.audit.replay import DECISION, Replay
from preflight.audit.replay_audit import replay_features, replay_findings
from preflight.contracts.catalog import Contracts
from preflight.contracts.table import IN_ADVANCE, Table, Utc, column
from preflight.errors import RunError
from preflight.features.point_in_time import reach, run_in_memory
from preflight.features.split import join_features
from preflight.features.windows import Events, codes
from preflight.problem.framing import Framing
from preflight.problem.split import Split

from late_flights.contracts.features import Features
from late_flights.pipelines.feature_engineering.nodes import compute_labels
from late_flights.pipelines.feature_engineering.pipeline import create_pipeline

Tables = dict[str, pd.DataFrame]
Column = pd.Series | np.ndarray
HOUR, DAY = pd.Timedelta(hours=1), pd.Timedelta(days=1)
UTC_DAYS = Split(timezone="UTC", validation_weeks=1, test_weeks=1)


@pytest.fixture(scope="module")
def given(tables: Tables) -> dict[str, Any]:
    """What the feature pipeline reads."""
    with open("conf/base/parameters/framing.yml") as file:
        framing = Framing.model_validate(yaml.safe_load(file)["framing"])
    return {**tables, "params:framing": framing}


def replayed(
    pipeline: Pipeline,
    given: dict[str, Any],
    key: list[str],
    reach: tuple[pd.Timedelta, pd.Timedelta],
    contracts: Contracts,
    moments: int = 4,
) -> list[dict[str, Any]]:
    """What the audit finds in the features that a pipeline makes."""
    given = {name: given[name] for name in pipeline.inputs() - {"contracts"}}
    features = run_in_memory(pipeline, {**given, "contracts": contracts}, "features")
    examples = features[["predict_at"]].assign(label=0)
    chosen = choose_moments(examples, UTC_DAYS, moments, seed=0)
    return replay_findings(Replay(pipeline, given, features, key, reach, contracts), chosen)


Found = Callable[[Pipeline], list[dict[str, Any]]]


@pytest.fixture
def of_flights(given: dict[str, Any], project_contracts: Contracts) -> Found:
    """What the audit finds in features of flights."""
    return lambda pipeline: replayed(
        pipeline, given, Features.grain(), reach(Features), project_contracts
    )


def with_feature(feature: Callable[..., Column]) -> Pipeline:
    """A small copy of the feature pipeline: one honest group, and one feature more."""

    def extra(flights: pd.DataFrame, weather: pd.DataFrame, predict_at: pd.Series) -> pd.DataFrame:
        return pd.DataFrame({"extra": np.asarray(feature(flights, weather, predict_at))})

    kept = create_pipeline().filter(
        node_names=[
            f"feature_engineering.{n}"
            for n in ("compute_prediction_times", "build_schedule_features")
        ]
    )
    tables = ["flights", "weather", "predict_at"]
    return kept + Pipeline(
        [
            Node(extra, tables, "extra"),
            Node(
                join_features,
                ["flights", "predict_at", "contracts", "schedule_features", "extra"],
                "features",
            ),
        ]
    )


def late(f: pd.DataFrame) -> pd.Series:
    return ((f["arrival_delay"] > 30) | f["arrived_at"].isna()).astype(float)


def weather_at(f: pd.DataFrame, w: pd.DataFrame, hour: pd.Series) -> pd.Series:
    seen = w[["origin", "hour_start", "visib"]]
    return f.assign(hour_start=hour).merge(seen, on=["origin", "hour_start"], how="left")["visib"]


def weather_at_departure(f: pd.DataFrame, w: pd.DataFrame, now: pd.Series) -> Column:
    return weather_at(f, w, f["scheduled_departure"].dt.floor("h"))


def weather_of_the_hour_under_way(f: pd.DataFrame, w: pd.DataFrame, now: pd.Series) -> Column:
    return weather_at(f, w, now.dt.floor("h"))


def mean_delay_of_the_day(f: pd.DataFrame, w: pd.DataFrame, now: pd.Series) -> Column:
    day = f["scheduled_departure"].dt.floor("D")
    return f.groupby([day, "origin"], observed=True)["departure_delay"].transform("mean")


def the_outcome_by_another_name(f: pd.DataFrame, w: pd.DataFrame, now: pd.Series) -> Column:
    return f["air_time"] - (f["scheduled_arrival"] - f["scheduled_departure"]) / HOUR * 60


def the_previous_leg_before_it_landed(f: pd.DataFrame, w: pd.DataFrame, now: pd.Series) -> Column:
    legs = f.sort_values(["tailnum", "scheduled_departure", "carrier", "flight"])
    before = legs.groupby("tailnum", observed=True)["arrival_delay"].shift()
    return before.reindex(f.index)


def a_rate_over_all_rows(f: pd.DataFrame, w: pd.DataFrame, now: pd.Series) -> Column:
    return late(f).groupby(f["flight"]).transform("mean")


def a_scaler_fitted_on_all_rows(f: pd.DataFrame, w: pd.DataFrame, now: pd.Series) -> Column:
    return (f["distance"] - f["distance"].mean()) / f["distance"].std()


def filled_from_the_future(f: pd.DataFrame, w: pd.DataFrame, now: pd.Series) -> Column:
    order = f.sort_values(["scheduled_departure", "carrier", "flight"])
    resolved = order["departure_delay"].where(order["departed_at"] <= now[order.index])
    filled = resolved.fillna(order["departure_delay"]).groupby(order["carrier"], observed=True)
    return filled.bfill().reindex(f.index)


def cancellations_of_the_day(f: pd.DataFrame, w: pd.DataFrame, now: pd.Series) -> Column:
    day = f["scheduled_departure"].dt.floor("D")
    return f["cancelled_at"].notna().groupby(day).transform("sum")


def the_position_in_the_file(f: pd.DataFrame, w: pd.DataFrame, now: pd.Series) -> Column:
    return f.groupby(f["scheduled_departure"].dt.floor("D")).cumcount()


def a_window_that_is_too_long(f: pd.DataFrame, w: pd.DataFrame, now: pd.Series) -> Column:
    first = f.groupby("dest", observed=True)["scheduled_departure"].transform("min")
    return (now - first) / DAY


LEAKS = [
    (weather_at_departure, "known_at", "weather.visib"),
    (weather_of_the_hour_under_way, "known_at", "the rows of weather"),
    (mean_delay_of_the_day, "known_at", "flights.departure_delay"),
    (the_outcome_by_another_name, "known_at", "flights.air_time"),
    (the_previous_leg_before_it_landed, "known_at", "flights.arrival_delay"),
    (a_rate_over_all_rows, "known_at", "flights.arrived_at"),
    (a_scaler_fitted_on_all_rows, "look_ahead", "rows of later periods"),
    (filled_from_the_future, "known_at", "flights.departure_delay"),
    (cancellations_of_the_day, "known_at", "flights.cancelled_at"),
    (the_position_in_the_file, "row_order", "order of rows"),
    (a_window_that_is_too_long, "look_back", "`look_back`"),
]


@pytest.mark.parametrize(
    ("feature", "check", "named"), LEAKS, ids=[one[0].__name__ for one in LEAKS]
)
def test_a_planted_leak_is_caught_by_its_check(
    of_flights: Found, feature: Callable[..., Column], check: str, named: str
) -> None:
    found = of_flights(with_feature(feature))
    assert [one["state"] for one in found] == ["failed"]
    checks, feature_name = found[0]["check"].split(": ")
    assert feature_name == "extra"
    assert check in checks.split(" and ")
    assert named in found[0]["evidence"]


def honest_delay_of_the_hour(f: pd.DataFrame, w: pd.DataFrame, now: pd.Series) -> Column:
    """The last known departure delay at the origin, by plain pandas."""
    seen = f[["origin", "departed_at", "departure_delay"]].dropna()
    seen = seen.groupby(["origin", "departed_at"], observed=True).max().reset_index()
    asked = f.assign(now=now)[["origin", "now"]].sort_values("now")
    found = pd.merge_asof(
        asked.reset_index(), seen.sort_values("departed_at"),
        left_on="now", right_on="departed_at", by="origin", tolerance=DAY,
    )  # fmt: skip
    return found.set_index("index")["departure_delay"].reindex(f.index)


def test_an_honest_feature_that_nobody_told_the_audit_of_passes(of_flights: Found) -> None:
    (found,) = of_flights(with_feature(honest_delay_of_the_hour))
    assert (found["state"], found["check"]) == ("passed", "replay")
    assert "4 moments" in found["evidence"]


def test_the_features_that_ship_pass_and_name_what_they_assume(
    given: dict[str, Any], project_contracts: Contracts, tmp_path: Path
) -> None:
    pipeline = create_pipeline().to_outputs("features")
    features = run_in_memory(pipeline, {**given, "contracts": project_contracts}, "features")
    framing = given["params:framing"]
    labels = compute_labels(given["flights"], framing)
    audit = AuditParameters(
        seed=1, moments=8, duplicate_share=0, single_auc=1, pair_auc=1, odds_ratio=9, pair_rows=9,
        allowed={"one_feature": {}, "one_value": {}, "two_features": {}},
    )  # fmt: skip
    found = replay_features(
        features, labels, framing, audit, project_contracts, pipeline, tmp_path, **given
    )
    assert found["state"].tolist() == ["passed"] * 4 + ["assumed"]
    checks = ["replay", "fresh process", "files: features", "predict_at"]
    assert found["check"].tolist() == [*checks, "assumption: flights.tailnum"]
    assert "8 moments" in found["evidence"][0]
    for kind in ("1 at a change of the clock", "1 on the days with", "1 at the rarest"):
        assert kind in found["evidence"][0]
    resting = found["evidence"][4].split("rest on it: ")[1].split(", ")
    assert set(resting) == set(Features.groups()["previous_leg"])


def test_a_file_that_a_feature_reads_itself_is_named(
    given: dict[str, Any], project_contracts: Contracts, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    given["flights"][["distance"]].to_parquet(tmp_path / "data/distances.parquet")

    def read_distance(f: pd.DataFrame, w: pd.DataFrame, now: pd.Series) -> Column:
        return f["distance"] + 0 * len(pd.read_parquet(tmp_path / "data/distances.parquet"))

    pipeline = with_feature(read_distance)
    features = run_in_memory(pipeline, {**given, "contracts": project_contracts}, "features")
    framing = given["params:framing"]
    labels = compute_labels(given["flights"], framing)
    audit: Any = SimpleNamespace(seed=1, moments=1)
    found = replay_features(
        features, labels, framing, audit, project_contracts, pipeline, tmp_path, **given
    )
    failed = found[found["state"] == "failed"]
    assert failed["check"].tolist() == ["files: features"]
    assert "data/distances.parquet is opened by read_distance, line " in failed["evidence"].item()


def test_decisions_chosen_by_their_outcome_are_caught(of_flights: Found) -> None:
    def landed_only(flights: pd.DataFrame, predict_at: pd.Series) -> pd.DataFrame:
        known = flights[Features.grain()].assign(predict_at=predict_at, one=1.0)
        return known[flights["cancelled_at"].isna()]

    kept = create_pipeline().filter(node_names=["feature_engineering.compute_prediction_times"])
    pipeline = kept + Pipeline([Node(landed_only, ["flights", "predict_at"], "features")])
    found = of_flights(pipeline)
    (told,) = found  # and not every feature of the decisions that are missing
    assert told["check"].endswith(f": {DECISION}")
    assert "flights.cancelled_at" in told["evidence"]


def test_a_value_tells_run_moment_decision_and_both_values(of_flights: Found) -> None:
    (found,) = of_flights(with_feature(mean_delay_of_the_day))
    assert found["measured"] > 0
    for word in ("UTC", "carrier ", "flight ", "scheduled_departure ", "in the run"):
        assert word in found["evidence"]


NAN, INF = np.nan, np.inf


@pytest.mark.parametrize(
    ("run", "then", "same"),
    [
        ([1.0, NAN, INF, 2.0], [1.0, NAN, INF, 2.0 + 1e-9], [True] * 4),
        ([1.0, NAN, INF, 2.0], [1.1, 1.0, 1.0, NAN], [False] * 4),
        ([0.0, 1.0], [1e-16, 1.0], [True] * 2),  # rounded to nothing
        ([700_000.0, 700_001.0], [700_000.5, 700_001.0], [False, True]),  # not hidden by an offset
        ([5.0, 5.0], [5.0, 5.0 + 1e-9], [True, False]),
        (["a", None], ["a", None], [True] * 2),
        (["a", None], ["b", "b"], [False] * 2),
        (pd.array([1, None, 3], "Int64"), pd.array([1, None, 3], "Int64"), [True] * 3),
        (pd.array([1, None, 3], "Int64"), pd.array([2, 3, None], "Int64"), [False] * 3),
    ],
)
def test_values_are_the_same_if_missing_alike_or_but_for_rounding(
    run: Any, then: Any, same: list[bool]
) -> None:
    assert replay._same(pd.Series(run), pd.Series(then)).tolist() == same


# Another trade, with other tables and names: machines that are visited by a mechanic.


class Visits(Table, key=["machine", "booked_at"], known_at="booked_at", event_time="booked_at"):
    """One row per visit, known when booked; its cost is known when it is closed."""

    machine: str = column("machine")
    booked_at: Utc = column("booking", "UTC")
    closed_at: Utc = column("end", "UTC", nullable=True, known_at="closed_at")
    cost: float = column("cost", "EUR", nullable=True, known_at="closed_at")


class Machines(Table, key=["machine"], known_at=IN_ADVANCE):
    """One row per machine."""

    machine: str = column("machine")
    bought: int = column("year")


CONTRACTS: Contracts = {"visits": Visits, "machines": Machines}
WEEK = (pd.Timedelta(days=21), pd.Timedelta(0))


@pytest.fixture(scope="module")
def workshop() -> Tables:
    rng = np.random.default_rng(5)
    rows = 3000
    booked = pd.Timestamp("2020-01-01", tz="UTC") + pd.to_timedelta(
        np.sort(rng.choice(200 * 1440, rows, replace=False)), unit="min"
    )
    visits = pd.DataFrame(
        {
            "machine": rng.choice(list("abcdef"), rows),
            "booked_at": booked.as_unit("us"),
            "closed_at": (
                booked + pd.to_timedelta(rng.integers(30, 9000, rows), unit="min")
            ).as_unit("us"),
            "cost": rng.integers(10, 900, rows).astype(float),
        }
    )
    machines = pd.DataFrame({"machine": list("abcdef"), "bought": range(2001, 2007)})
    return {"visits": visits, "machines": machines}


def workshop_features(visits: pd.DataFrame, machines: pd.DataFrame, when: str) -> pd.DataFrame:
    """The last cost of the machine that was `when` the visit was booked: closed, or just before."""
    asked = visits[["machine", "booked_at"]].sort_values("booked_at")
    past = visits[["machine", when, "cost"]].dropna().rename(columns={when: "at"}).sort_values("at")
    last = pd.merge_asof(
        asked, past, left_on="booked_at", right_on="at", by="machine",
        allow_exact_matches=False, tolerance=pd.Timedelta(days=14),
    )  # fmt: skip
    bought = last["machine"].map(machines.set_index("machine")["bought"])
    return last.drop(columns="at").assign(
        predict_at=last["booked_at"], age=last["booked_at"].dt.year - bought
    )


WORKSHOP = Pipeline([Node(workshop_features, ["visits", "machines", "params:when"], "features")])


@pytest.mark.parametrize("when", ["closed_at", "booked_at"])
def test_the_audit_knows_no_trade(workshop: Tables, when: str) -> None:
    found = replayed(
        WORKSHOP,
        {**workshop, "params:when": when},
        ["machine", "booked_at"],
        WEEK,
        CONTRACTS,
    )
    if when == "closed_at":
        assert [one["state"] for one in found] == ["passed"]
    else:
        assert [one["check"] for one in found] == ["known_at: cost"]
        assert "visits.cost" in found[0]["evidence"]


def test_features_of_dense_data_may_not_round_time(workshop: Tables) -> None:
    """30 visits a minute, at any microsecond: windows are exact, whole minutes know too much."""
    rng = np.random.default_rng(6)
    booked = workshop["visits"]["booked_at"].min() + pd.to_timedelta(
        np.sort(rng.choice(100 * 60_000_000, 3000, replace=False)), unit="us"
    )
    stay = pd.to_timedelta(rng.integers(1, 300_000_000, 3000), unit="us")
    visits = workshop["visits"].assign(booked_at=booked, closed_at=booked + stay)

    def costs(visits: pd.DataFrame, to: str) -> pd.DataFrame:
        now, closed = (visits[name].dt.floor(to) for name in ("booked_at", "closed_at"))
        machine, cost = codes(visits["machine"]), visits["cost"].fillna(0).to_numpy()
        window = Events(closed, cost=cost).by(machine).at(machine, now)
        known = visits[["machine", "booked_at"]].assign(predict_at=visits["booked_at"])
        return known.assign(cost=window.sum("cost", pd.Timedelta(minutes=5)))

    def checks(to: str) -> list[str]:
        pipeline = Pipeline([Node(costs, ["visits", "params:to"], "features")])
        given = {"visits": visits, "params:to": to}
        key, reach = ["machine", "booked_at"], (HOUR, HOUR)
        found = replayed(pipeline, given, key, reach, CONTRACTS)
        return [one["check"] for one in found]

    assert checks("us") == ["replay"]
    assert checks("min") == ["known_at: cost"]


def test_a_table_without_known_at_is_refused_by_name(workshop: Tables) -> None:
    with pytest.raises(RunError, match=r"made from machines, .*known_at"):
        replayed(
            WORKSHOP,
            {**workshop, "params:when": "closed_at"},
            ["machine", "booked_at"],
            WEEK,
            {"visits": Visits},
        )


def test_features_that_cannot_be_built_from_what_was_known_are_told(workshop: Tables) -> None:
    def fragile(visits: pd.DataFrame, machines: pd.DataFrame) -> pd.DataFrame:
        if visits["cost"].isna().any():
            raise ValueError("cost is missing")
        return workshop_features(visits, machines, "closed_at")

    with pytest.raises(
        RunError, match=r"2020-\d\d-\d\d .*in fragile, line \d+ .*ValueError: cost is missing"
    ):
        replayed(
            Pipeline([Node(fragile, ["visits", "machines"], "features")]),
            workshop,
            ["machine", "booked_at"],
            WEEK,
            CONTRACTS,
        )


def test_many_features_that_differ_are_told_shortly(workshop: Tables) -> None:
    def many(visits: pd.DataFrame, machines: pd.DataFrame) -> pd.DataFrame:
        known = visits[["machine", "booked_at"]].assign(predict_at=visits["booked_at"])
        return known.assign(**{f"cost {n}": visits["cost"] + n for n in range(14)})

    found = replayed(
        Pipeline([Node(many, ["visits", "machines"], "features")]),
        workshop,
        ["machine", "booked_at"],
        WEEK,
        CONTRACTS,
    )
    assert [one["state"] for one in found] == ["failed"] * 11
    named = [part.split(":")[0] for part in found[-1]["evidence"].split(", ")]
    assert named == [f"cost {n}" for n in range(10, 14)]
