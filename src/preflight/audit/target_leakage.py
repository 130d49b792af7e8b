"""Features that are the label: alone, by one value, or two together."""

from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd

from preflight.audit.contracts import Allowed, AuditParameters
from preflight.audit.findings import Finding, audited, finding
from preflight.audit.univariate import (
    MIN_ROWS_PER_BIN,
    Ints,
    Labels,
    bins,
    bins_for,
    margin,
    needed_for_auc,
    needed_for_odds,
    odds_ratios,
    rank_auc,
    roc_auc,
    sums_and_differences,
)
from preflight.contracts.catalog import Contracts
from preflight.contracts.table import short
from preflight.errors import RunError

CELLS, CROSSED = 64, 12  # of one feature, of each of two: more find narrower shapes

REMEDY = (
    "Is it the outcome under another name? If it may tell so much, say why in "
    "audit.allowed.{check} (conf/base/parameters/audit.yml)."
)


class Rows(NamedTuple):
    """Rows of train, with 1 where a row has the rarer label; that label in words; the features."""

    table: pd.DataFrame
    rare: Labels
    meant: str
    names: list[str]


class Told(NamedTuple):
    """What tells of the label, how much, and the most that passes, chance included."""

    what: str
    measured: float
    limit: float


def check_target_leakage(
    train: pd.DataFrame,
    validation: pd.DataFrame,
    features: pd.DataFrame,
    audit: AuditParameters,
    contracts: Contracts,
) -> pd.DataFrame:
    """Return whether a feature, a value of one, or a pair of features gives the label away.

    And whether the examples are the features that were replayed. Grain: one row per finding. A
    check for which there are too few rows of the rarer label is "untested". What may tell so much
    is named, with the reason, in `audit.allowed`, and left out of that check alone.

    Raises:
        RunError: a feature is allowed that does not exist.
    """
    contract = contracts["features"]
    if unknown := audit.allowed.features() - set(contract.names()):
        raise RunError(f"audit.allowed names {sorted(unknown)}, which are no features.")
    rows = Rows(train, *rarer(train["label"]), contract.names())
    some = sample(rows.rare, audit.pair_rows, audit.seed)
    sampled = rows._replace(table=train.iloc[some], rare=rows.rare[some])
    areas = _areas(sampled)
    return pd.DataFrame(
        [
            *_allowed(audit.allowed),
            *audited({"train": train, "validation": validation}, features, contract),
            *_one_feature(sampled, areas, audit),
            *_one_value(rows, audit),
            *_two_features(sampled, areas, audit),
        ]
    )


def rarer(label: pd.Series) -> tuple[Labels, str]:
    """Return 1 where a row has the rarer label, shape (n,), and that label in words.

    Amounts have two labels: above their median, or not.
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
    reasons = [
        *allowed.one_feature.items(),
        *((f"one value of {name}", why) for name, why in allowed.one_value.items()),
        *(
            (f"{a} with {b}", w)
            for a, more in allowed.two_features.items()
            for b, w in more.items()
        ),
    ]
    return [finding(f"allowed: {what}", why, state="allowed") for what, why in reasons]


def _areas(rows: Rows) -> dict[str, float]:
    """Return the ROC AUC of each feature: by cells, or if that is more by the order of numbers."""
    table, rare, _, names = rows
    if rare.sum() < MIN_ROWS_PER_BIN:
        return {}
    number = bins_for(int(rare.sum()), CELLS)
    areas = {name: roc_auc(bins(table[name], number), rare) for name in names}
    numbers = _numbers(rows)
    ordered = rank_auc(numbers.to_numpy(np.float64, na_value=np.nan), rare)
    for name, area in zip(map(str, numbers), ordered, strict=True):
        areas[name] = max(areas[name], float(area))
    return areas


def _numbers(rows: Rows) -> pd.DataFrame:
    return rows.table[rows.names].select_dtypes(exclude="category")


def _one_feature(rows: Rows, areas: dict[str, float], audit: AuditParameters) -> list[Finding]:
    if few := _few("one feature", rows, _needed(audit.single_auc, rows)):
        return few
    return _most(
        "one feature",
        [
            _area(name, area, audit.single_auc, rows)
            for name, area in areas.items()
            if name not in audit.allowed.one_feature
        ],
        "one_feature",
    )


def _one_value(rows: Rows, audit: AuditParameters) -> list[Finding]:
    """Return the values that change the odds of the label most, one for each feature."""
    table, rare, meant, names = rows
    cell = {name: bins(table[name], CELLS) for name in names if name not in audit.allowed.one_value}
    tried = sum(len(np.unique(some)) for some in cell.values())
    if few := _few("one value", rows, needed_for_odds(audit.odds_ratio, rare.mean(), tried)):
        return few
    found = []
    for name, some in cell.items():
        ratios = odds_ratios(some, rare, tried)
        here, ratio = some == ratios.argmax(), float(ratios.max())
        told = f"{name} {_inside(table[name][here])} ({here.sum():,} rows, "
        told += f"{rare[here].mean():.1%} with {meant}): {ratio:.3g} times the odds of the label"
        found.append(Told(told, ratio, audit.odds_ratio))
    return _most("one value", found, "one_value")


def _inside(values: pd.Series) -> str:
    """Return the values of a cell in words."""
    inside = values.dropna()
    if inside.empty:
        return "missing"
    if not pd.api.types.is_numeric_dtype(inside):
        return str(inside.mode()[0])
    low, high = short(inside.min()), short(inside.max())
    return low if low == high else f"{low} to {high}"


def _two_features(rows: Rows, areas: dict[str, float], audit: AuditParameters) -> list[Finding]:
    """Return the pairs that tell most. With an allowed feature they may tell as much as it does."""
    checks = ("two features", "sum or difference")
    needed = _needed(audit.pair_auc, rows)
    if few := [one for check in checks for one in _few(check, rows, needed)]:
        return few
    allowed = audit.allowed
    listed = {frozenset((a, b)) for a, others in allowed.two_features.items() for b in others}

    def told(one: str, word: str, other: str, area: float) -> Told:
        alone = [areas[name] for name in (one, other) if name in allowed.one_feature]
        return _area(f"{one} {word} {other}", area, max(audit.pair_auc, *alone, 0), rows)

    number = bins_for(int(rows.rare.sum()), CROSSED, together=2)
    cell = {name: bins(rows.table[name], number) for name in rows.names}
    pairs = [
        told(
            one,
            "with",
            other,
            roc_auc(cell[one] * (cell[other].max() + 1) + cell[other], rows.rare),
        )
        for one, other in combinations(cell, 2)
        if frozenset((one, other)) not in listed
    ]
    sums = [
        told(*names, area)
        for names, area in sums_and_differences(_numbers(rows), rows.rare).items()
        if frozenset(names[::2]) not in listed
    ]
    return [
        *_most("two features", pairs, "two_features"),
        *_most("sum or difference", sums, "two_features"),
    ]


def _needed(limit: float, rows: Rows) -> int:
    return needed_for_auc(limit, int((1 - rows.rare).sum()))


def _few(check: str, rows: Rows, needed: int) -> list[Finding]:
    """Return the finding that a check could not be made, if there are fewer rows than it needs."""
    rare = int(rows.rare.sum())
    few = f"{rare:,} of {len(rows.rare):,} rows of train have {rows.meant}: too few to tell"
    evidence = f"{few}; needed: {needed:,}"
    return [finding(f"untested: {check}", evidence, state="untested")] if rare < needed else []


def _area(what: str, area: float, limit: float, rows: Rows) -> Told:
    rare = int(rows.rare.sum())
    chance = margin(limit, rare, len(rows.rare) - rare)
    told = f"{what}: {area:.3g} ROC AUC on train (limit {limit:.3g}, and {chance:.2g} for chance)"
    return Told(told, area, limit + chance)


def _most(check: str, found: list[Told], allowed: str) -> list[Finding]:
    """Return a finding for each that is above its limit, up to five, or one for the nearest."""
    ranked = sorted(found, key=lambda told: told.measured - told.limit, reverse=True)
    above = [told for told in ranked if told.measured > told.limit][:5]
    remedy = f". {REMEDY.format(check=allowed)}" if above else ""
    return [
        finding(check, one.what + remedy, one.measured, one.limit) for one in above or ranked[:1]
    ]
