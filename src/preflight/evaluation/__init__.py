"""Evaluate the candidate on the test set: predictions, metrics and the verdict."""

from preflight.evaluation.ledger import count_test_evaluation
from preflight.evaluation.metrics import (
    compute_calibration_curve,
    compute_importance,
    compute_metrics,
    compute_slices,
    compute_threshold_curve,
)
from preflight.evaluation.power import compute_power
from preflight.evaluation.predictions import predict_test, select_reference_rows
from preflight.evaluation.stability import compute_gain_by_period
from preflight.evaluation.verdict import decide_verdict

__all__ = [
    "compute_power",
    "predict_test",
    "count_test_evaluation",
    "compute_metrics",
    "compute_calibration_curve",
    "compute_threshold_curve",
    "compute_slices",
    "compute_importance",
    "select_reference_rows",
    "compute_gain_by_period",
    "decide_verdict",
]
