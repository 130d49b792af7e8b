"""Models follow from the task where none are stated, and what is stated stays as it is."""

import io
import json
from copy import deepcopy
from typing import Any

import pytest
from pydantic import ValidationError

from preflight.modeling.defaults import complete
from preflight.modeling.parameters import Modeling
from preflight.modeling.skops_file import dump
from preflight.problem.framing import Framing

BINARY: dict[str, Any] = {
    "framing": {
        "decision": {"unit": "parcel", "label": "arrives broken"},
        "costs": {"fp": 3, "fn": 15},
    },
    "modeling": {"search": {"trials": 0}},
    "audit": {"seed": 1},
}
AMOUNTS = BINARY | {
    "framing": BINARY["framing"]
    | {"task": "regression", "costs": {"overage": 1, "underage": 3}, "slices": ["place", "month"]}
}


def typed(parameters: dict[str, Any]) -> tuple[Framing, Modeling]:
    return (
        Framing.model_validate(parameters["framing"]),
        Modeling.model_validate(parameters["modeling"]),
    )


@pytest.mark.parametrize("given", [BINARY, AMOUNTS])
def test_models_follow_from_the_task_and_fit_the_framing(given: dict[str, Any]) -> None:
    before = deepcopy(given)
    framing, modeling = typed(complete(given))
    assert given == before
    assert framing.baselines == [*modeling.baselines]
    assert modeling.configuration_errors(framing, ["all"]) == []
    searched = {"search": {"trials": 3}}
    typed(complete(given | {"modeling": searched}))  # the space is valid


def test_a_yes_or_no_has_no_lookup_without_slices() -> None:
    framing, modeling = typed(complete(BINARY))
    assert framing.baselines == ["never_act", "logistic_regression"]
    assert modeling.thresholds["never_act"] == 1
    sliced = BINARY | {"framing": BINARY["framing"] | {"slices": ["place", "month"]}}
    _, modeling = typed(complete(sliced))
    assert modeling.baselines["lookup"].params == {"keys": ["place"]}


def test_the_quantile_is_that_of_the_costs() -> None:
    _, modeling = typed(complete(AMOUNTS))
    found = {name: spec.params["quantile"] for name, spec in modeling.estimators().items()}
    assert set(found.values()) == {0.75}
    assert len(found) == 4
    by_row = AMOUNTS["framing"] | {"costs": {"overage": 1, "underage": "price"}}
    _, modeling = typed(complete(AMOUNTS | {"framing": by_row}))
    assert modeling.baselines["same_for_all"].params["quantile"] == 0.5


@pytest.mark.parametrize("given", [BINARY, AMOUNTS])
def test_models_from_the_manifest_of_a_run_give_the_same_bytes(given: dict[str, Any]) -> None:
    def files_of(parameters: dict[str, Any]) -> dict[str, bytes]:
        files = {}
        for name, spec in typed(parameters)[1].estimators().items():
            dump(spec.params, file := io.BytesIO())
            files[name] = file.getvalue()
        return files

    done = complete(given)
    assert files_of(complete(json.loads(json.dumps(done)))) == files_of(done)
    quantiles = [spec.params.get("quantile") for spec in typed(done)[1].estimators().values()]
    numbers = [one for one in quantiles if one is not None]
    assert len({*map(id, numbers)}) == len(numbers)  # else a file would tell that two are one


def test_what_is_stated_stays() -> None:
    own = {"path": "sklearn.dummy.DummyRegressor", "params": {"strategy": "quantile"}}
    mine: dict[str, Any] = {
        "search": {"trials": 0},
        "candidates": {"mine": own | {"params": {"strategy": "quantile", "quantile": None}}},
        "baselines": {"median": own | {"params": {"strategy": "quantile", "quantile": 0.5}}},
        "calibration_gain": 7,
    }
    done = complete(AMOUNTS | {"modeling": mine})
    framing, modeling = typed(done)
    assert framing.baselines == ["median"]
    assert modeling.candidates["mine"].params["quantile"] == 0.75
    assert modeling.baselines["median"].params["quantile"] == 0.5
    assert modeling.calibration_gain == 7
    assert done["audit"] is AMOUNTS["audit"]
    chosen = AMOUNTS["framing"] | {"baselines": ["linear"]}
    assert complete(AMOUNTS | {"framing": chosen})["framing"]["baselines"] == ["linear"]


@pytest.mark.parametrize(
    "given", [{}, {"framing": {"costs": {}}, "modeling": {}}, {"framing": 1, "modeling": {}}]
)
def test_settings_that_are_not_valid_are_left_to_the_run_to_refuse(given: dict[str, Any]) -> None:
    assert complete(given) is given


def test_what_is_left_out_is_valid_for_kedro_viz_and_what_is_empty_is_not() -> None:
    assert Modeling.model_validate({}).candidates == {}
    assert Framing.model_validate(BINARY["framing"]).baselines == []
    for empty in ({"candidates": {}}, {"baselines": {}}):
        with pytest.raises(ValidationError, match="at least 1 item"):
            Modeling.model_validate(empty)
    with pytest.raises(ValidationError, match="at least 1 item"):
        Framing.model_validate(BINARY["framing"] | {"baselines": []})
