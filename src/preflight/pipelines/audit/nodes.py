"""What no score shows: knowledge of the future, features that are the label, parts that overlap.

Each check gives findings, one row each. A failed one stops the run: nothing is fitted before
`feature_audit` has passed, and test is not opened before `audit` has.
"""

import logging
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from kedro.pipeline import Pipeline

from preflight.contracts.catalog import Contracts
from preflight.contracts.table import short
from preflight.errors import RunError
from preflight.framing import Framing
from preflight.pipelines.audit.findings import Finding, audited, finding
from preflight.pipelines.audit.replay import DECISION, Difference, Replay
from preflight.pipelines.audit.settings import Audit
from preflight.pipelines.audit.telling import share_proved
from preflight.point_in_time import reach

log = logging.getLogger(__name__)

MOST = 10  # features that are told one by one

HOUR = pd.Timedelta(hours=1)

FAULT = {
    "known_at": "knows {columns} too early: use only what was known by predict_at",
    "look_back": "looks further back than look_back of the class Features: raise it, or look nearer",
    "look_ahead": "uses rows of later periods, as a statistic over a whole table does: take a "
    "trailing window, or raise look_ahead of Features if it is about what was published in advance",
    "row_order": "depends on the order of rows: sort by what was known, ties by the key",
}


def replay_audit(
    features: pd.DataFrame,
    audit: Audit,
    contracts: Contracts,
    feature_graph: Pipeline,
    **given: Any,
) -> pd.DataFrame:
    """Return whether the features can be built from what was known at the time, at some moments.

    For each moment the tables are taken as they stood, cut to the reach of the features and
    shuffled; feature_engineering is run on them; each feature of the decisions due by then has to
    be what the run made of it. Grain: one row per finding.

    given: what feature_engineering reads, by name.
    """
    contract = contracts["features"]
    past = Replay(
        feature_graph, given, features, contract.grain(), reach(contract), contracts, audit.seed
    )
    return pd.DataFrame([*replayed(past, audit.moments), *_assumptions(past)])


def replayed(past: Replay, moments: int) -> list[Finding]:
    """Return a finding for each feature that differs, or one that says what was compared."""
    chosen = past.moments(moments)
    found: dict[str, Difference] = {}
    for moment in chosen:
        found = past.differences(moment, *past.changes().values()) | found
    if DECISION in found:  # then every feature differs with it
        found = {DECISION: found[DECISION]}
    if found:
        log.info("  audit: %d features differ from the run's, looking for the cause", len(found))
        told = dict(list(found.items())[:MOST])
        causes = {moment: past.causes(moment) for moment in {one.moment for one in told.values()}}
        findings = [_difference(one, *causes[one.moment]) for one in told.values()]
        if rest := [f"{name}: differs as well" for name in found if name not in told]:
            findings.append(finding("replay", ", ".join(rest), state="failed"))
        return findings
    due = [past.due(past.features, moment)["predict_at"] for moment in chosen]
    exactly = sum(int((at == moment).sum()) for at, moment in zip(due, chosen, strict=True))
    return [
        finding(
            "replay",
            f"at {len(chosen)} moments from {chosen[0]:%d %B %Y} to {chosen[-1]:%d %B %Y} the "
            f"features of {exactly:,} decisions due then, and of {sum(map(len, due)) - exactly:,} "
            "due in the day before, were built again from what was known at the moment, and are "
            "what the run made of them",
            measured=0,
            limit=0,
        )
    ]


def _difference(
    one: Difference, checks: dict[str, set[str]], columns: dict[str, set[str]]
) -> Finding:
    failed = [check for check, features in checks.items() if one.feature in features]
    known = [column for column, features in columns.items() if one.feature in features]
    known_columns = ", ".join(known) or "several columns together"
    faults = [FAULT[check].format(columns=known_columns) for check in failed]
    return finding(
        f"{' and '.join(failed) or 'replay'}: {one.feature}",
        f"{'; '.join(faults)}\n      decisions that differ: {one.decisions:,} at "
        f"{one.moment:%Y-%m-%d %H:%M} UTC, the first ({one.example}): {short(one.replayed)} as it "
        f"stood then, {short(one.in_the_run)} in the run",
        one.decisions,
        limit=0,
    )


def _assumptions(past: Replay) -> list[Finding]:
    """Return what contracts take for known without proof, and the features that rest on it."""
    return [
        finding(
            f"assumption: {table}.{column}",
            f"{why}. Features that rest on it: {', '.join(sorted(past.resting_on(table, column)))}",
            state="assumed",
        )
        for (table, column), why in past.assumptions().items()
    ]


def split_audit(
    train: pd.DataFrame,
    validation: pd.DataFrame,
    test: pd.DataFrame,
    features: pd.DataFrame,
    framing: Framing,
    audit: Audit,
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
            *audited({"test": test}, features, contract),
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


def passed(*findings: pd.DataFrame) -> pd.DataFrame:
    """Return all findings as one table; raise RunError with those that failed, if any did."""
    together = pd.concat(findings, ignore_index=True)
    failed = together[together["state"] == "failed"]
    if failed.empty:
        return together
    said = failed["check"] + ": " + failed["evidence"]
    raise RunError("\n".join(["The audit stops the run:", *("  - " + said)]))
