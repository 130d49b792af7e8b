"""The small problem with what diagnosis asks for."""

from typing import Any

import pytest

from preflight.pipelines.diagnosis.settings import Diagnosis

DIAGNOSIS = Diagnosis(
    seed=1,
    step_rows=1500,
    train_shares=[0.25, 0.5],
    next_labels=3000,
    segment_depth=2,
    segment_rows=50,
    examples=3,
    labels_to_review=50,
    noise=0.05,
)


@pytest.fixture(scope="module")
def made(made: dict[str, Any]) -> dict[str, Any]:
    """What modeling and evaluation give, and the settings of diagnosis."""
    return {**made, "diagnosis": DIAGNOSIS}
