"""The report, its figures, the model card and the datasheet."""

from preflight.reporting.checklist import score_checklist
from preflight.reporting.diagnosis_figures import (
    plot_ablation,
    plot_backtest,
    plot_learning_curve,
    plot_robustness,
    plot_segments,
)
from preflight.reporting.experiment_page import plot_effect, render_experiment_page
from preflight.reporting.figures import (
    figure,
    plot_calibration,
    plot_gain_by_period,
    plot_importance,
    plot_parameter_importance,
    plot_score,
    plot_search,
    plot_slices,
    plot_threshold_curve,
    plot_value,
    section,
)
from preflight.reporting.monitoring_figures import (
    plot_cumulative_gain,
    plot_discrimination,
    plot_harm,
    plot_inputs,
    plot_policies,
    plot_predictions,
    plot_weekly_saving,
)
from preflight.reporting.monitoring_page import render_monitoring_page
from preflight.reporting.performance_figures import (
    plot_drift,
    plot_partial_dependence,
    plot_ranking,
    plot_scores,
)
from preflight.reporting.report import (
    collect_results,
    render_datasheet,
    render_model_card,
    render_report,
)

__all__ = [
    "figure",
    "section",
    "plot_value",
    "plot_gain_by_period",
    "plot_score",
    "plot_ranking",
    "plot_scores",
    "plot_calibration",
    "plot_threshold_curve",
    "plot_slices",
    "plot_importance",
    "plot_search",
    "plot_parameter_importance",
    "plot_ablation",
    "plot_learning_curve",
    "plot_backtest",
    "plot_segments",
    "plot_robustness",
    "plot_partial_dependence",
    "plot_drift",
    "collect_results",
    "score_checklist",
    "render_report",
    "render_model_card",
    "render_datasheet",
    "plot_harm",
    "plot_discrimination",
    "plot_cumulative_gain",
    "plot_weekly_saving",
    "plot_predictions",
    "plot_inputs",
    "plot_policies",
    "render_monitoring_page",
    "plot_effect",
    "render_experiment_page",
]
