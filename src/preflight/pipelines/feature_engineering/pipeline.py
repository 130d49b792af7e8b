"""primary tables -> features as of the moment of prediction -> train, validation, test."""

from kedro.pipeline import Node, Pipeline

from preflight.contracts.features import Features
from preflight.contracts.primary import Flights
from preflight.pipelines.feature_engineering import examples, nodes
from preflight.point_in_time import Build, year_by_year

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
    return year_by_year(build, Flights, Features)


def create_pipeline() -> Pipeline:
    """Return the pipeline from the primary tables to the split examples."""
    return Pipeline(
        [
            Node(nodes.prediction_moments, ["flights", FRAMING], "predict_at", name="predict_at"),
            Node(
                by_year(nodes.schedule_features),
                "flights",
                "schedule_features",
                name="schedule_features",
            ),
            Node(
                by_year(nodes.congestion_features),
                "flights",
                "congestion_features",
                name="congestion_features",
            ),
            Node(
                by_year(nodes.weather_features),
                ["flights", "weather", FRAMING],
                "weather_features",
                name="weather_features",
            ),
            Node(
                by_year(nodes.operations_features),
                ["flights", FRAMING],
                "operations_features",
                name="operations_features",
            ),
            Node(
                by_year(nodes.history_features),
                ["flights", FRAMING],
                "history_features",
                name="history_features",
            ),
            Node(
                by_year(nodes.aircraft_features),
                ["flights", "aircraft", FRAMING],
                "aircraft_features",
                name="aircraft_features",
            ),
            Node(
                by_year(nodes.previous_leg_features),
                ["flights", FRAMING],
                "previous_leg_features",
                name="previous_leg_features",
            ),
            Node(
                examples.features,
                ["flights", "predict_at", "contracts", *GROUPS],
                "features",
                name="features",
            ),
            Node(nodes.labels, ["flights", FRAMING], "labels", name="labels"),
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
