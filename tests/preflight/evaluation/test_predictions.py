"""Each model predicts and decides each test example, if it may be judged by it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from preflight.errors import RunError
from preflight.evaluation.predictions import predict_test
from preflight.features.fingerprints import fingerprints
from preflight.modeling.model import Bundle
from preflight.problem.framing import Framing

Predict = Callable[..., pd.DataFrame]
FEATURES = ["signal", "place", "noise"]


def test_there_is_one_row_per_example_with_the_columns_of_the_design(
    predictions: pd.DataFrame, examples: pd.DataFrame
) -> None:
    assert list(predictions) == [
        "parcel", "predict_at", "label", "probability", "act",
        "probability_never", "act_never", "probability_lookup", "act_lookup",
    ]  # fmt: skip
    for column in ("parcel", "predict_at", "label"):
        pd.testing.assert_series_equal(predictions[column], examples[column])
    types = predictions.dtypes.astype(str)
    assert set(types[["act", "act_never", "act_lookup"]]) == {"bool"}
    assert set(types[["probability", "probability_never"]]) == {"float64"}


def test_a_model_made_under_another_framing_is_not_judged(
    models: tuple[Bundle, dict[str, Bundle]],
    examples: pd.DataFrame,
    framing: Framing,
    contracts: Any,
    predict: Predict,
) -> None:
    dearer = framing.costs.model_copy(update={"fn": framing.costs.fn + 1})
    other = framing.model_copy(update={"costs": dearer})
    fn = int(framing.costs.fn)
    words = f"'candidate' was made under another framing: framing.costs.fn: {fn} -> {fn + 1}. Set"
    with pytest.raises(RunError, match=words):
        predict(*models, examples, other, contracts)
    other = other.model_copy(
        update={"prediction": other.prediction.model_copy(update={"lead_minutes": 7})}
    )
    lead = framing.prediction.lead_minutes
    words = f"framing.prediction.lead_minutes: {lead} -> 7; framing.costs.fn: {fn} -> {fn + 1}. "
    with pytest.raises(RunError, match=words):
        predict(*models, examples, other, contracts)
    reworded = framing.model_copy(update={"objective": "the same, in other words"})
    assert len(predict(*models, examples, reworded, contracts)) == len(examples)


def test_a_test_set_of_another_split_or_that_a_model_was_trained_on_is_not_used(
    models: tuple[Bundle, dict[str, Bundle]],
    examples: pd.DataFrame,
    framing: Framing,
    contracts: Any,
    predict: Predict,
    split_summary: Callable[..., pd.DataFrame],
) -> None:
    candidate, baselines = models
    late = {**candidate["provenance"], "last": str(examples["predict_at"].min())}
    for of, given in {
        "candidate": ({**candidate, "provenance": late}, baselines),
        "guess": (candidate, baselines | {"guess": {**candidate, "provenance": late}}),
    }.items():
        with pytest.raises(RunError, match=f"'{of}' was trained on .*seen part of the test set"):
            predict(*given, examples, framing, contracts)
    summary, audit = split_summary(framing, examples), pd.DataFrame(fingerprints(test=examples))
    earlier = framing.split.test_from - timedelta(days=3)  # before which nothing was predicted
    split = framing.split.model_copy(update={"test_from": earlier})
    other = framing.model_copy(update={"split": split})
    with pytest.raises(RunError, match=r"another framing.split: .* Run feature_engineering"):
        predict_test(*models, examples, summary, audit, other, contracts)


def test_each_model_decides_with_its_own_threshold_and_calibration(
    models: tuple[Bundle, dict[str, Bundle]],
    examples: pd.DataFrame,
    framing: Framing,
    contracts: Any,
    predict: Predict,
) -> None:
    candidate, baselines = models
    candidate |= {"slope": 2.0, "intercept": 0.5, "threshold": 0.4}
    found = predict(candidate, baselines, examples, framing, contracts)
    odds = 2 * (1.5 * examples["signal"].astype(float) - 1.2) + 0.5
    np.testing.assert_allclose(found["probability"], 1 / (1 + np.exp(-odds)))
    guess = 1 / (1 + np.exp(1 - examples["noise"].astype(float)))
    np.testing.assert_allclose(found["probability_lookup"], guess)
    np.testing.assert_allclose(found["probability_never"], 1 / (1 + np.exp(5)))
    assert found["act"].tolist() == (found["probability"] > 0.4).tolist()
    assert found["act_lookup"].tolist() == (found["probability_lookup"] > 0.2).tolist()
    assert not found["act_never"].any()


def test_predictions_of_amounts_have_an_amount_and_no_act(made_amounts: dict[str, Any]) -> None:
    found = made_amounts["test_predictions"]
    assert list(found) == [
        "parcel", "predict_at", "label", "prediction", "prediction_usual", "prediction_lookup",
    ]  # fmt: skip
    assert set(found.dtypes.astype(str)[3:]) == {"float64"}
    said = made_amounts["candidate"]["estimator"].predict(made_amounts["test"][FEATURES])
    shift = made_amounts["candidate"]["intercept"]
    np.testing.assert_array_equal(found["prediction"], said + shift)


def test_a_candidate_or_champion_of_the_other_task_is_not_judged(
    models: tuple[Bundle, dict[str, Bundle]],
    examples: pd.DataFrame,
    amount_framing: Framing,
    made_amounts: dict[str, Any],
    contracts: Any,
    predict: Predict,
) -> None:
    with pytest.raises(RunError, match=r"framing.task: binary -> regression; .*framing.costs"):
        predict(*models, examples, amount_framing, contracts)
    test, of_amounts = made_amounts["test"], [made_amounts[n] for n in ("candidate", "baselines")]
    with pytest.raises(RunError, match=r"champion .*framing.task, regression.*kedro rollback"):
        predict(*of_amounts, test, amount_framing, contracts, models[0])
