"""primary tables -> features as of the moment of prediction -> train, validation, test."""

from kedro.pipeline import Node, Pipeline

from preflight.contracts.features import Features
from preflight.contracts.primary import Parcels
from preflight.pipelines.feature_engineering import examples, nodes
from preflight.point_in_time import Build, year_by_year

FRAMING = "params:framing"
GROUPS = ["order_features", "history_features"]


def by_year(build: Build) -> Build:
    """Return the function of a group of features, for any number of years of parcels."""
    return year_by_year(build, Parcels, Features)


def create_pipeline() -> Pipeline:
    """Return the pipeline from the primary tables to the split examples."""
    return Pipeline(
        [
            Node(nodes.prediction_moments, ["parcels", FRAMING], "predict_at", name="predict_at"),
            Node(by_year(nodes.order_features), "parcels", "order_features", name="order_features"),
            Node(
                by_year(nodes.history_features),
                ["parcels", FRAMING],
                "history_features",
                name="history_features",
            ),
            Node(
                examples.features,
                ["parcels", "predict_at", "contracts", *GROUPS],
                "features",
                name="features",
            ),
            Node(nodes.labels, ["parcels", FRAMING], "labels", name="labels"),
            Node(
                examples.split,
                ["features", "labels", FRAMING, "contracts"],
                ["train", "validation", "test", "split_summary"],
                name="split",
            ),
        ],
        namespace="feature_engineering",
        prefix_datasets_with_namespace=False,
    )
