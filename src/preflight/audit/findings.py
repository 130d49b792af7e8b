"""Findings of the audit as rows, and the check that stops a run if one has failed."""

from typing import Any

import numpy as np
import pandas as pd

from preflight.contracts.catalog import Contract
from preflight.errors import RunError
from preflight.features.fingerprints import fingerprints

Finding = dict[str, Any]
REST_ON = "Features that rest on it: "  # in the evidence of an assumption, before their names


def finding(
    check: str,
    evidence: str,
    measured: float = np.nan,
    limit: float = np.nan,
    state: str | None = None,
) -> Finding:
    """Return one row of an audit; without a state, it has failed if measured is above the limit.

    With a limit, a statistic that is not defined (NaN) has failed too.
    """
    return {
        "check": check,
        "state": state or ("passed" if measured <= limit or np.isnan(limit) else "failed"),
        "measured": float(measured),
        "limit": float(limit),
        "evidence": evidence,
    }


def fingerprint_findings(
    parts: dict[str, pd.DataFrame], features: pd.DataFrame, contract: Contract
) -> list[Finding]:
    """Return whether the parts' rows are those of the features, and a fingerprint of each part."""
    columns = [*contract.grain(), "predict_at", *contract.names()]
    replayed = pd.util.hash_pandas_object(features[columns], index=False).to_numpy()
    findings = []
    for name, part in parts.items():
        rows = pd.util.hash_pandas_object(part[columns], index=False).to_numpy()
        other = int((~np.isin(rows, replayed)).sum())
        evidence = f"{other:,} rows of {name} differ from 'features', which were replayed"
        findings.append(finding(f"features of {name}", evidence, other, 0))
        findings += [finding(one["check"], one["evidence"]) for one in fingerprints(**{name: part})]
    return findings


def require_no_failures(*findings: pd.DataFrame) -> pd.DataFrame:
    """Return all findings as one table; raise RunError with those that failed, if any did."""
    together = pd.concat(findings, ignore_index=True)
    failed = together[together["state"] == "failed"]
    if failed.empty:
        return together
    lines = "  - " + failed["check"] + ": " + failed["evidence"]
    raise RunError("\n".join(["The audit stops the run:", *lines]))
