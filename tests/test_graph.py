"""The graph: which stages there are, that test stays apart, and what Kedro-Viz shows."""

import pytest
from kedro.pipeline import Pipeline

from preflight.contracts.catalog import preview

from late_flights import pipeline_registry
from late_flights.pipeline_registry import ON_DEMAND, RUN, register_pipelines


def test_a_node_shows_the_contracts_of_what_it_returns() -> None:
    nodes = {node.name: node for node in register_pipelines()["__default__"].nodes}
    slices = nodes["evaluation.compute_slices"].preview()
    assert slices is not None
    assert "slices: One row per " in slices.content
    assert "key: by, slice" in slices.content
    assert "value_per_1000 (currency of the costs, per 1,000 decisions): " in slices.content
    selection = nodes["modeling.select_on_validation"].preview()
    assert selection is not None
    assert "values: saving per 1,000 decisions of each model" in selection.content


def names(pipelines: dict[str, Pipeline]) -> dict[str, set[str]]:
    return {name: {node.name for node in one.nodes} for name, one in pipelines.items()}


def test_stages_are_in_their_order_and_the_default_runs_those_of_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    every = [stage.__name__.rsplit(".", 1)[-1] for stage in RUN + ON_DEMAND]
    found = names(register_pipelines())
    assert list(found) == [*every, "__default__"]
    assert found["__default__"] == set().union(*(found[name] for name in every[: len(RUN)]))
    assert not any(found["__default__"] & found[name] for name in every[len(RUN) :])
    audit, modeling = (RUN[every.index(name)] for name in ("audit", "modeling"))
    monkeypatch.setattr(pipeline_registry, "RUN", [audit])
    monkeypatch.setattr(pipeline_registry, "ON_DEMAND", [modeling])
    fewer = names(register_pipelines())
    assert list(fewer) == ["audit", "modeling", "__default__"]
    assert fewer["__default__"] == found["audit"]


def test_what_has_no_contract_says_so() -> None:
    assert "in memory" in preview(["reported"]).content


def test_test_never_reaches_modeling() -> None:
    pipelines = register_pipelines()
    before = pipelines["__default__"].to_outputs("candidate", "baselines", "selection")
    assert "test" in pipelines["__default__"].all_outputs()
    read_by = {node.name for node in before.nodes if "test" in node.inputs}
    assert read_by == set()
    openers = {n.name for n in pipelines["__default__"].nodes if "test" in n.inputs}
    assert openers - {"audit.check_split"}
    allowed = ("evaluation.", "diagnosis.", "audit.check_split")
    assert all(name.startswith(allowed) for name in openers)


def test_nothing_of_diagnosis_flows_back() -> None:
    judged = register_pipelines()["__default__"].to_outputs("verdict", "metrics", "candidate")
    assert {str(node.namespace) for node in judged.nodes} >= {"modeling", "evaluation"}
    assert "diagnosis" not in {node.namespace for node in judged.nodes}


def test_nothing_is_fitted_or_opened_before_its_audit_has_passed() -> None:
    graph = register_pipelines()["__default__"]
    for first in ("search_parameters", "fit_candidate", "fit_baselines"):
        assert "audit.require_feature_audit" in {
            n.name for n in graph.to_nodes(f"modeling.{first}").nodes
        }
    for node in register_pipelines()["evaluation"].nodes:
        assert "audit.require_audit" in {one.name for one in graph.to_nodes(node.name).nodes} or (
            "test_predictions" not in node.inputs and "test_predictions" not in node.outputs
        )
