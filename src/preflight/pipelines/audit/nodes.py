"""What no score shows: knowledge of the future, features that are the label, parts that overlap.

Each check gives findings, one row each. A failed one stops the run: nothing is fitted before
`feature_audit` has passed, and test is not opened before `audit` has.
"""

import logging
from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from preflight.audited import seal
from preflight.contracts import Features
from preflight.contracts.table import short
from preflight.errors import RunError
from preflight.framing import Framing
from preflight.pipelines.audit.replay import DECISION, Difference, Replay
from preflight.pipelines.audit.settings import Audit
from preflight.pipelines.audit.telling import cells, odds_ratios, roc_auc, sums_and_differences
from preflight.pipelines.feature_engineering.nodes import LOOK_AHEAD, LOOK_BACK
from preflight.pipelines.feature_engineering.pipeline import create_pipeline

log = logging.getLogger(__name__)

Finding = dict[str, Any]

MOST = 10  # features that are told one by one

FEATURES = create_pipeline().to_outputs("features")  # what is replayed

HOUR = pd.Timedelta(hours=1)

FAULT = {
    "known_at": "knows {columns} too early: use only what was known by predict_at",
    "look_back": "looks further back than LOOK_BACK: raise it, beside the windows, or look nearer",
    "look_ahead": "uses rows of later periods, as a statistic over a whole table does: take a "
    "trailing window, or raise LOOK_AHEAD if it is about what was published in advance",
    "row_order": "depends on the order of rows: sort by what was known, ties by the key",
}
GIVES_AWAY = (
    "Is it the outcome under another name? If it may tell so much, say why in audit.allowed "
    "(conf/base/parameters/audit.yml)."
)


def _finding(
    check: str,
    evidence: str,
    measured: float = np.nan,
    limit: float = np.nan,
    state: str | None = None,
) -> Finding:
    """Return one row of an audit; without a state, what is above its limit has failed."""
    return {
        "check": check,
        "state": state or ("failed" if measured > limit else "passed"),
        "measured": float(measured),
        "limit": float(limit),
        "evidence": evidence,
    }


def replay_audit(features: pd.DataFrame, audit: Audit, **given: Any) -> pd.DataFrame:
    """Return whether the features can be built from what was known at the time, at some moments.

    For each moment the tables are taken as they stood, cut to the reach of the features and
    shuffled; feature_engineering is run on them; each feature of the decisions due by then has to
    be what the run made of it. Grain: one row per finding.

    given: what feature_engineering reads, by name.
    """
    reach = (LOOK_BACK, LOOK_AHEAD)
    past = Replay(FEATURES, given, features, Features.grain(), reach, audit.seed)
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
            findings.append(_finding("replay", ", ".join(rest), state="failed"))
        return findings
    due = [past.due(past.features, moment)["predict_at"] for moment in chosen]
    exactly = sum(int((at == moment).sum()) for at, moment in zip(due, chosen, strict=True))
    return [
        _finding(
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
    return _finding(
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
        _finding(
            f"assumption: {column}",
            f"{why}. Features that rest on it: {', '.join(sorted(past.resting_on(column)))}",
            state="assumed",
        )
        for column, why in past.assumptions().items()
    ]


def target_audit(
    train: pd.DataFrame, validation: pd.DataFrame, features: pd.DataFrame, audit: Audit
) -> pd.DataFrame:
    """Return whether a feature, a value of one, or a pair of features gives the label away.

    And whether the examples are the features that were replayed. Grain: one row per finding.
    A feature that may tell so much is named, with the reason, in `audit.allowed`, and left out of
    the other checks.

    Raises:
        RunError: a feature is allowed that does not exist.
    """
    if unknown := set(audit.allowed) - set(Features.names()):
        raise RunError(f"audit.allowed names {sorted(unknown)}, which are no features.")
    names = [name for name in Features.names() if name not in audit.allowed]
    label = _halved(train["label"])
    meant = "label 1" if train["label"].nunique() == 2 else "a label above the median"
    values = {name: cells(train[name], 64) for name in names}
    sample = train.sample(min(audit.pair_rows, len(train)), random_state=audit.seed)
    known = _halved(sample["label"])
    coarse = {name: cells(sample[name], 12, together=2) for name in names}
    pairs = {
        f"{one} with {other}": roc_auc(coarse[one] * 1000 + coarse[other], known)
        for one, other in combinations(names, 2)
    }
    alone = {name: roc_auc(cell, label) for name, cell in values.items()}
    odds = dict(_surest(train[name], cell, label, meant) for name, cell in values.items())
    sums = sums_and_differences(sample[names].select_dtypes(exclude="category"), known)
    auc, times = "ROC AUC on train", "times the odds of the label"
    return pd.DataFrame(
        [
            *(_finding(f"allowed: {n}", why, state="allowed") for n, why in audit.allowed.items()),
            *_audited({"train": train, "validation": validation}, features),
            *_most("one feature", alone, audit.single_auc, auc),
            *_most("one value", odds, audit.odds_ratio, times),
            *_most("two features", pairs, audit.pair_auc, auc),
            *_most("sum or difference", sums, audit.pair_auc, auc),
        ]
    )


def _halved(label: pd.Series) -> Any:
    """Return labels of 0 and 1 as they are; of amounts, 1 where they are above their median."""
    return (label > label.median() if label.nunique() > 2 else label).to_numpy(np.int8)


def _surest(values: pd.Series, cell: Any, label: Any, meant: str) -> tuple[str, float]:
    """Return the cell that changes the odds of the label most, in words, and by how much."""
    ratios = odds_ratios(cell, label)
    here = cell == ratios.argmax()
    inside = values[here].dropna()
    if inside.empty:
        what = "missing"
    elif pd.api.types.is_numeric_dtype(values):
        low, high = short(inside.min()), short(inside.max())
        what = low if low == high else f"{low} to {high}"
    else:
        what = str(inside.mode()[0])
    share = label[here].mean()
    told = f"{values.name} {what} ({here.sum():,} rows, {share:.1%} with {meant})"
    return told, float(ratios.max())


def _most(check: str, found: dict[str, float], limit: float, what: str) -> list[Finding]:
    """Return a finding for each name above the limit, up to five, or one for the nearest to it."""
    ranked = sorted(found, key=found.__getitem__, reverse=True)
    above = [name for name in ranked if found[name] > limit][:5]
    remedy = f". {GIVES_AWAY}" if above else ""
    return [
        _finding(check, f"{name}: {found[name]:.3g} {what}{remedy}", found[name], limit)
        for name in above or ranked[:1]
    ]


def split_audit(
    train: pd.DataFrame,
    validation: pd.DataFrame,
    test: pd.DataFrame,
    features: pd.DataFrame,
    framing: Framing,
    audit: Audit,
) -> pd.DataFrame:
    """Return whether the parts share decisions, rows or groups, and whether time divides them.

    Text is compared without case and surrounding spaces. Grain: one row per finding.
    """
    parts = [train, validation, test]
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
        "same decision": (_shared(parts, Features.grain()), "decisions are in two parts"),
        **{
            f"same {group}": (_shared(parts, [group]), f"rows have a {group} of a part before")
            for group in framing.split.groups
        },
        "labels in time": (late, "labels were open when the next part began"),
        "parts in order": (disordered, "rows lie on the wrong side of a boundary"),
    }
    same = _shared(parts, Features.names()) / (len(validation) + len(test))
    alike = f"{same:.2%} of validation and test have all features as a row before"
    hours = max((part["label_known_at"] - part["predict_at"]).max() for part in parts) / HOUR
    last = f"the last label was known {hours:.1f} hours after its prediction"
    return pd.DataFrame(
        [
            *_audited({"test": test}, features),
            *(_finding(check, f"{n:,} {what}", n, 0) for check, (n, what) in counted.items()),
            _finding("same row", alike, same, audit.duplicate_share),
            _finding("labels known", last, hours, framing.prediction.label_known_hours),
        ]
    )


def _audited(parts: dict[str, pd.DataFrame], features: pd.DataFrame) -> list[Finding]:
    """Return whether the parts' rows are those of the features, and which bytes were audited."""
    columns = [*Features.grain(), "predict_at", *Features.names()]
    known = pd.util.hash_pandas_object(features[columns], index=False).to_numpy()
    findings = []
    for name, part in parts.items():
        rows = pd.util.hash_pandas_object(part[columns], index=False).to_numpy()
        other = int((~np.isin(rows, known)).sum())
        said = f"{other:,} rows of {name} are not as in 'features', which were replayed"
        findings.append(_finding(f"features of {name}", said, other, 0))
        (sealed,) = seal(**{name: part})
        findings.append(_finding(sealed["check"], sealed["evidence"]))
    return findings


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
    return pd.Series(text.append(pd.Index(["missing"])).take(codes), values.index)


def passed(*findings: pd.DataFrame) -> pd.DataFrame:
    """Return all findings as one table; raise RunError with those that failed, if any did."""
    together = pd.concat(findings, ignore_index=True)
    failed = together[together["state"] == "failed"]
    if failed.empty:
        return together
    said = failed["check"] + ": " + failed["evidence"]
    raise RunError("\n".join(["The audit stops the run:", *("  - " + said)]))
