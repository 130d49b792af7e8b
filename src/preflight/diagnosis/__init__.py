"""Diagnose the candidate: ablation, learning curve, label issues, segments, robustness."""

from preflight.diagnosis.ablation import compute_ablation
from preflight.diagnosis.label_review import find_label_issues
from preflight.diagnosis.learning_curve import compute_learning_curve
from preflight.diagnosis.robustness import measure_robustness
from preflight.diagnosis.segments import find_segments

__all__ = [
    "compute_ablation",
    "compute_learning_curve",
    "find_label_issues",
    "find_segments",
    "measure_robustness",
]
