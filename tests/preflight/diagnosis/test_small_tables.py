"""A table of 300 rows is judged and diagnosed as shipped, and says what it is too small for."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from kedro.config import OmegaConfigLoader

from preflight.diagnosis.ablation import compute_ablation
from preflight.diagnosis.contracts import Ablation, Diagnosis, LearningCurve, Segments, more_labels
from preflight.diagnosis.learning_curve import compute_learning_curve
from preflight.diagnosis.segments import find_segments
from preflight.evaluation.contracts import CalibrationCurve, Slices
from preflight.evaluation.metrics import compute_calibration_curve, compute_metrics, compute_slices
from preflight.evaluation.stability import compute_gain_by_period
from preflight.evaluation.verdict import decide_verdict
from preflight.problem.framing import Framing

Made = dict[str, Any]
FIRST = {"candidate": "0" * 16, "number": 1, "candidates": 1, "level": 0.025}


@pytest.fixture
def small(
    make: Callable[..., Made],
    modeling: Callable[..., Any],
    make_parcels: Callable[..., pd.DataFrame],
    framing: Framing,
    conf: OmegaConfigLoader,
) -> Callable[[int], Made]:
    """What 300 rows give, by trees with so many examples in a leaf, with diagnosis as shipped."""

    def made(leaf: int) -> Made:
        chosen = modeling()
        trees = chosen.candidates["trees"].tuned({"min_samples_leaf": leaf})
        chosen = chosen.model_copy(update={"candidates": {"trees": trees}})
        found = make(make_parcels("2013-01-01", "2013-06-01", 300), framing, chosen)
        return {**found, "diagnosis": Diagnosis.model_validate(conf["parameters"]["diagnosis"])}

    return made


def given(made: Made, *names: str) -> list[Any]:
    return [made[name] for name in names]


def test_sizes_follow_the_table(small: Callable[[int], Made]) -> None:
    made = small(5)
    wide = given(made, "framing", "evaluation", "diagnosis", "contracts")
    segments, _ = find_segments(
        *given(made, "validation", "test", "validation_predictions", "test_predictions"),
        made["candidate"],
        *wide,
    )
    Segments.validate(segments, lazy=True)
    curve, more = compute_learning_curve(
        *given(made, "train", "validation", "validation_predictions", "best_params"),
        made["framing"],
        made["modeling"],
        *wide[1:],
    )
    LearningCurve.validate(curve, lazy=True)
    more_labels.validate(more)
    assert 0 < more["labels"] < 0.1 * len(made["train"])
    steps = compute_ablation(**{name: made[name] for name in made if name != "baselines"})
    Ablation.validate(steps, lazy=True)


def test_what_could_not_be_checked_is_said(small: Callable[[int], Made]) -> None:
    made = small(5)
    wide = given(made, "framing", "evaluation")
    curve = compute_calibration_curve(made["test_predictions"], *wide)
    CalibrationCurve.validate(curve, lazy=True)
    tables = given(made, "test_predictions", "test", "selection")
    Slices.validate(compute_slices(*tables, *wide), lazy=True)
    gains = compute_gain_by_period(
        *given(made, "validation_predictions", "test_predictions", "baselines", "framing")
    )
    metrics = compute_metrics(made["test_predictions"], *wide)
    rest = (curve, [], gains, metrics, FIRST, [])
    verdict = decide_verdict(*tables, *rest, *wide)
    said = {check["name"]: check["message"] for check in verdict["checks"]}
    assert verdict["decision"] == "hold"
    assert said["gain"].startswith("inconclusive: ")
    assert "52 test days" in said["gain"]
    assert said["slices"].startswith("nothing was checked: all 5 are too few")
    assert said["groups"].startswith("nothing was checked: ")


@pytest.mark.parametrize(("leaf", "learns"), [(200, False), (5, True)])
def test_a_candidate_that_can_not_split_so_few_examples_is_told(
    small: Callable[[int], Made], caplog: pytest.LogCaptureFixture, leaf: int, learns: bool
) -> None:
    small(leaf)
    assert ("The candidate predicts the same for all" in caplog.text) is not learns
