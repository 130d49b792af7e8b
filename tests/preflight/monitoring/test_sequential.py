"""Evidence of harm: its formula, its false alarms, and what it sees."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from preflight.monitoring.sequential import Scaling, e_values, weekly_evidence, weekly_scales
from preflight.stats.autocorrelation import cosine_count, long_run_variance

HISTORY, LIMIT = 8, 40


def days(share: float = 0.0, replays: int = 400, weeks: int = 60, seed: int = 0) -> np.ndarray:
    """Autoregressive days with a mean of 0 and a variance of 1, shape (replays, weeks, 7)."""
    shocks = np.random.default_rng(seed).standard_normal((weeks * 7 + 50, replays))
    for day in range(1, len(shocks)):
        shocks[day] = share * shocks[day - 1] + np.sqrt(1 - share**2) * shocks[day]
    return shocks[50:].T.reshape(replays, weeks, 7)


def alarms(drawn: np.ndarray, line: float = 0.0, factor: float = 1.3) -> np.ndarray:
    """The week of the first alarm, from 1; infinite: none."""
    _, evidence = weekly_evidence(drawn.mean(axis=2), drawn, line, Scaling(factor), HISTORY)
    raised = evidence >= LIMIT
    return np.where(raised.any(axis=1), raised.argmax(axis=1) + 1.0, np.inf)


def by_hand(z: list[float]) -> float:
    """The mean of the evidence of all starts of a year, those to come counting 0."""
    total = 0.0
    for start in range(0, len(z), 4):
        s, m = sum(z[start:]), len(z) - start + 1
        total += 2 * norm.cdf(s / math.sqrt(m)) * math.exp(s * s / (2 * m)) / math.sqrt(m)
    return total / 13


def test_the_evidence_is_that_of_the_formula() -> None:
    z = np.random.default_rng(1).normal(0.5, 1, (3, 52))
    found = e_values(z)
    for replay in range(3):
        for week in (0, 3, 4, 17, 51):
            expected = by_hand(z[replay, : week + 1].tolist())
            assert found[replay, week] == pytest.approx(expected)


def test_a_new_life_begins_after_52_weeks() -> None:
    z = np.full((1, 60), 3.0)
    found = e_values(z)
    assert np.isfinite(found).all()
    assert found[0, 52:] == pytest.approx(found[0, :8])
    assert found[0, 51] > 1e30


def test_the_scale_is_the_largest_of_four() -> None:
    calm = days(replays=1, weeks=12)
    wide = calm.copy()
    wide[0, 7] += 30  # a whole week is off: the spread of the weeks
    uneven = calm.copy()
    uneven[0, 7] += [40, -40, 40, -40, 40, -40, 0]  # none of the weeks is: the spread of the days
    for drawn in (calm, wide, uneven):
        (scales,) = weekly_scales(drawn.mean(axis=2), drawn, HISTORY)
        before = drawn[0, :9]
        flat = before.reshape(-1)
        dependent = long_run_variance(flat - flat.mean(), cosine_count(len(flat)))
        of_days = [flat.std(ddof=1), flat[-28:].std(ddof=1), dependent**0.5]
        four = [before.mean(axis=1).std(ddof=1), *(one / 7**0.5 for one in of_days)]
        assert scales[1] == pytest.approx(max(four))
        assert scales[0] < 1 or drawn is not calm


def test_a_scale_knows_nothing_of_its_own_week() -> None:
    drawn = days(replays=1, weeks=12)
    later = drawn.copy()
    later[0, 9:] += 100
    known, changed = (weekly_scales(d.mean(axis=2), d, HISTORY)[0] for d in (drawn, later))
    assert known[:2] == pytest.approx(changed[:2])
    assert changed[2] > 10 * known[2]


def test_days_without_a_value_leave_weeks_of_five_days() -> None:
    drawn = days(replays=1, weeks=40)
    some = drawn.copy()
    some[..., 5:] = np.nan
    five = weekly_scales(drawn[..., :5].mean(axis=2), some, HISTORY)
    seven = weekly_scales(drawn.mean(axis=2), drawn, HISTORY)
    assert five.mean() == pytest.approx(seven.mean() * (7 / 5) ** 0.5, rel=0.15)


def test_a_scale_may_be_weeks_behind_and_begins_with_the_history() -> None:
    drawn = days(replays=1, weeks=14)
    now, behind = (weekly_scales(drawn.mean(axis=2), drawn, HISTORY, lag)[0] for lag in (0, 2))
    assert len(set(now)) == 6
    assert behind.tolist() == [now[0], now[0], *now[:-2]]


def test_harm_hides_itself_less_from_a_scale_that_is_behind() -> None:
    drawn = days(seed=3)
    drawn[:, HISTORY + 4 :] -= 1.2
    first = []
    for lag in (0, 2):
        _, evidence = weekly_evidence(drawn.mean(axis=2), drawn, 0.0, Scaling(1.1, lag), HISTORY)
        first.append((evidence >= LIMIT).argmax(axis=1).mean())
    assert first[1] < first[0] - 1


@pytest.mark.parametrize("known", [0, 1])
def test_without_values_of_days_the_scale_is_that_of_weeks(known: int) -> None:
    weekly = np.random.default_rng(2).standard_normal((1, 10))
    daily = np.full((1, 10, 7), np.nan)
    daily[0, 0, :known] = 100.0
    scales = weekly_scales(weekly, daily, HISTORY)
    assert scales[0] == pytest.approx([weekly[0, :n].std(ddof=1) for n in (8, 9)])


@pytest.mark.parametrize("share", [0.0, 0.5, 0.8])
def test_on_the_line_alarms_are_rare_however_alike_days_are(share: float) -> None:
    assert np.isfinite(alarms(days(share, 1000))).mean() <= 0.025


def test_on_the_line_alarms_are_rare_when_a_season_begins() -> None:
    """Days vary ten times as much half a year after the promotion."""
    week = np.arange(60)[:, None] - HISTORY
    growth = 10 ** ((1 - np.cos(2 * np.pi * week / 52)) / 2)
    assert np.isfinite(alarms(days(replays=1000) * growth)).mean() <= 0.025


def test_above_the_line_there_is_no_alarm_and_below_it_there_is() -> None:
    drawn = days(0.3)
    assert np.isinf(alarms(drawn + 1)).all()
    harmed = days()
    harmed[:, HISTORY + 26 :] -= 2  # from week 26 on
    week = alarms(harmed)
    assert (week > 26).mean() > 0.99
    assert np.median(week) <= 30
    assert np.quantile(week, 0.9) <= 33


def test_good_months_do_not_hide_a_bad_one() -> None:
    z = np.concatenate([np.full(24, -1.0), np.full(10, 2.0)])[None]
    assert z.sum() < 0  # from the beginning on there is no harm
    assert e_values(z)[0, 23] < 1
    assert e_values(z)[0, -1] > LIMIT


def test_replays_do_not_touch_each_other() -> None:
    drawn = days(replays=5)
    _, together = weekly_evidence(drawn.mean(axis=2), drawn, 0.2, Scaling(1.1), HISTORY)
    for one in range(5):
        alone = drawn[one : one + 1]
        _, evidence = weekly_evidence(alone.mean(axis=2), alone, 0.2, Scaling(1.1), HISTORY)
        assert evidence[0] == pytest.approx(together[one])


def test_weeks_that_never_vary_are_no_evidence() -> None:
    drawn = np.zeros((1, 20, 7))
    scales, evidence = weekly_evidence(drawn.mean(axis=2), drawn, 5.0, Scaling(1.3), HISTORY)
    assert not scales.any()
    assert evidence.max() < 1
