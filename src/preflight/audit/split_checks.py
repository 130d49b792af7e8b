"""Leakage between the parts of the split: shared decisions, rows or groups, and time."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from preflight.audit.contracts import AuditParameters
from preflight.audit.findings import Finding, finding, fingerprint_findings
from preflight.audit.univariate import share_proved
from preflight.contracts.catalog import Contracts
from preflight.problem.framing import Framing

ALIKE_REMEDY = (
    "Look for copies of rows in the raw data. If different decisions may have the same features, "
    "raise audit.duplicate_share (conf/base/parameters/audit.yml)"
)
GROUP_REMEDY = (
    "rows have the {} of an earlier part. Where decisions have a clock, parts follow each other in "
    "time, and a group may come again: take it out of framing.split.groups, or, if the clock does "
    "not matter, set framing.split.clock to none"
)
HOUR = pd.Timedelta(hours=1)
LABELS_REMEDY = (
    "Let no node change labels after split_examples, and make both again: kedro run --pipelines "
    "feature_engineering"
)
NAMES = ("train", "validation", "test")


def check_split(
    train: pd.DataFrame,
    validation: pd.DataFrame,
    test: pd.DataFrame,
    features: pd.DataFrame,
    labels: pd.DataFrame,
    framing: Framing,
    audit: AuditParameters,
    contracts: Contracts,
) -> pd.DataFrame:
    """Return findings on the split: labels, shared decisions, rows or groups, and time.

    Text is compared without case and surrounding spaces. Grain: one row per finding.
    """
    parts, contract = [train, validation, test], contracts["features"]
    key = contract.grain()
    known = labels.loc[labels["label"].notna(), key]
    starts = framing.split.starts(known.merge(features[[*key, "predict_at"]], on=key)["predict_at"])
    embargo = pd.Timedelta(hours=framing.split.embargo_hours)
    late = sum(
        int((part["label_known_at"] + embargo > start).sum())
        for part, start in zip(parts, starts, strict=False)
    )
    misplaced = sum(
        int((starts.searchsorted(part["predict_at"], side="right") != number).sum())
        for number, part in enumerate(parts)
    )
    counts = {
        "same decision": (_count_shared(parts, key), "rows have the decision of an earlier part"),
        **{
            f"same {one}": (_count_shared(parts, [one]), GROUP_REMEDY.format(one))
            for one in framing.split.groups
        },
        "labels in time": (late, "labels were not known when the next part began"),
        "parts in order": (misplaced, "rows are on the wrong side of a split boundary"),
    }
    later, same = len(validation) + len(test), _count_shared(parts, contract.names())
    alike = f"{same:,} of {later:,} rows of validation and test equal an earlier row's features"
    if share_proved(same, later) > audit.duplicate_share:
        alike += f". {ALIKE_REMEDY}"
    hours = max((part["label_known_at"] - part["predict_at"]).max() for part in parts) / HOUR
    last = f"the last label was known {hours:.1f} hours after its prediction"
    return pd.DataFrame(
        [
            *fingerprint_findings({"test": test}, features, contract),
            *label_findings(dict(zip(NAMES, parts, strict=True)), labels, contract.grain()),
            *(finding(check, f"{n:,} {what}", n, 0) for check, (n, what) in counts.items()),
            finding("same row", alike, share_proved(same, later), audit.duplicate_share),
            finding("labels known", last, hours, framing.prediction.label_known_hours or np.nan),
        ]
    )


def label_findings(
    parts: dict[str, pd.DataFrame], labels: pd.DataFrame, key: list[str]
) -> list[Finding]:
    """Return whether each part has the labels, and their times, that `labels` has.

    Args:
        parts: by name.
        labels: of all decisions.
        key: that identifies a decision.
    """
    columns, known = [*key, "label", "label_known_at"], labels[labels["label"].notna()]
    findings = []
    for name, part in parts.items():
        declared = known[columns].astype({"label": part["label"].dtype})
        rows, as_declared = (
            pd.util.hash_pandas_object(table, index=False).to_numpy()
            for table in (part[columns], declared)
        )
        other = ~np.isin(rows, as_declared)
        evidence = f"{other.sum():,} rows of {name} have another label or time than in 'labels'"
        if other.any():
            first = part.loc[other, columns].iloc[0].items()
            shown = ", ".join(f"{column} {value}" for column, value in first)
            evidence += f", the first: {shown}. {LABELS_REMEDY}"
        findings.append(finding(f"labels of {name}", evidence, other.sum(), 0))
    return findings


def _count_shared(parts: Sequence[pd.DataFrame], columns: list[str]) -> int:
    """Return how many rows have the same values in the columns as a row of an earlier part."""
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
