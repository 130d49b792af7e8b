"""Each result of modeling has a contract that refuses a planted defect and passes its twin."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pandas as pd
import pytest
from kedro.validation import DataValidationError
from pandera.errors import SchemaErrors
from sklearn.dummy import DummyClassifier, DummyRegressor

from preflight.contracts.table import column
from preflight.modeling import contracts
from preflight.modeling.contracts import DecisionValues, ParameterImportance, Trials

INTERVAL = {"mean": 5.0, "low": 1.0, "high": 9.0}


def fitted() -> DummyClassifier:
    return DummyClassifier().fit([[0], [0]], [0, 1])


def bundle(**changes: Any) -> dict[str, Any]:
    return {
        "estimator": fitted(),
        "slope": 1.0,
        "intercept": 0.0,
        "threshold": 0.2,
        "features": ["signal", "place"],
        "provenance": {"estimator": "sklearn.dummy.DummyClassifier"},
    } | changes


def clean(contract: str) -> Any:
    """A document that its contract passes."""
    return deepcopy(
        {
            "best_params": {
                "candidate": "trees",
                "params": {"depth": 3},
                "kept": "tuned",
                "ended": "trials",
                "value": 12.5,
                "trial": 0,
                "declared_value": 11.0,
                "optimism": 0.2,
                "gain": INTERVAL,
            },
            "selection": {
                "values": {"candidate": 3.0, "lookup": 2.0, "never": 0.0},
                "best_baseline": "lookup",
                "calibration": {"slope": 1.0, "intercept": 0.0, "loss_without": 0.5},
            },
            "candidate": bundle(),
            "baselines": {"lookup": bundle(), "never": bundle(threshold=1)},
        }[contract]
    )


DOCUMENTS = {
    "best_params": contracts.best_params,
    "selection": contracts.selection,
    "candidate": contracts.candidate,
    "baselines": contracts.baselines,
}


@pytest.mark.parametrize(
    ("contract", "path", "value", "sentence"),
    [
        ("best_params", "params", ..., "Field required"),
        ("best_params", "value", "high", "valid number"),
        ("selection", "best_baseline", "candidate", "'candidate'"),
        ("selection", "best_baseline", "other", "'other'"),
        ("selection", "calibration.slope", 0, "greater than 0"),
        ("selection", "calibration.loss_without", -0.1, "greater than or equal to 0"),
        ("candidate", "estimator", DummyClassifier(), "the estimator is not fitted"),
        ("candidate", "slope", -1.0, "greater than 0"),
        ("candidate", "threshold", 1.1, "less than or equal to 1"),
        ("candidate", "provenance", {}, "at least 1 item"),
        ("candidate", "preprocessing", fitted(), "not permitted"),
        ("baselines", "never.estimator", DummyClassifier(), "the estimator is not fitted"),
        ("baselines", "never.threshold", ..., "Field required"),
        ("candidate", "threshold", None, "valid dictionary"),  # and no costs to derive one from
    ],
)
def test_a_planted_defect_is_refused(
    contract: str, path: str, value: Any, sentence: str, refuse_document: Callable[..., None]
) -> None:
    refuse_document(DOCUMENTS[contract], clean(contract), path, value, sentence)


@pytest.mark.parametrize("lacks", ["reference_values", "seen_categories", "framing"])
def test_a_champion_that_other_code_made_is_refused_with_what_to_do(lacks: str) -> None:
    provenance = {"reference_values": {}, "seen_categories": {}, "framing": {}}
    whole = bundle(provenance=provenance)
    assert contracts.champion.validate(whole) is whole
    assert contracts.champion.validate(None) is None
    del provenance[lacks]
    with pytest.raises(DataValidationError, match=f"{lacks}.*kedro rollback"):
        contracts.champion.validate(bundle(provenance=provenance))


def test_a_bundle_without_threshold_carries_the_costs_that_it_derives_it_from() -> None:
    costs = {"unit": "EUR", "tp": 1, "fp": 1, "fn": "amount", "tn": 0}
    carried = bundle(threshold=None, provenance={"framing": {"costs": costs}})
    assert contracts.candidate.validate(carried) is carried


def test_a_bundle_of_amounts_has_no_threshold_and_carries_its_costs() -> None:
    costs = {"unit": "EUR", "overage": 1, "underage": 3, "default_amount": 20}
    carried = bundle(
        estimator=DummyRegressor().fit([[0], [0]], [3, 5]),
        threshold=None,
        provenance={"framing": {"task": "regression", "costs": costs}},
    )
    assert contracts.candidate.validate(carried) is carried
    with pytest.raises(DataValidationError, match="not a valid"):
        contracts.candidate.validate(carried | {"estimator": DummyRegressor()})


def trials() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "trial": [0, 1],
            "state": ["complete", "pruned"],
            "value": [3.0, None],
            "folds": [2, 1],
            "limits": True,
            "candidate": "trees",
            "params": ["{}", "{}"],
        }
    ).astype({"state": "str", "candidate": "str", "params": "str"})


def parameter_importance() -> pd.DataFrame:
    table = pd.DataFrame({"parameter": ["depth", "rate"], "share": [0.7, 0.3]})
    return table.astype({"parameter": "str"})


TABLES: dict[Any, Callable[[], pd.DataFrame]] = {
    Trials: trials,
    ParameterImportance: parameter_importance,
}


@pytest.mark.parametrize(
    ("contract", "defect", "check"),
    [
        (
            Trials,
            {"state": ["complete", "lost"]},
            "isin(['complete', 'pruned', 'fail', 'running', 'waiting'])",
        ),
        (Trials, {"trial": [0, 0]}, "multiple_fields_uniqueness"),
        (ParameterImportance, {"share": [0.7, 1.3]}, "less_than_or_equal_to(1)"),
        (ParameterImportance, {"parameter": ["depth", "depth"]}, "multiple_fields_uniqueness"),
    ],
)
def test_a_planted_defect_in_a_table_is_the_only_one_found(
    contract: Any, defect: dict[str, Any], check: str, refuse_table: Callable[..., None]
) -> None:
    refuse_table(contract, TABLES[contract](), defect, check)


class OfBoxes(DecisionValues):
    """One row per box: what is said of it."""

    box: int = column("the box")


def test_an_answer_is_a_probability_with_its_decision_or_an_amount() -> None:
    box = pd.DataFrame({"box": [1, 2]})
    for said in ({"probability": 0.2, "act": True}, {"prediction": 7.0}):
        OfBoxes.validate(box.assign(**said), lazy=True)
    for said, faults in (
        ({}, {"there is a probability, or an amount"}),
        ({"probability": 0.2}, {"a probability comes with what is decided"}),
        ({"prediction": 7.0, "act": True}, {"a probability comes with what is decided"}),
        (
            {"prediction": 7.0, "probability": 0.2, "act": True},
            {"there is a probability, or an amount"},
        ),
    ):
        with pytest.raises(SchemaErrors) as error:
            OfBoxes.validate(box.assign(**said), lazy=True)
        assert set(error.value.failure_cases["check"]) == faults
