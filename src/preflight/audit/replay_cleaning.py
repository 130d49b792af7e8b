"""Cleaning that uses the future: it is run again on the raw rows up to moments of the past."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from kedro.pipeline import Pipeline

from preflight.audit.cleaning_balance import check_balance
from preflight.audit.contracts import AuditParameters
from preflight.audit.findings import Finding, finding
from preflight.audit.opened_files import file_findings, watch_files
from preflight.contracts.catalog import Contract, Contracts
from preflight.contracts.table import short
from preflight.errors import RunError
from preflight.features.point_in_time import run_in_memory

SHARES = (1 / 3, 2 / 3)  # of the raw rows, before each moment
LAST_ROWS = 20_000  # before a moment, that are compared: what knows the future shows there
GAPS = 2  # moments with gaps, of each table
NOT_TESTED = (
    "no raw table has an event_time, so cleaning could not be replayed. Declare the column by "
    'which a raw table is dated, as in class RawParcels(RawTable, event_time="sent_at")'
)


def replay_cleaning(
    audit: AuditParameters,
    contracts: Contracts,
    cleaning_graph: Pipeline,
    cleaning: pd.DataFrame,
    project: Path,
    **tables: Any,
) -> pd.DataFrame:
    """Return findings of cleaning that needs later rows, or loses rows that its log doesn't count.

    Raw tables with an `event_time` are cut at a moment, and the cleaning pipeline runs on them. The
    primary rows up to the moment have to be those of the run: a fill from behind or a mean of the
    day differs. Grain: one row per finding.

    Args:
        audit: has the seed, as rows are shuffled.
        cleaning_graph: the pipeline from the raw tables to the primary ones.
        cleaning: its log.
        project: its folder. No file of `data` in it may be opened where tables are cleaned.
        tables: raw and primary ones, by name.
    """
    balance = check_balance(cleaning, tables, contracts, cleaning_graph)
    dated = {name: at for name in cleaning_graph.inputs() if (at := _dated_by(contracts.get(name)))}
    if not dated:
        return pd.DataFrame([finding("cleaning", NOT_TESTED, state="untested"), *balance])
    with watch_files(project / "data") as opened:
        findings = _replay(audit.seed, contracts, cleaning_graph, dated, tables)
    return pd.DataFrame([*findings, *file_findings("primary tables", opened), *balance])


def _replay(
    seed: int,
    contracts: Contracts,
    cleaning_graph: Pipeline,
    dated: dict[str, str],
    tables: dict[str, pd.DataFrame],
) -> list[Finding]:
    """Return a finding for each column that differs at a moment, or one that none does."""
    made = {
        name: contracts[name]
        for name in sorted(cleaning_graph.all_outputs() & tables.keys())
        if _dated_by(contracts.get(name))
    }
    moments = sorted({*_moments({name: tables[name] for name in dated}, dated)})
    found: dict[str, Finding] = {}
    for moment in moments:
        cut = {
            name: table[table[dated[name]] <= moment].sample(frac=1, random_state=seed)
            if name in dated
            else table
            for name, table in tables.items()
            if name in cleaning_graph.inputs()
        }
        for name, contract in made.items():
            again = _clean(cleaning_graph, cut, name, moment)
            for one in _differences(tables[name], again, name, contract, moment):
                found.setdefault(one["check"], one)
    passed = finding(
        "cleaning",
        f"{', '.join(made)} from the raw rows up to {len(moments)} moments from "
        f"{moments[0]:%d %B %Y} to {moments[-1]:%d %B %Y} are those of the run",
        measured=0,
        limit=0,
    )
    return [*found.values()] or [passed]


def _moments(raw: dict[str, pd.DataFrame], dated: dict[str, str]) -> Iterator[pd.Timestamp]:
    """Yield the moments: some by the number of rows before them, and some with gaps.

    A fill from behind changes only the last rows before a moment. So there are moments at which as
    many columns as possible are missing.
    """
    times = pd.concat([table[dated[name]] for name, table in raw.items()]).dropna()
    first, *others = (times.quantile(share, interpolation="lower") for share in SHARES)
    yield from (first, *others)
    for name, table in raw.items():
        later = table[table[dated[name]] >= first]
        missing = later.isna().to_numpy()
        for _ in range(GAPS):
            row = missing.sum(axis=1).argmax() if len(missing) else 0
            if len(missing) and (gaps := missing[row].copy()).any():
                yield later[dated[name]].iloc[row]
                missing[:, gaps] = False  # these columns have their moment


def _dated_by(contract: Contract | None) -> str | None:
    return contract.about("event_time") if contract else None


def _clean(
    cleaning_graph: Pipeline, raw: dict[str, pd.DataFrame], name: str, moment: pd.Timestamp
) -> pd.DataFrame:
    """Return one primary table, made from the raw rows up to a moment."""
    try:
        return run_in_memory(cleaning_graph, raw, name)
    except Exception as error:  # whatever a function of the project may raise
        raise RunError(
            f"'{name}' can't be cleaned from the raw rows up to {moment}: {type(error).__name__}: "
            f"{error}. On that day production had no more: let cleaning work with fewer rows."
        ) from error


def _differences(
    run: pd.DataFrame, again: pd.DataFrame, name: str, contract: Contract, moment: pd.Timestamp
) -> Iterator[Finding]:
    """Yield a failed finding for each column that differs, or for rows that came or went."""
    at, key = str(contract.about("event_time")), contract.grain()
    until = run.loc[run[at] <= moment, at]
    since = until.nlargest(LAST_ROWS).min()
    one, two = (_by_key(t[t[at].between(since, moment)], key) for t in (run, again))
    if not one.index.equals(two.index):
        other = len(one.index.symmetric_difference(two.index))
        yield _failed(
            f"the rows of {name}", f"{other:,} rows are in only one of them", moment, other
        )
        one, two = one.align(two, join="inner", axis=0)
    for column in (column for column in one if column not in key):
        a, b = one[column], two[column]
        differs = ((a != b) & ~(a.isna() & b.isna())).to_numpy()
        if count := int(np.count_nonzero(differs)):
            values = (short(series[differs].iloc[0]) for series in (b, a))
            told = f"{count:,} values differ, the first is {' then, and '.join(values)} in the run"
            yield _failed(f"{name}.{column}", told, moment, count)


def _by_key(table: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    """Return a table in the order of its key; categories become text, as both may have others."""
    texts = table.astype(dict.fromkeys(table.select_dtypes("category"), "str"))
    return texts.set_index(key, drop=False).sort_index()


def _failed(what: str, told: str, moment: pd.Timestamp, count: int) -> Finding:
    return finding(
        f"cleaning: {what}",
        f"{told}, if cleaning sees the raw rows up to {moment:%Y-%m-%d %H:%M} UTC only. So it "
        "knows later rows: fill, correct and leave out by earlier rows, or by the row itself",
        count,
        limit=0,
    )
