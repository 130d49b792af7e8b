"""features, prediction log, labels -> limits of inputs, and alarms on harm."""

from kedro.pipeline import Node, Pipeline

from preflight import monitoring

SETTINGS = ["params:framing", "params:monitoring"]


def create_pipeline() -> Pipeline:
    """Return the pipeline from the prediction log to the limits of inputs and the alarms."""
    return Pipeline(
        [
            Node(
                monitoring.compute_input_limits,
                ["features", "labels", "logged_days", *SETTINGS, "contracts"],
                "input_limits",
                name="compute_input_limits",
            ),
            Node(
                monitoring.join_decisions,
                ["logged_days", "labels", "champion", "challengers", *SETTINGS, "contracts"],
                ["labelled_decisions", "log_notes"],
                name="join_decisions",
            ),
            Node(
                monitoring.measure_evidence,
                ["labelled_decisions", "champion_test", *SETTINGS],
                "weekly_evidence",
                name="measure_evidence",
            ),
            Node(
                monitoring.raise_alarms,
                ["weekly_evidence", "log_notes", "champion", *SETTINGS],
                "alarms",
                name="raise_alarms",
            ),
        ],
        namespace="monitoring",
        prefix_datasets_with_namespace=False,
    )
