"""Results -> figures and the report."""

from kedro.pipeline import Node, Pipeline

from preflight.pipelines.reporting import nodes

FRAMING = "params:framing"
REPORTED = [
    "metrics",
    "selection",
    "best_params",
    "trials",
    "test_predictions",
    "calibration_curve",
    "cost_curve",
    "slices",
    "importance",
    "split_summary",
    "cleaning",
    "audit",
    "power",
    "waterfall",
    "learning_curve",
    "more_labels",
    "segments",
    "segment_examples",
    "robustness",
    "suspicious_labels",
    "candidate",
    "raw_manifest",
    "provenance",
]
SHOWN = [
    "cost_curve",
    "slices",
    "importance",
    "waterfall",
    "learning_curve",
    "segments",
    "robustness",
]


def create_pipeline() -> Pipeline:
    """Return the pipeline that shows what was measured."""
    models = ["metrics", "selection", FRAMING]
    return Pipeline(
        [
            Node(nodes.value_figure, models, "value_figure", name="value_figure"),
            Node(nodes.auc_figure, models, "auc_figure", name="auc_figure"),
            Node(
                nodes.calibration_figure,
                ["calibration_curve", FRAMING],
                "calibration_figure",
                name="calibration_figure",
            ),
            *(
                Node(
                    getattr(nodes, f"{table}_figure"),
                    [table, FRAMING],
                    f"{table}_figure",
                    name=f"{table}_figure",
                )
                for table in SHOWN
            ),
            Node(
                nodes.agreed_verdict,
                ["verdict", "metrics", "test_predictions", "waterfall", FRAMING],
                "agreed_verdict",
                name="agreed_verdict",
            ),
            Node(
                nodes.reported,
                {name: name for name in REPORTED}
                | {"verdict": "agreed_verdict", "framing": FRAMING, "about": "params:about"},
                "reported",
                name="reported",
            ),
            Node(nodes.checklist, ["reported", "params:checklist"], "checklist", name="checklist"),
            Node(nodes.checklist_figure, "checklist", "checklist_figure", name="checklist_figure"),
            Node(nodes.report, ["reported", "checklist"], "report", name="report"),
            Node(nodes.model_card, "reported", "model_card", name="model_card"),
            Node(nodes.datasheet, "reported", "datasheet", name="datasheet"),
        ],
        namespace="reporting",
        prefix_datasets_with_namespace=False,
    )
