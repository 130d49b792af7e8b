"""raw tables -> clean primary tables in UTC, and what cleaning did."""

from kedro.pipeline import Node, Pipeline

from kitchens.pipelines.data_engineering import nodes


def create_pipeline() -> Pipeline:
    """Return the pipeline from the raw tables to the primary ones."""
    return Pipeline(
        [
            Node(
                nodes.clean_inspections,
                "raw_inspections",
                ["inspections", "cleaning"],
                name="clean",
            )
        ],
        namespace="data_engineering",
        prefix_datasets_with_namespace=False,
    )
