"""After deployment: what the inputs of the champion have to keep to, and whether it does harm."""

from preflight.monitoring.alarms import measure_evidence, raise_alarms
from preflight.monitoring.decisions import join_decisions
from preflight.monitoring.input_limits import compute_input_limits

__all__ = ["compute_input_limits", "join_decisions", "measure_evidence", "raise_alarms"]
