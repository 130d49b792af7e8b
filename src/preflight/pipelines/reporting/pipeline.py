"""Results -> figures and the report."""

from kedro.pipeline import Node, Pipeline

from preflight.pipelines import there
from preflight.pipelines.reporting import nodes

FRAMING = "params:framing"
REPORTED = [
    "metrics",
    "selection",
    "best_params",
    "trials",
    "parameter_importance",
    "test_predictions",
    "calibration_curve",
    "cost_curve",
    "slices",
    "importance",
    "split_summary",
    "cleaning",
    "audit",
    "power",
    "candidate",
    "raw_manifest",
    "provenance",
]
DIAGNOSED = [
    "waterfall",
    "learning_curve",
    "more_labels",
    "segments",
    "segment_examples",
    "robustness",
    "suspicious_labels",
]
MODELS = ["metrics", "selection", FRAMING]
FIGURES = {
    "value": MODELS,
    "score": MODELS,
    "calibration": ["calibration_curve", FRAMING],
    "cost_curve": ["cost_curve", FRAMING],
    "slices": ["slices", FRAMING],
    "importance": ["importance", FRAMING],
    "search": ["trials", "best_params", FRAMING],
    "parameter_importance": ["parameter_importance"],
    "checklist": ["checklist"],
}
FIGURES_OF_DIAGNOSIS = {
    name: [name, FRAMING] for name in ("waterfall", "learning_curve", "segments", "robustness")
}


def create_pipeline() -> Pipeline:
    """Return the pipeline that shows what was measured; diagnosis may have been deleted."""
    diagnosed = there("diagnosis")
    shown = FIGURES | FIGURES_OF_DIAGNOSIS if diagnosed else FIGURES
    return Pipeline(
        [
            *(
                Node(getattr(nodes, f"{of}_figure"), read, f"{of}_figure", name=f"{of}_figure")
                for of, read in shown.items()
            ),
            Node(
                nodes.agreed_verdict,
                [
                    "verdict",
                    "metrics",
                    "test_predictions",
                    FRAMING,
                    *(["waterfall"] if diagnosed else []),
                ],
                "agreed_verdict",
                name="agreed_verdict",
            ),
            Node(
                nodes.reported,
                {name: name for name in REPORTED + (DIAGNOSED if diagnosed else [])}
                | {"verdict": "agreed_verdict", "framing": FRAMING, "about": "params:about"}
                | {"contracts": "contracts"},
                "reported",
                name="reported",
            ),
            Node(nodes.checklist, ["reported", "params:checklist"], "checklist", name="checklist"),
            Node(nodes.report, ["reported", "checklist"], "report", name="report"),
            Node(nodes.model_card, "reported", "model_card", name="model_card"),
            Node(nodes.datasheet, "reported", "datasheet", name="datasheet"),
        ],
        namespace="reporting",
        prefix_datasets_with_namespace=False,
    )
