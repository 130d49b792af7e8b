"""Columns that are missing exactly where a moment is missing: most likely they come with it."""

from collections.abc import Iterator, Mapping

import pandas as pd

from preflight.audit.findings import Finding, finding
from preflight.contracts.catalog import Contract

FEWEST = 10  # rows with a value and rows without: fewer may agree by chance


def find_missing_together(
    tables: Mapping[str, pd.DataFrame], contracts: Mapping[str, Contract]
) -> list[Finding]:
    """Return a failed finding for each column that hides a moment.

    Such a column is of a time after its row, and its contract does not say so. With an `assumption`
    it is taken as known with its row all the same, and the audit lists it.

    Args:
        tables: by name.
        contracts: of the tables.
    """
    return [
        finding(
            f"known_at: {name}.{column}",
            f"it is missing exactly where {moment} is missing ({count:,} of {len(table):,} rows), "
            f'so it most likely comes then: declare known_at="{moment}" in {contract.__name__}, or '
            "say with `assumption` why it is known before",
            count,
            limit=0,
        )
        for name, contract in contracts.items()
        for table in (tables[name],)
        for column, moment, count in _pairs(table, contract)
    ]


def _pairs(table: pd.DataFrame, contract: Contract) -> Iterator[tuple[str, str, int]]:
    """Yield each column without a moment, the moment that is missing with it, and how often."""
    masks = {name: table[name].isna() for name in contract.to_schema().columns}
    most = len(table) - FEWEST
    missing = {name: mask for name, mask in masks.items() if FEWEST <= mask.sum() <= most}
    dated = [name for name in missing if isinstance(table[name].dtype, pd.DatetimeTZDtype)]
    stated = {*contract.known_later(assume=False)}
    stated |= {name for name, about in contract.columns().items() if "assumption" in about}
    for name, mask in missing.items():
        if name not in stated:
            same = (one for one in dated if one != name and missing[one].equals(mask))
            if (moment := next(same, None)) is not None:
                yield name, moment, int(mask.sum())
