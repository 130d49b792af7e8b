"""primary tables -> features as of the moment of prediction -> train, validation, test."""

from functools import partial

from kedro.pipeline import Node, Pipeline

from preflight import features

from bikes.contracts.features import Features
from bikes.contracts.primary import Hours
from bikes.pipelines.feature_engineering import nodes

FRAMING = "params:framing"
GROUPS = ["calendar_features", "history_features"]
group = partial(features.group, Hours, Features)  # `build_x` returns the features `x`


def create_pipeline() -> Pipeline:
    """Return the pipeline from the primary tables to the split examples."""
    return Pipeline(
        [
            Node(
                nodes.compute_prediction_times,
                ["hours", FRAMING],
                "predict_at",
                name="compute_prediction_times",
            ),
            group(nodes.build_calendar_features, "hours"),
            group(nodes.build_history_features, "hours", FRAMING),
            Node(
                features.join_features,
                ["hours", "predict_at", "contracts", *GROUPS],
                "features",
                name="join_features",
            ),
            Node(nodes.compute_labels, ["hours", FRAMING], "labels", name="compute_labels"),
            Node(
                features.split_examples,
                ["features", "labels", FRAMING, "contracts"],
                ["train", "validation", "test", "test_keys", "split_summary"],
                name="split_examples",
            ),
        ],
        namespace="feature_engineering",
        prefix_datasets_with_namespace=False,
    )
