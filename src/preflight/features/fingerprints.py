"""Fingerprints of the audited split: training and evaluation accept these rows and no others."""

from hashlib import sha256

import numpy as np
import pandas as pd

from preflight.contracts.catalog import Contracts
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


def hash_keys(examples: pd.DataFrame, contracts: Contracts) -> pd.DataFrame:
    """Return a hash of each decision's key, as `key_hash`. Grain and order: those of `examples`."""
    key = examples[contracts["features"].grain()]
    hashes = pd.util.hash_pandas_object(key, index=False).to_numpy()
    return pd.DataFrame({"key_hash": hashes.view("int64")})


def refuse_test_rows(
    development: pd.DataFrame, test_keys: pd.DataFrame, contracts: Contracts
) -> None:
    """Raise RunError if a decision of the test set is in development, whatever else is in its row.

    test_keys: of the test set, as `hash_keys` returns them.
    """
    hashes = hash_keys(development, contracts)["key_hash"]
    found = np.isin(hashes, test_keys["key_hash"])
    if found.any():
        key = development.loc[found, contracts["features"].grain()].iloc[0].items()
        first = ", ".join(f"{column} {value}" for column, value in key)
        raise RunError(
            f"{found.sum():,} rows of 'development' are decisions of the test set, the first: "
            f"{first}. They are not in 'train' and 'validation' as the audit has passed them: look "
            "at what the nodes after join_development add, and remove it."
        )
