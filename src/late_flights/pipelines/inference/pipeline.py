"""champion, primary tables as of a moment -> predictions, kept in a log."""

from kedro.pipeline import Node, Pipeline

from preflight import inference

from late_flights.pipelines import feature_engineering

# what features are made from
GIVEN = feature_engineering.create_pipeline().to_outputs("features").inputs() - {"contracts"}


def create_pipeline() -> Pipeline:
    """Return the pipeline from the champion to predictions."""
    return Pipeline(
        [
            Node(
                inference.build_upcoming,
                {"framing": "params:framing", "inference": "params:inference"}
                | {name: name for name in ["contracts", "feature_graph", *sorted(GIVEN)]},
                "upcoming",
                name="build_upcoming",
            ),
            Node(
                inference.predict_upcoming,
                ["champion", "upcoming", "params:framing", "contracts"],
                "predictions",
                name="predict_upcoming",
            ),
            Node(
                inference.log_predictions,
                ["upcoming", "predictions", "contracts"],
                "prediction_log",
                name="log_predictions",
            ),
        ],
        namespace="inference",
        prefix_datasets_with_namespace=False,
    )
