"""Target leakage: features that predict the label too well, alone, by one value, or in pairs."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from preflight.audit.contracts import Allowed, AuditParameters
from preflight.audit.findings import Finding, finding, fingerprint_findings
from preflight.audit.univariate import (
    MAX_BINS,
    MIN_ROWS_PER_BIN,
    Ints,
    Labels,
    Pair,
    bins,
    crossed_aucs,
    feature_aucs,
    margin,
    needed_for_auc,
    needed_for_odds,
    odds_ratios,
    sums_and_differences,
)
from preflight.contracts.catalog import Contracts
from preflight.contracts.table import short
from preflight.errors import RunError
from preflight.problem.shares import format_share

MAX_REPORTED = 5  # findings above the limit of one check
REMEDY = (
    "Is it the label under another name? If it is legitimate, give the reason in "
    "audit.allowed.{setting} (conf/base/parameters/audit.yml), or raise audit.{limit} there if "
    "labels are so easy to predict."
)
LIMITS = {"one_feature": "single_auc", "one_value": "odds_ratio", "two_features": "pair_auc"}


class Examples(NamedTuple):
    """Rows of train: their features, 1 where a row has the rarer label, and that label in words."""

    features: pd.DataFrame
    rare: Labels
    rare_label: str

    @property
    def counts(self) -> tuple[int, int]:
        """Return how many rows have the rarer label, and how many the other."""
        rare = int(self.rare.sum())
        return rare, len(self.rare) - rare


class Statistic(NamedTuple):
    """How well something predicts the label, in words and as a number, and the most that passes."""

    evidence: str
    measured: float
    limit: float


def check_target_leakage(
    train: pd.DataFrame,
    validation: pd.DataFrame,
    features: pd.DataFrame,
    audit: AuditParameters,
    contracts: Contracts,
) -> pd.DataFrame:
    """Return findings of target leakage: a feature, a value, or a pair that predicts too well.

    And whether the examples are the features that were replayed. Grain: one row per finding. A
    check for which there are too few rows of the rarer label is "untested". Exceptions are named,
    with the reason, in `audit.allowed`, and left out of that check alone.

    Raises:
        RunError: a feature is allowed that does not exist.
    """
    contract = contracts["features"]
    if unknown := audit.allowed.features() - set(contract.names()):
        raise RunError(f"audit.allowed names {sorted(unknown)}, which are no features.")
    rows = Examples(train[contract.names()], *rarer(train["label"]))
    some = sample(rows.rare, audit.pair_rows, audit.seed)
    sampled = rows._replace(features=rows.features.iloc[some], rare=rows.rare[some])
    enough = sampled.counts[0] >= MIN_ROWS_PER_BIN
    aucs = feature_aucs(sampled.features, sampled.rare) if enough else {}
    return pd.DataFrame(
        [
            *_allowed(audit.allowed),
            *fingerprint_findings({"train": train, "validation": validation}, features, contract),
            *_one_feature(sampled, aucs, audit),
            *_one_value(rows, audit),
            *_two_features("two features", crossed_aucs, sampled, aucs, audit),
            *_two_features("sum or difference", sums_and_differences, sampled, aucs, audit),
        ]
    )


def rarer(label: pd.Series) -> tuple[Labels, str]:
    """Return 1 where a row has the rarer label, shape (n,), and that label in words.

    Labels of a regression become two: above their median, or not.
    """
    if label.isin([0, 1]).all():
        ones, meant, other = label.to_numpy(np.int8), "label 1", "label 0"
    else:
        ones = (label > label.median()).to_numpy(np.int8)
        meant, other = "a label above the median", "a label that is not above the median"
    return (ones, meant) if 2 * ones.sum() <= len(ones) else (1 - ones, other)


def sample(rare: Labels, rows: int, seed: int) -> Ints:
    """Return so many positions in random order; up to half of them of the rarer label."""
    random = np.random.default_rng(seed)
    ones, zeros = (random.permutation(np.flatnonzero(rare == one)) for one in (1, 0))
    ones = ones[: rows // 2]
    return random.permutation(np.concatenate([ones, zeros[: rows - len(ones)]]))


def _allowed(allowed: Allowed) -> list[Finding]:
    reasons = {
        **allowed.one_feature,
        **{f"one value of {name}": why for name, why in allowed.one_value.items()},
        **{
            f"{a} with {b}": why
            for a, others in allowed.two_features.items()
            for b, why in others.items()
        },
    }
    return [finding(f"allowed: {what}", why, state="allowed") for what, why in reasons.items()]


def _one_feature(rows: Examples, aucs: dict[str, float], audit: AuditParameters) -> list[Finding]:
    found = (
        _auc(name, auc, audit.single_auc, rows)
        for name, auc in aucs.items()
        if name not in audit.allowed.one_feature
    )
    needed = needed_for_auc(audit.single_auc, rows.counts[1])
    return _report("one feature", found, rows, needed, "one_feature")


def _one_value(rows: Examples, audit: AuditParameters) -> list[Finding]:
    """Return the values that change the odds of the label most, one for each feature."""
    names = [str(name) for name in rows.features if name not in audit.allowed.one_value]
    binned = {name: bins(rows.features[name], MAX_BINS) for name in names}
    tried = sum(len(np.unique(one)) for one in binned.values())

    def statistic(name: str) -> Statistic:
        ratios = odds_ratios(binned[name], rows.rare, tried)
        here, ratio = binned[name] == ratios.argmax(), float(ratios.max())
        value, share = _describe_values(rows.features[name][here]), rows.rare[here].mean()
        evidence = (
            f"{name} {value} ({here.sum():,} rows, {format_share(share, 1)} with "
            f"{rows.rare_label}): {ratio:.3g} times the odds of the label"
        )
        return Statistic(evidence, ratio, audit.odds_ratio)

    needed = needed_for_odds(audit.odds_ratio, rows.rare.mean(), tried)
    return _report("one value", map(statistic, binned), rows, needed, "one_value")


def _describe_values(values: pd.Series) -> str:
    """Return the values of a bin in words."""
    present = values.dropna()
    if present.empty:
        return "missing"
    if not pd.api.types.is_numeric_dtype(present):
        return str(present.mode()[0])
    low, high = short(present.min()), short(present.max())
    return low if low == high else f"{low} to {high}"


def _two_features(
    check: str,
    measure: Callable[[pd.DataFrame, Labels], dict[Pair, float]],
    rows: Examples,
    aucs: dict[str, float],
    audit: AuditParameters,
) -> list[Finding]:
    """Return the most predictive pairs; with an allowed feature they may reach the AUC of it.

    So they may with a feature that has failed alone: it is reported once.
    """
    allowed, above = audit.allowed, audit.single_auc + margin(audit.single_auc, *rows.counts)
    listed = {frozenset((a, b)) for a, others in allowed.two_features.items() for b in others}

    def statistics() -> Iterator[Statistic]:
        for (one, word, other), auc in measure(rows.features, rows.rare).items():
            if frozenset((one, other)) not in listed:
                alone = [
                    aucs[name]
                    for name in (one, other)
                    if name in allowed.one_feature or aucs[name] > above
                ]
                limit = max([audit.pair_auc, *alone])
                yield _auc(f"{one} {word} {other}", auc, limit, rows)

    needed = needed_for_auc(audit.pair_auc, rows.counts[1])
    return _report(check, statistics(), rows, needed, "two_features")


def _auc(what: str, auc: float, limit: float, rows: Examples) -> Statistic:
    chance = margin(limit, *rows.counts)
    limits = f"limit {limit:.3g}, and {chance:.2g} for chance"
    evidence = f"{what}: {auc:.3g} ROC AUC on train ({limits})"
    return Statistic(evidence, auc, limit + chance)


def _report(
    check: str, statistics: Iterable[Statistic], rows: Examples, needed: int, setting: str
) -> list[Finding]:
    """Return a finding for each statistic above its limit, the furthest first, or for the nearest.

    If fewer rows have the rarer label than are needed, nothing is measured: the finding says so.
    """
    rare, _ = rows.counts
    if rare < needed:
        few = f"{rare:,} of {len(rows.rare):,} rows of train have {rows.rare_label}"
        evidence = f"{few}: too few to tell; needed: {needed:,}"
        return [finding(f"untested: {check}", evidence, state="untested")]
    over = {one: np.nan_to_num(one.measured - one.limit, nan=np.inf) for one in statistics}
    ranked = sorted(over, key=over.__getitem__, reverse=True)  # first what is not defined
    above = [one for one in ranked if over[one] > 0][:MAX_REPORTED]
    remedy = f". {REMEDY.format(setting=setting, limit=LIMITS[setting])}" if above else ""
    return [
        finding(check, one.evidence + remedy, one.measured, one.limit)
        for one in above or ranked[:1]
    ]
