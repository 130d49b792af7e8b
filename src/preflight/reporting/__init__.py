"""The report, its figures, the model card and the datasheet."""

from preflight.reporting.plots import (
    figure,
    plot_calibration,
    plot_checklist,
    plot_cost_curve,
    plot_importance,
    plot_learning_curve,
    plot_parameter_importance,
    plot_robustness,
    plot_score,
    plot_search,
    plot_segments,
    plot_slices,
    plot_value,
    plot_waterfall,
)
from preflight.reporting.report import (
    collect_results,
    render_datasheet,
    render_model_card,
    render_report,
    score_checklist,
)

__all__ = [
    "figure",
    "plot_value",
    "plot_score",
    "plot_calibration",
    "plot_cost_curve",
    "plot_slices",
    "plot_importance",
    "plot_waterfall",
    "plot_learning_curve",
    "plot_segments",
    "plot_robustness",
    "plot_search",
    "plot_parameter_importance",
    "plot_checklist",
    "collect_results",
    "score_checklist",
    "render_report",
    "render_model_card",
    "render_datasheet",
]
