"""Figures on test: of models, bins, settings, slices and features, on parcels."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from preflight.errors import RunError
from preflight.evaluation import contracts as results
from preflight.evaluation.conditions import calibration_within_limit
from preflight.evaluation.contracts import Evaluation
from preflight.evaluation.metrics import (
    compute_calibration_curve,
    compute_importance,
    compute_metrics,
    compute_slices,
    compute_threshold_curve,
)
from preflight.evaluation.predictions import select_reference_rows
from preflight.modeling.model import Bundle
from preflight.problem.costs import per_1000
from preflight.problem.framing import Framing

SELECTION = {"best_baseline": "lookup"}

FEATURES = ["signal", "place", "noise"]
Decided = Callable[..., dict[str, Any]]


def saving(label: Any, act: Any) -> np.ndarray:
    """By hand: acting saves 4 where it was needed and loses 1 where it was not."""
    return np.where(act, np.where(np.asarray(label) == 1, 4.0, -1.0), 0.0)


def test_metrics_are_those_of_each_model_on_all_rows(
    predictions: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> None:
    found = compute_metrics(predictions, framing, evaluation)
    assert results.metrics.validate(found) is found
    assert list(found) == ["candidate", "never", "lookup"]
    for name, suffix in (("candidate", ""), ("never", "_never"), ("lookup", "_lookup")):
        label, probability = predictions["label"], predictions[f"probability{suffix}"]
        value = 1000 * saving(label, predictions[f"act{suffix}"]).mean()
        assert found[name]["roc_auc"]["mean"] == pytest.approx(roc_auc_score(label, probability))
        assert found[name]["value_per_1000"]["mean"] == pytest.approx(value)
        assert found[name]["brier"]["mean"] == pytest.approx(((probability - label) ** 2).mean())


def precision(label: Any, predicted: Any, decided: Any) -> tuple[Any, Any]:
    return decided & (label == 1), decided


def test_a_metric_of_ones_own_is_a_ratio_of_sums_with_an_interval(
    predictions: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> None:
    more = evaluation.model_copy(update={"metrics": {"precision": f"{__name__}.precision"}})
    found = compute_metrics(predictions, framing, more)
    assert results.metrics.validate(found) is found
    acted = predictions[predictions["act"]]
    own = found["candidate"].pop("precision")
    assert own["mean"] == pytest.approx(acted["label"].mean())
    assert own["low"] < own["mean"] < own["high"]
    assert found["never"].pop("precision")["mean"] is None  # it never acts
    found["lookup"].pop("precision")
    assert found == compute_metrics(predictions, framing, evaluation)


def hit_rate(label: Any, predicted: Any, decided: Any) -> tuple[Any, Any]:
    return np.where(decided, label == 1, np.nan), np.ones(len(label))


def test_a_metric_of_ones_own_has_to_give_a_number_for_each_row(
    predictions: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> None:
    more = evaluation.model_copy(update={"metrics": {"hits": f"{__name__}.hit_rate"}})
    without = int((~predictions["act"]).sum())
    message = rf"^evaluation\.metrics\.hits gives no number for {without:,} of 900 rows"
    with pytest.raises(RunError, match=message):
        compute_metrics(predictions, framing, more)


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ({"brier": f"{__name__}.precision"}, "brier.* are there already"),
        ({"precision": f"{__name__}.recall"}, "can't be imported"),
    ],
)
def test_a_metric_that_is_there_or_nowhere_is_refused(
    evaluation: Evaluation, metrics: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Evaluation.model_validate(evaluation.model_dump() | {"metrics": metrics})


def test_a_model_that_never_acts_is_worth_exactly_nothing(
    predictions: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> None:
    found = compute_metrics(predictions, framing, evaluation)
    assert found["never"]["value_per_1000"] == {"mean": 0.0, "low": 0.0, "high": 0.0}
    assert found["candidate"]["value_per_1000"]["low"] > 0


def test_metrics_are_the_same_again_and_other_bounds_with_another_seed(
    predictions: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> None:
    found = compute_metrics(predictions, framing, evaluation)
    assert compute_metrics(predictions, framing, evaluation) == found
    other = evaluation.model_copy(update={"seed": 6})
    assert compute_metrics(predictions, framing, other) != found


def test_the_level_of_every_interval_is_that_of_the_framing(
    predictions: pd.DataFrame,
    examples: pd.DataFrame,
    framing: Framing,
    evaluation: Evaluation,
    judge: Decided,
) -> None:
    def widths(confidence: float) -> list[float]:
        level = framing.model_copy(update={"confidence": confidence})
        figure = compute_metrics(predictions, level, evaluation)["candidate"]["brier"]
        bins = compute_calibration_curve(predictions, level, evaluation)
        parts = compute_slices(predictions, examples, SELECTION, level, evaluation)
        over = judge(predictions, examples, level, evaluation)["value"]["over_baseline"]
        return [
            figure["high"] - figure["low"],
            (bins["high"] - bins["low"]).mean(),
            (parts["value_high"] - parts["value_low"]).mean(),
            (parts["score_high"] - parts["score_low"]).mean(),
            over["high"] - over["low"],
        ]

    for wide, middle, narrow in zip(widths(0.99), widths(0.9), widths(0.6), strict=True):
        assert wide > middle > narrow > 0


def test_bins_of_the_calibration_hold_all_rows_in_order_of_probability(
    predictions: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> None:
    found = compute_calibration_curve(predictions, framing, evaluation)
    results.CalibrationCurve.validate(found, lazy=True)
    assert found["bin"].tolist() == [0, 1, 2, 3]
    assert found["rows"].tolist() == [225] * 4
    assert found["predicted"].is_monotonic_increasing
    in_order = predictions.sort_values("probability")
    quarters = [in_order.iloc[n : n + 225] for n in range(0, 900, 225)]
    assert found["predicted"].tolist() == pytest.approx([q["probability"].mean() for q in quarters])
    assert found["observed"].tolist() == pytest.approx([q["label"].mean() for q in quarters])
    assert ((found["low"] < found["observed"]) & (found["observed"] < found["high"])).all()


def test_the_cost_curve_goes_from_always_to_never_past_the_threshold_of_the_costs(
    predictions: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> None:
    found = compute_threshold_curve(predictions, framing, evaluation)
    results.ThresholdCurve.validate(found, lazy=True)
    own = framing.costs.at(predictions).threshold
    assert found["setting"].tolist() == pytest.approx(sorted([0, 1 / 3, 2 / 3, 1, own]))
    assert found.loc[found["by_costs"], "setting"].tolist() == [own]
    costs, label = framing.costs.at(predictions), predictions["label"].to_numpy()
    by_hand = [
        per_1000(costs.saving(label, predictions["probability"].to_numpy() > threshold))
        for threshold in found["setting"]
    ]
    assert found["value_per_1000"].tolist() == pytest.approx(by_hand)
    assert found["share"].iloc[[0, -1]].tolist() == [1, 0]
    assert (found["low"] <= found["value_per_1000"]).all()
    assert (found["value_per_1000"] <= found["high"]).all()


def test_a_threshold_that_is_a_step_stands_once_and_a_row_s_own_is_no_curve(
    predictions: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> None:
    tens = evaluation.model_copy(update={"thresholds": 10})
    found = compute_threshold_curve(predictions, framing, tens)
    assert len(found) == 11  # 20% is one of the steps
    assert found["by_costs"].sum() == 1
    columns = framing.costs.model_copy(update={"fn": "amount"})
    each = framing.model_copy(update={"costs": columns})
    found = compute_threshold_curve(predictions.assign(cost_fn=6.0 + predictions.index), each, tens)
    assert not found["by_costs"].any()


def test_ties_are_shared_among_bins_of_equal_size(
    predictions: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> None:
    found = compute_calibration_curve(predictions.assign(probability=0.3), framing, evaluation)
    assert found["rows"].tolist() == [225] * 4
    assert found["predicted"].tolist() == pytest.approx([0.3] * 4)


def test_without_slices_the_table_is_empty_and_keeps_its_contract(
    predictions: pd.DataFrame, examples: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> None:
    none = framing.model_copy(update={"slices": []})
    found = compute_slices(predictions, examples, SELECTION, none, evaluation)
    assert results.Slices.validate(found, lazy=True).empty


def test_slices_add_up_to_the_whole(
    predictions: pd.DataFrame, examples: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> None:
    found = compute_slices(predictions, examples, SELECTION, framing, evaluation)
    results.Slices.validate(found, lazy=True)
    whole = {
        "label_mean": predictions["label"].mean(),
        "predicted": predictions["probability"].mean(),
        "value_per_1000": 1000 * saving(predictions["label"], predictions["act"]).mean(),
    }
    assert set(found["by"]) == {"place", "month"}
    for by, part in found.groupby("by"):
        assert part["rows"].sum() == len(examples), by
        for column, value in whole.items():
            mean = (part[column] * part["rows"]).sum() / len(examples)
            assert mean == pytest.approx(value), (by, column)


def test_a_slice_is_measured_on_its_own_rows(
    predictions: pd.DataFrame, examples: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> None:
    found = compute_slices(predictions, examples, SELECTION, framing, evaluation).set_index("slice")
    assert set(found.index) == {"north", "south", "west", "2013-04", "2013-05"}
    here = predictions[examples["place"] == "west"]
    west = found.loc["west"]
    assert west["rows"] == len(here)
    assert west["label_mean"] == pytest.approx(here["label"].mean())
    assert west["score"] == pytest.approx(roc_auc_score(here["label"], here["probability"]))
    assert west["score_low"] < west["score"] < west["score_high"]
    assert west["value_low"] < west["value_per_1000"] < west["value_high"]
    local = examples["predict_at"].dt.tz_convert("America/New_York")
    assert found.loc["2013-05", "rows"] == (local.dt.month == 5).sum() > 0


def test_a_slice_with_one_label_has_no_auc(
    predictions: pd.DataFrame, examples: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> None:
    predictions.loc[examples["place"] == "west", "label"] = 0
    found = compute_slices(predictions, examples, SELECTION, framing, evaluation).set_index("slice")
    auc = found[["score", "score_low", "score_high"]]
    assert auc.loc["west"].isna().all()
    assert auc.loc["north"].notna().all()
    results.Slices.validate(found.reset_index()[list(results.Slices.columns())], lazy=True)


@pytest.mark.parametrize("kind", ["float32", "float64", "int16"])
def test_whole_numbers_name_their_slice_without_a_fraction(
    predictions: pd.DataFrame,
    examples: pd.DataFrame,
    framing: Framing,
    evaluation: Evaluation,
    kind: str,
) -> None:
    by_hour = framing.model_copy(update={"slices": ["hour"]})
    hours = examples.assign(hour=examples["predict_at"].dt.hour.clip(4, 6).astype(kind))
    found = compute_slices(predictions, hours, SELECTION, by_hour, evaluation)
    assert found["slice"].tolist() == ["4", "5", "6"]


def test_the_planted_feature_is_the_most_important_and_the_others_are_worth_nothing(
    models: tuple[Bundle, dict[str, Bundle]],
    examples: pd.DataFrame,
    evaluation: Evaluation,
    contracts: Any,
) -> None:
    found = compute_importance(models[0], examples, evaluation, contracts=contracts)
    results.Importance.validate(found.astype({"group": "str"}), lazy=True)
    assert found["feature"][0] == "signal"
    assert set(found["feature"]) == set(FEATURES)
    assert found.set_index("feature")["group"].to_dict() == {
        "signal": "content", "place": "content", "noise": "weather",
    }  # fmt: skip
    assert found["rise"].tolist()[0] > 0.05
    assert found[["rise", "low", "high"]].iloc[1:].to_numpy().tolist() == [[0.0] * 3] * 2
    assert found["low"][0] < found["rise"][0] < found["high"][0]


def test_importance_is_the_same_again(
    models: tuple[Bundle, dict[str, Bundle]],
    examples: pd.DataFrame,
    evaluation: Evaluation,
    contracts: Any,
) -> None:
    found = compute_importance(models[0], examples, evaluation, contracts=contracts)
    pd.testing.assert_frame_equal(
        compute_importance(models[0], examples, evaluation, contracts=contracts), found
    )


def test_a_sample_larger_than_test_is_all_of_it(
    models: tuple[Bundle, dict[str, Bundle]],
    examples: pd.DataFrame,
    evaluation: Evaluation,
    contracts: Any,
) -> None:
    few = examples.head(40)
    assert len(compute_importance(models[0], few, evaluation, contracts=contracts)) == len(FEATURES)


def test_rows_without_a_value_are_a_slice_too(
    predictions: pd.DataFrame, examples: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> None:
    some = examples.assign(place=examples["place"].where(examples["place"] != "west"))
    found = compute_slices(predictions, some, SELECTION, framing, evaluation)
    assert found["rows"][found["by"] == "place"].sum() == len(examples)
    results.Slices.validate(found, lazy=True)


@pytest.mark.parametrize("values", [[5.0, "5"], ["nan", np.nan], ["missing", None]], ids=str)
def test_values_with_the_same_text_are_two_slices(
    predictions: pd.DataFrame,
    examples: pd.DataFrame,
    framing: Framing,
    evaluation: Evaluation,
    values: list[Any],
) -> None:
    first = pd.Series(np.arange(len(examples)) < 300, examples.index)
    place = first.map({True: values[0], False: values[1]}).astype("category")
    found = compute_slices(
        predictions, examples.assign(place=place), SELECTION, framing, evaluation
    )
    results.Slices.validate(found, lazy=True)
    assert sorted(found.loc[found["by"] == "place", "rows"]) == [300, 600]


def test_a_feature_named_month_is_the_one_that_is_sliced_by(
    predictions: pd.DataFrame, examples: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> None:
    size = np.float32(np.arange(len(examples)) % 3)
    found = compute_slices(predictions, examples.assign(month=size), SELECTION, framing, evaluation)
    assert found.loc[found["by"] == "month", "slice"].tolist() == ["0", "1", "2"]


def test_a_test_of_fewer_rows_than_bins_has_a_bin_for_each(
    predictions: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> None:
    found = compute_calibration_curve(predictions.head(3), framing, evaluation)
    results.CalibrationCurve.validate(found, lazy=True)
    assert found["rows"].tolist() == [1, 1, 1]


def test_metrics_of_amounts_are_scikit_learns_and_what_they_save(
    made_amounts: dict[str, Any], evaluation: Evaluation
) -> None:
    predictions, framing = made_amounts["test_predictions"], made_amounts["framing"]
    found = compute_metrics(predictions, framing, evaluation)
    assert results.metrics.validate(found) is found
    assert list(found) == ["candidate", "usual", "lookup"]
    for name, column in (("candidate", "prediction"), ("lookup", "prediction_lookup")):
        off = predictions[column] - predictions["label"]
        from_30 = 30 - predictions["label"]
        saved = np.maximum(from_30, -3 * from_30) - np.maximum(off, -3 * off)
        assert found[name]["mae"]["mean"] == pytest.approx(off.abs().mean())
        assert found[name]["value_per_1000"]["mean"] == pytest.approx(1000 * saved.mean())


def test_amounts_are_calibrated_by_the_share_of_labels_that_the_costs_ask_to_be_below(
    made_amounts: dict[str, Any], evaluation: Evaluation
) -> None:
    predictions, framing = made_amounts["test_predictions"], made_amounts["framing"]
    found = compute_calibration_curve(predictions, framing, evaluation)
    results.CalibrationCurve.validate(found, lazy=True)
    assert set(found["expected"]) == {0.75}
    in_order = predictions.sort_values("prediction", kind="stable")
    lowest = in_order.head(found["rows"].iloc[0])
    assert found["predicted"].iloc[0] == pytest.approx(lowest["prediction"].mean())
    below = (lowest["label"] < lowest["prediction"]).mean()
    assert found["observed"].iloc[0] == pytest.approx(below)
    assert calibration_within_limit(found, framing).ok
    too_much = predictions.assign(prediction=predictions["prediction"] + 10)
    assert not calibration_within_limit(
        compute_calibration_curve(too_much, framing, evaluation), framing
    ).ok


def counts(error: float = 0) -> pd.DataFrame:
    """Sixty days of small counts; the prediction is their true quantile and so much beside."""
    rng = np.random.default_rng(8)
    mean = rng.choice([0.25, 0.6, 1.3, 1.4], 6000)
    days = pd.to_timedelta(np.repeat(np.arange(60), 100), unit="D")
    return pd.DataFrame(
        {
            "predict_at": (pd.Timestamp("2013-04-01T12:00", tz="UTC") + days).as_unit("us"),
            "label": rng.poisson(mean).astype(float),
            "prediction": stats.poisson.ppf(0.75, mean) + error,
        }
    )


def test_labels_equal_to_the_true_quantile_of_counts_are_no_gap(
    amount_framing: Framing, evaluation: Evaluation
) -> None:
    found = compute_calibration_curve(counts(), amount_framing, evaluation)
    results.CalibrationCurve.validate(found, lazy=True)
    in_order = counts().sort_values("prediction", kind="stable").head(found["rows"].iloc[0])
    lowest = found.iloc[0]
    assert lowest["below"] == pytest.approx((in_order["label"] < in_order["prediction"]).mean())
    assert lowest["up_to"] == pytest.approx((in_order["label"] <= in_order["prediction"]).mean())
    assert lowest["low"] <= lowest["below"] <= lowest["observed"] <= lowest["up_to"]
    assert lowest["up_to"] <= lowest["high"]
    assert (found["up_to"] - found["below"]).min() > 0.2
    check = calibration_within_limit(found, amount_framing)
    assert check.ok
    assert check.message.startswith("the mean gap between observed and predicted shares is 0")


@pytest.mark.parametrize("error", [-1, 1])
def test_counts_that_are_off_by_one_are_a_gap(
    amount_framing: Framing, evaluation: Evaluation, error: float
) -> None:
    found = compute_calibration_curve(counts(error), amount_framing, evaluation)
    assert not calibration_within_limit(found, amount_framing).ok


def test_shares_of_a_probability_have_no_below_and_up_to(
    predictions: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> None:
    found = compute_calibration_curve(predictions, framing, evaluation)
    assert [*found] == ["bin", "rows", "predicted", "expected", "observed", "low", "high"]


def test_a_cost_curve_of_amounts_adds_to_each(
    made_amounts: dict[str, Any], evaluation: Evaluation
) -> None:
    predictions, framing = made_amounts["test_predictions"], made_amounts["framing"]
    found = compute_threshold_curve(
        predictions, framing, evaluation.model_copy(update={"thresholds": 9})
    )
    results.ThresholdCurve.validate(found, lazy=True)
    assert found.loc[found["by_costs"], "setting"].tolist() == [0]
    assert found["setting"].min() < 0 < found["setting"].max()
    assert found["setting"].is_monotonic_increasing
    assert found["share"].is_monotonic_increasing
    assert found["share"].min() < 0.2
    assert found["share"].max() > 0.8
    costs, label = framing.costs.at(predictions), predictions["label"].to_numpy()
    by_hand = [
        per_1000(costs.saving(label, predictions["prediction"].to_numpy() + shift))
        for shift in found["setting"]
    ]
    assert found["value_per_1000"].tolist() == pytest.approx(by_hand)
    assert abs(found["value_per_1000"].idxmax() - found["by_costs"].idxmax()) <= 1


def test_slices_importance_and_stored_rows_are_of_amounts(
    made_amounts: dict[str, Any], evaluation: Evaluation, contracts: Any
) -> None:
    predictions, test = made_amounts["test_predictions"], made_amounts["test"]
    framing = made_amounts["framing"]
    found = compute_slices(predictions, test, SELECTION, framing, evaluation).set_index("slice")
    north = predictions[(test["place"] == "north").to_numpy()]
    off = (north["prediction"] - north["label"]).abs().mean()
    assert found.loc["north", "score"] == pytest.approx(off)
    assert found.loc["north", "label_mean"] == pytest.approx(north["label"].mean())
    rise = compute_importance(made_amounts["candidate"], test, evaluation, contracts=contracts)
    assert rise["feature"].tolist() == ["signal", "place", "noise"]
    assert rise["rise"].iloc[0] > 1  # a unit of the amount, not of the log loss
    stored = select_reference_rows(test, predictions, framing, evaluation, contracts=contracts)
    said = predictions["prediction"]
    assert stored["prediction"].iloc[[0, -1]].tolist() == [said.min(), said.max()]
    assert "probability" not in stored
