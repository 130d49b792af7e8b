"""Intervals know of units, and of units that are like their neighbours."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflight.problem.framing import Framing, Resampling
from preflight.stats.bootstrap import (
    Bootstrap,
    block_weights,
    interval,
    interval_columns,
    mean_over,
    minimum_detectable_effect,
)


def test_the_first_row_of_weights_is_the_data_themselves() -> None:
    weights = block_weights(5, 1, 100, seed=0)
    assert weights.shape == (101, 5)
    assert (weights[0] == 1).all()
    assert (weights[1:] == 0).any(axis=0).all()


@given(units=st.integers(1, 30), block=st.integers(1, 30), seed=st.integers(0, 99))
def test_blocks_draw_as_many_units_as_there_are(units: int, block: int, seed: int) -> None:
    weights = block_weights(units, min(block, units), 20, seed)
    assert (weights >= 0).all()
    assert (weights.sum(axis=1) == units).all()


@pytest.mark.parametrize("block", [1, 3])
def test_every_unit_is_drawn_as_often_as_any_other(block: int) -> None:
    share = block_weights(8, block, 4000, seed=0)[1:].mean(axis=0)
    assert share == pytest.approx(np.ones(8), abs=0.08)


def test_a_block_goes_round_the_end_to_the_beginning() -> None:
    weights = block_weights(7, 3, 500, seed=1)[1:]
    neighbours = np.corrcoef(weights.T)
    assert neighbours[0, 6] > 0.3
    assert neighbours[0, 1] > 0.3
    assert neighbours[0, 3] < 0
    alone = np.corrcoef(block_weights(7, 1, 500, seed=1)[1:].T)
    assert alone[0, 1] < 0.1


def test_an_interval_is_the_first_value_and_the_quantiles_of_the_others() -> None:
    replicates = np.array([40.0, *range(101), np.nan])
    assert interval(replicates, 0.9) == pytest.approx({"mean": 40, "low": 5, "high": 95})
    assert interval(replicates, 0.5) == pytest.approx({"mean": 40, "low": 25, "high": 75})


def test_replicates_that_are_mostly_undefined_give_no_bounds() -> None:
    half = np.array([4.0, *[np.nan] * 50, *range(50)])
    assert interval(half, 0.9)["low"] == pytest.approx(2.45)
    assert interval(np.append(half, np.nan), 0.9) == {"mean": 4, "low": None, "high": None}
    assert interval(np.array([np.nan, 1.0]), 0.9)["mean"] is None


def test_a_mean_weighs_rows_not_units() -> None:
    value, day = np.array([1.0, 1.0, 1.0, 5.0]), np.array([0, 0, 0, 1])
    weights = np.array([[1, 1], [2, 0], [0, 2], [1, 3]])
    assert mean_over(value, day, weights).tolist() == [2, 1, 5, 3]


def bootstrap(framing: Framing, day: Any, replicates: int = 200, **resampling: Any) -> Bootstrap:
    noon = pd.Timestamp("2013-04-01T12:00", tz="UTC") + pd.to_timedelta(day, unit="D")
    framed = framing.model_copy(update={"resampling": Resampling(**resampling)})
    table = pd.DataFrame({"predict_at": noon.as_unit("us")})
    return Bootstrap(table, framed, replicates, seed=1)


def alike(rng: np.random.Generator, days: int, share: float) -> np.ndarray:
    state = np.zeros(days + 50)
    for day, shock in enumerate(rng.standard_normal(days + 50)[1:], start=1):
        state[day] = share * state[day - 1] + np.sqrt(1 - share**2) * shock
    return state[50:]


@pytest.mark.parametrize(("share", "least"), [(0.0, 0.87), (0.5, 0.82), (0.8, 0.76)])
def test_a_mean_is_covered_though_days_are_like_the_days_before(
    framing: Framing, share: float, least: float
) -> None:
    """The framing's intervals are of 90%; a bootstrap over days alone covers less than 60%."""
    rng, days, worlds = np.random.default_rng(0), 60, 150
    day = np.repeat(np.arange(days), 4)
    over_days = bootstrap(framing, day)
    covered = {"both": 0, "days alone": 0}
    for _ in range(worlds):
        value = 3 + alike(rng, days, share)[day] + 0.3 * rng.standard_normal(len(day))
        for name, found in (
            ("both", over_days.mean(value)),
            ("days alone", interval(mean_over(value, over_days.unit, over_days.weights), 0.9)),
        ):
            assert found["low"] is not None
            assert found["high"] is not None
            covered[name] += found["low"] <= 3 <= found["high"]
    assert covered["both"] / worlds >= least
    if share >= 0.5:
        assert covered["days alone"] / worlds < 0.75


def test_an_interval_holds_the_percentiles_and_the_t_interval(framing: Framing) -> None:
    rng, day = np.random.default_rng(3), np.repeat(np.arange(30), 5)
    some = bootstrap(framing, day)
    value = rng.standard_normal(150)
    found = some.mean(value)
    percentiles = interval(mean_over(value, some.unit, some.weights), framing.confidence)
    replicates, contribution = some.estimate(value, np.ones(150))
    half = some.half_width(contribution, 30, framing.confidence)
    assert contribution.sum() == pytest.approx(0, abs=1e-12)
    assert found["mean"] == pytest.approx(value.mean()) == pytest.approx(replicates[0])
    assert found["low"] == pytest.approx(min(percentiles["low"] or 0, value.mean() - half))
    assert found["high"] == pytest.approx(max(percentiles["high"] or 0, value.mean() + half))
    assert some.mean(value, confidence=0.99)["low"] < found["low"]  # type: ignore[operator]


def test_one_day_has_no_interval_and_two_have_a_wide_one(framing: Framing) -> None:
    some = bootstrap(framing, np.repeat(np.arange(30), 5))
    value = np.random.default_rng(0).standard_normal(150)
    one = some.mean(value, np.arange(5))
    assert one == {"mean": pytest.approx(value[:5].mean()), "low": None, "high": None}
    assert some.percentile(mean_over(value, some.unit, some.weights), np.arange(5))["low"] is None
    assert np.isnan(interval_columns(one, "mean", "low", "high")["low"])
    rng, widths = np.random.default_rng(1), []
    for _ in range(40):
        value = rng.standard_normal(150)
        found = [some.mean(value, np.arange(5 * days)) for days in (2, 30)]
        widths.append([one["high"] - one["low"] for one in found])  # type: ignore[operator]
    two, thirty = np.mean(widths, axis=0)
    assert two > 5 * thirty


def test_days_without_rows_count_nothing(framing: Framing) -> None:
    """A gap between two halves changes neither the mean nor which days were active."""
    rng = np.random.default_rng(0)
    day, value = np.repeat(np.arange(20), 3), rng.standard_normal(60)
    close, apart = (bootstrap(framing, one) for one in (day, np.where(day < 10, day, day + 30)))
    assert (close.units, apart.units) == (20, 50)
    assert close.active() == apart.active() == 20
    assert close.mean(value)["mean"] == pytest.approx(apart.mean(value)["mean"])
    assert close.contribution(value) == pytest.approx(apart.contribution(value))


def test_a_difference_is_paired_by_days(framing: Framing) -> None:
    rng = np.random.default_rng(1)
    day, here = np.repeat(np.arange(40), 10), np.tile(np.arange(10) < 5, 40)
    value = 10 * rng.standard_normal(40)[day] + here + 0.1 * rng.standard_normal(400)
    some = bootstrap(framing, day)
    found = some.difference(value, np.flatnonzero(here), np.flatnonzero(~here))
    assert found["mean"] == pytest.approx(1, abs=0.05)
    assert found["low"] > 0.9  # type: ignore[operator]
    assert some.mean(value)["high"] - some.mean(value)["low"] > 1  # type: ignore[operator]


def test_a_ratio_is_of_sums(framing: Framing) -> None:
    some = bootstrap(framing, np.repeat(np.arange(10), 2))
    above, below = np.arange(20.0), np.tile([0.0, 2.0], 10)
    assert some.ratio(above, below)["mean"] == pytest.approx(above.sum() / 20)
    assert some.ratio(above, np.zeros(20)) == {"mean": None, "low": None, "high": None}


def test_blocks_are_as_stated_or_by_the_data_and_at_least_a_week(framing: Framing) -> None:
    day, rng = np.repeat(np.arange(90), 3), np.random.default_rng(2)

    def drawn(loss: np.ndarray, **resampling: Any) -> Any:
        some = bootstrap(framing, day, **resampling)
        return some.weights_in_blocks(loss).tolist()

    noise, long = rng.standard_normal(270), alike(rng, 90, 0.97)[day]
    assert drawn(noise) == block_weights(90, 7, 200, 1).tolist()
    assert drawn(long) != drawn(noise)
    assert drawn(long, block=3) == drawn(noise, block=3) == block_weights(90, 3, 200, 1).tolist()
    assert drawn(noise, unit="week") == block_weights(13, 1, 200, 1).tolist()
    assert drawn(noise, unit="row") == block_weights(270, 1, 200, 1).tolist()
    assert drawn(noise, block=80) == block_weights(90, 30, 200, 1).tolist()


def test_units_without_an_order_have_the_t_interval_of_independent_ones(framing: Framing) -> None:
    some = bootstrap(framing, np.zeros(12), unit="row")
    value = np.random.default_rng(0).standard_normal(12)
    _, contribution = some.estimate(value, np.ones(12))
    assert some.error(contribution, 12) == pytest.approx(value.std(ddof=1) / np.sqrt(12))
    assert some.freedom(12) == 11


def test_the_detectable_effect_is_found_as_often_as_stated() -> None:
    rng = np.random.default_rng(5)
    known = minimum_detectable_effect((1, 1), (10**6, 10**6), 0.025, 0.8)
    assert known == pytest.approx(2.80, abs=0.03)  # Cohen: 1.96 + 0.84 standard errors
    found = []
    for _ in range(400):  # the error is estimated before with 10 degrees, in the test with 6
        error = np.sqrt(rng.chisquare(10) / 10)
        effect = minimum_detectable_effect((error, 0), (10, 6), 0.025, 0.8)
        test = np.sqrt(rng.chisquare(6) / 6)
        found.append(effect + rng.standard_normal() > 2.447 * test)
    assert np.mean(found) == pytest.approx(0.8, abs=0.06)
    assert minimum_detectable_effect((1, 5), (10, 6), 0.025, 0.8) > 9.8  # the wider one decides
