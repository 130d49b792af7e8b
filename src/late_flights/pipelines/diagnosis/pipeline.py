"""results -> what bought them, when they held, where they fail, what more data would buy."""

from kedro.pipeline import Node, Pipeline

from preflight import diagnosis, reporting

FRAMING, DIAGNOSIS = "params:framing", "params:diagnosis"
RESULTS = ["validation", "test", "validation_predictions", "test_predictions", "candidate"]
PARTS = ["train", "validation", "test"]
SETTINGS = [FRAMING, "params:modeling", "params:evaluation", DIAGNOSIS, "contracts"]
TO_MEASURE = [FRAMING, "params:evaluation", DIAGNOSIS, "contracts"]


def create_pipeline() -> Pipeline:
    """Return the pipeline that explains what was decided; nothing of it flows back."""
    return Pipeline(
        [
            Node(
                diagnosis.compute_ablation,
                ["train", *RESULTS, "best_params", "selection", *SETTINGS],
                "ablation",
                name="compute_ablation",
            ),
            Node(
                diagnosis.compute_learning_curve,
                ["train", "validation", "validation_predictions", "best_params", *SETTINGS],
                ["learning_curve", "more_labels"],
                name="compute_learning_curve",
            ),
            Node(
                diagnosis.compute_backtest,
                [*PARTS, "test_predictions", "best_params", "selection", *SETTINGS],
                "backtest",
                name="compute_backtest",
            ),
            Node(
                diagnosis.find_label_issues,
                ["validation_predictions", FRAMING, DIAGNOSIS, "contracts"],
                "label_issues",
                name="find_label_issues",
            ),
            Node(
                diagnosis.find_segments,
                [*RESULTS, *TO_MEASURE],
                ["segments", "segment_examples"],
                name="find_segments",
            ),
            Node(
                diagnosis.measure_robustness,
                ["candidate", "test", "test_predictions", *TO_MEASURE],
                "robustness",
                name="measure_robustness",
            ),
            Node(
                diagnosis.compute_partial_dependence,
                ["candidate", "test", "importance", DIAGNOSIS],
                "partial_dependence",
                name="compute_partial_dependence",
            ),
            Node(
                diagnosis.compute_drift,
                ["train", "test", "contracts"],
                "drift",
                name="compute_drift",
            ),
            reporting.figure(reporting.plot_ablation, "ablation", FRAMING),
            reporting.figure(reporting.plot_learning_curve, "learning_curve", FRAMING),
            reporting.figure(reporting.plot_backtest, "backtest", FRAMING),
            reporting.figure(reporting.plot_segments, "segments", FRAMING),
            reporting.figure(reporting.plot_robustness, "robustness", FRAMING),
            reporting.figure(reporting.plot_partial_dependence, "partial_dependence", FRAMING),
            reporting.figure(reporting.plot_drift, "drift"),
        ],
        namespace="diagnosis",
        prefix_datasets_with_namespace=False,
    )
