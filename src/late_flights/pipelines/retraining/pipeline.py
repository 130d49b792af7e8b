"""champion, features, labels -> the challenger, and its trial. By the calendar."""

from kedro.pipeline import Node, Pipeline

from preflight import deployment

GIVEN = ["features", "labels", "champion", "params:framing", "params:retraining"]


def create_pipeline() -> Pipeline:
    """Return the pipeline from the champion to the challenger."""
    return Pipeline(
        [
            Node(
                deployment.try_refit,
                [*GIVEN, "params:evaluation", "contracts"],
                "refit_trial",
                name="try_refit",
            ),
            Node(
                deployment.fit_challenger,
                [*GIVEN, "contracts"],
                "challenger",
                name="fit_challenger",
            ),
            Node(
                deployment.refit_baselines,
                [
                    "features",
                    "labels",
                    "params:framing",
                    "params:modeling",
                    "params:retraining",
                    "contracts",
                ],
                "baseline_refit",
                name="refit_baselines",
            ),
        ],
        namespace="retraining",
        prefix_datasets_with_namespace=False,
    )
