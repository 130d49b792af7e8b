"""Standard errors and blocks of series whose dependence is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflight.stats.autocorrelation import choose_block, cosine_count, long_run_variance


def series(share: float, length: int, seed: int) -> np.ndarray:
    """An autoregressive series with a variance of 1."""
    shocks = np.random.default_rng(seed).standard_normal(length + 100)
    state = np.zeros(length + 100)
    for step in range(1, length + 100):
        state[step] = share * state[step - 1] + np.sqrt(1 - share**2) * shocks[step]
    return state[100:]


@pytest.mark.parametrize(("active", "cosines"), [(2, 1), (10, 1), (20, 3), (61, 6), (122, 10)])
def test_the_number_of_cosines_grows_slowly(active: int, cosines: int) -> None:
    assert cosine_count(active) == cosines


@pytest.mark.parametrize("share", [0.0, 0.5, -0.4])
def test_the_variance_of_a_sum_is_that_of_the_dependent_series(share: float) -> None:
    found = [
        long_run_variance(one - one.mean(), 20)
        for one in (series(share, 1000, seed) for seed in range(200))
    ]
    assert np.mean(found) == pytest.approx((1 + share) / (1 - share), rel=0.1)


@given(seed=st.integers(0, 1000), length=st.integers(2, 60), shift=st.floats(-5, 5))
def test_a_constant_adds_nothing_and_a_factor_squares(seed: int, length: int, shift: float) -> None:
    one = series(0.3, length, seed)
    cosines = cosine_count(length)
    variance = long_run_variance(one, cosines)
    assert variance >= 0
    assert long_run_variance(one + shift, cosines) == pytest.approx(variance, abs=1e-9)
    assert long_run_variance(3 * one, cosines) == pytest.approx(9 * variance)


def test_the_block_is_longer_the_longer_units_are_alike() -> None:
    blocks = [
        np.mean([choose_block(series(share, 400, seed)) for seed in range(40)])
        for share in (0.0, 0.5, 0.9)
    ]
    assert blocks[0] < 3
    assert blocks[0] < blocks[1] < blocks[2]
    # (1.5 (2 share / (1 - share^2))^2 n)^(1/3), of Politis and White
    assert blocks[1] == pytest.approx((1.5 * (4 / 3) ** 2 * 400) ** (1 / 3), rel=0.4)


@pytest.mark.parametrize("length", [0, 1, 3, 5, 12])
def test_a_short_or_constant_series_has_blocks_of_one(length: int) -> None:
    assert choose_block(np.full(length, 2.0)) == 1


@given(seed=st.integers(0, 1000), length=st.integers(4, 40))
def test_a_block_is_never_longer_than_a_third(seed: int, length: int) -> None:
    assert 1 <= choose_block(series(0.95, length, seed)) <= max(1, length // 3)


def test_several_series_at_once_are_each_its_own() -> None:
    many = np.array([series(0.3, 50, seed) for seed in range(3)]).T
    together = long_run_variance(many - many.mean(axis=0), 5)
    alone = [long_run_variance(one - one.mean(), 5) for one in many.T]
    assert together == pytest.approx(np.array(alone))
