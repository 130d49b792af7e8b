"""The rate of false alarms on the project's own weeks; with few of them none is claimed."""

from typing import Any

import numpy as np
import pytest

from preflight.monitoring.contracts import AlarmSettings
from preflight.monitoring.false_alarms import FEWEST_WEEKS, replay_weeks
from preflight.monitoring.sequential import Scaling

from .conftest import ALARMS

SETTINGS = AlarmSettings.model_validate(ALARMS)


def replay(days: np.ndarray, factor: float = 1.3) -> Any:
    return replay_weeks(days.mean(axis=1), days, Scaling(factor), SETTINGS)


def days(weeks: int = 40, seed: int = 0) -> np.ndarray:
    return 50 + np.random.default_rng(seed).standard_normal((weeks, 7))


def test_independent_weeks_are_seldom_a_false_alarm() -> None:
    found = replay(days())
    assert found.weeks == 40
    assert abs(found.autocorrelation) < 0.35
    assert found.rate <= 0.025
    assert found.rate == replay(days() + 1000).rate  # where the weeks lie is of no importance
    assert found == replay(days())


def test_weeks_that_are_alike_are_more_often_one_and_it_is_told() -> None:
    """Long waves: weeks in pairs are alike, and the spread of days says nothing of it."""
    wave = 3 * np.sin(np.arange(60) / 4)[:, None]
    found = replay(wave + 0.1 * days(60), factor=1.0)
    assert found.autocorrelation > 0.8
    assert found.rate > replay(days(60), factor=1.0).rate + 0.02


def test_with_few_weeks_no_rate_is_claimed() -> None:
    for weeks in (0, FEWEST_WEEKS - 1):
        found = replay_weeks(np.zeros(weeks), np.zeros((weeks, 7)), Scaling(1.3), SETTINGS)
        assert (found.weeks, found.rate, found.autocorrelation) == (weeks, None, None)
    assert replay(days(FEWEST_WEEKS)).rate is not None


def test_days_without_a_value_count_as_their_week() -> None:
    some = days()
    some[::2, 5:] = np.nan
    weekly = np.nanmean(some, axis=1)
    found = replay_weeks(weekly, some, Scaling(1.3), SETTINGS)
    assert found.rate == pytest.approx(0, abs=0.05)
