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
from preflight.modeling.model import DECIDING, Bundle
from preflight.problem.framing import Framing, Resampling
from preflight.problem.money import format_money

SELECTION = {"best_baseline": "lookup"}

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
        predictions["label"], predictions["act_lookup"]
    )
    local = predictions["predict_at"].dt.tz_convert("America/New_York").dt.date
    days = pd.DataFrame({"ahead": ahead}).groupby(local.to_numpy())["ahead"].agg(["sum", "count"])
    rng = np.random.default_rng(evaluation.seed)
    drawn = rng.multinomial(len(days), np.full(len(days), 1 / len(days)), evaluation.replicates)
    means = 1000 * (drawn @ days["sum"]) / (drawn @ days["count"])
    over = found["value"]["over_baseline"]
    assert over["baseline"] == "lookup"
    assert over["mean"] == pytest.approx(1000 * ahead.mean())
    low, high = np.quantile(means, [0.05, 0.95])
    assert over["low"] <= low + 1e-9  # Student's t may be wider
    assert over["high"] >= high - 1e-9
    assert found["value"]["per_1000"] == pytest.approx(
        1000 * saving(predictions["label"], predictions["act"]).mean()
    )
    assert found["value"]["costs"] == {"tp": 2, "fp": 1, "fn": 6, "tn": 0}
    assert found["value"]["unit"] == "EUR"
    # of 10,000 a month, less 100 of upkeep, over six months, where 600 are asked
    net = 6 * (10 * np.array([over["low"], over["high"]]) - 100)
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
        {
            "never": baselines["never"] | {"provenance": made},
            "lookup": baselines["lookup"] | derived,
        },
    ), column


def of_framing(
    models: tuple[Bundle, dict[str, Bundle]], framing: Framing
) -> tuple[Bundle, dict[str, Bundle]]:
    """The models as if they had been made under a framing."""
    now = framing.model_dump(mode="json", include=set(DECIDING))

    def made(model: Bundle) -> Bundle:
        return model | {"provenance": model["provenance"] | {"framing": now}}  # type: ignore[return-value]

    candidate, baselines = models
    return made(candidate), {name: made(one) for name, one in baselines.items()}


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
        compute_slices(found, same, SELECTION, column, evaluation),
        compute_slices(predictions, examples, SELECTION, framing, evaluation),
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
    for suffix in ("", "_lookup"):
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
    slices = compute_slices(predictions, rows, SELECTION, column, evaluation).query("by == 'place'")
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
        predictions.assign(act=act, act_lookup=baseline),
        examples, **{"framing": framing, "evaluation": evaluation} | more,
    )  # fmt: skip


def test_a_candidate_that_is_clearly_better_ships(
    predictions: pd.DataFrame, decided: Decided
) -> None:
    needed = predictions["label"] == 1
    found = decided(needed, ~needed)
    assert found["decision"] == "ship"
    (reason,) = found["reasons"]
    over = found["value"]["over_baseline"]
    assert over["low"] > 0
    mean, low, high = (format_money(over[end], "EUR") for end in ("mean", "low", "high"))
    assert f"saves {mean} more per 1,000 parcels than never" in reason
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


def test_every_baseline_has_to_be_beaten_whichever_validation_liked_best(
    predictions: pd.DataFrame,
    examples: pd.DataFrame,
    framing: Framing,
    evaluation: Evaluation,
    judge: Decided,
) -> None:
    needed = predictions["label"] == 1
    for name in ("lookup", "never"):
        liked = {"best_baseline": name, "values": {"candidate": 90.0, name: 60.0}}
        as_good = predictions.assign(act=needed, act_lookup=needed)
        found = judge(as_good, examples, framing, evaluation, liked)
        assert found["decision"] == "hold"
        assert found["value"]["over_baseline"]["baseline"] == "lookup"
        assert {*found["value"]["over_baselines"]} == {"never", "lookup"}
        worse = predictions.assign(act=needed, act_lookup=~needed)
        assert judge(worse, examples, framing, evaluation, liked)["decision"] == "ship"


def test_a_later_candidate_needs_a_clearer_gain(
    predictions: pd.DataFrame,
    examples: pd.DataFrame,
    framing: Framing,
    evaluation: Evaluation,
    judge: Decided,
) -> None:
    """The interval stays that of the framing; the bound that decides moves away from it."""
    needed = predictions["label"] == 1
    better = predictions.assign(act=needed, act_lookup=False)
    gain = judge(better, examples, framing, evaluation)["value"]["over_baseline"]["low"]
    success = framing.success.model_copy(update={"min_net_saving": framing.net(gain) - 1})
    just = framing.model_copy(update={"success": success})
    usage = {"candidate": "0" * 16, "candidates": 3}
    first, third = (
        judge(better, examples, just, evaluation, usage=usage | {"number": n, "level": level})
        for n, level in ((1, 0.05), (3, 0.0076))
    )
    assert first["decision"] == "ship"
    assert third["decision"] == "hold"
    assert third["value"]["over_baseline"] == first["value"]["over_baseline"]
    assert third["value"]["deciding"]["level"] == 0.0076
    assert third["value"]["deciding"]["low"] < first["value"]["deciding"]["low"] == gain
    assert "at the level 0.0076 the lower bound is €" in third["reasons"][0]
    assert "at the level" not in first["reasons"][0]


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
    compute_slices(predictions, examples, SELECTION, framing, evaluation)
    compute_importance(models[0], examples, evaluation, contracts=contracts)
    judge(predictions, examples, framing, evaluation)
    pd.testing.assert_frame_equal(examples, before)
    pd.testing.assert_frame_equal(predictions, as_made)


def test_the_verdict_shows_how_often_the_test_set_was_used_and_holds_above_the_limit(
    predictions: pd.DataFrame,
    examples: pd.DataFrame,
    framing: Framing,
    evaluation: Evaluation,
    judge: Decided,
) -> None:
    def with_number(number: int) -> dict[str, Any]:
        usage = {"candidate": "a" * 16, "number": number, "candidates": 5, "level": 0.001}
        found = judge(predictions, examples, framing, evaluation, usage=usage)
        assert found["test_set"] == usage
        return found["checks"][-2]

    assert with_number(3)["ok"]
    assert not with_number(4)["ok"]


def test_a_what_if_says_so_first_and_decides_the_same(
    predictions: pd.DataFrame,
    examples: pd.DataFrame,
    framing: Framing,
    evaluation: Evaluation,
    judge: Decided,
) -> None:
    def of(what_if: tuple[str, ...] = ()) -> dict[str, Any]:
        return judge(predictions, examples, framing, evaluation, what_if=what_if)

    real, tried = of(), of(what_if=("framing.costs.fn is 10, in conf/base 5", "b"))
    notice, *reasons = tried["reasons"]
    assert notice.startswith("WHAT-IF")
    assert notice.endswith("framing.costs.fn is 10, in conf/base 5; b")
    assert reasons == real["reasons"]
    assert (tried["decision"], tried["checks"]) == (real["decision"], real["checks"])
    assert not real["what_if"]
    many = of(what_if=tuple(map(str, range(9))))
    assert many["reasons"][0].endswith(": 0; 1; 2; 3; 4; 5 and 3 more")
    assert len(many["what_if"]) == 9


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


@pytest.mark.parametrize(
    ("unit", "groups", "units"),
    [
        ("row", [], "parcels"),
        ("group", ["noise"], "groups"),
        ("group", ["place"], "3 groups of test, 10 are needed"),
        ("week", [], "7 weeks of test, 10 are needed"),
        ("month", [], "2 months of test, 10 are needed"),
    ],
)
def test_the_verdict_rests_on_the_units_that_the_framing_names(
    unit: Any,
    groups: list[str],
    units: str,
    models: tuple[Bundle, dict[str, Bundle]],
    examples: pd.DataFrame,
    framing: Framing,
    evaluation: Evaluation,
    contracts: Any,
    judge: Decided,
    predict: Predict,
) -> None:
    split = framing.split.model_copy(update={"groups": groups})
    resampled = framing.model_copy(update={"resampling": Resampling(unit=unit), "split": split})
    predictions = predict(*of_framing(models, resampled), examples, resampled, contracts)
    assert ("group" in predictions) is (unit == "group")
    needed = predictions["label"] == 1
    clear = predictions.assign(act=needed, act_lookup=False)
    found = judge(clear, examples, resampled, evaluation)
    assert (found["decision"] == "ship") is ("needed" not in units)
    assert units in found["reasons"][0] or found["decision"] == "ship"
    assert found["value"]["best_units"]["unit"] == unit
    slices = compute_slices(predictions, examples, SELECTION, resampled, evaluation)
    results.Slices.validate(slices, lazy=True)
    results.CalibrationCurve.validate(
        compute_calibration_curve(predictions, resampled, evaluation), lazy=True
    )
    results.metrics.validate(compute_metrics(predictions, resampled, evaluation))
