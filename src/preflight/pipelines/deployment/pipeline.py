"""What one run judged -> champion. Not part of `kedro run`: it is a decision of its own."""

from kedro.pipeline import Node, Pipeline

from preflight import limits
from preflight.pipelines.deployment import nodes


def create_pipeline() -> Pipeline:
    """Return the pipeline from a verdict to the champion."""
    return Pipeline(
        [
            Node(
                nodes.as_judged, ["project", "judged_run", "what_if"], "as_judged", name="as_judged"
            ),
            Node(
                nodes.fresh_answers,
                ["project", "judged_run", "candidate"],
                "fresh_answers",
                name="fresh_answers",
            ),
            Node(
                limits.limits,
                ["candidate", "end_to_end", "params:framing"],
                "limits_now",
                name="limits_now",
            ),
            Node(
                nodes.clearance,
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
                name="clearance",
            ),
            Node(nodes.promotion, ["clearance", "judged_run"], "promotion", name="promotion"),
        ],
        namespace="deployment",
        prefix_datasets_with_namespace=False,
    )
