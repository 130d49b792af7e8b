"""Parameters of modeling that make no sense are refused before anything runs."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from pydantic import ValidationError

from preflight.modeling.parameters import Modeling
from preflight.problem.framing import Framing

Settings = Callable[..., Modeling]
Plant = Callable[[Any, str, Any], Any]

AS_WRITTEN: dict[str, Any] = {
    "seed": 1,
    "candidates": {
        "dummy": {
            "path": "sklearn.dummy.DummyClassifier",
            "params": {"strategy": "prior"},
            "space": {"strategy": {"type": "choice", "choices": ["prior", "uniform"]}},
        }
    },
    "search": {
        "trials": 2,
        "earlier_folds": [{"start": "2013-01-01T00:00:00Z", "until": "2013-02-01T00:00:00Z"}],
    },
    "baselines": {"never": {"path": "sklearn.dummy.DummyClassifier", "threshold": 1}},
    "calibration_gain": 0.001,
}


def test_sound_parameters_are_taken() -> None:
    modeling = Modeling.model_validate(AS_WRITTEN)
    assert modeling.baselines["never"].threshold == 1


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("candidates.dummy.path", "sklearn.dummy.Dumy", "sklearn.dummy.Dumy.*imported"),
        (
            "candidates.dummy.path",
            "no_such_package.Model",
            "no_such_package.Model.*imported",
        ),
        ("candidates.dummy.path", "DummyClassifier", "'DummyClassifier'.*imported"),
        ("baselines.never.path", "", "''.*imported"),
        (
            "baselines.candidate",
            {"path": "sklearn.dummy.DummyClassifier"},
            "candidate.*framing.baselines",
        ),
        (
            "baselines.champion",
            {"path": "sklearn.dummy.DummyClassifier"},
            "champion.*framing.baselines",
        ),
        ("candidates.dummy.parms", {}, "candidates.dummy.parms"),
        ("search.trails", 3, "search.trails"),
        ("search.trials", -1, "greater than or equal to 0"),
        (
            "candidates.dummy.space.strategy",
            {"type": "choice", "choices": ["prior"]},
            "at least 2 items",
        ),
        ("candidates.dummy.space.strategy", {"type": "number"}, "'float', 'int', 'choice'"),
        ("candidates.dummy.space.strategy", {"type": "int", "low": 1}, "high"),
        ("candidates.dummy.space.strategy.lgo", True, "candidates.dummy.space.strategy.choice.lgo"),
        ("search.earlier_folds.0.start", "2013-01-01T00:00:00", "timezone"),
        ("search.earlier_folds.0.until", "2013-01-01T00:00:00Z", "must come after start"),
        ("candidates.dummy.space.other", {"type": "int", "low": 1, "high": 2}, "not in params"),
        ("candidates.dummy.params.strategy", "constant", "strategy.*constant.*prior.*uniform"),
        ("candidates.dummy.params", {}, "dummy: strategy .*params"),
        ("baselines", {}, "at least 1 item"),
        ("calibration_gain", -0.1, "greater than or equal to 0"),
        ("sed", 1, "sed"),
    ],
)
def test_a_planted_fault_is_refused_and_named(
    path: str, value: Any, sentence: str, plant: Plant
) -> None:
    with pytest.raises(ValidationError, match=sentence):
        Modeling.model_validate(plant(deepcopy(AS_WRITTEN), path, value))


@pytest.mark.parametrize(
    ("among", "declared", "sentence"),
    [
        ({"type": "int", "low": 1, "high": 9}, 9, None),
        ({"type": "int", "low": 1, "high": 9}, 1, None),
        ({"type": "float", "low": 0.1, "high": 9, "log": True}, 0.5, None),
        ({"type": "int", "low": 1, "high": 9}, 10, "depth.* 10.*1 and 9"),
        ({"type": "float", "low": 1, "high": 9}, 0.5, "depth.* 0.5.*1.0 and 9.0"),
        ({"type": "int", "low": 9, "high": 1}, 5, "depth.*9 to 1.*range"),
        ({"type": "float", "low": 0, "high": 1, "log": True}, 0.5, "depth.*range of logarithms"),
    ],
)
def test_a_search_begins_inside_its_space(
    among: dict[str, Any], declared: float, sentence: str | None, plant: Plant
) -> None:
    parameters = plant(deepcopy(AS_WRITTEN), "candidates.dummy.space", {"depth": among})
    parameters["candidates"]["dummy"]["params"] = {"depth": declared}
    if sentence is None:
        assert Modeling.model_validate(parameters).candidates["dummy"].space.keys() == {"depth"}
    else:
        with pytest.raises(ValidationError, match=sentence):
            Modeling.model_validate(parameters)


def test_a_threshold_of_its_own_is_for_baselines_only(plant: Plant) -> None:
    with pytest.raises(ValidationError, match=r"candidates.dummy.threshold"):
        Modeling.model_validate(plant(deepcopy(AS_WRITTEN), "candidates.dummy.threshold", 0.3))


def test_a_declared_parameter_that_is_no_number_is_outside_a_range(plant: Plant) -> None:
    depth = {"type": "int", "low": 1, "high": 9}
    parameters = plant(deepcopy(AS_WRITTEN), "candidates.dummy.space", {"depth": depth})
    parameters["candidates"]["dummy"]["params"] = {"depth": None}
    with pytest.raises(ValidationError, match=r"depth.*None"):
        Modeling.model_validate(parameters)
    parameters["candidates"]["dummy"]["params"] = {"depth": 3}
    Modeling.model_validate(parameters)


def test_settings_that_do_not_fit_together_are_all_named(
    framing: Framing, settings: Settings
) -> None:
    modeling, groups = settings(), ["content", "weather"]
    assert modeling.configuration_errors(framing, groups) == []
    fold = modeling.search.earlier_folds[0]
    longer = fold.model_copy(update={"until": framing.split.test_from})
    blind = modeling.candidates["trees"].model_copy(update={"exclude_groups": ["wether"]})
    search = modeling.search.model_copy(update={"earlier_folds": [longer]})
    wrong = modeling.model_copy(update={"search": search, "candidates": {"trees": blind}})
    unknown = framing.model_copy(update={"baselines": ["never", "nobody"]})
    faults = wrong.configuration_errors(unknown, groups)
    assert [fault.split(" names ")[0].split(":")[0] for fault in faults] == [
        "modeling.candidates.trees.exclude_groups",
        "framing.baselines",
        "modeling.search.earlier_folds",
    ]
    named = [
        ["'wether'", "content, weather"],
        ["'nobody'", "modeling.baselines", "never, lookup"],
        [str(longer.until), str(framing.split.validation_from)],
    ]
    for fault, words in zip(faults, named, strict=True):
        assert [word for word in words if word not in fault] == []


def test_a_quantile_that_is_not_that_of_the_costs_is_refused(
    amount_framing: Framing, modeling_amounts: Settings
) -> None:
    groups = ["content", "weather"]
    assert modeling_amounts().configuration_errors(amount_framing, groups) == []
    other_costs = amount_framing.costs.model_copy(update={"underage": 4.0})
    other = amount_framing.model_copy(update={"costs": other_costs})
    errors = modeling_amounts().configuration_errors(other, groups)
    assert [error.split(",")[0] for error in errors] == [
        f"modeling.{name}.params.quantile is 0.75"
        for name in ("candidates.trees", "baselines.usual", "baselines.lookup")
    ]
    assert "20.0%" in errors[0]
    assert errors[0].endswith("0.8")
    each = amount_framing.costs.model_copy(update={"underage": "margin"})
    own = amount_framing.model_copy(update={"costs": each})
    assert modeling_amounts().configuration_errors(own, groups) == []  # of each row its own
