"""The first screen: the decision, the money, what it rests on, and what to do next."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from preflight.audit.findings import REST_ON
from preflight.problem.framing import Framing
from preflight.reporting.first_page import (
    describe_next_step,
    list_assumptions,
    list_risks,
    list_tiles,
    summarize_first_page,
    summarize_gain,
)

NOTHING = {"mean": None, "low": None, "high": None}


def plain(text: str) -> str:
    return text.replace("\xa0", " ")


def risks(results: dict[str, Any]) -> list[str]:
    return list_risks(results, list_assumptions(results))


def tiles(results: dict[str, Any]) -> dict[str, tuple[str, str]]:
    names = ("verdict", "power", "test_predictions", "framing")
    found = list_tiles(*(results[name] for name in names))
    return {tile["label"]: (tile["value"], plain(tile["note"])) for tile in found}


def test_the_gain_says_what_it_assumes(results: dict[str, Any]) -> None:
    text = plain(summarize_gain(results["verdict"], results["framing"]))
    assert text == (
        "6 months would bring €732 after upkeep (90% CI €156 to €1,400), if all months were like "
        "the test period."
    )
    results["verdict"]["value"]["net"] |= {"months": 12.0, "low": None, "high": None}
    text = summarize_gain(results["verdict"], results["framing"])
    assert text.startswith("A year would bring €732 after upkeep, if")
    results["verdict"]["value"]["net"] |= NOTHING
    assert "not known" in summarize_gain(results["verdict"], results["framing"])


def test_precision_and_recall_are_those_of_the_decisions(results: dict[str, Any]) -> None:
    results["test_predictions"] = pd.DataFrame(
        {"label": [1, 1, 1, 1, 0, 0, 0, 0, 0, 0], "act": [True] * 3 + [False] * 5 + [True] * 2}
    )
    found = tiles(results)
    assert found["Precision"][0] == "60%"
    assert found["Recall"][0] == "75%"
    assert found["Acted on"][0] == "50%"
    assert found["Gain per 1,000 parcels"] == (
        "€22",
        "90% CI €13 to €33; over table of rates, the best baseline; €20 is required",
    )
    assert found["KPI: missed"] == (
        "400 → 88.8",  # 4 of 10 have label 1
        "without and with it, on the test set; 300 is stated in framing.yml for today; the target "
        "of 100 is reached",
    )
    results["test_predictions"]["act"] = False
    assert tiles(results)["Precision"][0] == "not known"


def test_a_regression_shows_its_errors(results: dict[str, Any], framing: Framing) -> None:
    results["framing"] = framing.model_copy(update={"task": "regression"})
    results["test_predictions"] = pd.DataFrame(
        {"label": [1.0, 2.0, 3.0, 4.0], "prediction": [2.0, 2.0, 2.0, 3.0]}
    )
    found = tiles(results)
    assert found["Mean absolute error"][0] == "0.75"
    assert (found["Too much"][0], found["Too little"][0]) == ("25%", "50%")


def assume(results: dict[str, Any], feature: str) -> None:
    row = results["audit"]["check"] == "assumption: parcels.weight"
    results["audit"].loc[row, "evidence"] = f"as stated. {REST_ON}{feature}"

    class Features:
        @staticmethod
        def groups() -> dict[str, list[str]]:
            return {"sender": ["weight"], "box": ["size"]}

    results["contracts"] = {"features": Features}


def test_an_assumption_is_the_first_risk_with_what_rests_on_it(results: dict[str, Any]) -> None:
    assume(results, "weight")
    step = (results["ablation"]["part"] == "test") & (results["ablation"]["kind"] == "group")
    results["ablation"].loc[step, "gain"] = 5.0
    first = risks(results)[0]
    assert first == (
        "This is assumed about parcels.weight, and no check can prove it: as stated. By the "
        "ablation, the features that rest on it bring €5 per 1,000. Without them about €17 is "
        "left, and €20 is required."
    )
    assert "whether risk 1 holds" in summarize_first_page(results)["next"]["text"]
    results["power"]["required_per_1000"] = 10.0
    assert risks(results)[0].endswith("about €17 is left.")
    assert "risk 1" not in summarize_first_page(results)["next"]["text"]
    del results["ablation"]
    assert risks(results)[0].endswith("prove it: as stated.")


def test_risks_are_those_that_are_there_and_three_at_most(results: dict[str, Any]) -> None:
    verdict = results["verdict"]
    verdict["limits"] = [{"name": "p99_ms", "ok": None}]
    found = risks(results)
    assert found[1] == "The KPI misses its target."
    assert any("2013-03 (validation)" in risk for risk in found)
    assert any("2 candidates were evaluated" in risk for risk in found)
    assert found[-1] == "Not measured, because the machine was busy: p99 ms."
    assert len(summarize_first_page(results)["risks"]) == 3
    verdict |= {"warnings": [], "limits": []}
    verdict["test_set"]["number"] = 1
    verdict["value"]["worst_month"] = None
    results["audit"] = results["audit"][results["audit"]["state"] == "passed"]
    results["robustness"]["loss_low"] = np.nan
    assert risks(results) == []
    verdict["assumed"] = ["a", "b"]
    assert risks(results)[0].startswith("2 settings are not stated")


@pytest.mark.parametrize(
    ("change", "command"),
    [
        ({}, "kedro run --pipelines deployment"),
        ({"decision": "hold"}, "kedro run"),
        ({"what_if": ["a"]}, "kedro run"),
    ],
)
def test_the_next_step_follows_from_the_decision(
    results: dict[str, Any], change: dict[str, Any], command: str
) -> None:
    step = describe_next_step(results["verdict"] | change, diagnosed=True, rests=False)
    assert step["command"] == command
    assert ("Do not deploy" in step["text"]) == ("decision" in change)
    assert ("what-if is never deployed" in step["text"]) == ("what_if" in change)
