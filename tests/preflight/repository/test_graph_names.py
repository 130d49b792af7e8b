"""Names of nodes begin with a verb."""

from late_flights.pipeline_registry import register_pipelines

# With one of these the name of a node begins, so that nodes and datasets differ. Add yours.
VERBS = {
    *("build", "check", "clean", "clear", "collect", "compare", "compute", "count", "decide"),
    *(
        "design",
        "draw",
        "find",
        "fit",
        "join",
        "key",
        "log",
        "measure",
        "plot",
        "predict",
        "promote",
    ),
    *("raise", "read", "refit", "render", "replay", "require", "score", "search", "select"),
    *("smoke", "split", "try"),
}


def test_nodes_are_verbs() -> None:
    pipelines = register_pipelines().values()
    nodes = {node.name.rpartition(".")[2] for pipeline in pipelines for node in pipeline.nodes}
    assert {name.partition("_")[0] for name in nodes} <= VERBS
