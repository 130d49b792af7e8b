"""What a test can detect, told before it is used."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from preflight.evaluation import contracts as results
from preflight.evaluation.contracts import Evaluation
from preflight.evaluation.power import compute_power
from preflight.modeling.model import Bundle
from preflight.problem.framing import Framing, Resampling

Models = tuple[Bundle, dict[str, Bundle]]


def folds_of(gain: Any, days: Any = None) -> pd.DataFrame:
    """Ten parcels a day, all of which break; the candidate acts on so many of them each day."""
    days = np.arange(len(gain)) if days is None else days
    acts = np.tile(np.arange(10), len(days)) < np.repeat(gain, 10)
    noon = pd.Timestamp("2013-01-01T12:00", tz="UTC") + pd.to_timedelta(
        np.repeat(days, 10), unit="D"
    )
    return pd.DataFrame(
        {
            "predict_at": noon.as_unit("us"),
            "label": np.int8(1),
            "fold": 0,
            "last": True,
            "probability_candidate": np.where(acts, 0.9, 0.1),
            "probability_never": 0.1,
        }
    )


def power_of(
    folds: pd.DataFrame,
    models: Models,
    framing: Framing,
    evaluation: Evaluation,
    days: int = 30,
) -> dict[str, Any]:
    test = folds_of(np.zeros(days))[["predict_at"]]
    never = {"never": models[1]["never"]}
    selection = {"best_baseline": "never"}
    found = compute_power(folds, test, never, selection, framing, evaluation)
    assert results.power.validate(found) is found
    return found


def acted(days: int, share: float = 0, seed: int = 0) -> np.ndarray:
    """How many parcels of ten the candidate acts on, each day more or less like the day before."""
    rng = np.random.default_rng(seed)
    state, found = 0.0, []
    for shock in rng.standard_normal(days):
        state = share * state + np.sqrt(1 - share**2) * shock
        found.append(state)
    return np.clip(np.round(5 + 2 * np.array(found)), 0, 10)


def test_the_smallest_gain_that_ships_is_the_required_one_and_what_can_be_detected(
    framing: Framing,
    evaluation: Evaluation,
    models: Models,
) -> None:
    power = power_of(folds_of(acted(90)), models, framing, evaluation)
    error = (4 * acted(90) / 10).std(ddof=1) / np.sqrt(30)  # 4: what acting saves
    assert (power["unit"], power["units"]) == ("day", 30)
    assert power["required_per_1000"] == pytest.approx(1000 * (100 + 100) / 10_000)
    # 1.64 + 0.84 standard errors if they were known and days independent; here neither is
    assert 2.48 < power["detectable_per_1000"] / (1000 * error) < 6
    assert power["shippable_per_1000"] == pytest.approx(20 + power["detectable_per_1000"])


@pytest.mark.parametrize(("achievable", "warned"), [(100_000, False), (200, True)])
def test_a_test_that_is_too_short_for_what_is_achievable_is_reported(
    achievable: float,
    warned: bool,
    framing: Framing,
    evaluation: Evaluation,
    models: Models,
    caplog: pytest.LogCaptureFixture,
) -> None:
    project = framing.project.model_copy(update={"achievable_saving": achievable})
    believed = framing.model_copy(update={"project": project})
    power_of(folds_of(acted(90)), models, believed, evaluation)
    parts = ("The test is too short", "30 test days", "€200", "framing.split", "min_net_saving")
    assert all(part in caplog.text for part in parts) is warned
    assert bool(caplog.records) is warned


def test_days_that_are_alike_need_a_longer_test(
    framing: Framing, evaluation: Evaluation, models: Models
) -> None:
    found = [
        np.mean(
            [
                power_of(folds_of(acted(90, share, seed)), models, framing, evaluation, days)[
                    "detectable_per_1000"
                ]
                for seed in range(5)
            ]
        )
        for share, days in ((0.0, 30), (0.8, 30), (0.8, 120))
    ]
    assert found[1] > 1.5 * found[0]
    assert found[2] < 0.7 * found[1]


def test_active_days_count_not_the_span(
    framing: Framing, evaluation: Evaluation, models: Models
) -> None:
    """Decisions on every third day are a third of the days, whatever the calendar says."""
    seldom = folds_of(acted(30), days=3 * np.arange(30))
    often = folds_of(acted(30))
    found = [power_of(folds, models, framing, evaluation) for folds in (seldom, often)]
    assert found[0]["detectable_per_1000"] == pytest.approx(found[1]["detectable_per_1000"])


def test_a_gain_that_never_varies_is_detected_at_once(
    framing: Framing, evaluation: Evaluation, models: Models
) -> None:
    steady = power_of(folds_of(np.full(31, 5)), models, framing, evaluation)
    assert steady["detectable_per_1000"] == pytest.approx(0)


def test_of_one_day_of_validation_or_of_test_nothing_is_known(
    framing: Framing, evaluation: Evaluation, models: Models
) -> None:
    for folds, days in ((folds_of(np.full(1, 5)), 30), (folds_of(acted(30)), 1)):
        power = power_of(folds, models, framing, evaluation, days)
        assert power["detectable_per_1000"] is None
        assert power["shippable_per_1000"] is None


def test_weeks_are_counted_if_weeks_are_resampled(
    framing: Framing, evaluation: Evaluation, models: Models
) -> None:
    weekly = framing.model_copy(update={"resampling": Resampling(unit="week")})
    power = power_of(folds_of(acted(90)), models, weekly, evaluation, days=28)
    assert (power["unit"], power["units"]) == ("week", 5)  # the first of January is a Tuesday


def test_what_a_test_of_amounts_can_show_is_told(
    made_amounts: dict[str, Any], evaluation: Evaluation
) -> None:
    names = ("validation_predictions", "test", "baselines", "selection", "framing")
    found = compute_power(*(made_amounts[name] for name in names), evaluation)
    assert results.power.validate(found) is found
    assert found["detectable_per_1000"] > 0
