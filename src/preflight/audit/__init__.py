"""Leakage: what no score shows."""

from preflight.audit.findings import require_no_failures
from preflight.audit.replay_audit import replay_features
from preflight.audit.replay_cleaning import replay_cleaning
from preflight.audit.split_checks import check_split
from preflight.audit.table_checks import check_tables
from preflight.audit.target_leakage import check_target_leakage

__all__ = [
    "replay_features",
    "replay_cleaning",
    "check_tables",
    "check_target_leakage",
    "require_no_failures",
    "check_split",
]
