"""What one run judged -> champion. Not part of `kedro run`: it is a decision of its own."""

from kedro.pipeline import Node, Pipeline

from preflight import deployment, modeling


def create_pipeline() -> Pipeline:
    """Return the pipeline from a verdict to the champion."""
    return Pipeline(
        [
            Node(
                deployment.check_unchanged,
                ["project", "judged_run", "what_if"],
                "as_judged",
                name="check_unchanged",
            ),
            Node(
                deployment.predict_in_fresh_process,
                ["project", "judged_run", "candidate"],
                "fresh_answers",
                name="predict_in_fresh_process",
            ),
            Node(
                modeling.measure_limits,
                ["candidate", "reference_predictions", "params:framing"],
                "limits_now",
                name="measure_limits",
            ),
            Node(
                deployment.clear_candidate,
                [
                    "as_judged",
                    "fresh_answers",
                    "limits_now",
                    "verdict",
                    "metrics",
                    "judged_run",
                    "service_limits",
                    "params:framing",
                    "params:deployment",
                ],
                "clearance",
                name="clear_candidate",
            ),
            Node(
                deployment.promote_candidate,
                ["clearance", "judged_run"],
                "promotion",
                name="promote_candidate",
            ),
        ],
        namespace="deployment",
        prefix_datasets_with_namespace=False,
    )
