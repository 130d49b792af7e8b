"""The challenger and its trial -> champion. A refit of an unchanged recipe, not a new candidate."""

from kedro.pipeline import Node, Pipeline

from preflight import deployment, modeling


def create_pipeline() -> Pipeline:
    """Return the pipeline from a challenger to the champion."""
    return Pipeline(
        [
            Node(
                modeling.measure_limits,
                ["challenger", "reference_predictions", "params:framing"],
                "refit_limits",
                name="measure_limits",
            ),
            Node(
                deployment.clear_refit,
                [
                    "project",
                    "provenance",
                    "challenger",
                    "champion",
                    "refit_trial",
                    "refit_limits",
                    "what_if",
                    "params:framing",
                ],
                "refit_clearance",
                name="clear_refit",
            ),
            Node(
                deployment.promote_refit,
                ["project", "provenance", "refit_clearance"],
                "refit_promotion",
                name="promote_refit",
            ),
        ],
        namespace="refit",
        prefix_datasets_with_namespace=False,
    )
