"""Results -> figures, the report, the model card and the datasheet."""

from kedro.pipeline import Node, Pipeline

from preflight import reporting

FRAMING = "params:framing"
MODELS = ["metrics", "selection", FRAMING]
RESULTS = [
    "metrics",
    "verdict",
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
    "contracts",
]
# Without the stage diagnosis: DIAGNOSED = []
DIAGNOSED = [
    "waterfall",
    "learning_curve",
    "more_labels",
    "segments",
    "segment_examples",
    "robustness",
    "suspicious_labels",
]


def create_pipeline() -> Pipeline:
    """Return the pipeline that shows what was measured."""
    return Pipeline(
        [
            reporting.figure(reporting.plot_value, *MODELS),
            reporting.figure(reporting.plot_score, *MODELS),
            reporting.figure(reporting.plot_calibration, "calibration_curve", FRAMING),
            reporting.figure(reporting.plot_cost_curve, "cost_curve", FRAMING),
            reporting.figure(reporting.plot_slices, "slices", FRAMING),
            reporting.figure(reporting.plot_importance, "importance", FRAMING),
            reporting.figure(reporting.plot_search, "trials", "best_params", FRAMING),
            reporting.figure(reporting.plot_parameter_importance, "parameter_importance"),
            reporting.figure(reporting.plot_checklist, "checklist"),
            Node(
                reporting.collect_results,
                {name: name for name in RESULTS + DIAGNOSED}
                | {"framing": FRAMING, "about": "params:about"},
                "reported",
                name="collect_results",
            ),
            Node(
                reporting.score_checklist,
                ["reported", "params:checklist"],
                "checklist",
                name="score_checklist",
            ),
            Node(
                reporting.render_report, ["reported", "checklist"], "report", name="render_report"
            ),
            Node(reporting.render_model_card, "reported", "model_card", name="render_model_card"),
            Node(reporting.render_datasheet, "reported", "datasheet", name="render_datasheet"),
        ],
        namespace="reporting",
        prefix_datasets_with_namespace=False,
    )
