"""The graph: which stages there are, that test stays apart, and what Kedro-Viz shows."""

import pytest
from kedro.config import OmegaConfigLoader
from kedro.io import DataCatalog
from kedro.pipeline import Node, Pipeline

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


def out_of_order(pipeline: Pipeline, layers: dict[str, str]) -> list[str]:
    """Return the datasets that Kedro-Viz would draw above one that comes before them.

    Kedro-Viz draws the layers of what nothing leads to first, then those of what is made from it.
    """
    first = max((layers.get(name, "") for name in pipeline.inputs()), default="")
    highest = dict.fromkeys(pipeline.inputs(), first)  # of a dataset and all that it is made from
    found = []
    for node in pipeline.nodes:
        above = max((highest[name] for name in node.inputs), default="")
        for name in node.outputs:
            own = layers.get(name, above)
            found += [f"{name} in {own}, made from {above}"] if own < above else []
            highest[name] = max(own, above)
    return found


@pytest.mark.parametrize("stage", [*register_pipelines()])
def test_layers_are_in_the_order_of_their_names(stage: str, conf: OmegaConfigLoader) -> None:
    """So Kedro-Viz shows them in order even where nothing leads from one to the next."""
    catalog = DataCatalog.from_config(conf["catalog"])
    pipeline = register_pipelines()[stage]
    layers = {}
    for name in pipeline.datasets():
        about = getattr(catalog.get(name), "metadata", None) or {}
        if layer := about.get("kedro-viz", {}).get("layer"):
            layers[name] = layer
    assert out_of_order(pipeline, layers) == []


def test_a_layer_that_is_out_of_order_is_found() -> None:
    made = Pipeline([Node(min, "a", "b", name="one"), Node(min, "b", "c", name="two")])
    assert out_of_order(made, {"a": "02", "c": "01"}) == ["c in 01, made from 02"]
    assert out_of_order(made, {"a": "01", "c": "02"}) == []


def test_no_dataset_has_the_name_of_a_node() -> None:
    pipelines = register_pipelines().values()
    nodes = {node.name.rpartition(".")[2] for pipeline in pipelines for node in pipeline.nodes}
    datasets = {name for pipeline in pipelines for name in pipeline.datasets()}
    assert nodes & datasets == set()
