"""From a verdict to the champion."""

from preflight.deployment.gate import (
    check_unchanged,
    clear_candidate,
    predict_in_fresh_process,
    promote_candidate,
)
from preflight.deployment.refit import (
    clear_refit,
    fit_challenger,
    promote_refit,
    refit_baselines,
    try_refit,
)

__all__ = [
    "check_unchanged",
    "predict_in_fresh_process",
    "clear_candidate",
    "promote_candidate",
    "fit_challenger",
    "refit_baselines",
    "try_refit",
    "clear_refit",
    "promote_refit",
]
