"""Checks of each dated table: empty periods, dead columns, new values, clocks and units."""

import logging
import textwrap
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from preflight.audit.clocks import find_shifted_clocks
from preflight.audit.contracts import AuditParameters, TableLimits
from preflight.audit.dated import Dated, Ints, dated_tables
from preflight.audit.findings import Finding, finding
from preflight.audit.units import find_other_units
from preflight.contracts.catalog import Contracts
from preflight.contracts.table import short
from preflight.problem.framing import Framing

log = logging.getLogger(__name__)

LINE = 100  # columns of a message
MAX_REPORTED = 5  # days, months or values in a message
OFTEN = 0.5  # share of months, or of days of a weekday, from which rows are usual
FEW_ROWS = 0.05  # quantile of the rows of a weekday's days: an ordinary day has more
REGULAR = 0.5  # share of the median that such a day has if days are alike
LIVE = 2 / 3  # share of months in which a column varies, if it may be dead in the others
LOW = 0.25  # quantile of months: in most of them a column varies more
ALLOW = "if it is right, give the reason in audit.allowed.tables"


def check_tables(
    contracts: Contracts, framing: Framing, audit: AuditParameters, **tables: pd.DataFrame
) -> pd.DataFrame:
    """Return findings on the tables whose contracts have an `event_time`. Grain: one per finding.

    What is certainly wrong has failed, what may be right is a warning, and is logged. A finding
    that `audit.allowed.tables` names, with the reason, is allowed.

    tables: primary ones, by name.
    """
    dated = dated_tables(tables, contracts, framing.split)
    if not dated:
        none = "no table with rows has an event_time: clocks, units and periods are not checked"
        return pd.DataFrame([finding("untested: dated tables", none, state="untested")])
    decisions = _decisions(dated, contracts)
    checks: dict[str, Callable[[Dated], Iterable[Finding]]] = {
        "empty periods": lambda one: _empty_periods(one, decisions, audit.tables.day_rows),
        "dead columns": lambda one: _dead_columns(one, audit.tables.dead_values),
        "new values": lambda one: _new_values(one, decisions, framing, audit.tables),
        "clocks": lambda one: find_shifted_clocks(one, audit.tables),
        "units": lambda one: find_other_units(one, audit.tables),
    }
    found: list[Finding] = []
    for name, check in checks.items():
        these = [each for one in dated for each in check(one)]
        if dated and not these:
            these = [finding(name, f"none in {', '.join(one.name for one in dated)}", 0, 0)]
        found += these
    findings = [*_with_allowed(found, audit.allowed.tables)]
    _log_warnings([one for one in findings if one["state"] == "warning"])
    return pd.DataFrame(findings, columns=["check", "state", "measured", "limit", "evidence"])


def _log_warnings(warnings: list[Finding]) -> None:
    """Log all warnings as one list, with lines that are not too long."""
    if not warnings:
        return
    told = [f"{one['check']}: {one['evidence'].removesuffix(f'; {ALLOW}')}" for one in warnings]
    lines = [
        textwrap.fill(one, LINE, initial_indent="  - ", subsequent_indent="    ") for one in told
    ]
    log.warning("Warnings of the audit (%s):\n%s", ALLOW, "\n".join(lines))


def _decisions(dated: list[Dated], contracts: Contracts) -> Dated | None:
    """Return the table with the key of the features."""
    key = sorted(contracts["features"].grain())
    return next((one for one in dated if sorted(one.contract.grain()) == key), None)


def _with_allowed(found: list[Finding], allowed: dict[str, str]) -> Iterator[Finding]:
    """Yield findings, those that are allowed by name with the reason, and names without any."""
    doubted = {one["check"] for one in found if one["state"] != "passed"}
    for one in found:
        if one["check"] in doubted & allowed.keys():
            told = f"{one['evidence']} ({allowed[one['check']]})"
            yield finding(f"allowed: {one['check']}", told, state="allowed")
        elif one["check"] in doubted:
            yield one | {"evidence": f"{one['evidence']}; {ALLOW}"}
        else:
            yield one
    if unknown := sorted(allowed.keys() - doubted):
        evidence = (
            f"it names {', '.join(map(repr, unknown))}, which no check has found: take it out, or "
            "write it as the message does"
        )
        yield finding("audit.allowed.tables", evidence, state="warning")


def _empty_periods(one: Dated, decisions: Dated | None, day_rows: int) -> Iterator[Finding]:
    """Yield a warning for months, and one for days, that have no rows where these are usual.

    From the first to the last day of the table and of the decisions.
    """
    spans = [each.day for each in (one, decisions) if each is not None]
    days = pd.date_range(min(day.min() for day in spans), max(day.max() for day in spans))
    rows = one.day.value_counts().reindex(days, fill_value=0)
    by_month = rows.groupby(days.to_period("M")).sum()
    if (empty := by_month.index[by_month == 0]).size and (by_month > 0).mean() >= OFTEN:
        told = _listed([f"{month:%B %Y}" for month in empty])
        yield _empty(one, "months", f"{len(empty)} of {len(by_month)} months", told)
    usual = rows[rows > 0].groupby(days.day_of_week[rows > 0])
    few, median = usual.quantile(FEW_ROWS), usual.median()
    is_usual = (few >= REGULAR * median) | (few >= day_rows)
    is_usual &= usual.size() / pd.Series(days.day_of_week).value_counts() >= OFTEN
    expected = is_usual.reindex(days.day_of_week, fill_value=False).to_numpy(dtype=bool)
    in_months = ~days.to_period("M").isin(empty)
    if len(gone := days[expected & in_months & (rows == 0).to_numpy()]):
        told = _listed([f"{day:%d %B %Y}" for day in gone])
        yield _empty(one, "days", f"{len(gone)} of {len(days)} days", told)


def _empty(one: Dated, what: str, count: str, told: str) -> Finding:
    evidence = (
        f"no row of {one.name} on {count}: {told}. Look whether a part of the file is missing"
    )
    return finding(f"empty {what}: {one.name}", evidence, state="warning")


def _listed(names: list[Any]) -> str:
    rest = f" and {len(names) - MAX_REPORTED} more" * (len(names) > MAX_REPORTED)
    return ", ".join(map(str, names[:MAX_REPORTED])) + rest


def _dead_columns(one: Dated, least: int) -> Iterator[Finding]:
    """Yield a finding for each column without values, with one value, or with one in a month."""
    if len(one.table) < least:
        return  # few rows may agree by chance
    later, schema = one.contract.known_later(assume=False), one.contract.to_schema().columns
    by_month = np.argsort(one.month, kind="stable")
    for column in [name for name in schema if name != one.at]:
        values, checks = one.table[column], schema[column].checks
        codes, distinct = pd.factorize(values)
        check, what = f"dead column: {one.name}.{column}", f"{column} of {one.name}"
        if len(distinct) == 0:
            told = f"{what} has no value in any of {len(values):,} rows"
            yield finding(check, f"{told}. Correct its source, or remove it", state="failed")
        elif codes.min() == codes.max():
            if any(len(each.statistics.get("allowed_values", "..")) == 1 for each in checks):
                continue  # so declared
            told = f"{what} is {short(distinct[0])} in all of {len(values):,} rows"
            yield finding(check, f"{told}. Correct its source, or remove it", state="warning")
        else:
            dead = _dead_months(codes[by_month], one.month[by_month], least, column in later)
            for code in np.unique(dead[1]):
                at = dead[0][dead[1] == code]
                value = "missing" if code < 0 else f"always {short(distinct[code])}"
                told = f"{what} is {value} in {one.span(at)}, and not in the others"
                name = f"{check} {value}"
                yield finding(name, f"{told}. Correct its source", state="warning")


def _dead_months(codes: Ints, month: Ints, least: int, is_later: bool) -> tuple[Ints, Ints]:
    """Return the months in which a column has one value, though others are expected, and the value.

    So many others have to be expected, by the months in which the column varies. These are most
    months, or all before or after the dead ones: a price that changes twice a year is not dead.

    Args:
        codes, month: of the rows, ordered by month; -1 for missing.
        is_later: values come after their rows, so that the last months may be open.
    """
    months, first, rows = np.unique(month, return_index=True, return_counts=True)
    value = np.minimum.reduceat(codes, first)
    one_value = value == np.maximum.reduceat(codes, first)
    is_open = is_later & (np.cumsum(~one_value[::-1])[::-1] == 0)
    dead = one_value & (rows >= least) & ~is_open
    at, live = np.flatnonzero(dead), np.flatnonzero(~one_value)
    one_block = bool(len(live)) and (at < live[0]).all() | (at > live[-1]).all()
    if not len(at) or not len(live) or not (one_block or len(live) >= LIVE * len(months)):
        return months[:0], value[:0]
    expected = np.zeros(len(months))
    for code in np.unique(value[at]):
        others = 1 - np.add.reduceat(codes == code, first, dtype=np.int64)[live] / rows[live]
        expected[value == code] = np.quantile(others, LOW)
    dead &= expected * rows >= least
    return months[dead], value[dead]


def _new_values(
    one: Dated, decisions: Dated | None, framing: Framing, limits: TableLimits
) -> Iterator[Finding]:
    """Yield a warning for each category with values in the test period that never occur before."""
    last = decisions or one
    start = framing.split.starts(last.table[last.at])[1]
    is_test = (one.table[one.at] >= start).to_numpy(dtype=bool)
    if is_test.all():
        return
    since = start.tz_convert(framing.split.timezone)
    for column in one.texts():
        codes, distinct = pd.factorize(one.table[column])
        if len(distinct) > limits.categories:
            continue
        new = np.setdiff1d(codes[is_test], [-1, *np.unique(codes[~is_test])])
        if len(new):
            rows = np.bincount(codes[codes >= 0])
            named = _listed([f"{distinct[code]} ({rows[code]:,})" for code in new])
            evidence = (
                f"{column} of {one.name} has values in the test period, from {since:%d %B %Y}, "
                f"that do not occur before: {named}, with the number of rows. No model has learned "
                "them: correct their spelling, or join them to others"
            )
            yield finding(f"new values: {one.name}.{column}", evidence, state="warning")
