"""Each result of evaluation has a contract that refuses a planted defect and passes its twin."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pandas as pd
import pytest
from kedro.validation import DataValidationError
from pandera.errors import SchemaErrors
from pydantic import ValidationError

from preflight.evaluation import contracts
from preflight.evaluation.contracts import (
    CalibrationCurve,
    Evaluation,
    Importance,
    Slices,
    ThresholdCurve,
)

INTERVAL = {"mean": 5.0, "low": 1.0, "high": 9.0}
UNDEFINED = {"mean": None, "low": None, "high": None}
MODEL = dict.fromkeys(["roc_auc", "average_precision", "log_loss", "brier", "value_per_1000"])


def clean(contract: str) -> Any:
    """A document that its contract passes."""
    return deepcopy(
        {
            "metrics": {
                "candidate": dict.fromkeys(MODEL, INTERVAL),
                "never": dict.fromkeys(MODEL, INTERVAL) | {"roc_auc": UNDEFINED},
                "lookup": dict.fromkeys(MODEL, INTERVAL),
            },
            "verdict": {
                "decision": "ship",
                "reasons": ["it saves more"],
                "warnings": [],
                "value": {
                    "unit": "EUR",
                    "costs": {"tp": 1, "fp": 1, "fn": 5, "tn": 0},
                    "per_1000": 400.0,
                    "over_baseline": {"baseline": "lookup", **INTERVAL},
                    "over_baselines": {"lookup": INTERVAL},
                    "deciding": {"level": 0.015, "low": 0.5},
                    "best_units": {"unit": "day", "units": 3, "share": 0.4, "gain_without": 2.0},
                    "worst_month": {
                        "month": "2013-04",
                        "part": "test",
                        "gain_per_1000": 1.0,
                        "net": -3.0,
                    },
                    "over_champion": None,
                    "net": {"months": 12, "required": 5, **INTERVAL},
                },
                "kpi": {"name": "missed", "current": 9, "target": 3, "measured": 4},
                "limits": [
                    {"name": "size", "limit": 100, "measured": 20, "ok": True, "load": None},
                    {"name": "p99", "limit": 9, "measured": 20, "ok": False, "load": 1.0},
                    {"name": "rows", "limit": 9, "measured": None, "ok": None, "load": 2.5},
                ],
                "checks": [{"name": "gain", "ok": True, "message": "it saves more"}],
                "test_set": {"candidate": "b", "number": 2, "candidates": 2, "level": 0.015},
            },
        }[contract]
    )


DOCUMENTS = {"metrics": contracts.metrics, "verdict": contracts.verdict}


@pytest.mark.parametrize(
    ("contract", "path", "value", "sentence"),
    [
        ("metrics", "candidate", ..., "needs 'candidate' and at least one baseline"),
        ("metrics", "never.brier", ..., r"never lacks \['brier'\]"),
        ("metrics", "candidate.gini", INTERVAL, r"never lacks \['gini'\]"),
        ("metrics", "never.brier", INTERVAL | {"low": 9.5}, "low 9.5 is above high 9.0"),
        ("metrics", "never.brier", INTERVAL | {"low": None}, "both bounds or none"),
        ("metrics", "never.brier", INTERVAL | {"high": None}, "both bounds or none"),
        ("verdict", "decision", "maybe", "'ship' or 'hold'"),
        ("verdict", "reasons", [], "at least 1 item"),
        ("verdict", "value.deciding.low", 0.0, "not significantly better"),
        ("verdict", "value.deciding.low", -3.0, "not significantly better"),
        ("verdict", "value.deciding.low", None, "not significantly better"),
        ("verdict", "value.deciding.level", 0.5, "less than 0.5"),
        ("verdict", "value.worst_month.part", "train", "'validation' or 'test'"),
        ("verdict", "value.over_baselines", {}, "at least 1 item"),
        ("verdict", "value.over_baseline.low", 10.0, "low 10.0 is above high 9.0"),
        ("verdict", "value.over_baseline.baseline", ..., "Field required"),
        ("verdict", "limits.0.ok", False, "ships, but breaks a limit"),
        ("verdict", "limits.0.ok", None, "only if it was measured"),
        ("verdict", "limits.2.ok", True, "only if it was measured"),
        ("verdict", "limits.2.load", None, "does not depend on the machine: measure it"),
        ("verdict", "checks.0.ok", False, "ships, but a condition does not hold"),
        ("verdict", "test_set.candidates", 1, "not counted in test_set.candidates"),
        ("verdict", "test_set.candidates", -1, "greater than or equal to 0"),
        ("verdict", "test_set.number", 0, "greater than or equal to 1"),
        ("verdict", "test_set.level", 0.0, "greater than 0"),
        ("verdict", "value.costs.fn", ..., "tp, fp, tn"),
        ("verdict", "value.costs.overage", 1.0, "tp, fp, fn, tn, overage"),
    ],
)
def test_a_planted_defect_is_refused(
    contract: str, path: str, value: Any, sentence: str, refuse_document: Callable[..., None]
) -> None:
    refuse_document(DOCUMENTS[contract], clean(contract), path, value, sentence)


def test_a_candidate_with_nothing_to_compare_it_with_is_refused() -> None:
    document = clean("metrics")
    alone = {"candidate": document["candidate"]}
    assert contracts.metrics.validate(alone | {"never": document["never"]})
    with pytest.raises(DataValidationError) as error:
        contracts.metrics.validate(alone)
    assert "at least one baseline" in error.value.failures[0].message


def test_a_what_if_may_be_the_first_on_its_test_set_and_is_not_counted() -> None:
    document = clean("verdict")
    document["what_if"] = ["framing.costs.fn is 10, in conf/base 5"]
    document["test_set"] |= {"number": 1, "candidates": 0}
    assert contracts.verdict.validate(document) is document


@pytest.mark.parametrize("defect", [{"low": -3.0}, {"low": None}])
def test_a_model_that_is_not_clearly_better_may_be_held(defect: dict[str, Any]) -> None:
    document = clean("verdict")
    document["value"]["deciding"] |= defect
    with pytest.raises(DataValidationError):
        contracts.verdict.validate(document)
    document["decision"] = "hold"
    assert contracts.verdict.validate(document) is document


def test_a_cost_in_a_column_is_named(refuse_document: Callable[..., None]) -> None:
    document = clean("verdict")
    document["value"]["costs"]["fn"] = "cost_fn"
    assert contracts.verdict.validate(document) is document
    for wrong in ("amount", "cost_tp"):
        refuse_document(contracts.verdict, clean("verdict"), "value.costs.fn", wrong, "'cost_fn'")


AMOUNT = ["mae", "rmse", "r2", "coverage", "value_per_1000"]


def test_figures_and_costs_of_amounts_pass_and_are_not_mixed(
    refuse_document: Callable[..., None],
) -> None:
    models = {name: dict.fromkeys(AMOUNT, INTERVAL) for name in ("candidate", "usual")}
    assert contracts.metrics.validate(models) is models
    of_the_other_task = dict.fromkeys(MODEL, INTERVAL)
    refuse_document(contracts.metrics, deepcopy(models), "usual", of_the_other_task, " lacks ")
    refuse_document(contracts.metrics, models, "usual.brier", INTERVAL, r"usual has \['brier'\]")
    document = clean("verdict")
    document["value"]["costs"] = {"overage": 1, "underage": 3, "default_amount": 20}
    assert contracts.verdict.validate(document) is document
    for path, value, message in (
        ("default_amount", ..., "overage, underage"),
        ("underage", "cost_overage", "underage"),
    ):
        refuse_document(
            contracts.verdict, deepcopy(document), f"value.costs.{path}", value, message
        )


def slices() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "by": ["place", "place"],
            "slice": ["north", "west"],
            "rows": [3, 4],
            "label_mean": [0.1, 0.2],
            "predicted": [0.1, 0.2],
            "value_per_1000": [50.0, -10.0],
            "gain_per_1000": [1.0, -2.0],
            "gain_low": [0.0, -3.0],
            "gain_high": [2.0, -1.0],
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
            "expected": [0.1, 0.4],
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


TABLES: dict[Any, Callable[[], pd.DataFrame]] = {
    Slices: slices,
    CalibrationCurve: curve,
    Importance: importance,
}


@pytest.mark.parametrize(
    ("contract", "defect", "check"),
    [
        (Slices, {"value_low": [10.0, 1.0]}, "bounds are in order"),
        (Slices, {"slice": ["north", "north"]}, "multiple_fields_uniqueness"),
        (Slices, {"rows": [3, 0]}, "greater_than(0)"),
        (CalibrationCurve, {"low": [0.0, 0.7]}, "bounds are in order"),
        (CalibrationCurve, {"bin": [1, 1]}, "multiple_fields_uniqueness"),
        (CalibrationCurve, {"observed": [0.1, -0.1]}, "greater_than_or_equal_to(0)"),
        (Importance, {"feature": ["a", "a"]}, "multiple_fields_uniqueness"),
        (Importance, {"low": [0.09, None]}, "not_nullable"),
    ],
)
def test_a_planted_defect_in_a_table_is_the_only_one_found(
    contract: Any, defect: dict[str, Any], check: str, refuse_table: Callable[..., None]
) -> None:
    refuse_table(contract, TABLES[contract](), defect, check)


@pytest.mark.parametrize("name", ["test_predictions", "validation_predictions"])
def test_predictions_need_the_columns_of_the_design(
    project_contracts: dict[str, Any], name: str
) -> None:
    contract = project_contracts[name]
    assert {"predict_at", "label"} <= set(contract.columns())
    columns = contract.to_schema().columns
    required = {one for one in columns if columns[one].required}
    assert required >= {*contract.grain(), "predict_at", "label"}
    # those of a task, costs that are no constant, and groups if they are resampled
    optional = ("probability", "prediction", "act", "cost", "group")
    assert all(one.strip("^").startswith(optional) for one in columns if one not in required)


def test_predictions_keep_no_cost_that_is_missing(project_contracts: dict[str, Any]) -> None:
    columns = project_contracts["test_predictions"].to_schema().columns
    cost = columns["^cost_.+$"]
    assert (cost.nullable, str(cost.dtype), cost.regex) == (False, "float64", True)


def steps(share: list[float]) -> pd.DataFrame:
    return pd.DataFrame(
        {"setting": [0.1, 0.2, 0.3], "by_costs": False, "share": share}
        | dict.fromkeys(["value_per_1000", "low", "high"], 0.0)
    )


def test_the_shares_of_a_cost_curve_go_one_way() -> None:
    for share in ([1, 0.5, 0.5], [0, 0.5, 0.5], [0.5, 0.5, 0.5]):
        ThresholdCurve.validate(steps([float(one) for one in share]), lazy=True)
    for share in ([1.0, 0.5, 0.6], [0.0, 0.6, 0.5], [0.5, 0.6, 0.5]):
        with pytest.raises(SchemaErrors, match="the share goes one way"):
            ThresholdCurve.validate(steps(share), lazy=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [("replicates", 99), ("calibration_bins", 1), ("importance_rows", 0),
     ("importance_shuffles", 1), ("reference_rows", 0), ("replicats", 100)],
)  # fmt: skip
def test_settings_that_measure_too_little_are_refused(
    evaluation: Evaluation, name: str, value: int
) -> None:
    with pytest.raises(ValidationError, match=name):
        Evaluation.model_validate(evaluation.model_dump() | {name: value})
