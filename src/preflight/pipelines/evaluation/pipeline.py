"""candidate, baselines and test -> figures with intervals, and the verdict."""

from kedro.pipeline import Node, Pipeline

from preflight import limits
from preflight.pipelines.evaluation import nodes

PARAMS = ["params:framing", "params:evaluation"]


def create_pipeline() -> Pipeline:
    """Return the pipeline that opens the test set."""
    return Pipeline(
        [
            Node(
                nodes.power,
                [
                    "validation_predictions",
                    "baselines",
                    "selection",
                    "split_summary",
                    "params:framing",
                ],
                "power",
                name="power",
            ),
            Node(
                nodes.test_predictions,
                [
                    "candidate",
                    "baselines",
                    "test",
                    "audit",
                    "params:framing",
                    "contracts",
                    "champion",
                ],
                "test_predictions",
                name="test_predictions",
            ),
            Node(nodes.metrics, ["test_predictions", *PARAMS], "metrics", name="metrics"),
            Node(
                nodes.calibration_curve,
                ["test_predictions", *PARAMS],
                "calibration_curve",
                name="calibration_curve",
            ),
            Node(nodes.cost_curve, ["test_predictions", *PARAMS], "cost_curve", name="cost_curve"),
            Node(nodes.slices, ["test_predictions", "test", *PARAMS], "slices", name="slices"),
            Node(
                nodes.importance,
                ["candidate", "test", "params:evaluation", "contracts"],
                "importance",
                name="importance",
            ),
            Node(
                nodes.end_to_end,
                ["test", "test_predictions", *PARAMS, "contracts"],
                "end_to_end",
                name="end_to_end",
            ),
            Node(limits.limits, ["candidate", "test", "params:framing"], "limits", name="limits"),
            Node(
                nodes.verdict,
                [
                    "test_predictions",
                    "test",
                    "selection",
                    "calibration_curve",
                    "limits",
                    "earlier_verdicts",
                    "what_if",
                    *PARAMS,
                ],
                "verdict",
                name="verdict",
            ),
        ],
        namespace="evaluation",
        prefix_datasets_with_namespace=False,
    )
