"""Rows in equal rows out: none is lost or added that the log of cleaning does not count."""

from collections.abc import Mapping

import pandas as pd
from kedro.pipeline import Pipeline

from preflight.audit.findings import Finding, finding
from preflight.contracts.catalog import Contracts

SAME_GRAIN = (3 / 4, 5 / 4)  # rows out per row in; a rule of cleaning may concern a quarter


def check_balance(
    cleaning: pd.DataFrame,
    tables: Mapping[str, pd.DataFrame],
    contracts: Contracts,
    cleaning_graph: Pipeline,
) -> list[Finding]:
    """Return whether each primary table has the rows of its raw table, but for those in the log.

    Args:
        cleaning: the log, by the contract `Cleaning`.
        tables: raw and primary ones, by name.
    """
    counts = cleaning.groupby(["table", "action"])["rows"].sum()
    findings = []
    for name in sorted(cleaning_graph.all_outputs() & tables.keys() & contracts.keys()):
        source = _source(name, contracts, cleaning_graph)
        if source is None:
            which = f"it is not clear which raw table has the rows of '{name}': call it raw_{name}"
            findings.append(_untested(name, which))
            continue
        excluded, added = (int(counts.get((name, one), 0)) for one in ("excluded", "added"))
        read, out = len(tables[source]), len(tables[name])
        low, high = SAME_GRAIN
        same_key = sorted(contracts[source].grain()) == sorted(contracts[name].grain())
        if not (same_key or low * read <= out <= high * read):
            other = f"{read:,} rows of {source} became {out:,} rows of '{name}': another grain"
            findings.append(_untested(name, other))
            continue
        sums = f"{read:,} rows of {source}, less {excluded:,} excluded, and {added:,} added"
        expected = read - excluded + added
        evidence = f"{sums}, are the {out:,} rows of '{name}'"
        if expected != out:
            evidence = (
                f"{sums} by the log of cleaning, are {expected:,}, but '{name}' has {out:,} rows: "
                'count each row that cleaning leaves out, once, as "excluded", and each that it '
                'adds as "added"'
            )
        findings.append(finding(f"rows of {name}", evidence, abs(expected - out), limit=0))
    return findings


def _source(name: str, contracts: Contracts, cleaning_graph: Pipeline) -> str | None:
    """Return the raw table of a primary one: by name, by key, or as it is made of one alone."""
    raw = sorted(cleaning_graph.to_outputs(name).inputs() & contracts.keys())
    key = sorted(contracts[name].grain())
    alike = [one for one in raw if sorted(contracts[one].grain()) == key]
    if f"raw_{name}" in raw:
        return f"raw_{name}"
    return next((few[0] for few in (alike, raw) if len(few) == 1), None)


def _untested(name: str, why: str) -> Finding:
    return finding(f"untested: rows of {name}", why, state="untested")
