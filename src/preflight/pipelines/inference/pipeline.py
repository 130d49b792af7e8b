"""champion, primary tables as of a moment -> predictions, kept in a log."""

from kedro.pipeline import Node, Pipeline

from preflight.pipelines import feature_engineering
from preflight.pipelines.inference import nodes

# what features are made from
GIVEN = feature_engineering.create_pipeline().to_outputs("features").inputs() - {"contracts"}


def create_pipeline() -> Pipeline:
    """Return the pipeline from the champion to predictions."""
    return Pipeline(
        [
            Node(
                nodes.upcoming,
                {"framing": "params:framing", "inference": "params:inference"}
                | {name: name for name in ["contracts", "feature_graph", *sorted(GIVEN)]},
                "upcoming",
                name="upcoming",
            ),
            Node(
                nodes.predictions,
                ["champion", "upcoming", "params:framing", "contracts"],
                "predictions",
                name="predictions",
            ),
            Node(
                nodes.logged,
                ["upcoming", "predictions", "contracts"],
                "prediction_log",
                name="prediction_log",
            ),
        ],
        namespace="inference",
        prefix_datasets_with_namespace=False,
    )
