"""Leaks of one day, or of one category, are caught: such moments are among those replayed."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from kedro.pipeline import Node, Pipeline

from preflight.audit.chosen_moments import SPREAD, choose_moments
from preflight.audit.replay import Replay
from preflight.audit.replay_audit import replay_findings
from preflight.contracts.catalog import Contracts
from preflight.contracts.table import Table, Utc, column
from preflight.features.point_in_time import run_in_memory
from preflight.problem.split import Split

DAY = pd.Timedelta(days=1)
SPLIT = Split(timezone="America/New_York", validation_weeks=1, test_weeks=1)
BUSY = pd.Timestamp("2020-05-07")  # the day on which nearly all goes wrong
Mask = Callable[[pd.DataFrame], pd.Series]


class Visits(Table, key=["visit"], known_at="booked_at", event_time="booked_at"):
    """One row per visit, known when booked; its cost is known when it is closed."""

    visit: int = column("number")
    booked_at: Utc = column("booking", "UTC")
    closed_at: Utc = column("end", "UTC", known_at="closed_at")
    cost: float = column("cost", "EUR", known_at="closed_at")
    kind: pd.CategoricalDtype = column("kind")


CONTRACTS: Contracts = {"visits": Visits}


@pytest.fixture(scope="module")
def visits() -> pd.DataFrame:
    """One visit an hour for a year, one of them of a rare kind."""
    booked = pd.date_range("2020-01-01", periods=366 * 24, freq="h", tz="UTC", unit="us")
    rng = np.random.default_rng(1)
    rows = len(booked)
    return pd.DataFrame(
        {
            "visit": np.arange(rows),
            "booked_at": booked,
            "closed_at": booked + pd.Timedelta(hours=5),
            "cost": rng.uniform(1, 2, rows),
            "kind": pd.Categorical(np.where(np.arange(rows) == 2100, "rare", "usual")),
        }
    )


@pytest.fixture(scope="module")
def examples(visits: pd.DataFrame) -> pd.DataFrame:
    """Decisions with labels, of which some are open."""
    label = np.where(SPLIT.day(visits["booked_at"]) == BUSY, 0.9, 0.1)
    label[-30:] = np.nan
    return visits[["kind"]].assign(predict_at=visits["booked_at"], label=label)


def found_in(visits: pd.DataFrame, examples: pd.DataFrame, knows: Mask) -> list[str]:
    """The checks that fail, if the cost of some visits is known as they are booked."""

    def build(visits: pd.DataFrame) -> pd.DataFrame:
        made = visits[["visit"]].assign(predict_at=visits["booked_at"])
        return made.assign(cost=visits["cost"].where(knows(visits)))

    pipeline = Pipeline([Node(build, "visits", "features")])
    features = run_in_memory(pipeline, {"visits": visits}, "features")
    past = Replay(pipeline, {"visits": visits}, features, ["visit"], (DAY, DAY), CONTRACTS)
    findings = replay_findings(past, choose_moments(examples, SPLIT, 8, seed=1))
    return [one["check"] for one in findings if one["state"] == "failed"]


def on(day: str) -> Mask:
    return lambda visits: SPLIT.day(visits["booked_at"]) == pd.Timestamp(day)


@pytest.mark.parametrize(
    "knows",
    [on("2020-11-01"), on("2020-05-07"), lambda visits: visits["kind"] == "rare"],
    ids=["change of the clock", "most positives", "rarest category"],
)
def test_a_leak_of_one_day_or_category_is_caught(
    visits: pd.DataFrame, examples: pd.DataFrame, knows: Mask
) -> None:
    assert found_in(visits, examples, knows) == ["known_at: cost"]


def test_without_a_leak_nothing_is_found(visits: pd.DataFrame, examples: pd.DataFrame) -> None:
    assert found_in(visits, examples, lambda v: pd.Series(False, v.index)) == []


def test_the_number_stays_and_moments_are_the_same_each_time(examples: pd.DataFrame) -> None:
    chosen = choose_moments(examples, SPLIT, 40, seed=1)
    assert [*chosen.items()] == [*choose_moments(examples[::-1], SPLIT, 40, seed=1).items()]
    assert len(chosen) == 40
    assert [*chosen] == sorted(chosen)
    kinds = pd.Series(chosen)
    assert kinds.value_counts().to_dict() == {
        SPREAD: 29,
        "on the days with the largest sums of labels": 5,
        "at a change of the clock": 4,
        "at the rarest categories": 2,
    }
    clock = kinds[kinds == "at a change of the clock"].index
    assert clock.tolist() == [
        pd.Timestamp(one, tz="UTC")
        for one in ("2020-03-08 07:00", "2020-03-08 19:00", "2020-11-01 06:00", "2020-11-01 18:00")
    ]
    spread = kinds[kinds == SPREAD].index
    assert spread.to_series().diff().max() < 40 * DAY
    assert choose_moments(examples, SPLIT, 40, seed=2) != chosen


def test_few_moments_or_decisions_are_enough(examples: pd.DataFrame) -> None:
    assert set(choose_moments(examples, SPLIT, 7, seed=1).values()) == {SPREAD}
    few = examples[["predict_at", "label"]].iloc[:3].assign(label=np.nan)
    assert [*choose_moments(few, SPLIT, 40, seed=1)] == few["predict_at"].tolist()
