"""The predictions of the champion."""

from preflight.inference.predict import build_upcoming, log_predictions, predict_upcoming

__all__ = [
    "build_upcoming",
    "predict_upcoming",
    "log_predictions",
]
