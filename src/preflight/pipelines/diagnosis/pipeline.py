"""results -> what bought them, what more data would buy, where they fail and how they break."""

from kedro.pipeline import Node, Pipeline

from preflight.pipelines.diagnosis import failures, nodes

FRAMING, EVALUATION = "params:framing", "params:evaluation"
MODELING, DIAGNOSIS = "params:modeling", "params:diagnosis"


def create_pipeline() -> Pipeline:
    """Return the pipeline that explains what was decided; nothing of it flows back."""
    return Pipeline(
        [
            Node(
                nodes.waterfall,
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
                name="waterfall",
            ),
            Node(
                nodes.learning_curve,
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
                name="learning_curve",
            ),
            Node(
                nodes.suspicious_labels,
                ["validation_predictions", FRAMING, DIAGNOSIS, "contracts"],
                "suspicious_labels",
                name="suspicious_labels",
            ),
            Node(
                failures.segments,
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
                name="segments",
            ),
            Node(
                failures.robustness,
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
                name="robustness",
            ),
        ],
        namespace="diagnosis",
        prefix_datasets_with_namespace=False,
    )
