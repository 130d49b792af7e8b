"""From examples to verdict, by the pipeline's own functions: what must not ship, and its twin."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from preflight.errors import RunError
from preflight.evaluation import contracts as results
from preflight.evaluation.metrics import compute_calibration_curve, compute_metrics
from preflight.evaluation.stability import compute_gain_by_period
from preflight.evaluation.verdict import decide_verdict
from preflight.modeling.resources import compare, model_mb
from preflight.problem.framing import Framing

Made = dict[str, Any]
FIRST = {"candidate": "0" * 16, "number": 1, "candidates": 1, "level": 0.05}
RULES = {
    "path": "preflight.modeling.baselines.Rules",
    "params": {"conditions": ["signal > 1", "place == 'north'"]},
}


def verdict_of(made: Made) -> dict[str, Any]:
    framing, evaluation, test = made["framing"], made["evaluation"], made["test"]
    predictions = made["test_predictions"]
    curve = compute_calibration_curve(predictions, framing, evaluation)
    gains = compute_gain_by_period(
        made["validation_predictions"], predictions, made["baselines"], framing
    )
    taken: Any = {
        "model_mb": model_mb(made["candidate"]),
        "memory_mb": 5.0,
        "p99_ms": made.get("p99_ms", 5.0),
        "p99_load": 1.0,
        "rows_per_second": 1000.0,
        "rows_load": 1.0,
    }
    assert framing.serving is not None
    limits = compare(taken, framing.serving)
    found = decide_verdict(
        predictions,
        test,
        made["selection"],
        curve,
        limits,
        gains,
        compute_metrics(predictions, framing, evaluation),
        FIRST,
        [],
        framing,
        evaluation,
    )
    assert results.verdict.validate(found) is found
    return found


def held_by(verdict: dict[str, Any]) -> set[str]:
    assert verdict["decision"] == ("hold" if verdict["held"] else "ship")
    return set(verdict["held"])


def judge(made: Made) -> dict[str, Any]:
    verdict = verdict_of(made)
    held = [check["name"] for check in verdict["checks"] if not check["ok"]]
    return {**verdict, "held": held}


@pytest.fixture(scope="module")
def examples(make_parcels: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    return make_parcels("2013-01-01", "2013-06-01", 12_000)


def changed(framing: Framing, section: str, **values: Any) -> Framing:
    part = getattr(framing, section).model_copy(update=values)
    return framing.model_copy(update={section: part})


def test_a_model_that_has_learnt_something_ships(made: Made) -> None:
    verdict = judge(made)
    assert held_by(verdict) == set()
    assert verdict["value"]["over_baseline"]["low"] > 50


def test_the_verdict_is_recomputed_from_test_predictions_alone(made: Made) -> None:
    verdict, p = judge(made), made["test_predictions"]
    c, over = verdict["value"]["costs"], verdict["value"]["over_baseline"]
    saved = {
        name: np.where(p[act], np.where(p["label"] == 1, c["fn"] - c["tp"], c["tn"] - c["fp"]), 0)
        for name, act in {"candidate": "act", "lookup": "act_lookup", "never": "act_never"}.items()
    }
    assert over["baseline"] == "lookup"
    assert verdict["value"]["per_1000"] == pytest.approx(1000 * saved["candidate"].mean())
    difference = saved["candidate"] - saved["lookup"]
    assert over["mean"] == pytest.approx(1000 * difference.mean())
    day = p["predict_at"].dt.tz_convert("America/New_York").dt.date
    by_day = pd.DataFrame({"day": day, "gain": difference}).groupby("day")["gain"]
    days = by_day.agg(["sum", "count"]).to_numpy()
    rng = np.random.default_rng(0)
    drawn = days[rng.integers(0, len(days), (4000, len(days)))].sum(axis=1)
    low, high = np.quantile(1000 * drawn[:, 0] / drawn[:, 1], [0.05, 0.95])  # framed: 90%
    width = high - low
    assert over["low"] == pytest.approx(low, abs=0.15 * width)
    assert over["high"] == pytest.approx(high, abs=0.15 * width)


def test_a_model_that_is_too_good_to_be_true_holds(made: Made) -> None:
    doubtful = changed(made["framing"], "guardrails", plausible={"roc_auc": (0.5, 0.51)})
    assert held_by(judge({**made, "framing": doubtful})) == {"plausible"}


def test_labels_shuffled_in_training_hold(
    make: Any, modeling: Any, framing: Framing, examples: pd.DataFrame
) -> None:
    learnt_from = examples["predict_at"] < pd.Timestamp(framing.split.test_from)
    shuffled = examples["label"].where(~learnt_from).copy()
    shuffled[learnt_from] = np.random.default_rng(1).permutation(examples["label"][learnt_from])
    made = make(examples.assign(label=shuffled.astype("int8")), framing, modeling())
    assert "gain" in held_by(judge(made))


def test_a_model_equal_to_the_rules_holds_with_its_interval(
    make: Any, modeling: Any, framing: Framing, examples: pd.DataFrame
) -> None:
    only_rules = framing.model_copy(update={"baselines": ["rules"]})
    made = make(
        examples, only_rules, modeling(candidates={"rules": RULES}, baselines={"rules": RULES})
    )
    verdict = judge(made)
    assert {"gain", "costs"} <= held_by(verdict)
    assert "€0 more per 1,000 parcels than rules" in verdict["reasons"][0]
    assert "90% CI €0 to €0" in verdict["reasons"][0]
    better = make(examples, only_rules, modeling(baselines={"rules": RULES}))
    assert held_by(judge(better)) == set()


def test_a_miss_ten_times_as_dear_moves_the_threshold_and_the_value(
    make: Any, modeling: Any, framing: Framing, examples: pd.DataFrame, made: Made
) -> None:
    dear = make(examples, changed(framing, "costs", fn=60.0), modeling())
    assert made["candidate"]["threshold"] == pytest.approx(1 / 5)
    assert dear["candidate"]["threshold"] == pytest.approx(1 / 59)
    usual, now = judge(made)["value"], judge(dear)["value"]
    assert now["per_1000"] > 5 * usual["per_1000"]
    assert dear["test_predictions"]["act"].mean() > made["test_predictions"]["act"].mean()


def test_a_broken_slice_holds(
    make: Any, modeling: Any, framing: Framing, examples: pd.DataFrame
) -> None:
    test = examples["predict_at"] >= pd.Timestamp(framing.split.test_from)
    broken = test & (examples["place"] == "west")
    turned = examples["label"].mask(broken, examples["signal"] < -0.7).astype("int8")
    verdict = judge(make(examples.assign(label=turned), framing, modeling()))
    assert "slices" in held_by(verdict)
    assert any("place west" in reason for reason in verdict["reasons"])


def test_a_model_that_is_too_large_is_refused_by_its_limit(made: Made) -> None:
    tight = changed(made["framing"], "serving", model_mb=1e-3)
    verdict = judge({**made, "framing": tight})
    assert held_by(verdict) == {"limits"}
    assert any("model mb" in reason for reason in verdict["reasons"])


def test_a_slow_machine_changes_nothing_but_what_is_said_of_speed(made: Made) -> None:
    quick, slow, busy = (judge({**made, "p99_ms": ms}) for ms in (5.0, 73.3, None))
    for verdict in (quick, slow, busy):
        (p99,) = [limit for limit in verdict["limits"] if limit["name"] == "p99_ms"]
        verdict["limits"].remove(p99)
        assert p99["ok"] is {5.0: True, 73.3: False, None: None}[p99["measured"]]
    assert quick == slow == busy
    assert held_by(quick) == set()


def test_forty_examples_say_too_little(
    make: Any, modeling: Any, framing: Framing, examples: pd.DataFrame
) -> None:
    test = examples["predict_at"] >= pd.Timestamp(framing.split.test_from)
    few = pd.concat([examples[~test], examples[test].iloc[::120].head(40)], ignore_index=True)
    verdict = judge(make(few, framing, modeling()))
    assert "gain" in held_by(verdict)
    assert verdict["reasons"][0].startswith("too little data: 40 parcels")


def test_upkeep_above_the_gain_holds(made: Made) -> None:
    a_month = judge(made)["value"]["over_baseline"]["mean"] * 10  # 10,000 parcels a month
    dear = changed(made["framing"], "project", upkeep_per_month=1.2 * a_month)
    assert "gain" in held_by(judge({**made, "framing": dear}))
    cheap = changed(made["framing"], "project", upkeep_per_month=0.2 * a_month)
    assert held_by(judge({**made, "framing": cheap})) == set()


@pytest.fixture
def with_champion(predict: Callable[..., pd.DataFrame]) -> Callable[[Made, Any], Made]:
    def made_with(made: Made, champion: Any) -> Made:
        given = (made[n] for n in ("candidate", "baselines", "test", "framing", "contracts"))
        return {**made, "test_predictions": predict(*given, champion)}

    return made_with


def test_a_champion_has_to_be_beaten(
    made: Made, with_champion: Callable[[Made, Any], Made]
) -> None:
    worse = with_champion(made, made["baselines"]["lookup"])
    verdict = judge(worse)
    assert held_by(verdict) == set()
    assert verdict["value"]["over_champion"] == {
        end: verdict["value"]["over_baseline"][end] for end in ("mean", "low", "high")
    }
    assert judge(made)["value"]["over_champion"] is None
    equal = judge(with_champion(made, made["candidate"]))
    assert held_by(equal) == {"champion"}
    assert "not significantly better" in equal["reasons"][0]
    assert "€0 more per 1,000 parcels than the champion (90% CI €0" in equal["reasons"][0]


def test_a_champion_that_can_not_be_judged_is_refused(
    made: Made, with_champion: Callable[[Made, Any], Made]
) -> None:
    seen = {**made["candidate"]["provenance"], "last": "2013-05-02T00:00:00+00:00"}
    with pytest.raises(RunError, match=r"2013-05-02.* seen part of the test set.*kedro rollback"):
        with_champion(made, {**made["candidate"], "provenance": seen})
    old = {**made["candidate"], "features": ["signal", "size"]}
    with pytest.raises(RunError, match=r"features .*\['size'\].*kedro rollback"):
        with_champion(made, old)


def test_a_goal_without_costs_is_no_framing(framing_as_written: dict[str, Any]) -> None:
    Framing.model_validate(framing_as_written)
    del framing_as_written["costs"]
    with pytest.raises(ValidationError, match="costs\n  Field required"):
        Framing.model_validate(framing_as_written)
