"""What nobody stated is listed as assumed, and what a model in use needs is asked for."""

from typing import Any

import pytest

from preflight.problem.assumptions import list_assumptions, missing_for_promotion
from preflight.problem.framing import Framing

SMALLEST: dict[str, Any] = {
    "decision": {"unit": "parcel", "label": "arrives broken"},
    "costs": {"fp": 3, "fn": 15},
    "split": {"validation_share": 0.2, "test_share": 0.2},
    "baselines": ["never_act"],  # of those in modeling, if it is left out
}


def smallest(**more: Any) -> Framing:
    return Framing.model_validate(SMALLEST | more)


def test_a_decision_two_costs_and_a_split_are_enough() -> None:
    framing = smallest()
    assert framing.decision.units == "parcels"
    assert framing.population == "every parcel"
    assert (framing.costs.tp, framing.costs.tn) == (3, 0)
    assert framing.least_per_1000 == 0


def test_what_the_verdict_uses_and_nobody_stated_is_assumed() -> None:
    assumed = list_assumptions(smallest())
    assert len(assumed) == 17
    assert assumed[:4] == [
        "amounts are in USD (framing.costs.unit)",
        "acting costs $3, needed or not (framing.costs.tp)",
        "not acting costs nothing if it was not needed (framing.costs.tn)",
        "the cost of a miss is known exactly (framing.costs.fn_factors)",
    ]
    assert "1,000 parcels are decided a month (framing.decision.per_month)" in assumed


def test_what_is_stated_is_not_assumed() -> None:
    stated = smallest(
        costs={"unit": "EUR", "tp": 3, "fp": 3, "fn": 15, "tn": 0, "fn_factors": [1, 1]},
        decision=SMALLEST["decision"] | {"per_month": 1000, "changes_label": False},
        confidence=0.95,
    )
    left = list_assumptions(stated)
    names = {one.rpartition("(framing.")[2].partition(".")[0].rstrip(")") for one in left}
    assert names == {"prediction", "split", "project", "success", "guardrails", "serving"} | {
        "resampling"
    }


def test_a_split_that_nobody_stated_is_assumed() -> None:
    left_out = {name: value for name, value in SMALLEST.items() if name != "split"}
    (one,) = [o for o in list_assumptions(Framing.model_validate(left_out)) if "test_share" in o]
    assert one == "the last 20% of parcels are the test set (framing.split.test_share)"


def test_amounts_have_assumptions_of_their_own() -> None:
    framing = smallest(task="regression", costs={"overage": 1, "underage": 3})
    assert list_assumptions(framing)[1:3] == [
        "without a prediction 0 is decided on (framing.costs.default_amount)",
        "the cost of a unit too little is known exactly (framing.costs.underage_factors)",
    ]


def test_without_a_clock_rows_or_groups_are_resampled() -> None:
    framing = smallest(split={"clock": "none"})
    assert framing.resampling.unit == "row"
    grouped = smallest(split={"clock": "none", "groups": ["place"]})
    assert grouped.resampling.unit == "group"
    assert "a random 20% of parcels are the test set (framing.split.test_share)" in (
        list_assumptions(framing)
    )
    with pytest.raises(ValueError, match=r"resampling.unit is day, but split.clock is none"):
        smallest(split={"clock": "none"}, resampling={"unit": "day"})


def test_promotion_asks_for_what_a_run_leaves_open(framing: Framing) -> None:
    assert missing_for_promotion(framing) == []
    asked = missing_for_promotion(smallest())
    assert [one.partition(":")[0] for one in asked] == [
        "framing.goal.owner",
        "framing.goal.kpi",
        "framing.prediction.label_known_hours",
        "framing.project.upkeep_per_month",
        "framing.project.label_source",
        "framing.serving",
        "framing.guardrails.plausible",
    ]
