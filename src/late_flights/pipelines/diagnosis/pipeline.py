"""results -> what bought them, what more data would buy, where they fail and how they break."""

from kedro.pipeline import Node, Pipeline

from preflight import diagnosis, reporting

FRAMING, EVALUATION = "params:framing", "params:evaluation"
MODELING, DIAGNOSIS = "params:modeling", "params:diagnosis"


def create_pipeline() -> Pipeline:
    """Return the pipeline that explains what was decided; nothing of it flows back."""
    return Pipeline(
        [
            Node(
                diagnosis.compute_ablation,
                {
                    "train": "train",
                    "validation": "validation",
                    "test": "test",
                    "validation_predictions": "validation_predictions",
                    "test_predictions": "test_predictions",
                    "candidate": "candidate",
                    "best_params": "best_params",
                    "selection": "selection",
                    "framing": FRAMING,
                    "modeling": MODELING,
                    "evaluation": EVALUATION,
                    "diagnosis": DIAGNOSIS,
                    "contracts": "contracts",
                },
                "waterfall",
                name="compute_ablation",
            ),
            Node(
                diagnosis.compute_learning_curve,
                [
                    "train",
                    "validation",
                    "validation_predictions",
                    "best_params",
                    FRAMING,
                    MODELING,
                    EVALUATION,
                    DIAGNOSIS,
                    "contracts",
                ],
                ["learning_curve", "more_labels"],
                name="compute_learning_curve",
            ),
            Node(
                diagnosis.find_label_issues,
                ["validation_predictions", FRAMING, DIAGNOSIS, "contracts"],
                "suspicious_labels",
                name="find_label_issues",
            ),
            Node(
                diagnosis.find_segments,
                {
                    "validation": "validation",
                    "test": "test",
                    "validation_predictions": "validation_predictions",
                    "test_predictions": "test_predictions",
                    "candidate": "candidate",
                    "framing": FRAMING,
                    "evaluation": EVALUATION,
                    "diagnosis": DIAGNOSIS,
                    "contracts": "contracts",
                },
                ["segments", "segment_examples"],
                name="find_segments",
            ),
            Node(
                diagnosis.measure_robustness,
                [
                    "candidate",
                    "test",
                    "test_predictions",
                    FRAMING,
                    EVALUATION,
                    DIAGNOSIS,
                    "contracts",
                ],
                "robustness",
                name="measure_robustness",
            ),
            Node(
                reporting.plot_waterfall,
                ["waterfall", FRAMING],
                "waterfall_figure",
                name="plot_waterfall",
            ),
            Node(
                reporting.plot_learning_curve,
                ["learning_curve", FRAMING],
                "learning_curve_figure",
                name="plot_learning_curve",
            ),
            Node(
                reporting.plot_segments,
                ["segments", FRAMING],
                "segments_figure",
                name="plot_segments",
            ),
            Node(
                reporting.plot_robustness,
                ["robustness", FRAMING],
                "robustness_figure",
                name="plot_robustness",
            ),
        ],
        namespace="diagnosis",
        prefix_datasets_with_namespace=False,
    )
