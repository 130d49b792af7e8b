"""prediction log, labels, champion -> the design of an experiment in production."""

from kedro.pipeline import Node, Pipeline

from preflight import experiments


def create_pipeline() -> Pipeline:
    """Return the pipeline that designs an experiment; inference and the service then follow it."""
    return Pipeline(
        [
            Node(
                experiments.design_experiment,
                [
                    "logged_days",
                    "labels",
                    "champion",
                    "challengers",
                    "params:experiment_design",
                    "params:framing",
                    "contracts",
                    "experiments",
                ],
                "experiment_design",
                name="design_experiment",
            )
        ],
        namespace="experiment_design",
        prefix_datasets_with_namespace=False,
    )
