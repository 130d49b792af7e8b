"""What Kedro-Viz shows beside the graph."""

from preflight.pipeline_registry import contracts_of, register_pipelines


def test_a_node_shows_the_contracts_of_what_it_returns() -> None:
    nodes = {node.name: node for node in register_pipelines()["__default__"].nodes}
    weather = nodes["data_engineering.weather"].preview()
    assert weather is not None
    assert "weather: One row per airport and hour" in weather.content
    assert "key: origin, hour_start" in weather.content
    assert "temp (°F): temperature" in weather.content
    selection = nodes["modeling.selection"].preview()
    assert selection is not None
    assert "values: saving per 1,000 decisions of each model" in selection.content


def test_what_has_no_contract_says_so() -> None:
    assert "in memory" in contracts_of(["reported"]).content
