"""The last lines of a run, by what it made."""

from typing import Any

import pandas as pd
import pytest
from kedro.io import DataCatalog, MemoryDataset

from preflight.hooks.ending import summarize_run

GAIN = "the candidate saves $30 more per 1,000 parcels (95% CI $20 to $40)"


def verdict(**changes: Any) -> dict[str, Any]:
    return {
        "decision": "ship",
        "reasons": [GAIN],
        "what_if": [],
        "checks": [{"name": "gain", "ok": True, "message": GAIN}],
        "limits": [],
        "value": {"unit": "USD"},
        "assumed": ["a (framing.a)", "b (framing.b)"],
        "test_set": {"number": 3},
    } | changes


def lines(found: dict[str, Any]) -> list[str]:
    checks = ["clocks", "assumption: parcels.weight", "empty days"]
    audit = pd.DataFrame({"check": checks, "state": ["passed", "assumed", "warning"]})
    catalog = DataCatalog({"verdict": MemoryDataset(found), "audit": MemoryDataset(audit)})
    return summarize_run({"verdict"}, catalog)


def test_a_candidate_to_ship_comes_with_the_command_that_promotes_it() -> None:
    decision, gain, following, basis = lines(verdict())
    assert decision == "Verdict   SHIP"
    assert gain == f"Gain      T{GAIN[1:]}"
    assert following.startswith("Next      kedro run --pipelines deployment")
    assert basis == (
        "Rests on  the assumption about parcels.weight, 2 settings that nobody stated, candidate 3 "
        "evaluated on this test set"
    )


@pytest.mark.parametrize(
    ("reasons", "said"),
    [
        ([GAIN], "DO NOT SHIP: the gain is not enough"),
        (["one slice is worse"], "DO NOT SHIP: one slice is worse"),
        ([GAIN, "one slice is worse"], "DO NOT SHIP: the gain is not enough; one slice is worse"),
    ],
)
def test_a_candidate_that_is_held_comes_with_the_reasons_and_no_promotion(
    reasons: list[str], said: str
) -> None:
    decision, gain, following, _ = lines(verdict(decision="hold", reasons=reasons))
    assert decision == f"Verdict   {said}"
    assert gain == f"Gain      T{GAIN[1:]}"
    assert "deployment" not in following
    assert following.endswith("then: kedro run")


def test_a_what_if_says_so_and_is_not_promoted() -> None:
    changed = verdict(what_if=["framing.costs.fn: 1"], reasons=["what-if: costs.fn", GAIN])
    decision, _, following, _ = lines(changed)
    assert decision == "Verdict   what-if: costs.fn. It would be SHIP"
    assert "never promoted" in following


@pytest.mark.parametrize("is_busy", [False, True])
def test_a_speed_that_was_not_measured_comes_with_the_command_that_measures_it(
    is_busy: bool,
) -> None:
    ok = None if is_busy else True
    limit = {"name": "p99_ms", "limit": 20.0, "measured": 5.0, "ok": ok, "load": 3.0}
    *_, last = lines(verdict(limits=[limit]))
    assert ("p99 ms not measured: the machine was busy" in last) == is_busy
    assert ("kedro run --pipelines deployment" in last) == is_busy


def test_a_run_without_results_has_no_last_lines() -> None:
    assert summarize_run({"features"}, DataCatalog()) == []
