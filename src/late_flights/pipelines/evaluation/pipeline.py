"""candidate, baselines and test -> figures with intervals, and the verdict."""

from kedro.pipeline import Node, Pipeline

from preflight import evaluation, modeling

PARAMS = ["params:framing", "params:evaluation"]


def create_pipeline() -> Pipeline:
    """Return the pipeline that opens the test set."""
    return Pipeline(
        [
            Node(
                evaluation.compute_power,
                [
                    "validation_predictions",
                    "baselines",
                    "selection",
                    "split_summary",
                    "params:framing",
                ],
                "power",
                name="compute_power",
            ),
            Node(
                evaluation.predict_test,
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
                name="predict_test",
            ),
            Node(
                evaluation.compute_metrics,
                ["test_predictions", *PARAMS],
                "metrics",
                name="compute_metrics",
            ),
            Node(
                evaluation.compute_calibration_curve,
                ["test_predictions", *PARAMS],
                "calibration_curve",
                name="compute_calibration_curve",
            ),
            Node(
                evaluation.compute_cost_curve,
                ["test_predictions", *PARAMS],
                "cost_curve",
                name="compute_cost_curve",
            ),
            Node(
                evaluation.compute_slices,
                ["test_predictions", "test", *PARAMS],
                "slices",
                name="compute_slices",
            ),
            Node(
                evaluation.compute_importance,
                ["candidate", "test", "params:evaluation", "contracts"],
                "importance",
                name="compute_importance",
            ),
            Node(
                evaluation.select_reference_rows,
                ["test", "test_predictions", *PARAMS, "contracts"],
                "end_to_end",
                name="select_reference_rows",
            ),
            Node(
                modeling.measure_limits,
                ["candidate", "test", "params:framing"],
                "limits",
                name="measure_limits",
            ),
            Node(
                evaluation.decide_verdict,
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
                name="decide_verdict",
            ),
        ],
        namespace="evaluation",
        prefix_datasets_with_namespace=False,
    )
