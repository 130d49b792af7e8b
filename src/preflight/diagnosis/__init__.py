"""Diagnose the candidate: what brings the gain, where it fails, and what the data changed."""

from preflight.diagnosis.ablation import compute_ablation
from preflight.diagnosis.backtest import compute_backtest
from preflight.diagnosis.dependence import compute_partial_dependence
from preflight.diagnosis.drift import compute_drift
from preflight.diagnosis.label_review import find_label_issues
from preflight.diagnosis.learning_curve import compute_learning_curve
from preflight.diagnosis.robustness import measure_robustness
from preflight.diagnosis.segments import find_segments

__all__ = [
    "compute_ablation",
    "compute_backtest",
    "compute_learning_curve",
    "find_label_issues",
    "find_segments",
    "measure_robustness",
    "compute_partial_dependence",
    "compute_drift",
]
