"""champion, primary tables as of a moment, limits of inputs -> predictions, kept in a log.

The features of the decisions are kept too, to be looked up by key.
"""

from kedro.pipeline import Node, Pipeline

from preflight import inference

from late_flights.pipelines import feature_engineering

# what features are made from
GIVEN = feature_engineering.create_pipeline().to_outputs("features").inputs() - {"contracts"}


def create_pipeline() -> Pipeline:
    """Return the pipeline from the champion to predictions."""
    tables = {name: name for name in ["contracts", "feature_graph", *sorted(GIVEN)]}
    tables |= {"framing": "params:framing"}
    return Pipeline(
        [
            Node(
                inference.check_inputs,
                {"inference": "params:inference", "input_limits": "input_limits"} | tables,
                ["input_check", "latest_input_check"],
                name="check_inputs",
            ),
            Node(
                inference.require_inputs,
                ["params:inference", "input_check"],
                "admitted",
                name="require_inputs",
            ),
            Node(
                inference.build_upcoming,
                {"inference": "admitted", "cluster": "cluster"} | tables,
                "upcoming",
                name="build_upcoming",
            ),
            Node(
                inference.key_upcoming,
                ["upcoming", "params:framing", "run_version", "contracts"],
                "keyed_features",
                name="key_upcoming",
            ),
            Node(
                inference.predict_upcoming,
                [
                    "champion",
                    "upcoming",
                    "params:framing",
                    "contracts",
                    "experiments",
                    "challengers",
                ],
                "predictions",
                name="predict_upcoming",
            ),
            Node(
                inference.log_predictions,
                ["upcoming", "predictions", "params:framing", "contracts", "experiments"],
                "prediction_log",
                name="log_predictions",
            ),
        ],
        namespace="inference",
        prefix_datasets_with_namespace=False,
    )
