"""From a verdict to the champion."""

from preflight.deployment.gate import (
    check_unchanged,
    clear_candidate,
    predict_in_fresh_process,
    promote_candidate,
)

__all__ = [
    "check_unchanged",
    "predict_in_fresh_process",
    "clear_candidate",
    "promote_candidate",
]
