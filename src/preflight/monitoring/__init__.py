"""After deployment: what the inputs of the champion have to keep to."""

from preflight.monitoring.input_limits import compute_input_limits

__all__ = ["compute_input_limits"]
