"""After deployment: what the inputs of the champion have to keep to, and whether it does harm."""

from preflight.monitoring.alarms import raise_alarms
from preflight.monitoring.decisions import join_decisions
from preflight.monitoring.evidence import measure_evidence
from preflight.monitoring.input_limits import compute_input_limits
from preflight.monitoring.inputs import compare_inputs
from preflight.monitoring.production import replay_production
from preflight.monitoring.results import measure_champion, measure_weeks

__all__ = [
    "compute_input_limits",
    "join_decisions",
    "compare_inputs",
    "measure_weeks",
    "measure_champion",
    "measure_evidence",
    "raise_alarms",
    "replay_production",
]
