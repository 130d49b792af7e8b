"""champion, primary tables as of a moment -> predictions, kept in a log."""

from kedro.pipeline import Node, Pipeline

from preflight.pipelines.inference import nodes


def create_pipeline() -> Pipeline:
    """Return the pipeline from the champion to predictions."""
    return Pipeline(
        [
            Node(
                nodes.upcoming,
                {"framing": "params:framing", "inference": "params:inference"}
                | {name: name for name in sorted(nodes.FEATURES.inputs())},
                "upcoming",
                name="upcoming",
            ),
            Node(
                nodes.predictions,
                ["champion", "upcoming", "params:framing"],
                "predictions",
                name="predictions",
            ),
            Node(
                nodes.logged,
                ["upcoming", "predictions"],
                "prediction_log",
                name="prediction_log",
            ),
        ],
        namespace="inference",
        prefix_datasets_with_namespace=False,
    )
