"""candidate, baselines and test -> metrics with intervals, and the verdict."""

from kedro.pipeline import Node, Pipeline

from preflight import evaluation, modeling

FRAMING = "params:framing"
PARAMS = [FRAMING, "params:evaluation"]
TESTED = ["test_predictions", *PARAMS]
SLICED = ["test_predictions", "test", "selection", *PARAMS]
USED = ["test_predictions", "earlier_evaluations", "what_if", "run_version", FRAMING, "contracts"]
MODELS = ["candidate", "baselines"]
MEASURED = ["candidate", "test", FRAMING]
EVIDENCE = ["calibration_curve", "limits", "gain_by_period", "metrics", "test_usage", "what_if"]


def create_pipeline() -> Pipeline:
    """Return the pipeline that uses the test set."""
    return Pipeline(
        [
            Node(
                evaluation.compute_power,
                ["validation_predictions", "test", "baselines", "selection", *PARAMS],
                "power",
                name="compute_power",
            ),
            Node(
                evaluation.predict_test,
                [*MODELS, "test", "split_summary", "audit", FRAMING, "contracts", "champion"],
                "test_predictions",
                name="predict_test",
            ),
            Node(
                evaluation.count_test_evaluation,
                USED,
                ["test_evaluations", "test_usage"],
                name="count_test_evaluation",
            ),
            Node(evaluation.compute_metrics, TESTED, "metrics", name="compute_metrics"),
            Node(
                evaluation.compute_calibration_curve,
                TESTED,
                "calibration_curve",
                name="compute_calibration_curve",
            ),
            Node(
                evaluation.compute_threshold_curve,
                TESTED,
                "threshold_curve",
                name="compute_threshold_curve",
            ),
            Node(evaluation.compute_slices, SLICED, "slices", name="compute_slices"),
            Node(
                evaluation.compute_importance,
                ["candidate", "test", "params:evaluation", "contracts"],
                "importance",
                name="compute_importance",
            ),
            Node(
                evaluation.select_reference_rows,
                ["test", "test_predictions", *PARAMS, "contracts"],
                "reference_predictions",
                name="select_reference_rows",
            ),
            Node(
                evaluation.compute_gain_by_period,
                ["validation_predictions", "test_predictions", "baselines", FRAMING],
                "gain_by_period",
                name="compute_gain_by_period",
            ),
            Node(modeling.measure_limits, MEASURED, "limits", name="measure_limits"),
            Node(
                evaluation.decide_verdict,
                ["test_predictions", "test", "selection", *EVIDENCE, *PARAMS],
                "verdict",
                name="decide_verdict",
            ),
        ],
        namespace="evaluation",
        prefix_datasets_with_namespace=False,
    )
