"""Results -> figures, the report, the model card and the datasheet."""

from collections.abc import Callable
from typing import Any

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


def figure(plot: Callable[..., Any], *inputs: str) -> Node:
    """Return the node of a figure: its dataset is `value_figure` if it is drawn by `plot_value`."""
    name = plot.__name__
    return Node(plot, [*inputs], f"{name.removeprefix('plot_')}_figure", name=name)


def create_pipeline() -> Pipeline:
    """Return the pipeline that shows what was measured."""
    return Pipeline(
        [
            figure(reporting.plot_value, *MODELS),
            figure(reporting.plot_score, *MODELS),
            figure(reporting.plot_calibration, "calibration_curve", FRAMING),
            figure(reporting.plot_cost_curve, "cost_curve", FRAMING),
            figure(reporting.plot_slices, "slices", FRAMING),
            figure(reporting.plot_importance, "importance", FRAMING),
            figure(reporting.plot_search, "trials", "best_params", FRAMING),
            figure(reporting.plot_parameter_importance, "parameter_importance"),
            figure(reporting.plot_checklist, "checklist"),
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
