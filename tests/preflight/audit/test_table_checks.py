"""Dated tables: empty periods, dead columns, values that are new in the test period."""

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from preflight.audit.contracts import AuditFindings, AuditParameters
from preflight.audit.findings import require_no_failures
from preflight.audit.table_checks import check_tables
from preflight.contracts.table import Table, column
from preflight.errors import RunError
from preflight.problem.framing import Framing

MakeAudit = Callable[..., AuditParameters]
Find = Callable[..., dict[str, tuple[str, str]]]


def test_clean_tables_pass_every_check(
    readings: pd.DataFrame,
    decisions: pd.DataFrame,
    framing: Framing,
    make_audit: MakeAudit,
    dated_contracts: Any,
) -> None:
    tables = {"readings": readings, "decisions": decisions, "register": readings.head(1)}
    findings = check_tables(dated_contracts, framing, make_audit(), **tables)
    AuditFindings.validate(findings, lazy=True)
    assert findings["check"].tolist() == [
        *["empty periods", "dead columns", "new values", "clocks", "units"]
    ]
    assert set(findings["state"]) == {"passed"}
    assert set(findings["evidence"]) == {"none in readings, decisions"}


def test_a_table_without_rows_is_untested(
    readings: pd.DataFrame, framing: Framing, make_audit: MakeAudit, dated_contracts: Any
) -> None:
    none = check_tables(dated_contracts, framing, make_audit(), readings=readings.head(0))
    assert require_no_failures(none)["state"].tolist() == ["untested"]


def test_months_and_days_without_rows_are_warnings(
    readings: pd.DataFrame, find: Find, local: pd.Series
) -> None:
    gone = (local.dt.month == 5) | ((local.dt.month == 7) & local.dt.day.isin([8, 9]))
    told = find(readings=readings[~gone])
    assert [*told] == ["empty months: readings", "empty days: readings"]
    assert told["empty months: readings"] == (
        "warning",
        "no row of readings on 1 of 12 months: May 2013. Look whether a part of the file is "
        "missing; if it is right, give the reason in audit.allowed.tables",
    )
    assert "on 2 of 365 days: 08 July 2013, 09 July 2013." in told["empty days: readings"][1]


def test_a_table_has_to_reach_as_far_as_the_decisions(
    readings: pd.DataFrame, find: Find, local: pd.Series, decisions: pd.DataFrame
) -> None:
    short = readings[local.dt.strftime("%m-%d") < "12-30"]
    assert find(readings=short) == {}
    told = find(readings=short, decisions=decisions)
    assert "on 2 of 365 days: 30 December 2013, 31 Dec" in told["empty days: readings"][1]


@pytest.mark.parametrize(
    ("rows", "days"),
    [
        ("sparse", []),  # no row on a day is usual
        ("working days", ["no row of readings on 1 of 365 days: 04 June 2013."]),
    ],
)
def test_days_that_usually_have_no_rows_are_not_missed(
    readings: pd.DataFrame,
    find: Find,
    local: pd.Series,
    decisions: pd.DataFrame,
    rows: str,
    days: list[str],
) -> None:
    if rows == "sparse":
        few = readings.sample(1200, random_state=1)
    else:
        gone = (local.dt.day_of_week > 4) | (local.dt.strftime("%m-%d") == "06-04")
        few = readings[~gone]
    told = find(readings=few.sort_values("read_at"), decisions=decisions)
    evidence = [text for check, (_, text) in told.items() if check.startswith("empty")]
    assert len(evidence) == len(days)
    assert all(text.startswith(start) for text, start in zip(evidence, days, strict=True))


def test_a_column_without_values_fails_and_one_with_one_value_is_a_warning(
    readings: pd.DataFrame, find: Find
) -> None:
    dead = readings.assign(temperature=np.nan, pressure=1013.25)
    told = find(readings=dead)
    assert {check: state for check, (state, _) in told.items()} == {
        "dead column: readings.temperature": "failed",
        "dead column: readings.pressure": "warning",
    }
    empty, constant = (evidence for _, evidence in told.values())
    assert empty.startswith("temperature of readings has no value in any of 35,040 rows. Correct")
    assert constant.startswith("pressure of readings is 1013.25 in all of 35,040 rows. Correct")


def test_a_column_with_one_value_passes_if_its_contract_says_so_or_rows_are_few(
    readings: pd.DataFrame, find: Find
) -> None:
    same = readings.assign(kind=pd.Categorical(["old"] * len(readings)))
    assert [*find(readings=same)] == ["dead column: readings.kind"]
    assert find(readings=same.head(50).assign(temperature=np.nan)) == {}


@pytest.mark.parametrize(("value", "named"), [(np.nan, "missing"), (0.0, "always 0")])
@pytest.mark.parametrize(
    ("months", "when"),
    [
        ([4], "April 2013"),
        ([10, 11, 12], "3 of 12 months from October 2013 to December 2013"),
        ([*range(3, 13)], "10 of 12 months from March 2013 to December 2013"),
    ],
)
def test_a_column_that_dies_is_a_warning(
    readings: pd.DataFrame,
    local: pd.Series,
    find: Find,
    months: list[int],
    when: str,
    value: float,
    named: str,
) -> None:
    dies = local.dt.month.isin(months)
    dead = readings.assign(temperature=readings["temperature"].mask(dies, value))
    told = find(readings=dead)
    state, evidence = told[f"dead column: readings.temperature {named}"]
    assert state == "warning"
    assert f"temperature of readings is {named} in {when}, and not in the others" in evidence


def test_what_is_honestly_the_same_for_a_while_is_not_dead(
    readings: pd.DataFrame, find: Find, local: pd.Series
) -> None:
    month = local.dt.month
    price = 10.0 + (month > 3) + ((month > 8) | ((month == 8) & (readings.index % 2 == 0)))
    snow = (readings["temperature"] - 20).where(readings["temperature"] < 30)  # in winter
    open_ = month > 10  # labels that are not known yet
    rare = (readings.index % 500 == 0) & (month != 6)  # so rare that none in a month is chance
    honest = readings.assign(
        pressure=readings["pressure"].where(rare),
        load=price,
        temperature=snow,
        verdict=readings["verdict"].mask(open_),
        checked_at=readings["checked_at"].mask(open_),
    )
    told = find(readings=honest)
    assert not [check for check in told if check.startswith("dead")]


def test_values_that_are_new_in_the_test_period_are_a_warning(
    readings: pd.DataFrame, find: Find, framing: Framing
) -> None:
    start = framing.split.starts(readings["read_at"].max())[1]
    last = readings.index[readings["read_at"] >= start]
    kind = readings["kind"].astype("str")
    kind[last[:2]], kind[last[5]] = "odd", "rare"
    kind[readings.index[readings["read_at"] < start][0]] = "rare"  # before, so not new
    told = find(readings=readings.assign(kind=kind.astype("category")))
    assert [*told] == ["new values: readings.kind"]
    state, evidence = told["new values: readings.kind"]
    assert state == "warning"
    assert "that do not occur before: odd (2), with the number of rows" in evidence
    few = find({"categories": 2}, readings=readings.assign(kind=kind))
    assert few == {}  # no category any more


def test_a_finding_is_allowed_by_name_and_a_misspelt_name_is_reported(
    readings: pd.DataFrame,
    framing: Framing,
    make_audit: MakeAudit,
    dated_contracts: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    dead = readings.assign(temperature=np.nan)
    tables: dict[str, Any] = {"dead column: readings.temperature": "no sensor yet", "x": "y"}
    none: dict[str, Any] = {"one_feature": {}, "one_value": {}, "two_features": {}}
    with pytest.raises(RunError, match="temperature of readings has no value"):
        require_no_failures(check_tables(dated_contracts, framing, make_audit(), readings=dead))
    with caplog.at_level(logging.WARNING):
        findings = check_tables(
            dated_contracts, framing, make_audit(allowed=none | {"tables": tables}), readings=dead
        )
    AuditFindings.validate(require_no_failures(findings), lazy=True)
    states = findings.set_index("check")["state"]
    assert states["allowed: dead column: readings.temperature"] == "allowed"
    assert states["audit.allowed.tables"] == "warning"
    assert "it names 'x', which no check has found: take it out" in caplog.text


def test_without_a_dated_table_the_finding_says_that_nothing_was_checked(
    framing: Framing, make_audit: Callable[..., AuditParameters]
) -> None:
    class Plain(Table, key=["number"], known_at="in advance"):
        """One row per number."""

        number: int = column("of the row")

    contracts: Any = {"plain": Plain, "features": Plain}
    plain = pd.DataFrame({"number": [1, 2]})
    found = check_tables(contracts, framing, make_audit(), plain=plain)
    assert found["state"].tolist() == ["untested"]
    AuditFindings.validate(require_no_failures(found), lazy=True)
