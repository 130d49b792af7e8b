"""Which stages there are, and what Kedro-Viz shows beside the graph."""

import pytest

from late_flights import pipeline_registry
from late_flights.pipeline_registry import ON_DEMAND, STAGES, contracts_of, register_pipelines


def test_a_node_shows_the_contracts_of_what_it_returns() -> None:
    nodes = {node.name: node for node in register_pipelines()["__default__"].nodes}
    slices = nodes["evaluation.slices"].preview()
    assert slices is not None
    assert "slices: One row per " in slices.content
    assert "key: by, slice" in slices.content
    assert "value_per_1000 (currency of the costs, per 1,000 decisions): " in slices.content
    selection = nodes["modeling.selection"].preview()
    assert selection is not None
    assert "values: saving per 1,000 decisions of each model" in selection.content


def test_stages_are_found_in_their_order_and_need_no_entry_to_be_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = list(register_pipelines())
    assert there == [stage for stage in [*STAGES, *ON_DEMAND] if stage in there] + ["__default__"]
    monkeypatch.setattr(pipeline_registry, "there", lambda stage: stage in {"modeling", "audit"})
    assert list(register_pipelines()) == ["audit", "modeling", "__default__"]


def test_what_has_no_contract_says_so() -> None:
    assert "in memory" in contracts_of(["reported"]).content
