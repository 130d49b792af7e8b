"""Results -> figures, the report, the model card and the datasheet."""

from kedro.pipeline import Node, Pipeline

from preflight import reporting
from preflight.reporting import figure

FRAMING = "params:framing"
RESULTS = [
    "provenance",
    "contracts",
    "split_summary",
    "cleaning",
    "audit",
    "selection",
    "best_params",
    "trials",
    "parameter_importance",
    "candidate",
    "test_predictions",
    "metrics",
    "calibration_curve",
    "threshold_curve",
    "gain_by_period",
    "slices",
    "importance",
    "power",
    "verdict",
    "raw_manifest",
]
# Without the stage diagnosis this list is empty.
DIAGNOSIS: list[str] = [
    "ablation",
    "ablation_figure",
    "learning_curve",
    "learning_curve_figure",
    "more_labels",
    "backtest",
    "backtest_figure",
    "segments",
    "segments_figure",
    "segment_examples",
    "robustness",
    "robustness_figure",
    "label_issues",
    "partial_dependence",
    "partial_dependence_figure",
    "drift",
    "drift_figure",
]


def create_pipeline() -> Pipeline:
    """Return the pipeline that shows what was measured."""
    figures = [  # a figure of your own needs one more line: the report shows it
        figure(reporting.plot_value, "metrics", "selection", FRAMING),
        figure(reporting.plot_gain_by_period, "gain_by_period", "verdict", FRAMING),
        figure(reporting.plot_score, "metrics", "selection", FRAMING),
        figure(reporting.plot_ranking, "test_predictions", "selection", FRAMING),
        figure(reporting.plot_scores, "test_predictions", FRAMING),
        figure(reporting.plot_calibration, "calibration_curve", FRAMING),
        figure(reporting.plot_threshold_curve, "threshold_curve", FRAMING),
        figure(reporting.plot_slices, "slices", "selection", FRAMING),
        figure(reporting.plot_importance, "importance", FRAMING),
        figure(reporting.plot_search, "trials", "best_params", FRAMING),
        figure(reporting.plot_parameter_importance, "parameter_importance"),
    ]
    sections: list[Node] = []  # of your own: docs/reporting.md
    made = [name for node in [*figures, *sections] for name in node.outputs]
    shown = RESULTS + DIAGNOSIS + made
    inputs = {name: name for name in shown} | {"framing": FRAMING, "about": "params:about"}
    return Pipeline(
        [
            *figures,
            *sections,
            Node(reporting.collect_results, inputs, "reported", name="collect_results"),
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
