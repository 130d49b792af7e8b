"""Features that use the future: the feature pipeline replayed at moments of the past."""

import logging
from typing import Any

import pandas as pd
from kedro.pipeline import Pipeline

from preflight.audit.contracts import AuditParameters
from preflight.audit.findings import Finding, finding
from preflight.audit.missing_together import find_missing_together
from preflight.audit.moments import check_moments
from preflight.audit.replay import DECISION, Difference, Replay
from preflight.contracts.catalog import Contracts
from preflight.contracts.table import short
from preflight.features.point_in_time import reach

log = logging.getLogger(__name__)

FRAMING = "params:framing"  # if the feature pipeline reads it
MAX_REPORTED = 10  # features with a finding of their own

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
    **inputs: Any,
) -> pd.DataFrame:
    """Return findings of time leakage: features that need more than was known at the time.

    For each moment the tables are taken as of that moment, cut to the reach of the features and
    shuffled. The feature pipeline runs on them. Each feature of the decisions due by then has to
    equal the run's. Grain: one row per finding.

    inputs: what the feature pipeline reads, by name.
    """
    contract = contracts["features"]
    past = Replay(
        feature_graph, inputs, features, contract.grain(), reach(contract), contracts, audit.seed
    )
    findings = replay_findings(past, audit.moments)
    tables = past.tables()
    given = {name: inputs[name] for name in tables}
    findings += find_missing_together(given, tables)
    if FRAMING in inputs:
        findings += check_moments(features, contract.grain(), given, tables, inputs[FRAMING])
    for column, why, names in past.assumptions():
        evidence = f"{why}. Features that rest on it: {', '.join(sorted(names)) or 'none'}"
        findings.append(finding(f"assumption: {column}", evidence, state="assumed"))
    return pd.DataFrame(findings)


def replay_findings(past: Replay, number: int) -> list[Finding]:
    """Return a finding for each feature that differs, or one that says what was compared.

    number: of moments that are replayed.
    """
    moments = past.moments(number)
    differ: dict[str, Difference] = {}
    for moment in moments:
        differ = past.differences(moment, *past.changes().values()) | differ
    if DECISION in differ:  # then every feature differs with it
        differ = {DECISION: differ[DECISION]}
    if not differ:
        return [finding("replay", _describe_replay(past, moments), measured=0, limit=0)]
    log.info("  audit: %d features differ from the run's, looking for the cause", len(differ))
    first, others = [*differ.values()][:MAX_REPORTED], [*differ][MAX_REPORTED:]
    causes = {moment: past.causes(moment) for moment in {one.moment for one in first}}
    findings = [_report_difference(one, *causes[one.moment]) for one in first]
    if others:
        evidence = ", ".join(f"{name}: differs as well" for name in others)
        findings.append(finding("replay", evidence, state="failed"))
    return findings


def _describe_replay(past: Replay, moments: list[pd.Timestamp]) -> str:
    due = [past.due(past.features, moment)["predict_at"] for moment in moments]
    then = sum(int((at == moment).sum()) for at, moment in zip(due, moments, strict=True))
    return (
        f"at {len(moments)} moments from {moments[0]:%d %B %Y} to {moments[-1]:%d %B %Y} the "
        f"features of {then:,} decisions due then, and of {sum(map(len, due)) - then:,} due in the "
        "day before, were built again from what was known at the moment: they equal the run's"
    )


def _report_difference(
    one: Difference, checks: dict[str, set[str]], columns: dict[str, set[str]]
) -> Finding:
    """Return the finding of a feature, by what differs for each check and each hidden column."""
    failed = [check for check, features in checks.items() if one.feature in features]
    early = [column for column, features in columns.items() if one.feature in features]
    early_columns = ", ".join(early) or "several columns together"
    hints = "; ".join(LEAKAGE_HINT[check].format(columns=early_columns) for check in failed)
    return finding(
        f"{' and '.join(failed) or 'replay'}: {one.feature}",
        f"{hints}\n      decisions that differ: {one.decisions:,} at "
        f"{one.moment:%Y-%m-%d %H:%M} UTC, the first ({one.example}): {short(one.replayed)} as it "
        f"stood then, {short(one.in_the_run)} in the run",
        one.decisions,
        limit=0,
    )
