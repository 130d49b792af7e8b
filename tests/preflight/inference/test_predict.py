"""Predictions as of a moment are those of the evaluation; what is new or missing is served."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from preflight.contracts.catalog import Contract, Contracts
from preflight.errors import RunError
from preflight.inference.contracts import Inference
from preflight.inference.feedback import SALT, draw_uniform, usable_rows
from preflight.inference.predict import build_upcoming, log_predictions, predict_upcoming
from preflight.modeling.model import Bundle, predict
from preflight.problem.framing import Framing

from late_flights.contracts.features import Features
from late_flights.contracts.primary import Key
from late_flights.pipelines.feature_engineering.pipeline import create_pipeline

Tables = dict[str, pd.DataFrame]
NOON = pd.Timestamp("2013-02-20T17:00", tz="UTC")


@pytest.fixture(scope="module")
def framing(served: dict[str, Any]) -> Framing:
    return served["framing"]


@pytest.fixture(scope="module")
def given(served: dict[str, Any]) -> dict[str, Any]:
    return served["given"]


@pytest.fixture(scope="module")
def features(served: dict[str, Any]) -> pd.DataFrame:
    return served["features"]


@pytest.fixture(scope="module")
def champion(served: dict[str, Any]) -> Bundle:
    bundle = served["bundle"]
    return {**bundle, "provenance": {**bundle["provenance"], "version": "v1"}}


@pytest.fixture
def at(
    given: dict[str, Any], framing: Framing, champion: Bundle, project_contracts: Contracts
) -> Callable[..., pd.DataFrame]:
    """Predictions at a moment, on tables some of which are changed; all contracts hold."""
    graph = create_pipeline().to_outputs("features")

    def predict(
        moment: Any = NOON,
        until: Any = None,
        every: int = 60,
        features: Contract | None = None,
        **changed: pd.DataFrame,
    ) -> pd.DataFrame:
        contracts = {**project_contracts, "features": features or project_contracts["features"]}
        asked = Inference(moment=moment, until=until, every_minutes=every)
        rows = build_upcoming(framing, asked, contracts, graph, **{**given, **changed})
        contracts["upcoming"].validate(rows)
        told = predict_upcoming(champion, rows, framing, contracts)
        contracts["predictions"].validate(told)
        contracts["prediction_log"].validate(log_predictions(rows, told, framing, contracts))
        return told

    return predict


def by_key(table: pd.DataFrame) -> pd.Series:
    return table.astype({"carrier": "str", "origin": "str"}).set_index(Key.grain())["probability"]


@pytest.mark.parametrize("seed", range(4))
def test_at_a_random_moment_the_probabilities_are_those_with_hindsight(
    at: Callable[..., pd.DataFrame], features: pd.DataFrame, champion: Bundle, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    moment = NOON + pd.Timedelta(seconds=int(rng.integers(-20 * 86400, 18 * 86400)))
    told = at(moment, every=120)
    due = features["predict_at"].between(moment - pd.Timedelta(hours=2), moment, "right")
    there = features[due].assign(probability=predict(champion, features[due]))
    assert len(told) == due.sum()
    pd.testing.assert_series_equal(by_key(told), by_key(there), check_exact=True)


def test_a_backfill_makes_each_decision_once_and_all_as_with_hindsight(
    at: Callable[..., pd.DataFrame], features: pd.DataFrame, champion: Bundle
) -> None:
    until = NOON + pd.Timedelta(hours=36)
    told = at(NOON, until)
    due = features["predict_at"].between(NOON - pd.Timedelta(hours=1), until, "right")
    there = features[due].assign(probability=predict(champion, features[due]))
    both = by_key(told).sort_index(), by_key(there).sort_index()
    pd.testing.assert_series_equal(*both, check_exact=True)
    late = told["moment"] - told["predict_at"]
    assert late.min() >= pd.Timedelta(0)
    assert late.max() < pd.Timedelta(hours=1)
    assert told["moment"].nunique() > 24


def test_what_comes_later_changes_nothing(
    at: Callable[..., pd.DataFrame], tables: Tables, given: dict[str, Any]
) -> None:
    flights = tables["flights"].copy()
    later = flights["departed_at"] > NOON
    flights.loc[later, "departure_delay"] += 500
    flights.loc[later, "departed_at"] += pd.Timedelta(minutes=500)
    pd.testing.assert_frame_equal(at(), at(flights=flights))
    before = flights["departed_at"].between(NOON - pd.Timedelta(hours=2), NOON)
    flights.loc[before, "departure_delay"] += 500
    assert not at()["probability"].equals(at(flights=flights)["probability"])


def test_a_place_and_a_carrier_that_were_never_seen_are_served_and_flagged(
    at: Callable[..., pd.DataFrame], tables: Tables
) -> None:
    flights = tables["flights"].astype({"dest": "str", "carrier": "str"})
    due = flights["scheduled_departure"].between(
        NOON + pd.Timedelta(hours=1), NOON + pd.Timedelta(hours=2), "right"
    )
    flights.loc[due, "dest"] = "XYZ"
    flights.loc[due.idxmax(), "carrier"] = "ZZ"
    told = at(flights=flights.astype({"dest": "category", "carrier": "category"}))
    assert len(told) == due.sum()
    assert told["flags"].str.contains("unseen dest").all()
    assert (told["flags"].str.contains("unseen carrier") == (told["carrier"] == "ZZ")).all()
    assert not at()["flags"].str.contains("unseen").any()


def test_without_weather_all_are_served_and_flagged(
    at: Callable[..., pd.DataFrame], tables: Tables
) -> None:
    told = at(weather=tables["weather"].iloc[:0])
    assert len(told) == len(at())
    assert told["flags"].str.contains("no weather").all()
    assert not at()["flags"].str.contains("no weather").any()


def test_a_decision_whose_plan_has_a_gap_is_served_and_flagged(
    at: Callable[..., pd.DataFrame], tables: Tables
) -> None:
    flights = tables["flights"].copy()
    row = flights.index[flights["scheduled_departure"] > NOON + pd.Timedelta(hours=1)][0]
    flights.loc[row, "tailnum"] = None
    told = at(flights=flights)
    lacking = told["flags"].str.contains("tailnum missing")
    assert lacking.sum() == 1 + at()["flags"].str.contains("tailnum missing").sum()
    assert len(told) == len(at())


def test_a_gap_in_the_plan_is_flagged_beside_a_group_of_the_same_name(
    at: Callable[..., pd.DataFrame], tables: Tables
) -> None:
    flights = tables["flights"].copy()
    due = flights["scheduled_departure"] > NOON + pd.Timedelta(hours=1)
    flights.loc[flights.index[due][0], "tailnum"] = None
    usual = at(flights=flights)["flags"]
    assert usual.str.contains("tailnum missing").any()

    class Renamed(Features):
        """Features whose group of the weather has the name of a column."""

        @classmethod
        def groups(cls) -> dict[str, list[str]]:
            groups = Features.groups()
            return {"tailnum" if name == "weather" else name: of for name, of in groups.items()}

    assert at(flights=flights, features=Renamed)["flags"].equals(usual)
    both = at(features=Renamed, flights=flights, weather=tables["weather"].iloc[:0])["flags"]
    assert both.str.contains("no tailnum").all()
    assert both.str.contains("tailnum missing").sum() == usual.str.contains("missing").sum()


@pytest.mark.parametrize("moment", ["2014-06-01T12:00:00Z", "2013-02-20T06:00:00Z"])
def test_when_nothing_is_due_there_are_no_rows_and_no_error(
    at: Callable[..., pd.DataFrame], moment: str
) -> None:
    assert at(moment, every=1).empty


def test_a_share_is_left_untouched_in_predictions_and_log(
    given: dict[str, Any], framing: Framing, champion: Bundle, project_contracts: Contracts
) -> None:
    decision = framing.decision.model_copy(update={"changes_label": True, "untouched_share": 0.3})
    framed = framing.model_copy(update={"decision": decision})
    graph = create_pipeline().to_outputs("features")
    asked = Inference(moment=NOON, until=None, every_minutes=120)
    rows = build_upcoming(framing, asked, project_contracts, graph, **given)
    always = {**champion, "threshold": 0.0}
    told = predict_upcoming(always, rows, framed, project_contracts)
    untouched = draw_uniform(rows, Key.grain(), SALT) < 0.3
    assert 0 < untouched.sum() < len(rows)
    assert told["untouched"].tolist() == untouched.tolist()
    assert told["act"].tolist() == (~untouched).tolist()
    logged = log_predictions(rows, told, framed, project_contracts)
    logged = project_contracts["prediction_log"].validate(logged)
    assert logged["untouched"].tolist() == untouched.tolist()
    assert usable_rows(logged, framed)["act"].sum() == 0
    usual = predict_upcoming(always, rows, framing, project_contracts)
    assert not usual["untouched"].any()
    assert usual["act"].all()


def test_the_moment_is_now_unless_said() -> None:
    (moment,) = Inference(moment=None, until=None, every_minutes=60).moments
    assert abs(pd.Timestamp.now("UTC") - moment) < pd.Timedelta(minutes=1)


def test_without_a_champion_it_is_said_how_to_get_one(
    framing: Framing, project_contracts: Contracts
) -> None:
    with pytest.raises(RunError, match="no champion: kedro run --pipelines deployment"):
        predict_upcoming(None, project_contracts["upcoming"].empty(), framing, project_contracts)


def test_moments_too_far_apart_are_refused(at: Callable[..., pd.DataFrame]) -> None:
    with pytest.raises(RunError, match=r"every_minutes is 121: .* would come too late"):
        at(every=121)


@pytest.mark.parametrize(
    "given",
    [
        {"moment": None, "until": "2013-01-01T00:00:00Z"},
        {"moment": "2013-01-02T00:00:00Z", "until": "2013-01-01T00:00:00Z"},
        {"moment": "2013-01-02T00:00:00", "until": None},
        {"moment": None, "until": None, "every_minutes": 0},
        {"moment": None, "until": None, "override": {"by": "Ada", "reason": "a holiday"}},
        {"moment": None, "until": None, "override": {"by": "", "reason": "a", "until": NOON}},
    ],
)
def test_moments_that_make_no_sense_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Inference.model_validate({"every_minutes": 60, **given})
