"""Features that use the future: the feature pipeline replayed at moments of the past."""

import logging
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
from kedro.pipeline import Pipeline

from preflight.audit.chosen_moments import choose_moments
from preflight.audit.contracts import AuditParameters
from preflight.audit.findings import REST_ON, Finding, finding
from preflight.audit.fresh_process import replay_in_fresh_process
from preflight.audit.missing_together import find_missing_together
from preflight.audit.moments import check_moments
from preflight.audit.opened_files import file_findings, watch_files
from preflight.audit.replay import DECISION, Difference, Replay
from preflight.contracts.catalog import Contracts
from preflight.contracts.table import short
from preflight.features.point_in_time import reach
from preflight.features.split import join_labels
from preflight.problem.framing import Framing

log = logging.getLogger(__name__)

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
    labels: pd.DataFrame,
    framing: Framing,
    audit: AuditParameters,
    contracts: Contracts,
    feature_graph: Pipeline,
    project: Path,
    **inputs: Any,
) -> pd.DataFrame:
    """Return findings of time leakage: features that need more than was known at the time.

    For each moment the tables are taken as of that moment, cut to the reach of the features and
    shuffled. The feature pipeline runs on them, at one moment in a process of its own. Each feature
    of the decisions due by then has to equal the run's. Grain: one row per finding.

    Args:
        labels: of the decisions; days with large sums of them are among the moments.
        project: its folder. No file of `data` in it may be opened where features are made.
        inputs: what the feature pipeline reads, by name.
    """
    contract, data = contracts["features"], project / "data"
    key = contract.grain()
    past = Replay(feature_graph, inputs, features, key, reach(contract), contracts, audit.seed)
    kept = {*key, "predict_at", *features.select_dtypes("category")}
    examples = join_labels(features[[name for name in features if name in kept]], labels, contracts)
    moments = choose_moments(examples, framing.split, audit.moments, audit.seed)
    with watch_files(data) as opened:
        findings = replay_findings(past, moments)
    fresh, opened_there = replay_in_fresh_process(past, [*moments][len(moments) // 2], data)
    findings += [*fresh, *file_findings("features", opened | opened_there)]
    tables = past.tables()
    given = {name: inputs[name] for name in tables}
    findings += find_missing_together(given, tables)
    findings += check_moments(features, key, given, tables, framing)
    for column, why, names in past.assumptions():
        evidence = f"{why}. {REST_ON}{', '.join(sorted(names)) or 'none'}"
        findings.append(finding(f"assumption: {column}", evidence, state="assumed"))
    return pd.DataFrame(findings)


def replay_findings(past: Replay, moments: dict[pd.Timestamp, str]) -> list[Finding]:
    """Return a finding for each feature that differs, or one that says what was compared.

    moments: that are replayed, in the order of time, and why each was chosen.
    """
    differ = first_differences(past, moments)
    if not differ:
        return [finding("replay", _describe_replay(past, moments), measured=0, limit=0)]
    many = "1 feature differs" if len(differ) == 1 else f"{len(differ)} features differ"
    log.info("  audit: %s from the run's, looking for the cause", many)
    first, others = [*differ.values()][:MAX_REPORTED], [*differ][MAX_REPORTED:]
    causes = {moment: past.causes(moment) for moment in {one.moment for one in first}}
    findings = [_report_difference(one, *causes[one.moment]) for one in first]
    if others:
        evidence = ", ".join(f"{name}: differs as well" for name in others)
        findings.append(finding("replay", evidence, state="failed"))
    return findings


def first_differences(past: Replay, moments: Iterable[pd.Timestamp]) -> dict[str, Difference]:
    """Return each feature that differs at any of the moments, by name, at the first of them."""
    differ: dict[str, Difference] = {}
    for moment in moments:
        differ = past.differences(moment, *past.changes().values()) | differ
    if DECISION in differ:  # then every feature differs with it
        return {DECISION: differ[DECISION]}
    return differ


def _describe_replay(past: Replay, moments: dict[pd.Timestamp, str]) -> str:
    first, *_, last = [*moments] * 2
    due = [past.due(past.features, moment)["predict_at"] for moment in moments]
    then = sum(int((at == moment).sum()) for at, moment in zip(due, moments, strict=True))
    kinds = ", ".join(f"{count} {why}" for why, count in Counter(moments.values()).items())
    return (
        f"at {len(moments)} moments from {first:%d %B %Y} to {last:%d %B %Y} ({kinds}) the "
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
        f"{one.moment:%Y-%m-%d %H:%M} UTC, the first ({one.example}): {short(one.replayed)} as of "
        f"that moment, {short(one.in_the_run)} in the run",
        one.decisions,
        limit=0,
    )
