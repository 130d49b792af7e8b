"""features, prediction log -> the limits that inference checks its inputs against."""

from kedro.pipeline import Node, Pipeline

from preflight import monitoring


def create_pipeline() -> Pipeline:
    """Return the pipeline from the prediction log to the limits of inputs."""
    return Pipeline(
        [
            Node(
                monitoring.compute_input_limits,
                ["features", "logged_days", "params:framing", "params:monitoring", "contracts"],
                "input_limits",
                name="compute_input_limits",
            ),
        ],
        namespace="monitoring",
        prefix_datasets_with_namespace=False,
    )
