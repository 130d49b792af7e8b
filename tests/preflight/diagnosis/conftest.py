"""The small problem with what diagnosis asks for."""

from collections.abc import Callable
from typing import Any

import pytest

from preflight.diagnosis.contracts import Diagnosis, Rolling

DIAGNOSIS = Diagnosis(
    seed=1,
    fits=3,
    step_rows=1500,
    train_shares=[0.25, 0.5],
    next_share=0.75,
    segment_depth=2,
    segment_share=0.02,
    examples=3,
    labels_to_review=50,
    dependence_features=2,
    dependence_rows=100,
    noise=0.05,
    backtest=Rolling(cutoffs=3, weeks=4),
)


Made = dict[str, Any]


@pytest.fixture(scope="session")
def make(make: Callable[..., Made]) -> Callable[..., Made]:
    return lambda *given: {**make(*given), "diagnosis": DIAGNOSIS}


@pytest.fixture(scope="module")
def made(made: Made) -> Made:
    return {**made, "diagnosis": DIAGNOSIS}


@pytest.fixture(scope="module")
def made_amounts(made_amounts: Made) -> Made:
    return {**made_amounts, "diagnosis": DIAGNOSIS}
