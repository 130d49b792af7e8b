"""primary tables -> features as of the moment of prediction -> train, validation, test."""

from kedro.pipeline import Node, Pipeline

from preflight.contracts.primary import Flights
from preflight.pipelines.feature_engineering import examples, nodes
from preflight.pipelines.feature_engineering.nodes import LOOK_AHEAD, LOOK_BACK
from preflight.point_in_time import Build, year_by_year

GROUPS = {
    "schedule_features": ["flights"],
    "congestion_features": ["flights"],
    "weather_features": ["flights", "weather", "params:framing"],
    "operations_features": ["flights", "params:framing"],
    "history_features": ["flights", "params:framing"],
    "aircraft_features": ["flights", "aircraft", "params:framing"],
    "previous_leg_features": ["flights", "params:framing"],
}


def group(name: str) -> Build:
    """Return the function of a group of features, for any number of years of flights."""
    # A flight lies at most LOOK_AHEAD after its moment of prediction, from which it looks back.
    return year_by_year(getattr(nodes, name), Flights, LOOK_AHEAD + LOOK_BACK, LOOK_AHEAD)


def create_pipeline() -> Pipeline:
    """Return the pipeline from the primary tables to the split examples."""
    return Pipeline(
        [
            Node(
                nodes.prediction_moments,
                ["flights", "params:framing"],
                "predict_at",
                name="predict_at",
            ),
            *(Node(group(name), inputs, name, name=name) for name, inputs in GROUPS.items()),
            Node(
                examples.features, ["flights", "predict_at", *GROUPS], "features", name="features"
            ),
            Node(nodes.labels, ["flights", "params:framing"], "labels", name="labels"),
            Node(
                examples.split,
                ["features", "labels", "params:framing"],
                ["train", "validation", "test", "split_summary"],
                name="split",
            ),
        ],
        namespace="feature_engineering",
        prefix_datasets_with_namespace=False,
    )
