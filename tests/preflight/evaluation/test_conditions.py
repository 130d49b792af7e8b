"""Each condition of the verdict: planted defects hold the candidate back, clean twins ship."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest

from preflight.evaluation import comparison, conditions
from preflight.evaluation.comparison import TestComparison
from preflight.evaluation.conditions import (
    beats_champion,
    calibration_within_limit,
    contracts_on,
    equal_opportunity,
    net_gain,
    robust_to_costs,
    slices_hold,
    within_limits,
)
from preflight.evaluation.slicing import slices_of
from preflight.problem.framing import Framing
from preflight.stats.bootstrap import Bootstrap

Predictions = pd.DataFrame
DAYS = 50


@pytest.fixture
def predictions() -> Predictions:
    """Fifty days of sixty parcels; the candidate's probabilities are true, the baseline's flat."""
    rng = np.random.default_rng(2)
    rows = DAYS * 60
    chance = rng.choice([0.05, 0.1, 0.3, 0.8], rows)
    predict_at = pd.Timestamp("2013-04-01T12:00", tz="UTC") + pd.to_timedelta(
        np.repeat(np.arange(DAYS), 60), unit="D"
    )
    return pd.DataFrame(
        {
            "predict_at": predict_at.as_unit("us"),
            "label": (rng.random(rows) < chance).astype("int8"),
            "probability": chance,
            "act": chance > 0.2,
            "probability_flat": 0.3,
            "act_flat": True,
            "place": rng.choice(["north", "south", "west"], rows),
        }
    )


Judge = Callable[..., TestComparison]


@pytest.fixture
def judge(predictions: Predictions, framing: Framing) -> Judge:
    def judged(
        predictions: Predictions = predictions,
        framing: Framing = framing,
        level: float | None = None,
    ) -> TestComparison:
        only_flat = framing.model_copy(update={"baselines": ["flat"]})
        bootstrap = Bootstrap(predictions, only_flat, replicates=300, seed=1)
        return TestComparison(predictions, only_flat, bootstrap, level)

    return judged


def changed(framing: Framing, section: str, **values: Any) -> Framing:
    part = getattr(framing, section).model_copy(update=values)
    return framing.model_copy(update={section: part})


def in_cents(framing: Framing) -> Framing:
    """Return the same framing with each amount a hundred times as large."""
    written = framing.model_dump()
    for section, names in {
        "costs": ("tp", "fp", "fn", "tn"),
        "project": ("achievable_saving", "budget", "upkeep_per_month", "label_price"),
        "success": ("min_net_saving",),
        "guardrails": ("slice_loss",),
    }.items():
        written[section] |= {name: 100 * written[section][name] for name in names}
    return Framing.model_validate(written)


@pytest.mark.parametrize(
    ("written", "same"),
    [
        (lambda amount, unit, decimals=None: "an amount", True),
        (lambda amount, unit, decimals=None: f"{amount:.2f}", False),
    ],
)
def test_no_amount_is_told_but_by_the_function_that_names_its_currency(
    written: Callable[..., str],
    same: bool,
    judge: Judge,
    predictions: Predictions,
    framing: Framing,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In another unit of money all checks say the same, as long as amounts are not written out."""
    for module in (comparison, conditions):
        monkeypatch.setattr(module, "format_money", written)
    champion = {"probability_champion": 0.3, "act_champion": True}
    for some in (
        predictions.assign(**champion),
        predictions.assign(**champion, act=~predictions["act"]),  # not enough, slices are worse
        predictions.head(12 * 60),  # inconclusive
    ):
        judged = [judge(some, one) for one in (framing, in_cents(framing))]
        for check in (
            net_gain,
            beats_champion,
            robust_to_costs,
            partial(slices_hold, slices=some[["place"]]),
        ):
            found = [check(one) for one in judged]
            assert found[0].ok == found[1].ok
            has_amount = "amount" in found[0].message or re.search(r"\d\.\d\d", found[0].message)
            assert (found[0].message == found[1].message) == (same or not has_amount), found


def test_a_gain_that_covers_upkeep_and_more_passes(judge: Judge) -> None:
    check = net_gain(judge())
    assert check.ok
    assert "€336 more per 1,000 parcels than flat" in check.message


def test_upkeep_above_the_gain_holds(judge: Judge, framing: Framing) -> None:
    gain = judge().gain_over("flat")
    earned = 10 * gain.mean  # a month, of 10,000 parcels
    dear = changed(framing, "project", upkeep_per_month=earned + 1)
    check = net_gain(judge(framing=dear))
    assert not check.ok
    assert "6 months after upkeep" in check.message


def test_the_whole_interval_has_to_reach_the_least_saving(judge: Judge, framing: Framing) -> None:
    gain = judge().gain_over("flat")
    for asked, ok in ((framing.net(gain.low), True), (framing.net(gain.low) + 1, False)):
        least = changed(framing, "success", min_net_saving=asked)
        assert net_gain(judge(framing=least)).ok is ok


def test_a_model_that_is_the_baseline_holds_with_its_interval(
    judge: Judge, predictions: Predictions
) -> None:
    check = net_gain(judge(predictions.assign(probability=0.3, act=True)))
    assert not check.ok
    assert "€0 more per 1,000 parcels than flat" in check.message
    assert "90% CI €0 to €0" in check.message


def test_labels_that_tell_nothing_hold(judge: Judge, predictions: Predictions) -> None:
    shuffled = predictions["label"].sample(frac=1, random_state=0).to_numpy()
    assert not net_gain(judge(predictions.assign(label=shuffled))).ok


def test_forty_rows_are_too_little_to_tell(judge: Judge, predictions: Predictions) -> None:
    few = predictions.groupby("predict_at").head(1).head(40)
    week = predictions.head(7 * 60)
    for some, size, needed in ((few, "40 parcels", "100"), (week, "7 days", "10")):
        check = net_gain(judge(some))
        assert not check.ok
        reason, lacking, gain = check.message.split(": ")
        assert reason == "too little data"
        assert size in lacking
        assert needed in lacking
        assert "than flat" in gain


def test_a_test_that_can_not_show_what_is_asked_says_so(
    judge: Judge, predictions: Predictions, framing: Framing
) -> None:
    days = predictions.head(12 * 60)
    seldom = (days["probability"] <= 0.05) & (days.index % 50 == 0)  # else as the baseline does
    free = changed(framing, "project", upkeep_per_month=0)
    judged = judge(days.assign(act=~seldom), free)
    found = free.net(judged.gain_over("flat").mean)
    judged.framing = changed(judged.framing, "success", min_net_saving=found)
    check = net_gain(judged)
    assert not check.ok
    assert check.message.startswith("inconclusive: ")
    assert "12 test days" in check.message


def test_a_gain_that_is_surely_too_small_is_not_called_too_little_data(
    judge: Judge, predictions: Predictions
) -> None:
    worse = predictions.assign(act=~predictions["act"])
    assert net_gain(judge(worse)).message.startswith("not enough: ")


def test_a_dearer_miss_moves_the_threshold_and_the_value(
    judge: Judge, predictions: Predictions
) -> None:
    # a miss at 60: the threshold is 1 / 59, so both act always where theirs is derived
    assert judge().gain_over("flat", factor=10).mean == 0 < judge().gain_over("flat").mean
    own = judge(predictions.assign(act=predictions["probability"] > 0.5)).gain_over(
        "flat", factor=10
    )
    unlike = predictions["probability"] <= 0.5  # there the baseline acts and the candidate doesn't
    saved = np.where(predictions["label"] == 1, 58, -1)[unlike].sum()
    assert own.mean == pytest.approx(-1000 * saved / len(predictions))


def test_the_decision_has_to_be_the_same_over_the_range_of_costs(
    judge: Judge, framing: Framing
) -> None:
    assert robust_to_costs(judge()).ok
    wide = changed(framing, "costs", fn_factors=(0.8, 100))  # then to act always is as good
    check = robust_to_costs(judge(framing=wide))
    assert not check.ok
    assert "not significantly above upkeep with a miss at €600" in check.message


def test_a_bad_range_of_costs_is_found_beside_one_that_is_written_alike(
    judge: Judge, predictions: Predictions, framing: Framing
) -> None:
    idle = predictions.assign(act_flat=False)  # so the candidate gains by a dearer miss
    low = [judge(idle).gain_over("flat", factor=factor).low for factor in (0.9999999, 1)]
    between = framing.project.upkeep_per_month + framing.net(sum(low) / 2) / framing.success.months
    dear = changed(framing, "project", upkeep_per_month=between)
    wide, thought = (changed(dear, "costs", fn_factors=(least, 1)) for least in (0.9999999, 1))
    assert robust_to_costs(judge(idle, thought)).ok
    check = robust_to_costs(judge(idle, wide))
    assert not check.ok
    assert check.message.endswith("not significantly above upkeep with a miss at €6")


def test_a_miss_that_is_a_column_is_told_in_times_its_cost(
    judge: Judge, predictions: Predictions, framing: Framing
) -> None:
    column = changed(framing, "costs", fn="amount")
    same = judge(predictions.assign(cost_fn=6.0), column)
    assert [same.gain_over("flat", factor=f) for f in (0.8, 1.25)] == [
        judge().gain_over("flat", factor=f) for f in (0.8, 1.25)
    ]
    assert robust_to_costs(same).ok
    assert "a miss at 0.8 times its cost and at 1.25 times" in robust_to_costs(same).message
    wide = changed(column, "costs", fn_factors=(0.8, 100))
    check = robust_to_costs(judge(predictions.assign(cost_fn=6.0), wide))
    assert not check.ok
    assert check.message.endswith(
        "not significantly above upkeep with a miss at 100 times its cost"
    )


def test_where_a_miss_costs_more_the_threshold_moves_row_by_row(
    judge: Judge, predictions: Predictions, framing: Framing
) -> None:
    amount = np.where(predictions["place"] == "west", 60.0, 6.0)
    column = changed(framing, "costs", fn="amount")
    chance, label = predictions["probability"], predictions["label"] == 1
    act = chance > 1 / (amount - 2 + 1)
    dear = predictions.assign(act=act, cost_fn=amount)
    for factor in (1.0, 0.8, 10.0):
        derived = chance > 1 / (factor * amount - 2 + 1)
        saved = np.where(label, factor * amount - 2, -1)
        ahead = derived * saved - saved  # the flat baseline acts always
        found = judge(dear, column).gain_over("flat", factor=factor)
        assert found.mean == pytest.approx(1000 * ahead.mean())


def test_a_broken_slice_holds_and_is_named(judge: Judge, predictions: Predictions) -> None:
    assert slices_hold(judge(), predictions[["place"]]).ok
    broken = predictions["act"] & (predictions["place"] != "west")
    check = slices_hold(judge(predictions.assign(act=broken)), predictions[["place"]])
    assert not check.ok
    assert check.message.startswith("worse than flat in place west (-")


def test_a_slice_of_few_rows_is_not_judged(judge: Judge, predictions: Predictions) -> None:
    place = predictions["place"].where(predictions.index >= 60, "new")
    broken = predictions["act"] & (place != "new")
    check = slices_hold(judge(predictions.assign(act=broken)), place.to_frame())
    assert check.ok
    assert "none of 3 slices" in check.message
    assert check.message.endswith("; 1 are too few to evaluate: below 100 parcels or 20 days")


def test_a_slice_of_few_days_is_not_judged(judge: Judge, predictions: Predictions) -> None:
    for days, ok in ((2, True), (19, True), (20, False)):  # 120 rows and more
        place = predictions["place"].where(predictions.index >= 60 * days, "new")
        broken = predictions["act"] & (place != "new")
        check = slices_hold(judge(predictions.assign(act=broken)), place.to_frame())
        assert check.ok is ok
        assert ("; 1 are too few" in check.message) is ok


def test_where_no_slice_and_no_group_is_large_enough_it_says_that_nothing_was_checked(
    judge: Judge, predictions: Predictions
) -> None:
    few = predictions.iloc[::10]  # 300 rows
    hour = (np.arange(len(few)) % 24).astype("float32")
    checks = [
        slices_hold(judge(few), pd.DataFrame({"hour": hour})),
        equal_opportunity(judge(few), few[["place"]]),
        slices_hold(judge(few), few[[]]),
        equal_opportunity(judge(few), few[[]]),
    ]
    assert all(check.ok for check in checks)
    small = [("all 24", "100 parcels or"), ("all 3", "100 parcels with label 1 or")]
    for check, parts in zip(checks, [*small, ["none is named"], ["none is named"]], strict=True):
        assert check.message.startswith("nothing was checked: ")
        assert all(part in check.message for part in parts)
    for check in (slices_hold, equal_opportunity):
        says = check(judge(), predictions[["place"]]).message
        assert "checked" not in says
        assert "too few" not in says


LOOK_ALIKE = [  # the value that is served badly, and one with the same text
    ("5", 5.0),
    (5.0, "5"),
    ("nan", np.nan),
    (np.nan, "nan"),
    ("missing", None),
    (None, "missing"),
    (1, "1"),
]


@pytest.mark.parametrize(("bad", "good"), LOOK_ALIKE, ids=repr)
@pytest.mark.parametrize("kind", ["object", "category"])
def test_a_bad_slice_is_found_beside_one_that_has_the_same_text(
    judge: Judge, predictions: Predictions, bad: Any, good: Any, kind: str
) -> None:
    is_bad = predictions["place"] == "west"
    values = [bad if one else good for one in is_bad]
    groups = pd.DataFrame({"place": pd.Series(values, dtype=object).astype(kind)})
    unlike = judge(predictions.assign(act=predictions["act"] & ~is_bad))
    assert not slices_hold(unlike, groups).ok
    assert not equal_opportunity(unlike, groups).ok
    assert slices_hold(judge(), groups).ok
    assert equal_opportunity(judge(), groups).ok
    names = [name for _, name, _ in slices_of(groups)]
    assert len({*names}) == 2


def test_a_group_that_is_served_less_holds_and_is_named(
    judge: Judge, predictions: Predictions, framing: Framing
) -> None:
    groups = predictions[["place"]]
    alike = changed(framing, "guardrails", protected_gap=0.2)
    assert equal_opportunity(judge(framing=alike), groups).ok
    unlike = predictions.assign(act=predictions["act"] & (predictions["place"] != "west"))
    check = equal_opportunity(judge(unlike, alike), groups)
    assert not check.ok
    assert "place west (-" in check.message
    lenient = changed(framing, "guardrails", protected_gap=0.95)
    assert equal_opportunity(judge(unlike, lenient), groups).ok


def curve(shift: float, width: float = 0.02) -> pd.DataFrame:
    predicted = np.array([0.1, 0.3, 0.6])
    observed = predicted + shift
    return pd.DataFrame(
        {"rows": [100, 100, 100], "expected": predicted, "observed": observed,
         "low": observed - width, "high": observed + width}
    )  # fmt: skip


@pytest.mark.parametrize(
    ("shift", "width", "ok"), [(0.0, 0.02, True), (0.06, 0.02, True), (0.1, 0.02, False),
                               (-0.1, 0.02, False), (0.1, 0.2, True)],
)  # fmt: skip
def test_calibration_fails_where_it_is_surely_off(
    framing: Framing, shift: float, width: float, ok: bool
) -> None:
    assert calibration_within_limit(curve(shift, width), framing).ok is ok


def test_where_the_calibration_has_no_interval_the_whole_gap_counts(framing: Framing) -> None:
    for shift, ok in ((0.04, True), (0.06, False)):
        unknown = curve(shift).assign(low=np.nan, high=np.nan)
        assert calibration_within_limit(unknown, framing).ok is ok


def test_the_verdict_rests_on_size_and_memory_and_never_on_speed() -> None:
    fine = {"name": "model_mb", "limit": 20.0, "measured": 12.0, "ok": True, "load": None}
    large = {"name": "memory_mb", "limit": 20.0, "measured": 62.34, "ok": False, "load": None}
    slow = {"name": "p99_ms", "limit": 20.0, "measured": 62.34, "ok": False, "load": 1.0}
    busy = {"name": "p99_ms", "limit": 20.0, "measured": None, "ok": None, "load": 3.0}
    assert within_limits([fine, slow, busy], "USD") == within_limits([fine], "USD")
    assert within_limits([fine], "USD").ok
    check = within_limits([fine, large], "USD")
    assert not check.ok
    assert "memory mb 62.3" in check.message
    assert "model mb" not in check.message


@pytest.mark.parametrize(
    ("auc", "said"),
    [
        (0.8, None),
        (0.97, r"roc_auc is 0\.97; plausible is 0\.6 to 0\.95\. Look for a leak"),
        (0.5, r"roc_auc is 0\.5; plausible is 0\.6 to 0\.95"),
        (None, "roc_auc is not known"),
    ],
)
def test_metrics_that_are_too_good_or_too_bad_hold(
    framing: Framing, auc: float | None, said: str | None
) -> None:
    metrics = {"roc_auc": {"mean": auc}, "value_per_1000": {"mean": 100.0}}
    check = conditions.metrics_plausible(metrics, framing)
    assert check.ok is (said is None)
    assert re.search(said or "2 metrics are in their plausible ranges", check.message)


def test_too_many_candidates_on_one_test_set_hold(framing: Framing) -> None:
    assert conditions.reuse_within_limit(3, framing).ok
    check = conditions.reuse_within_limit(4, framing)
    assert not check.ok
    assert "candidate 4 that" in check.message
    assert "data/test_evaluations.jsonl" in check.message
    assert "3 may be" in check.message


def test_contracts_that_were_off_hold() -> None:
    assert contracts_on(True).ok
    assert not contracts_on(False).ok


@pytest.fixture
def amounts(predictions: Predictions) -> Predictions:
    """The same days with amounts; the candidate says the cheapest, the baseline one for all."""
    rng = np.random.default_rng(3)
    middle = rng.normal(30, 10, len(predictions))
    return predictions[["predict_at", "place"]].assign(
        label=middle + rng.uniform(-8, 8, len(predictions)),
        prediction=middle + 4,  # above three quarters
        prediction_flat=37.0,
    )


def test_a_dearer_unit_too_little_costs_both_more(
    judge: Judge, amounts: Predictions, amount_framing: Framing
) -> None:
    judged = judge(amounts, amount_framing)
    off = {name: amounts[name] - amounts["label"] for name in ("prediction", "prediction_flat")}
    for factor in (1.0, 0.8, 10.0):  # what was predicted stays
        cost = {n: np.maximum(one, -3 * factor * one) for n, one in off.items()}
        gain = (cost["prediction_flat"] - cost["prediction"]).mean()
        assert judged.gain_over("flat", factor=factor).mean == pytest.approx(1000 * gain)
    check = robust_to_costs(judged)
    assert check.ok
    assert check.message.endswith("each unit too little at €2.40 and at €3.75")
    low = amounts.assign(prediction=amounts["label"] - 3, prediction_flat=amounts["label"] + 12)
    assert net_gain(judge(low, amount_framing)).ok  # 9 against 12
    wide = changed(amount_framing, "costs", underage_factors=(0.8, 2))
    check = robust_to_costs(judge(low, wide))  # 18 against 12
    assert not check.ok
    assert check.message.endswith("not significantly above upkeep with each unit too little at €6")


def test_of_amounts_a_group_that_gets_too_little_more_often_holds_and_is_named(
    judge: Judge, amounts: Predictions, amount_framing: Framing
) -> None:
    groups = amounts[["place"]]
    assert equal_opportunity(judge(amounts, amount_framing), groups).ok
    less = np.where(amounts["place"] == "west", 8, 0)
    unlike = judge(amounts.assign(prediction=amounts["prediction"] - less), amount_framing)
    check = equal_opportunity(unlike, groups)
    assert not check.ok
    west = (amounts["place"] == "west").to_numpy()
    covered = (unlike.predictions["prediction"] > amounts["label"]).to_numpy()
    gap = covered[west].mean() - covered[~west].mean()
    assert f"place west ({gap:+.0%})" in check.message


def test_a_group_that_gets_just_enough_is_served(
    judge: Judge, amounts: Predictions, amount_framing: Framing
) -> None:
    """Of counts many are equal to the quantity: that is not too little."""
    groups = amounts[["place"]]
    enough = (amounts["place"] == "west") & (amounts["label"] < amounts["prediction"])
    exact = amounts.assign(label=amounts["label"].mask(enough, amounts["prediction"]))
    assert equal_opportunity(judge(exact, amount_framing), groups).ok
    short = amounts.assign(label=amounts["label"].mask(enough, amounts["prediction"] + 1))
    check = equal_opportunity(judge(short, amount_framing), groups)
    assert not check.ok
    assert "place west (-" in check.message
