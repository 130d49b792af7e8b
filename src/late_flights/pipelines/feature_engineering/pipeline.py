"""primary tables -> features as of the moment of prediction -> train, validation, test."""

from kedro.pipeline import Node, Pipeline

from preflight import features
from preflight.features.point_in_time import Build

from late_flights.contracts.features import Features
from late_flights.contracts.primary import Flights
from late_flights.pipelines.feature_engineering import nodes

FRAMING = "params:framing"
GROUPS = [
    "schedule_features",
    "congestion_features",
    "weather_features",
    "operations_features",
    "history_features",
    "aircraft_features",
    "previous_leg_features",
]


def by_year(build: Build) -> Build:
    """Return the function of a group of features, for any number of years of flights."""
    return features.in_yearly_chunks(build, Flights, Features)


def create_pipeline() -> Pipeline:
    """Return the pipeline from the primary tables to the split examples."""
    return Pipeline(
        [
            Node(
                nodes.compute_prediction_times,
                ["flights", FRAMING],
                "predict_at",
                name="compute_prediction_times",
            ),
            Node(
                by_year(nodes.build_schedule_features),
                "flights",
                "schedule_features",
                name="build_schedule_features",
            ),
            Node(
                by_year(nodes.build_congestion_features),
                "flights",
                "congestion_features",
                name="build_congestion_features",
            ),
            Node(
                by_year(nodes.build_weather_features),
                ["flights", "weather", FRAMING],
                "weather_features",
                name="build_weather_features",
            ),
            Node(
                by_year(nodes.build_operations_features),
                ["flights", FRAMING],
                "operations_features",
                name="build_operations_features",
            ),
            Node(
                by_year(nodes.build_history_features),
                ["flights", FRAMING],
                "history_features",
                name="build_history_features",
            ),
            Node(
                by_year(nodes.build_aircraft_features),
                ["flights", "aircraft", FRAMING],
                "aircraft_features",
                name="build_aircraft_features",
            ),
            Node(
                by_year(nodes.build_previous_leg_features),
                ["flights", FRAMING],
                "previous_leg_features",
                name="build_previous_leg_features",
            ),
            Node(
                features.join_features,
                ["flights", "predict_at", "contracts", *GROUPS],
                "features",
                name="join_features",
            ),
            Node(nodes.compute_labels, ["flights", FRAMING], "labels", name="compute_labels"),
            Node(
                features.split_examples,
                ["features", "labels", FRAMING, "contracts"],
                ["train", "validation", "test", "split_summary"],
                name="split_examples",
            ),
        ],
        namespace="feature_engineering",
        prefix_datasets_with_namespace=False,
    )
