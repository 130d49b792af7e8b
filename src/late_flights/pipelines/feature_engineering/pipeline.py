"""primary tables -> features as of the moment of prediction -> train, validation, test."""

from functools import partial

from kedro.pipeline import Node, Pipeline

from preflight import features

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
group = partial(features.group, Flights, Features)  # `build_x` returns the features `x`


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
            group(nodes.build_schedule_features, "flights"),
            group(nodes.build_congestion_features, "flights"),
            group(nodes.build_weather_features, "flights", "weather", FRAMING),
            group(nodes.build_operations_features, "flights", FRAMING),
            group(nodes.build_history_features, "flights", FRAMING),
            group(nodes.build_aircraft_features, "flights", "aircraft", FRAMING),
            group(nodes.build_previous_leg_features, "flights", FRAMING),
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
                ["train", "validation", "test", "test_keys", "split_summary"],
                name="split_examples",
            ),
        ],
        namespace="feature_engineering",
        prefix_datasets_with_namespace=False,
    )
