"""Intervals know of days."""

import numpy as np
import pandas as pd
import pytest

from preflight.stats.bootstrap import day_numbers, day_weights, interval, mean_over


def test_the_first_row_of_weights_is_the_data_themselves() -> None:
    weights = day_weights(5, 100, seed=0)
    assert weights.shape == (101, 5)
    assert (weights[0] == 1).all()
    assert (weights.sum(axis=1) == 5).all()
    assert (weights[1:] == 0).any(axis=0).all()


def test_every_day_is_drawn_as_often_as_any_other() -> None:
    share = day_weights(4, 4000, seed=0)[1:].mean(axis=0)
    assert share == pytest.approx(np.ones(4), abs=0.06)


def test_an_interval_is_the_first_value_and_the_quantiles_of_the_others() -> None:
    replicates = np.array([40.0, *range(101), np.nan])
    assert interval(replicates, 0.9) == pytest.approx({"mean": 40, "low": 5, "high": 95})
    assert interval(replicates, 0.5) == pytest.approx({"mean": 40, "low": 25, "high": 75})


def test_days_are_numbered_in_their_order_from_zero() -> None:
    day = pd.Series(pd.to_datetime(["2013-01-03", "2013-01-01", "2013-01-03"]))
    number, days = day_numbers(day)
    assert number.tolist() == [1, 0, 1]
    assert days == 2


def test_a_mean_weighs_rows_not_days() -> None:
    value, day = np.array([1.0, 1.0, 1.0, 5.0]), np.array([0, 0, 0, 1])
    weights = np.array([[1, 1], [2, 0], [0, 2], [1, 3]])
    assert mean_over(value, day, weights).tolist() == [2, 1, 5, 3]


def test_a_bootstrap_over_days_covers_the_truth_where_one_over_rows_does_not() -> None:
    rng = np.random.default_rng(0)
    days, rows_a_day, replications, truth = 40, 20, 120, 3.0
    day = np.repeat(np.arange(days), rows_a_day)
    covered = {"days": 0, "rows": 0}
    over_days = day_weights(days, 150, seed=1)
    over_rows = day_weights(len(day), 150, seed=1)
    for _ in range(replications):
        value = truth + rng.normal(size=days)[day] + rng.normal(size=len(day))
        for name, unit, weights in (
            ("days", day, over_days),
            ("rows", np.arange(len(day)), over_rows),
        ):
            found = interval(mean_over(value, unit, weights), 0.9)
            assert found["low"] is not None
            assert found["high"] is not None
            covered[name] += found["low"] <= truth <= found["high"]
    assert covered["days"] / replications == pytest.approx(0.9, abs=0.08)
    assert covered["rows"] / replications < 0.6
