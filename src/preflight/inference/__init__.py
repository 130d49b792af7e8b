"""The predictions of the champion, after a check of its inputs."""

from preflight.inference.input_check import check_inputs, require_inputs
from preflight.inference.keyed_features import key_upcoming
from preflight.inference.predict import build_upcoming, log_predictions, predict_upcoming

__all__ = [
    "check_inputs",
    "require_inputs",
    "build_upcoming",
    "key_upcoming",
    "predict_upcoming",
    "log_predictions",
]
