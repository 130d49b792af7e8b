"""Features that know the future: the pipeline replayed at some moments of the past."""

import logging
from typing import Any

import pandas as pd
from kedro.pipeline import Pipeline

from preflight.audit.contracts import AuditParameters
from preflight.audit.findings import Finding, finding
from preflight.audit.replay import DECISION, Difference, Replay
from preflight.contracts.catalog import Contracts
from preflight.contracts.table import short
from preflight.features.point_in_time import reach

log = logging.getLogger(__name__)

MAX_REPORTED = 10  # features that are told one by one

LEAKAGE_HINT = {
    "known_at": "knows {columns} too early: use only what was known by predict_at",
    "look_back": "looks further back than `look_back` of Features: raise it, or look nearer",
    "look_ahead": "uses rows of later periods, as a statistic over a whole table does: take a "
    "trailing window, or raise look_ahead of Features if it is about what was published in advance",
    "row_order": "depends on the order of rows: sort by what was known, ties by the key",
}


def replay_features(
    features: pd.DataFrame,
    audit: AuditParameters,
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
    return pd.DataFrame([*replay_findings(past, audit.moments), *_assumptions(past)])


def replay_findings(past: Replay, moments: int) -> list[Finding]:
    """Return a finding for each feature that differs, or one that says what was compared."""
    chosen = past.moments(moments)
    found: dict[str, Difference] = {}
    for moment in chosen:
        found = past.differences(moment, *past.changes().values()) | found
    if DECISION in found:  # then every feature differs with it
        found = {DECISION: found[DECISION]}
    if found:
        log.info("  audit: %d features differ from the run's, looking for the cause", len(found))
        told = dict(list(found.items())[:MAX_REPORTED])
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
    faults = [LEAKAGE_HINT[check].format(columns=known_columns) for check in failed]
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
