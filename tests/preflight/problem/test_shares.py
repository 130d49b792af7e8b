"""Only all is 100%, and only nothing is 0%."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflight.problem.shares import format_level, format_share


@pytest.mark.parametrize(
    ("share", "decimals", "written"),
    [
        (0.0, 0, "0%"),
        (0.0004, 0, "0.04%"),
        (0.001, 0, "0.1%"),
        (0.0049, 0, "0.5%"),
        (0.005001, 0, "1%"),
        (0.384, 0, "38%"),
        (0.9949, 0, "99%"),
        (0.999, 0, "99.9%"),
        (0.99951, 0, "99.95%"),
        (1.0, 0, "100%"),
        (1.002, 0, "100.2%"),
        (1.34, 0, "134%"),
        (0.0, 1, "0.0%"),
        (0.384, 1, "38.4%"),
        (0.99999, 1, "99.999%"),
        (1.0, 1, "100.0%"),
        (-0.001, 0, "-0.1%"),
        (-0.0, 0, "0%"),
        (3e-9, 0, "0.0000003%"),
        (sum([0.1] * 10), 0, "100%"),  # a rounding error is no share
        (5.5e-17, 0, "0%"),
        (np.float32(0.25), 0, "25%"),
    ],
)
def test_a_share_is_written_as_all_or_nothing_only_if_it_is(
    share: float, decimals: int, written: str
) -> None:
    assert format_share(share, decimals) == written


def test_a_difference_has_its_sign() -> None:
    assert format_share(0.25, sign="+") == "+25%"
    assert format_share(-0.004, sign="+") == "-0.4%"
    assert format_share(0.0, sign="+") == "+0%"


@given(st.floats(0, 1))
def test_no_share_is_rounded_to_the_end(share: float) -> None:
    text = format_share(share)
    assert (text == "0%") == (share < 5e-13)
    assert (text == "100%") == (share > 1 - 5e-13)
    assert float(text[:-1]) / 100 == pytest.approx(share, abs=0.00501)


@pytest.mark.parametrize(
    ("level", "written"),
    [
        (0.95, "95%"),
        (0.975, "97.5%"),
        (0.999, "99.9%"),
        (0.9999, "99.99%"),
        (0.99999, "99.999%"),
        (1 / 6, "16.67%"),
        (0.2, "20%"),
        (0.8, "80%"),
    ],
)
def test_a_level_is_written_as_it_is_declared(level: float, written: str) -> None:
    assert format_level(level) == written
