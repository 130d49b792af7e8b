"""The verdict on two arrays: that of a project's gain, and refusals that say what to do."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from preflight.errors import RunError
from preflight.evaluation.arrays import compare

DAYS = np.repeat(pd.date_range("2024-01-01", periods=60), 20)
COSTS = {"fp": 30, "fn": 120}


@pytest.fixture(scope="module")
def risk() -> Any:
    return np.random.default_rng(1).beta(1, 3, len(DAYS))


@pytest.fixture(scope="module")
def label(risk: Any) -> Any:
    return (np.random.default_rng(2).random(len(DAYS)) < risk).astype(int)


def test_the_saving_is_that_of_the_costs(label: Any, risk: Any) -> None:
    found = compare(label, risk, np.zeros(len(DAYS)), DAYS, **COSTS)
    act = risk > 0.25  # 30 / (30 + 120 - 30)
    saving = 1000 * np.where(act, np.where(label == 1, 90, -30), 0).mean()
    assert found.decision == "ship"
    assert found.candidate == pytest.approx(saving)
    assert found.gain.mean == pytest.approx(saving)
    assert found.baseline == 0
    assert 0 < found.gain.low < saving < found.gain.high
    assert (found.rows, found.days) == (len(DAYS), 60)


def test_a_candidate_of_noise_and_one_that_gains_too_little_are_not_shipped(
    label: Any, risk: Any
) -> None:
    noise = np.random.default_rng(3).permutation(risk)
    assert compare(label, noise, risk, DAYS, **COSTS).decision == "hold"
    gain = compare(label, risk, noise, DAYS, **COSTS).gain
    for required, decision in ((gain.low - 1, "ship"), (gain.low + 1, "hold")):
        found = compare(label, risk, noise, DAYS, required=required, **COSTS)
        assert found.decision == decision
    assert repr(found).startswith("Do not ship: inconclusive: ")


@pytest.mark.parametrize("number", [1, 9])
def test_few_days_are_too_little_data(label: Any, risk: Any, number: int) -> None:
    days = DAYS[0] + pd.to_timedelta(np.arange(len(DAYS)) % number, unit="D")
    found = compare(label, risk, np.zeros(len(DAYS)), days, **COSTS)
    assert found.decision == "hold"
    assert f"too little data: {number} days" in found.reason
    assert np.isfinite(found.gain.low) == (number > 1)


def test_quantities_have_costs_of_each_unit_in_their_currency() -> None:
    label = np.random.default_rng(4).poisson(20, len(DAYS))
    costs = {"overage": 2, "underage": 5, "unit": "EUR"}
    found = compare(label, label + 1, label - 1, DAYS, **costs)
    assert found.gain == pytest.approx((3000, 3000, 3000))
    assert "\N{EURO SIGN}3,000" in repr(found)


def test_days_are_those_of_the_given_clock(label: Any, risk: Any) -> None:
    late = pd.Series(DAYS + pd.Timedelta(hours=22)).dt.tz_localize("America/New_York")
    zero = np.zeros(len(DAYS))
    given = (DAYS, late, list(DAYS.date), DAYS.astype(str))
    assert len({repr(compare(label, risk, zero, days, **COSTS)) for days in given}) == 1
    shuffled = np.random.default_rng(0).permutation(len(DAYS))
    some = compare(label[shuffled], risk[shuffled], zero, DAYS[shuffled], **COSTS)
    assert some.gain == pytest.approx(compare(label, risk, zero, DAYS, **COSTS).gain)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"candidate": [0.5]}, r"arrays of one length.* candidate \(1,\)"),
        ({"candidate": np.full(len(DAYS), np.nan)}, "missing .*: candidate, 1,200 of 1,200 rows"),
        ({"baseline": np.full(len(DAYS), 7.0)}, "values of baseline outside of 0 to 1"),
        ({"label": np.full(len(DAYS), 0.5)}, "labels other than 0 and 1"),
        ({"days": DAYS.where(np.arange(len(DAYS)) >= 20)}, "missing .*: days, 20 of"),
        ({"fn": 20}, "nothing is left to decide"),
        ({"unit": "dollars"}, "is not a currency"),
        ({"fq": 20}, "fq.*no such setting|fq.*not permitted"),
        ({"fn": "column"}, "numbers"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    label: Any, risk: Any, changed: dict[str, Any], message: str
) -> None:
    given = {"label": label, "candidate": risk, "baseline": 0 * risk, "days": DAYS} | COSTS
    with pytest.raises(RunError, match=message):
        compare(**given | changed)
