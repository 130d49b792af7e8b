"""raw tables -> clean primary tables in UTC, and what cleaning did."""

from kedro.pipeline import Node, Pipeline

from late_flights.pipelines.data_engineering import nodes


def create_pipeline() -> Pipeline:
    """Return the pipeline from the raw tables to the primary ones."""
    return Pipeline(
        [
            Node(
                nodes.clean_airports,
                "raw_airports",
                ["airports", "airports_log"],
                name="clean_airports",
            ),
            Node(
                nodes.clean_aircraft,
                "raw_planes",
                ["aircraft", "aircraft_log"],
                name="clean_aircraft",
            ),
            Node(
                nodes.clean_weather, "raw_weather", ["weather", "weather_log"], name="clean_weather"
            ),
            Node(
                nodes.clean_flights,
                ["raw_flights", "airports"],
                ["flights", "flights_log"],
                name="clean_flights",
            ),
            Node(
                nodes.join_cleaning_logs,
                [
                    "airports_log",
                    "aircraft_log",
                    "weather_log",
                    "flights_log",
                    "flights",
                    "aircraft",
                    "raw_airlines",
                ],
                "cleaning",
                name="join_cleaning_logs",
            ),
        ],
        namespace="data_engineering",
        prefix_datasets_with_namespace=False,
    )
