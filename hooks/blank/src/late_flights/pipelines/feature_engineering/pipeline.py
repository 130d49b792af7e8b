"""primary tables -> features as of the moment of prediction -> train, validation, test."""

from functools import partial

from kedro.pipeline import Node, Pipeline

from preflight import features

from late_flights.contracts.features import Features
from late_flights.contracts.primary import Parcels
from late_flights.pipelines.feature_engineering import nodes

FRAMING = "params:framing"
GROUPS = ["order_features", "history_features"]
group = partial(features.group, Parcels, Features)  # `build_x` returns the features `x`


def create_pipeline() -> Pipeline:
    """Return the pipeline from the primary tables to the split examples."""
    return Pipeline(
        [
            Node(
                nodes.compute_prediction_times,
                ["parcels", FRAMING],
                "predict_at",
                name="compute_prediction_times",
            ),
            group(nodes.build_order_features, "parcels"),
            group(nodes.build_history_features, "parcels", FRAMING),
            Node(
                features.join_features,
                ["parcels", "predict_at", "contracts", *GROUPS],
                "features",
                name="join_features",
            ),
            Node(nodes.compute_labels, ["parcels", FRAMING], "labels", name="compute_labels"),
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
