"""Parts of the split that share decisions, rows or groups, or are not divided by time."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from preflight.audit.contracts import AuditParameters
from preflight.audit.findings import finding, fingerprint_findings
from preflight.audit.univariate import share_proved
from preflight.contracts.catalog import Contracts
from preflight.problem.framing import Framing

HOUR = pd.Timedelta(hours=1)


def check_split(
    train: pd.DataFrame,
    validation: pd.DataFrame,
    test: pd.DataFrame,
    features: pd.DataFrame,
    framing: Framing,
    audit: AuditParameters,
    contracts: Contracts,
) -> pd.DataFrame:
    """Return whether the parts share decisions, rows or groups, and whether time divides them.

    Text is compared without case and surrounding spaces. Grain: one row per finding.
    """
    parts, contract = [train, validation, test], contracts["features"]
    starts = [framing.split.validation_from, framing.split.test_from]
    embargo = pd.Timedelta(hours=framing.split.embargo_hours)
    late = sum(
        int((part["label_known_at"] + embargo > start).sum())
        for part, start in zip(parts, starts, strict=False)
    )
    disordered = sum(
        int((before["predict_at"] >= start).sum() + (after["predict_at"] < start).sum())
        for (before, after), start in zip(pairwise(parts), starts, strict=True)
    )
    counted = {
        "same decision": (_shared(parts, contract.grain()), "decisions are in two parts"),
        **{
            f"same {group}": (_shared(parts, [group]), f"rows have a {group} of a part before")
            for group in framing.split.groups
        },
        "labels in time": (late, "labels were open when the next part began"),
        "parts in order": (disordered, "rows lie on the wrong side of a boundary"),
    }
    later, same = len(validation) + len(test), _shared(parts, contract.names())
    alike = f"{same:,} of {later:,} rows of validation and test have all features as a row before"
    hours = max((part["label_known_at"] - part["predict_at"]).max() for part in parts) / HOUR
    last = f"the last label was known {hours:.1f} hours after its prediction"
    return pd.DataFrame(
        [
            *fingerprint_findings({"test": test}, features, contract),
            *(finding(check, f"{n:,} {what}", n, 0) for check, (n, what) in counted.items()),
            finding("same row", alike, share_proved(same, later), audit.duplicate_share),
            finding("labels known", last, hours, framing.prediction.label_known_hours),
        ]
    )


def _shared(parts: Sequence[pd.DataFrame], columns: list[str]) -> int:
    """Return the rows that have the same values in the columns as a row of an earlier part."""
    seen, shared = _row_hashes(parts[0][columns]), 0
    for part in parts[1:]:
        here = _row_hashes(part[columns])
        shared += int(np.isin(here, seen).sum())
        seen = np.concatenate([seen, here])
    return shared


def _row_hashes(table: pd.DataFrame) -> npt.NDArray[Any]:
    return pd.util.hash_pandas_object(table.apply(_normal), index=False).to_numpy()


def _normal(values: pd.Series) -> pd.Series:
    """Return text without case and surrounding spaces, all else as it is."""
    if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_datetime64_any_dtype(values):
        return values
    codes, distinct = pd.factorize(values)
    text = pd.Index(distinct).astype(str).str.strip().str.casefold()
    return pd.Series(text.append(pd.Index([" "])).take(codes), values.index)
