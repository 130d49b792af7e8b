"""From train and validation to a candidate."""

from preflight.modeling.calibration import select_on_validation
from preflight.modeling.preview import compute_preview
from preflight.modeling.resources import measure_limits
from preflight.modeling.search import search_parameters
from preflight.modeling.smoke_test import smoke_test_estimators
from preflight.modeling.training import (
    fit_baselines,
    fit_candidate,
    join_development,
    predict_validation,
)

__all__ = [
    "join_development",
    "smoke_test_estimators",
    "search_parameters",
    "predict_validation",
    "select_on_validation",
    "fit_candidate",
    "fit_baselines",
    "measure_limits",
    "compute_preview",
]
