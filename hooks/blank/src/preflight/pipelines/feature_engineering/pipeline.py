"""primary tables -> features as of the moment of prediction -> train, validation, test."""

from kedro.pipeline import Node, Pipeline

from late_flights.contracts.features import Features
from late_flights.contracts.primary import Parcels
from late_flights.pipelines.feature_engineering import nodes
from preflight.features.split import join_features, split_examples
from preflight.features.point_in_time import Build, in_yearly_chunks

FRAMING = "params:framing"
GROUPS = ["order_features", "history_features"]


def by_year(build: Build) -> Build:
    """Return the function of a group of features, for any number of years of parcels."""
    return in_yearly_chunks(build, Parcels, Features)


def create_pipeline() -> Pipeline:
    """Return the pipeline from the primary tables to the split examples."""
    return Pipeline(
        [
            Node(nodes.compute_prediction_times, ["parcels", FRAMING], "predict_at", name="predict_at"),
            Node(by_year(nodes.order_features), "parcels", "order_features", name="order_features"),
            Node(
                by_year(nodes.build_history_features),
                ["parcels", FRAMING],
                "history_features",
                name="history_features",
            ),
            Node(
                join_features,
                ["parcels", "predict_at", "contracts", *GROUPS],
                "features",
                name="features",
            ),
            Node(nodes.compute_labels, ["parcels", FRAMING], "labels", name="labels"),
            Node(
                split_examples,
                ["features", "labels", FRAMING, "contracts"],
                ["train", "validation", "test", "split_summary"],
                name="split",
            ),
        ],
        namespace="feature_engineering",
        prefix_datasets_with_namespace=False,
    )
