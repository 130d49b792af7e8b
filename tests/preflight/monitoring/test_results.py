"""What decisions were worth, by week and over the champion's life, from the rows themselves."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from preflight.evaluation.contracts import Evaluation
from preflight.monitoring import join_decisions, measure_champion, measure_weeks
from preflight.monitoring.contracts import ChampionResults, WeeklyResults
from preflight.problem.framing import Framing

from .conftest import by_day, log_of, model, settings

START, END = "2013-01-01T00:00:00+00:00", "2013-12-01T00:00:00Z"
REFIT = "2013-03-04T00:00:00+00:00"


@pytest.fixture
def evaluation() -> Evaluation:
    numbers = {
        "calibration_bins": 10,
        "thresholds": 10,
        "importance_rows": 100,
        "importance_shuffles": 2,
        "reference_rows": 10,
    }
    return Evaluation.model_validate({"replicates": 100, "seed": 0, **numbers})


@pytest.fixture
def decisions(framing: Framing, contracts: dict[str, Any], sent: pd.DataFrame) -> pd.DataFrame:
    labels = sent.assign(label=sent["label"].where(sent.index < 11_000))
    never = model(framing, REFIT) | {"threshold": 1.0}
    rivals: Any = ({"c": lambda: model(framing, REFIT)}, {"b": lambda: {"never": never}}, None)
    given = (by_day(log_of(sent)), labels, model(framing, START))
    return join_decisions(*given, *rivals, framing, settings(END), contracts)[0]


def test_a_week_is_the_sum_of_its_decisions(decisions: pd.DataFrame, framing: Framing) -> None:
    weeks = WeeklyResults.validate(measure_weeks(decisions, framing)).set_index("week")
    assert len(weeks) == 40
    assert weeks["decisions"].sum() == len(decisions)
    rows = decisions[decisions["day"].between("2013-06-03", "2013-06-09")]
    week = weeks.loc["2013-06-03"]
    assert week["decisions"] == week["labelled"] == len(rows)
    for name in ("saved", "estimated", "gain", "baseline_gain"):
        assert week[name] == pytest.approx(rows[name].sum())
    assert week["decided"] == rows["decided"].mean()
    assert week["label"] == pytest.approx(rows["label"].mean())
    assert week["middle"] == pytest.approx(rows["predicted"].median())
    assert week["low"] < week["middle"] < week["high"]


def test_what_is_not_known_is_missing_and_not_zero(
    decisions: pd.DataFrame, framing: Framing
) -> None:
    weeks = measure_weeks(decisions, framing).set_index("week")
    assert np.isnan(weeks.loc["2013-02-04", "gain"])  # before the refit
    last = weeks.iloc[-1]
    assert last["labelled"] == 0
    assert np.isnan(last["saved"])
    assert last["estimated"] > 0
    assert WeeklyResults.validate(measure_weeks(decisions.head(0), framing)).empty


def test_the_champion_has_its_worth_with_intervals(
    decisions: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> None:
    champion = model(framing, START)
    found = measure_champion(decisions, champion, None, framing, evaluation)
    results = ChampionResults.model_validate(found)
    known = decisions[decisions["label"].notna()]
    assert (results.decisions, results.labelled) == (12_000, 11_000)
    assert results.since == "2013-01-07"
    assert results.saved.mean == pytest.approx(1000 * known["saved"].mean())
    assert results.saved.low < results.saved.mean < results.saved.high  # type: ignore[operator]
    assert results.over_challenger.mean == 0
    assert results.over_baseline.mean == pytest.approx(1000 * known["baseline_gain"].mean())
    assert results.calibration.low < 0 < results.calibration.high  # type: ignore[operator]
    assert results.rank_quality > 0.7  # type: ignore[operator]
    assert {one.slice for one in results.slices} == {"north", "south", "west"}
    assert sum(one.decisions for one in results.slices) == 11_000


def test_only_decisions_of_the_champion_count_as_its_worth(
    decisions: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> None:
    of_champion = decisions["day"] >= "2013-06-03"
    worse = decisions.assign(of_champion=of_champion)
    worse.loc[~of_champion, "saved"] = -1e6
    champion = model(framing, START)
    found = measure_champion(worse, champion, None, framing, evaluation)
    assert found["since"] == "2013-06-03"
    assert found["decisions"] == of_champion.sum()
    assert found["saved"]["mean"] > 0


def test_without_labels_nothing_is_claimed(
    decisions: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> None:
    missing = dict.fromkeys(("label", "saved", "gain", "baseline_gain"), np.nan)
    champion = model(framing, START)
    for rows in (decisions.assign(**missing), decisions.head(0)):
        found = measure_champion(rows, champion, None, framing, evaluation)
        assert found["labelled"] == 0
        assert found["saved"] == {"mean": None, "low": None, "high": None}
        assert found["rank_quality"] is None
        assert found["slices"] == []
