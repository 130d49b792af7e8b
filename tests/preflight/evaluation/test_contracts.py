"""Each result has a contract that refuses a planted defect and passes its clean twin."""

import re
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pandas as pd
import pytest
from kedro.validation import DataValidationError
from pandera.errors import SchemaErrors
from preflight.contracts.results import TestPredictions, ValidationPredictions
from sklearn.dummy import DummyClassifier, DummyRegressor

from preflight import contracts
from preflight.contracts import Features
from preflight.contracts.table import Table, column
from preflight.evaluation.contracts import CalibrationCurve, CostCurve, Importance, Slices
from preflight.modeling.contracts import DecisionValues, ParameterImportance, Trials

INTERVAL = {"mean": 5.0, "low": 1.0, "high": 9.0}
UNDEFINED = {"mean": None, "low": None, "high": None}
MODEL = dict.fromkeys(["roc_auc", "average_precision", "log_loss", "brier", "value_per_1000"])


def fitted() -> DummyClassifier:
    return DummyClassifier().fit([[0], [0]], [0, 1])


def bundle(**changes: Any) -> dict[str, Any]:
    return {
        "estimator": fitted(),
        "slope": 1.0,
        "intercept": 0.0,
        "threshold": 0.2,
        "features": Features.names(),
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
            "metrics": {
                "candidate": dict.fromkeys(MODEL, INTERVAL),
                "never": dict.fromkeys(MODEL, INTERVAL) | {"roc_auc": UNDEFINED},
                "lookup": dict.fromkeys(MODEL, INTERVAL),
            },
            "verdict": {
                "decision": "ship",
                "reasons": ["it saves more"],
                "value": {
                    "unit": "EUR",
                    "costs": {"tp": 1, "fp": 1, "fn": 5, "tn": 0},
                    "per_1000": 400.0,
                    "over_baseline": {"baseline": "lookup", **INTERVAL},
                    "over_champion": None,
                    "net": {"months": 12, "least": 5, **INTERVAL},
                },
                "kpi": {"name": "missed", "now": 9, "wanted": 3, "measured": 4},
                "limits": [
                    {"name": "size", "limit": 100, "measured": 20, "ok": True, "load": None},
                    {"name": "p99", "limit": 9, "measured": 20, "ok": False, "load": 1.0},
                    {"name": "rows", "limit": 9, "measured": None, "ok": None, "load": 2.5},
                ],
                "checks": [{"name": "gain", "ok": True, "says": "it saves more"}],
                "test_set": {"id": "a", "candidate": "b", "opened": 1, "candidates": 1},
            },
        }[contract]
    )


DOCUMENTS = ["best_params", "selection", "candidate", "baselines", "metrics", "verdict"]


def planted(document: Any, path: str, value: Any) -> Any:
    """The document with a value replaced, or removed where it is the ellipsis."""
    *way, last = path.split(".")
    section = document
    for name in way:
        section = section[int(name) if name.isdigit() else name]
    if value is ...:
        del section[last]
    else:
        section[last] = value
    return document


@pytest.mark.parametrize("contract", DOCUMENTS)
def test_a_clean_document_passes_unchanged(contract: str) -> None:
    document = clean(contract)
    assert contracts.declared(*contracts.modules())[contract].validate(document) is document


@pytest.mark.parametrize(
    ("contract", "path", "value", "sentence"),
    [
        ("best_params", "params", ..., "Field required"),
        ("best_params", "value", "high", "valid number"),
        ("selection", "best_baseline", "candidate", "'candidate' is not a baseline"),
        ("selection", "best_baseline", "other", "'other' is not a baseline"),
        ("selection", "calibration.slope", 0, "greater than 0"),
        ("selection", "calibration.loss_without", -0.1, "greater than or equal to 0"),
        ("candidate", "estimator", DummyClassifier(), "the estimator is not fitted"),
        ("candidate", "features", ["signal"], r"\['signal'\] are not in the contract Features"),
        ("candidate", "slope", -1.0, "greater than 0"),
        ("candidate", "threshold", 1.1, "less than or equal to 1"),
        ("candidate", "provenance", {}, "at least 1 item"),
        ("candidate", "preprocessing", fitted(), "not permitted"),
        ("baselines", "never.estimator", DummyClassifier(), "the estimator is not fitted"),
        ("baselines", "never.threshold", ..., "Field required"),
        ("metrics", "candidate", ..., "needs 'candidate' and at least one baseline"),
        ("metrics", "never.brier", ..., r"never lacks \['brier'\]"),
        ("metrics", "candidate.gini", INTERVAL, r"candidate has \['gini'\], which are not among"),
        ("metrics", "never.brier", INTERVAL | {"low": 9.5}, "low 9.5 is above high 9.0"),
        ("metrics", "never.brier", INTERVAL | {"low": None}, "both bounds or none"),
        ("metrics", "never.brier", INTERVAL | {"high": None}, "both bounds or none"),
        ("verdict", "decision", "maybe", "'ship' or 'hold'"),
        ("verdict", "reasons", [], "at least 1 item"),
        ("verdict", "value.over_baseline.low", 0.0, "not better than the baseline"),
        ("verdict", "value.over_baseline.low", -3.0, "not better than the baseline"),
        ("verdict", "value.over_baseline.low", 10.0, "low 10.0 is above high 9.0"),
        ("verdict", "value.over_baseline.baseline", ..., "Field required"),
        ("verdict", "limits.0.ok", False, "ships, but breaks a limit"),
        ("verdict", "limits.0.ok", None, "only if it was measured"),
        ("verdict", "limits.2.ok", True, "only if it was measured"),
        ("verdict", "limits.2.load", None, "does not depend on the machine: measure it"),
        ("verdict", "checks.0.ok", False, "ships, but a condition does not hold"),
        ("verdict", "test_set.opened", 0, "no what-if, and not counted"),
        ("verdict", "test_set.candidates", 0, "no what-if, and not counted"),
        ("verdict", "test_set.opened", -1, "greater than or equal to 0"),
        ("verdict", "value.costs.fn", ..., "Field required"),
        ("candidate", "threshold", None, "valid dictionary"),  # and no costs to derive one from
    ],
)
def test_a_planted_defect_is_refused(contract: str, path: str, value: Any, sentence: str) -> None:
    with pytest.raises(DataValidationError) as error:
        contracts.declared(*contracts.modules())[contract].validate(
            planted(clean(contract), path, value)
        )
    (fault,) = error.value.failures
    assert re.search(sentence, fault.message)


def test_a_candidate_with_nothing_to_compare_it_with_is_refused() -> None:
    document = clean("metrics")
    alone = {"candidate": document["candidate"]}
    assert contracts.results.metrics.validate(alone | {"never": document["never"]})
    with pytest.raises(DataValidationError) as error:
        contracts.results.metrics.validate(alone)
    assert "at least one baseline" in error.value.failures[0].message


@pytest.mark.parametrize("lacks", ["typical", "known", "framing"])
def test_a_champion_that_other_code_made_is_refused_with_what_to_do(lacks: str) -> None:
    provenance = {"typical": {}, "known": {}, "framing": {}}
    whole = bundle(provenance=provenance)
    assert contracts.results.champion.validate(whole) is whole
    assert contracts.results.champion.validate(None) is None
    del provenance[lacks]
    with pytest.raises(DataValidationError, match=f"lacks {lacks}, as other code made it: kedro"):
        contracts.results.champion.validate(bundle(provenance=provenance))


def test_a_what_if_may_be_the_first_on_its_test_set_and_is_not_counted() -> None:
    document = clean("verdict")
    document["what_if"] = ["framing.costs.fn is 10, in conf/base 5"]
    document["test_set"] |= {"opened": 0, "candidates": 0}
    assert contracts.results.verdict.validate(document) is document


@pytest.mark.parametrize("defect", [{"low": -3.0}, {"low": None, "high": None}])
def test_a_model_that_is_not_clearly_better_may_be_held(defect: dict[str, Any]) -> None:
    document = clean("verdict")
    document["value"]["over_baseline"] |= defect
    with pytest.raises(DataValidationError):
        contracts.results.verdict.validate(document)
    document["decision"] = "hold"
    assert contracts.results.verdict.validate(document) is document


def slices() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "by": ["place", "place"],
            "slice": ["north", "west"],
            "rows": [3, 4],
            "label_mean": [0.1, 0.2],
            "predicted": [0.1, 0.2],
            "value_per_1000": [50.0, -10.0],
            "value_low": [10.0, -20.0],
            "value_high": [90.0, 0.0],
            "score": [0.7, None],
            "score_low": [0.6, None],
            "score_high": [0.8, None],
        }
    ).astype({"by": "str", "slice": "str"})


def curve() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "bin": [0, 1],
            "rows": [10, 10],
            "predicted": [0.1, 0.4],
            "asked": [0.1, 0.4],
            "observed": [0.1, 0.5],
            "low": [0.0, 0.3],
            "high": [0.2, 0.6],
        }
    )


def importance() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "feature": ["a", "b"],
            "group": ["one", "one"],
            "rise": [0.1, 0.0],
            "low": [0.09, -0.01],
            "high": [0.11, 0.01],
        }
    ).astype({"feature": "str", "group": "str"})


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
    Slices: slices,
    CalibrationCurve: curve,
    Importance: importance,
    Trials: trials,
    ParameterImportance: parameter_importance,
}


@pytest.mark.parametrize("contract", TABLES)
def test_a_clean_table_passes_unchanged(contract: Any) -> None:
    table = TABLES[contract]()
    pd.testing.assert_frame_equal(contract.validate(table, lazy=True), table)


@pytest.mark.parametrize(
    ("contract", "defect", "check"),
    [
        (Slices, {"value_low": [10.0, 1.0]}, "bounds are in order"),
        (Slices, {"slice": ["north", "north"]}, "multiple_fields_uniqueness"),
        (Slices, {"rows": [3, 0]}, "greater_than(0)"),
        (Slices, {"label_mean": [0.1, 1.2]}, "less_than_or_equal_to(1)"),
        (CalibrationCurve, {"low": [0.0, 0.7]}, "bounds are in order"),
        (CalibrationCurve, {"bin": [1, 1]}, "multiple_fields_uniqueness"),
        (CalibrationCurve, {"observed": [0.1, -0.1]}, "greater_than_or_equal_to(0)"),
        (Importance, {"feature": ["a", "a"]}, "multiple_fields_uniqueness"),
        (Importance, {"low": [0.09, None]}, "not_nullable"),
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
    contract: Any, defect: dict[str, Any], check: str
) -> None:
    with pytest.raises(SchemaErrors) as error:
        contract.validate(TABLES[contract]().assign(**defect), lazy=True)
    assert set(error.value.failure_cases["check"]) == {check}


@pytest.mark.parametrize("contract", [TestPredictions, ValidationPredictions])
def test_predictions_need_the_columns_of_the_design(contract: type[Table]) -> None:
    assert {"predict_at", "label"} <= set(contract.columns())
    columns = contract.to_schema().columns
    required = {name for name in columns if columns[name].required}
    assert required >= {*contract.grain(), "predict_at", "label"}
    said = ("probability", "prediction", "act", "cost")  # that of a task, and costs if any
    assert all(name.strip("^").startswith(said) for name in columns if name not in required)


def test_predictions_keep_no_cost_that_is_missing() -> None:
    columns = TestPredictions.to_schema().columns
    cost = columns["^cost_.+$"]
    assert (cost.nullable, str(cost.dtype), cost.regex) == (False, "float64", True)


def test_a_cost_in_a_column_is_named_and_a_bundle_without_threshold_carries_it() -> None:
    document = planted(clean("verdict"), "value.costs.fn", "cost_fn")
    assert contracts.results.verdict.validate(document) is document
    for wrong in ("amount", "cost_tp"):
        with pytest.raises(DataValidationError):
            contracts.results.verdict.validate(planted(clean("verdict"), "value.costs.fn", wrong))
    costs = {"unit": "EUR", "tp": 1, "fp": 1, "fn": "amount", "tn": 0}
    carried = bundle(threshold=None, provenance={"framing": {"costs": costs}})
    assert contracts.results.candidate.validate(carried) is carried


AMOUNT = ["mae", "rmse", "r2", "covered", "value_per_1000"]


def test_figures_and_costs_of_amounts_pass_and_are_not_mixed() -> None:
    models = {name: dict.fromkeys(AMOUNT, INTERVAL) for name in ("candidate", "usual")}
    assert contracts.results.metrics.validate(models) is models
    for change, said in (
        ({"usual": dict.fromkeys(MODEL, INTERVAL)}, " lacks "),
        ({"usual": models["usual"] | {"brier": INTERVAL}}, r"usual has \['brier'\]"),
    ):
        with pytest.raises(DataValidationError) as error:
            contracts.results.metrics.validate(models | change)
        (fault,) = error.value.failures
        assert re.search(said, fault.message)
    document = planted(clean("verdict"), "value.costs", {"over": 1, "under": 3, "without": 20})
    assert contracts.results.verdict.validate(document) is document
    for costs in ({"over": 1, "under": 3}, {"over": 1, "under": "cost_over", "without": 20}):
        with pytest.raises(DataValidationError) as error:
            contracts.results.verdict.validate(planted(clean("verdict"), "value.costs", costs))


def test_a_bundle_of_amounts_has_no_threshold_and_carries_its_costs() -> None:
    costs = {"unit": "EUR", "over": 1, "under": 3, "without": 20}
    carried = bundle(
        estimator=DummyRegressor().fit([[0], [0]], [3, 5]),
        threshold=None,
        provenance={"framing": {"task": "regression", "costs": costs}},
    )
    assert contracts.results.candidate.validate(carried) is carried
    with pytest.raises(DataValidationError, match="not a valid"):
        contracts.results.candidate.validate(carried | {"estimator": DummyRegressor()})


def steps(share: list[float]) -> pd.DataFrame:
    return pd.DataFrame(
        {"setting": [0.1, 0.2, 0.3], "by_costs": False, "share": share}
        | dict.fromkeys(["value_per_1000", "low", "high"], 0.0)
    )


def test_the_shares_of_a_cost_curve_go_one_way() -> None:
    for share in ([1, 0.5, 0.5], [0, 0.5, 0.5], [0.5, 0.5, 0.5]):
        CostCurve.validate(steps([float(one) for one in share]), lazy=True)
    for share in ([1.0, 0.5, 0.6], [0.0, 0.6, 0.5], [0.5, 0.6, 0.5]):
        with pytest.raises(SchemaErrors, match="the share goes one way"):
            CostCurve.validate(steps(share), lazy=True)


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
