"""Fingerprints that tie training and evaluation to the audited split."""

from hashlib import sha256

import pandas as pd

from preflight.errors import RunError

AUDITED = "audited"


def fingerprint(table: pd.DataFrame) -> str:
    """Return 16 characters that change with any value of a table, or the order of its rows."""
    rows = pd.util.hash_pandas_object(table, index=False).to_numpy()
    return sha256(rows.tobytes()).hexdigest()[:16]


def fingerprints(**parts: pd.DataFrame) -> list[dict[str, str]]:
    """Return the rows of an audit with the fingerprint of each part, by its name."""
    return [
        {"check": f"{AUDITED} {name}", "evidence": fingerprint(part)}
        for name, part in parts.items()
    ]


def require_fingerprints(audit: pd.DataFrame, **parts: pd.DataFrame) -> None:
    """Raise RunError if a part, by its name, is not the audited one."""
    audited = audit.set_index("check")["evidence"]
    for one, name in zip(fingerprints(**parts), parts, strict=True):
        if audited.get(one["check"]) != one["evidence"]:
            raise RunError(
                f"'{name}' is not the one that the audit has passed: it was made again since, or "
                "its audit has failed. Run the audit and all later stages again: kedro run."
            )
