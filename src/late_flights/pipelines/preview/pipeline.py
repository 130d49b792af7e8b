"""raw tables -> features -> models on a sample of train, evaluated on validation."""

from kedro.pipeline import Node, Pipeline

from preflight import features, modeling

from late_flights.pipelines import data_engineering, feature_engineering

PARAMS = ["params:framing", "params:modeling", "params:preview"]


def create_pipeline() -> Pipeline:
    """Return the pipeline of the preview: it saves nothing that another stage reads."""
    tables = data_engineering.create_pipeline() + feature_engineering.create_pipeline()
    graph = tables.to_outputs("features", "labels") + Pipeline(
        [
            Node(
                features.split_development,
                ["features", "labels", "params:framing", "contracts"],
                ["train", "validation"],
                name="split_development",
            ),
            Node(
                modeling.compute_preview,
                ["train", "validation", *PARAMS, "contracts"],
                "preview",
                name="compute_preview",
            ),
        ]
    )
    given = graph.inputs()
    parameters = {name for name in given if name.startswith("params:")}
    return Pipeline(
        graph,
        namespace="preview",  # `preview.train` and the like stay in memory
        inputs=given - parameters,
        parameters=parameters,
        outputs="preview",
    )
