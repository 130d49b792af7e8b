"""Ship or hold, and what a test can show: recomputed from predictions of parcels."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from preflight.evaluation import contracts as results
from preflight.evaluation.contracts import Evaluation
from preflight.evaluation.metrics import (
    compute_calibration_curve,
    compute_importance,
    compute_metrics,
    compute_slices,
)
from preflight.evaluation.verdict import compute_power
from preflight.modeling.model import DECIDING, Bundle
from preflight.problem.framing import Framing
from preflight.problem.money import format_money

Decided = Callable[..., dict[str, Any]]
Predict = Callable[..., pd.DataFrame]


def saving(label: Any, act: Any) -> np.ndarray:
    """By hand: acting saves 4 where it was needed and loses 1 where it was not."""
    return np.where(act, np.where(np.asarray(label) == 1, 4.0, -1.0), 0.0)


def test_the_verdict_can_be_recomputed_from_the_test_predictions_alone(
    predictions: pd.DataFrame,
    examples: pd.DataFrame,
    framing: Framing,
    evaluation: Evaluation,
    judge: Decided,
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
    candidate, baselines = models
    framed = {"framing": column.model_dump(mode="json", include=set(DECIDING))}
    made = candidate["provenance"] | framed
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
    contracts: Any,
    judge: Decided,
    predict: Predict,
) -> None:
    dear, column = with_column(models, framing)
    same = examples.assign(amount=np.float32(6))
    found = predict(*dear, same, column, contracts)
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
    told, before = (one["checks"].pop(2)["message"] for one in (verdict, constant))
    for of_its_cost, in_money in (("0.8", "€4.80"), ("1.25", "€7.50")):
        told = told.replace(f"{of_its_cost} times its cost", in_money)
    assert told == before
    assert verdict | {"reasons": []} == constant | {"reasons": []}


def test_with_a_cost_in_a_column_the_page_on_the_verdict_recomputes_it_all_the_same(
    models: tuple[Bundle, dict[str, Bundle]],
    examples: pd.DataFrame,
    framing: Framing,
    evaluation: Evaluation,
    contracts: Any,
    judge: Decided,
    predict: Predict,
) -> None:
    dear, column = with_column(models, framing)
    amount = np.random.default_rng(8).uniform(3, 60, len(examples)).astype("float32")
    rows = examples.assign(amount=amount)
    predictions = predict(*dear, rows, column, contracts)
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
    predictions: pd.DataFrame,
    examples: pd.DataFrame,
    framing: Framing,
    evaluation: Evaluation,
    judge: Decided,
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
    mean, low, high = (format_money(over[end], "EUR") for end in ("mean", "low", "high"))
    assert f"saves {mean} more per 1,000 parcels than guess" in reason
    assert f"90% CI {low} to {high}" in reason


def test_a_candidate_that_decides_as_the_baseline_does_is_held(
    predictions: pd.DataFrame, decided: Decided
) -> None:
    same = predictions["act"]
    found = decided(same, same)
    assert found["decision"] == "hold"
    over = found["value"]["over_baseline"]
    assert (over["mean"], over["low"], over["high"]) == (0, 0, 0)
    assert found["reasons"][0].startswith("not enough: ")
    assert "€0 more per 1,000 parcels" in found["reasons"][0]


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
    predictions: pd.DataFrame,
    examples: pd.DataFrame,
    framing: Framing,
    evaluation: Evaluation,
    judge: Decided,
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
    judge: Decided,
    predict: Predict,
) -> None:
    before = examples.copy(deep=True)
    predictions = predict(*models, examples, framing, contracts)
    as_made = predictions.copy(deep=True)
    compute_metrics(predictions, framing, evaluation)
    compute_calibration_curve(predictions, framing, evaluation)
    compute_slices(predictions, examples, framing, evaluation)
    compute_importance(models[0], examples, evaluation, contracts=contracts)
    judge(predictions, examples, framing, evaluation)
    pd.testing.assert_frame_equal(examples, before)
    pd.testing.assert_frame_equal(predictions, as_made)


def test_two_more_of_the_same_test_set_are_counted_and_the_candidates_told_apart(
    predictions: pd.DataFrame,
    examples: pd.DataFrame,
    framing: Framing,
    evaluation: Evaluation,
    judge: Decided,
) -> None:
    def opened(predictions: pd.DataFrame, *earlier: dict[str, Any], **changed: Any) -> Any:
        framed = framing.model_copy(update=changed)
        found = judge(predictions, examples, framed, evaluation, earlier=earlier)
        return found, (found["test_set"]["evaluations"], found["test_set"]["candidates"])

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
    predictions: pd.DataFrame,
    examples: pd.DataFrame,
    framing: Framing,
    evaluation: Evaluation,
    judge: Decided,
) -> None:
    def of(*earlier: dict[str, Any], what_if: tuple[str, ...] = ()) -> dict[str, Any]:
        given = {"earlier": earlier, "what_if": what_if}
        return judge(predictions, examples, framing, evaluation, **given)  # type: ignore[arg-type]

    real, tried = of(), of(what_if=("framing.costs.fn is 10, in conf/base 5", "b"))
    notice, *reasons = tried["reasons"]
    assert notice.startswith("WHAT-IF")
    assert notice.endswith("framing.costs.fn is 10, in conf/base 5; b")
    assert reasons == real["reasons"]
    assert (tried["decision"], tried["checks"][:-2]) == (real["decision"], real["checks"][:-2])
    assert not real["what_if"]
    count = ["evaluations", "candidates"]
    assert [tried["test_set"][name] for name in count] == [0, 0]
    assert [of(tried, tried)["test_set"][name] for name in count] == [1, 1]
    assert [of(real, real)["test_set"][name] for name in count] == [3, 1]
    assert [of(real, tried, what_if=("a",))["test_set"][name] for name in count] == [1, 1]
    many = of(what_if=tuple(map(str, range(9))))
    assert many["reasons"][0].endswith(": 0; 1; 2; 3; 4; 5 and 3 more")
    assert len(many["what_if"]) == 9


DAYS = pd.to_datetime(["2013-04-01 12:00", "2013-04-30 12:00"]).tz_localize("UTC")
SUMMARY = pd.DataFrame({"part": ["test"], "first": DAYS[:1], "last": DAYS[1:]})


def power_of(
    predictions: pd.DataFrame, models: tuple[Bundle, dict[str, Bundle]], framing: Framing
) -> dict[str, Any]:
    never = {"never": models[1]["never"]}
    found = compute_power(predictions, never, {"best_baseline": "never"}, SUMMARY, framing)
    assert results.power.validate(found) is found
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
    framing: Framing, caplog: pytest.LogCaptureFixture, models: tuple[Bundle, dict[str, Bundle]]
) -> None:
    acted = np.random.default_rng(0).integers(0, 11, 31)
    power = power_of(validation_of(31, acted), models, framing)
    by_day = 4 * acted / 10  # what a parcel of the day saves: 6 less 2, where it was acted on
    error = by_day.std(ddof=1) / np.sqrt(30)  # of a test of 30 days
    assert power["days"] == 30
    assert power["detectable_per_1000"] == pytest.approx(1000 * error * (1.6449 + 0.8416), rel=1e-3)
    assert power["required_per_1000"] == pytest.approx(1000 * (100 + 100) / 10_000)
    assert all(part in caplog.text for part in ("30 test days", "€20", "framing.split"))
    caplog.clear()
    steady = power_of(validation_of(31, np.full(31, 5)), models, framing)
    assert steady["detectable_per_1000"] == pytest.approx(0)
    assert not caplog.records


def test_of_one_day_of_validation_nothing_is_known(
    framing: Framing, models: tuple[Bundle, dict[str, Bundle]]
) -> None:
    power = power_of(validation_of(1, np.full(1, 5)), models, framing)
    assert power["detectable_per_1000"] is None


def test_a_candidate_of_amounts_ships_and_its_verdict_can_be_recomputed(
    made_amounts: dict[str, Any], evaluation: Evaluation, judge: Decided
) -> None:
    predictions, framing = made_amounts["test_predictions"], made_amounts["framing"]
    best = made_amounts["selection"]
    found = judge(predictions, made_amounts["test"], framing, evaluation, best)
    assert (found["decision"], found["reasons"]) == ("ship", found["reasons"][:1])
    off = {n: predictions[n] - predictions["label"] for n in ("prediction", "prediction_lookup")}
    cost = {name: np.maximum(one, -3 * one) for name, one in off.items()}
    gain = 1000 * (cost["prediction_lookup"] - cost["prediction"]).mean()
    assert found["value"]["over_baseline"]["mean"] == pytest.approx(gain)
    assert found["value"]["costs"] == {"overage": 1, "underage": 3, "default_amount": 30}
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
    assert results.power.validate(found) is found
    assert found["detectable_per_1000"] > 0
