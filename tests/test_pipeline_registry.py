"""Which stages there are, and what Kedro-Viz shows beside the graph."""

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
