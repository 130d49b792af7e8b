"""What an interval can't cover, recomputed by hand: periods, the best days, the worst month."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from preflight.evaluation import contracts as results
from preflight.evaluation.comparison import TestComparison
from preflight.evaluation.contracts import Evaluation
from preflight.evaluation.stability import (
    compute_gain_by_period,
    find_worst_month,
    list_warnings,
    measure_concentration,
)
from preflight.problem.framing import Framing
from preflight.problem.split import Split


def gains_of(made: dict[str, Any]) -> pd.DataFrame:
    names = ("validation_predictions", "test_predictions", "baselines", "framing")
    found = compute_gain_by_period(*(made[name] for name in names))
    results.GainByPeriod.validate(found, lazy=True)
    return found


def test_periods_add_up_to_the_gain_on_each_part(made: dict[str, Any]) -> None:
    found, test = gains_of(made), made["test_predictions"]
    costs = made["framing"].costs.at(test)
    label = test["label"].to_numpy()
    for baseline in made["framing"].baselines:
        gain = costs.saving(label, test["act"]) - costs.saving(label, test[f"act_{baseline}"])
        for _, some in found.query("baseline == @baseline and part == 'test'").groupby("period"):
            assert some["decisions"].sum() == len(test)
            mean = np.average(some["gain_per_1000"], weights=some["decisions"])
            assert mean == pytest.approx(1000 * gain.mean())
    assert {*found["part"]} == {"validation", "test"}
    months = found.query("period == 'month'")["start"]
    assert months.str.endswith("-01").all()
    assert (pd.to_datetime(found.query("period == 'week'")["start"]).dt.day_of_week == 0).all()


def test_on_validation_the_candidate_decides_by_what_was_fitted_on_train(
    made: dict[str, Any],
) -> None:
    last = made["validation_predictions"].query("last")
    costs, label = made["framing"].costs.at(last), last["label"].to_numpy()
    acts = last["probability_candidate"] > costs.threshold
    saved = 1000 * costs.saving(label, acts).mean()
    some = gains_of(made).query("baseline == 'never' and part == 'validation' and period == 'week'")
    assert np.average(some["gain_per_1000"], weights=some["decisions"]) == pytest.approx(saved)


def test_amounts_have_periods_too(made_amounts: dict[str, Any]) -> None:
    assert {*gains_of(made_amounts)["baseline"]} == {"usual", "lookup"}


def test_without_a_clock_there_are_no_periods(made: dict[str, Any]) -> None:
    split = {"split": Split(clock="none")}
    timeless = made["framing"].model_copy(update=split)
    found = gains_of(made | {"framing": timeless})
    assert found.empty
    assert find_worst_month(found, "never", timeless) is None


@pytest.fixture
def lucky(predictions: pd.DataFrame, framing: Framing, evaluation: Evaluation) -> TestComparison:
    """A candidate that acts well on three days, and else does as the baseline."""
    day = framing.split.day(predictions["predict_at"])
    on_three = day.isin([day.iloc[100], day.iloc[400], day.iloc[800]])
    acts = on_three & (predictions["label"] == 1)
    table = predictions.assign(act=acts, act_never=False, act_lookup=False)
    return TestComparison(table, framing, evaluation.bootstrap(table, framing))


def test_a_gain_of_three_days_is_nothing_without_them(lucky: TestComparison) -> None:
    found = measure_concentration(lucky)
    assert found == {"units": 3, "unit": "day", "share": 1.0, "gain_without": 0.0}


def test_without_a_gain_there_is_no_share(
    predictions: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> None:
    same = predictions.assign(act=False, act_never=False, act_lookup=False)
    test = TestComparison(same, framing, evaluation.bootstrap(same, framing))
    assert measure_concentration(test)["share"] is None
    two = same[framing.split.day(same["predict_at"]) < pd.Timestamp("2013-04-02")]
    short = TestComparison(two, framing, evaluation.bootstrap(two, framing))
    assert measure_concentration(short)["gain_without"] is None


def months(*gains: float, decisions: tuple[int, ...] = ()) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "baseline": "never",
            "part": ["validation", *["test"] * (len(gains) - 1)],
            "period": "month",
            "start": [f"2013-{3 + number:02}-01" for number in range(len(gains))],
            "decisions": decisions or [100] * len(gains),
            "gain_per_1000": gains,
        }
    )


def test_the_worst_month_is_found_on_either_part(framing: Framing) -> None:
    bad = find_worst_month(months(-5.0, 30.0, 40.0), "never", framing)
    assert (bad["month"], bad["part"], bad["gain_per_1000"]) == ("2013-03", "validation", -5)
    assert bad["net"] == pytest.approx(6 * (10 * -5 - 100))
    assert find_worst_month(months(50.0, 30.0, 40.0), "never", framing)["month"] == "2013-04"


def test_a_month_of_a_few_days_is_not_the_worst(framing: Framing) -> None:
    some = months(50.0, -90.0, 40.0, decisions=(100, 9, 100))
    assert find_worst_month(some, "never", framing)["month"] == "2013-05"


FINE = {"values": {"candidate": 90.0, "lookup": 60.0}, "best_baseline": "lookup"}
STEADY = {"units": 3, "unit": "day", "share": 0.1, "gain_without": 500.0}
GOOD_MONTH = {"month": "2013-04", "part": "test", "gain_per_1000": 1.0, "net": 1.0}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, None),
        ({"selection": FINE | {"values": {"candidate": 50.0, "lookup": 60.0}}}, "on validation"),
        ({"kpi": 10.0}, "the KPI misses its target"),
        ({"worst": GOOD_MONTH | {"gain_per_1000": -2.0}}, "in 2013-04 (test) the gain is -€2"),
        ({"best": STEADY | {"gain_without": 19.0}}, "without the 3 best days the gain is €19"),
    ],
)
def test_what_no_condition_covers_is_a_warning(
    changed: dict[str, Any],
    said: str | None,
    predictions: pd.DataFrame,
    framing: Framing,
    evaluation: Evaluation,
) -> None:
    goal = framing.goal.model_copy(
        update={"kpi": framing.goal.kpi.model_copy(update={"target": changed.get("kpi", 299.0)})}
    )
    framed = framing.model_copy(update={"goal": goal})
    test = TestComparison(predictions, framed, evaluation.bootstrap(predictions, framed))
    found = list_warnings(
        test,
        changed.get("selection", FINE),
        changed.get("best", STEADY),
        changed.get("worst", GOOD_MONTH),
    )
    assert len(found) == (said is not None)
    if said is not None:
        assert found[0].startswith(said)
