"""raw tables -> clean primary tables in UTC, and what cleaning did."""

from kedro.pipeline import Node, Pipeline

from late_flights.pipelines.data_engineering import nodes


def create_pipeline() -> Pipeline:
    """Return the pipeline from the raw tables to the primary ones."""
    return Pipeline(
        [Node(nodes.clean_parcels, "raw_parcels", ["parcels", "cleaning"], name="clean_parcels")],
        namespace="data_engineering",
        prefix_datasets_with_namespace=False,
    )
