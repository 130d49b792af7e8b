"""What is said of test: predictions, figures, slices, importance and the verdict, on parcels."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import roc_auc_score

from preflight import contracts
from preflight.errors import RunError
from preflight.evaluation.conditions import calibration_within_limit
from preflight.evaluation.contracts import Evaluation
from preflight.evaluation.metrics import (
    compute_calibration_curve,
    compute_cost_curve,
    compute_importance,
    compute_metrics,
    compute_slices,
)
from preflight.evaluation.predictions import predict_test, select_reference_rows
from preflight.evaluation.verdict import compute_power, decide_verdict
from preflight.features.fingerprints import fingerprints
from preflight.modeling.model import DECIDING, Bundle
from preflight.problem.costs import per_1000
from preflight.problem.framing import Framing
from preflight.problem.money import format_money

pytestmark = pytest.mark.usefixtures("parcels")
FEATURES = ["signal", "place", "noise"]
Decided = Callable[..., dict[str, Any]]
SELECTION = {"best_baseline": "guess"}


def sealed(test: pd.DataFrame) -> pd.DataFrame:
    """An audit that has passed these examples."""
    return pd.DataFrame(fingerprints(test=test))


def judge(
    predictions: pd.DataFrame,
    examples: pd.DataFrame,
    framing: Framing,
    evaluation: Evaluation,
    selection: dict[str, Any] = SELECTION,
    limits: tuple[dict[str, Any], ...] = (),
    earlier: tuple[dict[str, Any], ...] = (),
    what_if: tuple[str, ...] = (),
) -> dict[str, Any]:
    """The verdict, with what else it rests on as it should be."""
    curve = compute_calibration_curve(predictions, framing, evaluation)
    found = decide_verdict(
        predictions,
        examples,
        selection,
        curve,
        list(limits),
        list(earlier),
        list(what_if),
        framing,
        evaluation,
    )
    assert contracts.results.verdict.validate(found) is found
    return found


class Says(ClassifierMixin, BaseEstimator):
    """An estimator whose log-odds are a line on a feature, for all it is fitted on."""

    def __init__(self, feature: str = "signal", slope: float = 1, intercept: float = -1) -> None:
        self.feature, self.slope, self.intercept = feature, slope, intercept

    def fit(self, X: pd.DataFrame, y: Any) -> Self:
        self.classes_ = np.array([0, 1])
        return self

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        odds = self.slope * X[self.feature].to_numpy(dtype=float) + self.intercept
        rate = 1 / (1 + np.exp(-odds))
        return np.column_stack([1 - rate, rate])


def bundle(estimator: Says, **changes: Any) -> Bundle:
    return {
        "estimator": estimator.fit(pd.DataFrame(), None),
        "slope": 1.0,
        "intercept": 0.0,
        "threshold": 0.2,
        "features": FEATURES,
        "provenance": {"made": "here"},
        **changes,
    }


@pytest.fixture
def evaluation() -> Evaluation:
    return Evaluation(
        replicates=200,
        seed=5,
        calibration_bins=4,
        thresholds=3,
        importance_rows=300,
        importance_shuffles=3,
        end_to_end_rows=10,
    )


@pytest.fixture
def examples(make_parcels: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    """A month and a half of examples."""
    made = make_parcels("2013-04-01T04:00", "2013-05-15", 900).drop(columns="chance")
    return made.set_index(made.index + 50)


@pytest.fixture
def models(framing: Framing) -> tuple[Bundle, dict[str, Bundle]]:
    made = {"framing": framing.model_dump(mode="json", include=set(DECIDING))}
    baselines = {
        "never": bundle(Says("noise", 0, -5), threshold=1, provenance=made),
        "guess": bundle(Says("noise", 1, -1), provenance=made),
    }
    return bundle(Says("signal", 1.5, -1.2), provenance=made), baselines


@pytest.fixture
def predictions(
    models: tuple[Bundle, dict[str, Bundle]], examples: pd.DataFrame, framing: Framing
) -> pd.DataFrame:
    return predict_test(*models, examples, sealed(examples), framing)


def test_there_is_one_row_per_example_with_the_columns_of_the_design(
    predictions: pd.DataFrame, examples: pd.DataFrame
) -> None:
    assert list(predictions) == [
        "parcel", "predict_at", "label", "probability", "act",
        "probability_never", "act_never", "probability_guess", "act_guess",
    ]  # fmt: skip
    for column in ("parcel", "predict_at", "label"):
        pd.testing.assert_series_equal(predictions[column], examples[column])
    types = predictions.dtypes.astype(str)
    assert set(types[["act", "act_never", "act_guess"]]) == {"bool"}
    assert set(types[["probability", "probability_never"]]) == {"float64"}


def test_a_model_made_under_another_framing_is_not_judged(
    models: tuple[Bundle, dict[str, Bundle]], examples: pd.DataFrame, framing: Framing
) -> None:
    dearer = framing.costs.model_copy(update={"fn": framing.costs.fn + 1})
    other = framing.model_copy(update={"costs": dearer})
    with pytest.raises(RunError, match="'candidate' was made under another framing: costs"):
        predict_test(*models, examples, sealed(examples), other)
    reworded = framing.model_copy(update={"objective": "the same, in other words"})
    assert len(predict_test(*models, examples, sealed(examples), reworded)) == len(examples)


def test_each_model_decides_with_its_own_threshold_and_calibration(
    models: tuple[Bundle, dict[str, Bundle]],
    examples: pd.DataFrame,
    framing: Framing,
    contracts: Any,
) -> None:
    candidate, baselines = models
    candidate |= {"slope": 2.0, "intercept": 0.5, "threshold": 0.4}
    found = predict_test(
        candidate, baselines, examples, sealed(examples), framing, contracts=contracts
    )
    odds = 2 * (1.5 * examples["signal"].astype(float) - 1.2) + 0.5
    np.testing.assert_allclose(found["probability"], 1 / (1 + np.exp(-odds)))
    guess = 1 / (1 + np.exp(1 - examples["noise"].astype(float)))
    np.testing.assert_allclose(found["probability_guess"], guess)
    np.testing.assert_allclose(found["probability_never"], 1 / (1 + np.exp(5)))
    assert found["act"].tolist() == (found["probability"] > 0.4).tolist()
    assert found["act_guess"].tolist() == (found["probability_guess"] > 0.2).tolist()
    assert not found["act_never"].any()


def saving(label: Any, act: Any) -> np.ndarray:
    """By hand: acting saves 4 where it was needed and loses 1 where it was not."""
    return np.where(act, np.where(np.asarray(label) == 1, 4.0, -1.0), 0.0)


def test_metrics_are_those_of_each_model_on_all_rows(
    predictions: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> None:
    found = compute_metrics(predictions, framing, evaluation)
    assert contracts.results.metrics.validate(found) is found
    assert list(found) == ["candidate", "never", "guess"]
    for name, suffix in (("candidate", ""), ("never", "_never"), ("guess", "_guess")):
        label, probability = predictions["label"], predictions[f"probability{suffix}"]
        value = 1000 * saving(label, predictions[f"act{suffix}"]).mean()
        assert found[name]["roc_auc"]["mean"] == pytest.approx(roc_auc_score(label, probability))
        assert found[name]["value_per_1000"]["mean"] == pytest.approx(value)
        assert found[name]["brier"]["mean"] == pytest.approx(((probability - label) ** 2).mean())


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
    predictions: pd.DataFrame, examples: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> None:
    def widths(confidence: float) -> list[float]:
        level = framing.model_copy(update={"confidence": confidence})
        figure = compute_metrics(predictions, level, evaluation)["candidate"]["brier"]
        bins = compute_calibration_curve(predictions, level, evaluation)
        parts = compute_slices(predictions, examples, level, evaluation)
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
    contracts.results.CalibrationCurve.validate(found, lazy=True)
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
    found = compute_cost_curve(predictions, framing, evaluation)
    contracts.results.CostCurve.validate(found, lazy=True)
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
    found = compute_cost_curve(predictions, framing, tens)
    assert len(found) == 11  # 20% is one of the steps
    assert found["by_costs"].sum() == 1
    columns = framing.costs.model_copy(update={"fn": "amount"})
    each = framing.model_copy(update={"costs": columns})
    found = compute_cost_curve(predictions.assign(cost_fn=6.0 + predictions.index), each, tens)
    assert not found["by_costs"].any()


def test_ties_are_shared_among_bins_of_equal_size(
    predictions: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> None:
    found = compute_calibration_curve(predictions.assign(probability=0.3), framing, evaluation)
    assert found["rows"].tolist() == [225] * 4
    assert found["predicted"].tolist() == pytest.approx([0.3] * 4)


def test_slices_add_up_to_the_whole(
    predictions: pd.DataFrame, examples: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> None:
    found = compute_slices(predictions, examples, framing, evaluation)
    contracts.results.Slices.validate(found, lazy=True)
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
    found = compute_slices(predictions, examples, framing, evaluation).set_index("slice")
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
    found = compute_slices(predictions, examples, framing, evaluation).set_index("slice")
    auc = found[["score", "score_low", "score_high"]]
    assert auc.loc["west"].isna().all()
    assert auc.loc["north"].notna().all()
    contracts.results.Slices.validate(
        found.reset_index()[list(contracts.results.Slices.columns())], lazy=True
    )


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
    found = compute_slices(predictions, hours, by_hour, evaluation)
    assert found["slice"].tolist() == ["4", "5", "6"]


def test_the_planted_feature_is_the_most_important_and_the_others_are_worth_nothing(
    models: tuple[Bundle, dict[str, Bundle]],
    examples: pd.DataFrame,
    evaluation: Evaluation,
    contracts: Any,
) -> None:
    found = compute_importance(models[0], examples, evaluation, contracts=contracts)
    contracts.results.Importance.validate(found.astype({"group": "str"}), lazy=True)
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


def test_the_verdict_can_be_recomputed_from_the_test_predictions_alone(
    predictions: pd.DataFrame, examples: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> None:
    found = judge(predictions, examples, framing, evaluation)
    ahead = saving(predictions["label"], predictions["act"]) - saving(
        predictions["label"], predictions["act_guess"]
    )
    local = predictions["predict_at"].dt.tz_convert("America/New_York").dt.date
    days = pd.DataFrame({"ahead": ahead}).groupby(local.to_numpy())["ahead"].agg(["sum", "count"])
    rng = np.random.default_rng(evaluation.seed)
    drawn = rng.multinomial(len(days), np.full(len(days), 1 / len(days)), evaluation.replicates)
    means = 1000 * (drawn @ days["sum"]) / (drawn @ days["count"])
    over = found["value"]["over_baseline"]
    assert over["baseline"] == "guess"
    assert over["mean"] == pytest.approx(1000 * ahead.mean())
    assert [over["low"], over["high"]] == pytest.approx(np.quantile(means, [0.05, 0.95]))
    assert found["value"]["per_1000"] == pytest.approx(
        1000 * saving(predictions["label"], predictions["act"]).mean()
    )
    assert found["value"]["costs"] == {"tp": 2, "fp": 1, "fn": 6, "tn": 0}
    assert found["value"]["unit"] == "EUR"
    # of 10,000 a month, less 100 of upkeep, over six months, where 600 are asked
    net = 6 * (10 * np.quantile(means, [0.05, 0.95]) - 100)
    assert [found["value"]["net"]["low"], found["value"]["net"]["high"]] == pytest.approx(net)
    assert found["decision"] == ("ship" if net[0] >= 600 else "hold")
    missed = ((predictions["label"] == 1) & ~predictions["act"]).mean()
    assert found["kpi"]["measured"] == pytest.approx(1000 * missed)


def with_column(
    models: tuple[Bundle, dict[str, Bundle]], framing: Framing
) -> tuple[tuple[Bundle, dict[str, Bundle]], Framing]:
    """Models and framing with a miss that costs what the column `amount` says."""
    costs = framing.costs.model_copy(update={"fn": "amount"})
    column = framing.model_copy(update={"costs": costs})
    made = {"framing": column.model_dump(mode="json", include=set(DECIDING))}
    candidate, baselines = models
    derived: Any = {"provenance": made, "threshold": None}
    return (
        candidate | derived,
        {"never": baselines["never"] | {"provenance": made}, "guess": baselines["guess"] | derived},
    ), column


def test_a_cost_in_a_column_of_one_value_gives_the_very_same_results(
    models: tuple[Bundle, dict[str, Bundle]],
    predictions: pd.DataFrame,
    examples: pd.DataFrame,
    framing: Framing,
    evaluation: Evaluation,
) -> None:
    dear, column = with_column(models, framing)
    same = examples.assign(amount=np.float32(6))
    found = predict_test(*dear, same, sealed(same), column)
    pd.testing.assert_frame_equal(found.drop(columns="cost_fn"), predictions)
    for node in (compute_metrics, compute_calibration_curve):
        pd.testing.assert_frame_equal(
            pd.DataFrame(node(found, column, evaluation)),
            pd.DataFrame(node(predictions, framing, evaluation)),
        )
    pd.testing.assert_frame_equal(
        compute_slices(found, same, column, evaluation),
        compute_slices(predictions, examples, framing, evaluation),
    )
    verdict = judge(found, same, column, evaluation)
    constant = judge(predictions, examples, framing, evaluation)
    assert verdict["value"].pop("costs") == {"tp": 2, "fp": 1, "fn": "cost_fn", "tn": 0}
    assert constant["value"].pop("costs") == {"tp": 2, "fp": 1, "fn": 6, "tn": 0}
    told, before = (one["checks"].pop(2)["says"] for one in (verdict, constant))
    for of_its_cost, in_money in (("0.8", "€4.80"), ("1.25", "€7.50")):
        told = told.replace(f"{of_its_cost} times its cost", in_money)
    assert told == before
    assert verdict | {"reasons": []} == constant | {"reasons": []}


def test_with_a_cost_in_a_column_the_page_on_the_verdict_recomputes_it_all_the_same(
    models: tuple[Bundle, dict[str, Bundle]],
    examples: pd.DataFrame,
    framing: Framing,
    evaluation: Evaluation,
) -> None:
    dear, column = with_column(models, framing)
    amount = np.random.default_rng(8).uniform(3, 60, len(examples)).astype("float32")
    rows = examples.assign(amount=amount)
    predictions = predict_test(*dear, rows, sealed(rows), column)
    np.testing.assert_array_equal(predictions["cost_fn"], amount)
    above = 1 / (1 + amount.astype(float) - 2)
    for suffix in ("", "_guess"):
        derived = predictions[f"probability{suffix}"] > above
        np.testing.assert_array_equal(predictions[f"act{suffix}"], derived)
    assert not predictions["act_never"].any()

    found = judge(predictions, rows, column, evaluation)
    page = (Path(__file__).parents[3] / "docs/verdict.md").read_text()
    code = page.split("```python")[1].split("```")[0].strip()
    body, _, last = code.rpartition("\n")
    scope: dict[str, Any] = {
        "catalog": type("Catalog", (), {
            "load": {"test_predictions": predictions, "verdict": found}.get,
        }),
    }  # fmt: skip
    exec(body, scope)
    over = found["value"]["over_baseline"]
    assert eval(last.split("#")[0], scope) == pytest.approx(over["mean"]) != 0
    value = 1000 * scope["saved"](predictions["act"]).mean()
    assert found["value"]["per_1000"] == pytest.approx(value)
    metrics = compute_metrics(predictions, column, evaluation)
    assert metrics["candidate"]["value_per_1000"]["mean"] == pytest.approx(value)
    slices = compute_slices(predictions, rows, column, evaluation).query("by == 'place'")
    assert np.average(slices["value_per_1000"], weights=slices["rows"]) == pytest.approx(value)


@pytest.fixture
def decided(
    predictions: pd.DataFrame, examples: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> Callable[..., dict[str, Any]]:
    return lambda act, baseline, **more: judge(
        predictions.assign(act=act, act_guess=baseline),
        examples, **{"framing": framing, "evaluation": evaluation} | more,
    )  # fmt: skip


def test_a_candidate_that_is_clearly_better_ships(
    predictions: pd.DataFrame, decided: Decided
) -> None:
    needed = predictions["label"] == 1
    found = decided(needed, False)
    assert found["decision"] == "ship"
    (reason,) = found["reasons"]
    over = found["value"]["over_baseline"]
    assert over["low"] > 0
    assert reason.startswith(
        f"the candidate saves {format_money(over['mean'], 'EUR')} more per 1,000 parcels than "
        f"guess, the best baseline (90% CI {format_money(over['low'], 'EUR')} to "
        f"{format_money(over['high'], 'EUR')})"
    )


def test_a_candidate_that_decides_as_the_baseline_does_is_held(
    predictions: pd.DataFrame, decided: Decided
) -> None:
    same = predictions["act"]
    found = decided(same, same)
    assert found["decision"] == "hold"
    over = found["value"]["over_baseline"]
    assert (over["mean"], over["low"], over["high"]) == (0, 0, 0)
    assert found["reasons"][0].startswith(
        "not enough: the candidate saves €0 more per 1,000 parcels"
    )


def test_a_candidate_that_is_never_better_is_held(
    predictions: pd.DataFrame, decided: Decided
) -> None:
    needed = predictions["label"] == 1
    found = decided(~needed, needed)
    assert found["decision"] == "hold"
    assert found["value"]["over_baseline"]["high"] < 0


def test_a_candidate_that_is_better_on_one_lucky_day_is_held(
    predictions: pd.DataFrame, framing: Framing, decided: Decided
) -> None:
    day = framing.split.day(predictions["predict_at"])
    lucky = (predictions["label"] == 1) & (day == day.iloc[400])
    found = decided(lucky, False)
    assert found["value"]["over_baseline"]["mean"] > 0
    assert found["decision"] == "hold"


def test_the_baseline_to_beat_is_the_one_that_validation_chose(
    predictions: pd.DataFrame, examples: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> None:
    needed = predictions["label"] == 1
    changed = predictions.assign(act=needed, act_guess=needed)
    decisions = [
        judge(changed, examples, framing, evaluation, {"best_baseline": name})["decision"]
        for name in ("guess", "never")
    ]
    assert decisions == ["hold", "ship"]


def test_nothing_changes_what_it_is_given(
    models: tuple[Bundle, dict[str, Bundle]],
    examples: pd.DataFrame,
    framing: Framing,
    evaluation: Evaluation,
    contracts: Any,
) -> None:
    before = examples.copy(deep=True)
    predictions = predict_test(*models, examples, sealed(examples), framing)
    as_made = predictions.copy(deep=True)
    compute_metrics(predictions, framing, evaluation)
    compute_calibration_curve(predictions, framing, evaluation)
    compute_slices(predictions, examples, framing, evaluation)
    compute_importance(models[0], examples, evaluation, contracts=contracts)
    judge(predictions, examples, framing, evaluation)
    pd.testing.assert_frame_equal(examples, before)
    pd.testing.assert_frame_equal(predictions, as_made)


@pytest.mark.parametrize(
    ("name", "value"),
    [("replicates", 99), ("calibration_bins", 1), ("importance_rows", 0),
     ("importance_shuffles", 1), ("end_to_end_rows", 0), ("replicats", 100)],
)  # fmt: skip
def test_settings_that_measure_too_little_are_refused(
    evaluation: Evaluation, name: str, value: int
) -> None:
    with pytest.raises(ValidationError, match=name):
        Evaluation.model_validate(evaluation.model_dump() | {name: value})


def test_rows_without_a_value_are_a_slice_too(
    predictions: pd.DataFrame, examples: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> None:
    some = examples.assign(place=examples["place"].where(examples["place"] != "west"))
    found = compute_slices(predictions, some, framing, evaluation)
    assert found["rows"][found["by"] == "place"].sum() == len(examples)
    contracts.results.Slices.validate(found, lazy=True)


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
    found = compute_slices(predictions, examples.assign(place=place), framing, evaluation)
    contracts.results.Slices.validate(found, lazy=True)
    assert sorted(found.loc[found["by"] == "place", "rows"]) == [300, 600]


def test_a_feature_named_month_is_the_one_that_is_sliced_by(
    predictions: pd.DataFrame, examples: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> None:
    size = np.float32(np.arange(len(examples)) % 3)
    found = compute_slices(predictions, examples.assign(month=size), framing, evaluation)
    assert found.loc[found["by"] == "month", "slice"].tolist() == ["0", "1", "2"]


def test_a_test_of_fewer_rows_than_bins_has_a_bin_for_each(
    predictions: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> None:
    found = compute_calibration_curve(predictions.head(3), framing, evaluation)
    contracts.results.CalibrationCurve.validate(found, lazy=True)
    assert found["rows"].tolist() == [1, 1, 1]


def test_two_more_of_the_same_test_set_are_counted_and_the_candidates_told_apart(
    predictions: pd.DataFrame, examples: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> None:
    def opened(predictions: pd.DataFrame, *earlier: dict[str, Any], **changed: Any) -> Any:
        framed = framing.model_copy(update=changed)
        found = judge(predictions, examples, framed, evaluation, earlier=earlier)
        return found, (found["test_set"]["opened"], found["test_set"]["candidates"])

    other = predictions.assign(probability=predictions["probability"] * 0.999)
    longer = framing.split.model_copy(update={"embargo_hours": 1})
    first, count = opened(predictions)
    assert count == (1, 1)
    again, count = opened(predictions, first)
    assert count == (2, 1)
    assert opened(other, first, again)[1] == (3, 2)
    assert opened(other, first, again, split=longer)[1] == (1, 1)
    assert opened(other, {"decision": "ship"})[1] == (1, 1)  # of a time before this was counted


def test_a_what_if_says_so_first_decides_the_same_and_is_not_counted(
    predictions: pd.DataFrame, examples: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> None:
    def of(*earlier: dict[str, Any], what_if: tuple[str, ...] = ()) -> dict[str, Any]:
        given = {"earlier": earlier, "what_if": what_if}
        return judge(predictions, examples, framing, evaluation, **given)  # type: ignore[arg-type]

    real, tried = of(), of(what_if=("framing.costs.fn is 10, in conf/base 5", "b"))
    told = "WHAT-IF, not an evaluation: framing.costs.fn is 10, in conf/base 5; b"
    assert tried["reasons"] == [told, *real["reasons"]]
    assert (tried["decision"], tried["checks"][:-2]) == (real["decision"], real["checks"][:-2])
    assert not real["what_if"]
    count = ["opened", "candidates"]
    assert [tried["test_set"][name] for name in count] == [0, 0]
    assert [of(tried, tried)["test_set"][name] for name in count] == [1, 1]
    assert [of(real, real)["test_set"][name] for name in count] == [3, 1]
    assert [of(real, tried, what_if=("a",))["test_set"][name] for name in count] == [1, 1]
    many = of(what_if=tuple(map(str, range(9))))
    assert many["reasons"][0].endswith(": 0; 1; 2; 3; 4; 5 and 3 more")
    assert len(many["what_if"]) == 9


DAYS = pd.to_datetime(["2013-04-01 12:00", "2013-04-30 12:00"]).tz_localize("UTC")
SUMMARY = pd.DataFrame({"part": ["test"], "first": DAYS[:1], "last": DAYS[1:]})


def power_of(predictions: pd.DataFrame, framing: Framing) -> dict[str, Any]:
    made = {"framing": framing.model_dump(mode="json", include=set(DECIDING))}
    never = {"never": bundle(Says("noise", 0, -5), threshold=1, provenance=made)}
    found = compute_power(predictions, never, {"best_baseline": "never"}, SUMMARY, framing)
    assert contracts.results.power.validate(found) is found
    return found


def validation_of(days: int, gain: Any) -> pd.DataFrame:
    """Ten parcels a day, all of which break; the candidate acts on so many of them each day."""
    number = np.tile(np.arange(10), days)
    day = pd.Timestamp("2013-03-01T12:00", tz="UTC") + pd.to_timedelta(
        np.repeat(np.arange(days), 10), unit="D"
    )
    acts = number < np.repeat(gain, 10)
    return pd.DataFrame(
        {
            "predict_at": day.as_unit("us"),
            "label": np.int8(1),
            "fold": 0,
            "last": True,
            "probability_candidate": np.where(acts, 0.9, 0.1),
            "probability_never": 0.1,
            "probability_lookup": 0.1,
        }
    )


def test_what_the_test_can_show_is_told_before_it_is_opened(
    framing: Framing, caplog: pytest.LogCaptureFixture
) -> None:
    acted = np.random.default_rng(0).integers(0, 11, 31)
    power = power_of(validation_of(31, acted), framing)
    by_day = 4 * acted / 10  # what a parcel of the day saves: 6 less 2, where it was acted on
    error = by_day.std(ddof=1) / np.sqrt(30)  # of a test of 30 days
    assert power["days"] == 30
    assert power["shows_per_1000"] == pytest.approx(1000 * error * (1.6449 + 0.8416), rel=1e-3)
    assert power["asked_per_1000"] == pytest.approx(1000 * (100 + 100) / 10_000)
    assert "The smallest gain that 30 test days can detect is €" in caplog.text
    assert "the required gain is €20." in caplog.text
    caplog.clear()
    steady = power_of(validation_of(31, np.full(31, 5)), framing)
    assert steady["shows_per_1000"] == pytest.approx(0)
    assert not caplog.records


def test_of_one_day_of_validation_nothing_is_known(framing: Framing) -> None:
    power = power_of(validation_of(1, np.full(1, 5)), framing)
    assert power["shows_per_1000"] is None


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
) -> None:
    with pytest.raises(RunError, match="'candidate' was made under another framing: task, costs"):
        predict_test(*models, examples, sealed(examples), amount_framing)
    test, of_amounts = made_amounts["test"], [made_amounts[n] for n in ("candidate", "baselines")]
    with pytest.raises(RunError, match=r"champion is of another task, framing.task is regression"):
        predict_test(*of_amounts, test, sealed(test), amount_framing, models[0])


def test_metrics_of_amounts_are_scikit_learns_and_what_they_save(
    made_amounts: dict[str, Any], evaluation: Evaluation
) -> None:
    predictions, framing = made_amounts["test_predictions"], made_amounts["framing"]
    found = compute_metrics(predictions, framing, evaluation)
    assert contracts.results.metrics.validate(found) is found
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
    contracts.results.CalibrationCurve.validate(found.assign(predicted=0.5), lazy=True)
    assert set(found["asked"]) == {0.75}
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


def test_a_cost_curve_of_amounts_adds_to_each(
    made_amounts: dict[str, Any], evaluation: Evaluation
) -> None:
    predictions, framing = made_amounts["test_predictions"], made_amounts["framing"]
    found = compute_cost_curve(
        predictions, framing, evaluation.model_copy(update={"thresholds": 9})
    )
    contracts.results.CostCurve.validate(
        found.assign(setting=np.linspace(0, 1, len(found))), lazy=True
    )
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
    found = compute_slices(predictions, test, framing, evaluation).set_index("slice")
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


def test_a_candidate_of_amounts_ships_and_its_verdict_can_be_recomputed(
    made_amounts: dict[str, Any], evaluation: Evaluation
) -> None:
    predictions, framing = made_amounts["test_predictions"], made_amounts["framing"]
    best = made_amounts["selection"]
    found = judge(predictions, made_amounts["test"], framing, evaluation, best)
    assert (found["decision"], found["reasons"]) == ("ship", found["reasons"][:1])
    off = {n: predictions[n] - predictions["label"] for n in ("prediction", "prediction_lookup")}
    cost = {name: np.maximum(one, -3 * one) for name, one in off.items()}
    gain = 1000 * (cost["prediction_lookup"] - cost["prediction"]).mean()
    assert found["value"]["over_baseline"]["mean"] == pytest.approx(gain)
    assert found["value"]["costs"] == {"over": 1, "under": 3, "without": 30}
    assert found["kpi"]["measured"] == pytest.approx(off["prediction"].abs().mean())
    same = predictions.assign(prediction=predictions["prediction_lookup"])
    held = judge(same, made_amounts["test"], framing, evaluation, best)
    assert held["decision"] == "hold"


def test_what_a_test_of_amounts_can_show_is_told(made_amounts: dict[str, Any]) -> None:
    found = compute_power(
        made_amounts["validation_predictions"],
        made_amounts["baselines"],
        made_amounts["selection"],
        SUMMARY,
        made_amounts["framing"],
    )
    assert contracts.results.power.validate(found) is found
    assert found["shows_per_1000"] > 0
