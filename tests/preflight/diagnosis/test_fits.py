"""The chance of fitting: by hand, and by simulation of steps whose true gain is known."""

import numpy as np
import pytest
from scipy import stats

from preflight.diagnosis.fits import fitting_margin, widen


def test_the_margin_of_one_mean_is_students() -> None:
    fits = np.array([3.0, 5.0, 10.0])
    low, high = stats.t.interval(0.95, 2, fits.mean(), fits.std(ddof=1) / np.sqrt(3))
    found = fitting_margin([fits], np.ones(1), 0.95)
    assert (fits.mean() - found, fits.mean() + found) == pytest.approx((low, high))


def test_a_mean_of_one_fit_varies_as_much_as_the_others() -> None:
    fits = [np.array([1.0, 3.0]), np.array([10.0, 14.0]), np.array([99.0])]
    error = np.sqrt((2 + 8) / 2)  # pooled, with two degrees of freedom
    found = fitting_margin(fits, np.array([0.5, 0.0, 2.0]), 0.9)
    assert found == pytest.approx(stats.t.ppf(0.95, 2) * error * np.sqrt(0.25 / 2 + 4))


def test_of_single_fits_nothing_is_known() -> None:
    assert fitting_margin([np.ones(1), np.zeros(1)], np.ones(2), 0.95) == 0


def test_margins_add_up_as_squares_and_bounds_that_are_not_known_stay_so() -> None:
    figure = widen({"mean": 10.0, "low": 7.0, "high": 22.0}, 4.0)
    assert figure == {"mean": 10.0, "low": 5.0, "high": pytest.approx(10 + np.hypot(12, 4))}
    assert widen({"mean": 10.0, "low": None, "high": None}, 4.0)["low"] is None
    assert widen({"mean": 1.0, "low": 0.0, "high": 2.0}, 0.0) == {"mean": 1, "low": 0, "high": 2}


def test_an_interval_over_days_and_fits_holds_and_one_over_days_alone_does_not() -> None:
    """A step without gain: each fit is a little better or worse, on each day differently."""
    rng = np.random.default_rng(11)
    holds = {"days": 0, "both": 0}
    for _ in range(400):
        fits, days = rng.normal(0, 1, (3, 1)), rng.normal(0, 4, (1, 60))
        gain = fits + days + rng.normal(0, 2, (3, 60))
        by_day = gain.mean(axis=0)
        half = stats.t.ppf(0.975, 59) * by_day.std(ddof=1) / np.sqrt(60)
        mean = float(by_day.mean())
        figure = widen(
            {"mean": mean, "low": mean - half, "high": mean + half},
            fitting_margin([gain.mean(axis=1)], np.ones(1), 0.95),
        )
        holds["days"] += abs(mean) <= half
        holds["both"] += figure["low"] <= 0 <= figure["high"]
    assert holds["both"] >= 0.94 * 400
    assert holds["days"] < 0.85 * 400
