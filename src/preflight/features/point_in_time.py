"""Point-in-time tables: as of a moment, or of a period; and features built on them.

The leakage audit replays the past with them. Inference is the same replay with the moment set to
now.
"""

import functools
from collections.abc import Callable
from typing import Any

import pandas as pd
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node, Pipeline
from kedro.runner import SequentialRunner

from preflight.contracts.catalog import Contract
from preflight.contracts.table import IN_ADVANCE
from preflight.errors import RunError
from preflight.partitions import Partitions

Moment = pd.Timestamp | pd.Series  # one for all rows, or one for each
Build = Callable[..., pd.DataFrame]  # features of the table that is its first argument
YEAR = pd.Timedelta(days=366)


def as_of(
    table: pd.DataFrame, contract: Contract, moment: Moment, assume: bool = True
) -> pd.DataFrame:
    """Return the table as of a moment: without later rows, with later values missing.

    Grain, types and index are those of the table. Rows and values that became available at the
    moment itself are included.

    Args:
        table: a table that keeps its contract.
        contract: declares when rows and values became available (`known_at`).
        moment: in UTC; a series has one for each row, by the table's index.
        assume: include values with an `assumption` in the contract.

    Raises:
        RunError: the contract does not declare when rows became available.

    Examples:
        >>> import pandas as pd
        >>> from preflight import Table, Utc, as_of, column
        >>> class Orders(Table, key=["order"], known_at="ordered_at"):
        ...     order: int = column("number of the order")
        ...     ordered_at: Utc = column("time of the order", "UTC")
        ...     paid_at: Utc = column("time of the payment", "UTC", known_at="paid_at")
        ...     paid: float = column("amount", "USD", known_at="paid_at")
        >>> day = pd.Timestamp("2024-05-01", tz="UTC")
        >>> orders = pd.DataFrame({
        ...     "order": [1, 2, 3],
        ...     "ordered_at": day + pd.to_timedelta([0, 1, 4], unit="D"),
        ...     "paid_at": day + pd.to_timedelta([1, 3, 5], unit="D"),
        ...     "paid": [20.0, 35.0, 10.0],
        ... })
        >>> as_of(orders, Orders, pd.Timestamp("2024-05-03", tz="UTC"))[["order", "paid"]]
           order  paid
        0      1  20.0
        1      2   NaN
    """
    rows = contract.about("known_at")
    if rows is None:
        raise RunError(
            f"The contract {contract.__name__} does not say when rows became known. Declare it: "
            f'class {contract.__name__}(Table, known_at="..."), with the column of that time, or '
            f'"{IN_ADVANCE}".'
        )
    if rows != IN_ADVANCE:
        known = table[rows] <= moment
        table = table[known]
        moment = moment[known] if isinstance(moment, pd.Series) else moment
    later = contract.known_later(assume)
    unknown = {at: ~contract.known_by(table, at, moment) for at in set(later.values())}
    return table.assign(**{name: table[name].mask(unknown[at]) for name, at in later.items()})


def between(
    table: pd.DataFrame | Partitions,
    contract: Contract,
    start: pd.Timestamp | None = None,
    end: pd.Timestamp | None = None,
) -> pd.DataFrame:
    """Return the rows with an event time in [start, end]; all rows if the table has no such time.

    A bound that is not given does not restrict. Of a table in partitions only those are read that
    have such rows.
    """
    time = contract.about("event_time")
    if isinstance(table, Partitions):
        return table.between(time, start, end) if time else table.read()
    if time is None:
        return table
    at = table[time]
    return table[at.between(at.min() if start is None else start, at.max() if end is None else end)]


def reach(features: Contract) -> tuple[pd.Timedelta, pd.Timedelta]:
    """Return `look_back` and `look_ahead` of the features' contract.

    That is the time before and after a prediction from which its features need rows.
    """
    spans = {name: features.about(name) or "" for name in ("look_back", "look_ahead")}
    if missing := [f'{name}="..."' for name, span in spans.items() if not span]:
        raise RunError(
            "The contract of the features does not say how far they look. Declare it: class "
            f'{features.__name__}(Key, {", ".join(missing)}), such as "31D".'
        )
    return pd.Timedelta(spans["look_back"]), pd.Timedelta(spans["look_ahead"])


def in_yearly_chunks(build: Build, table: Contract, features: Contract) -> Build:
    """Return `build` as a function that works on one year of its table at a time.

    The values are the same. Each year gets the rows before and after it that its features look at;
    these are dropped afterwards. So the time per row does not grow with the history, and the memory
    is that of a year (`python -m benchmarks.windows`).

    Args:
        build: a function of a table that returns its features, row by row.
        table: the table's contract, with the column of the event time; without one, `build` is
            returned as it is.
        features: the features' contract, with `look_back` and `look_ahead`.
    """
    time = table.about("event_time")
    if time is None:
        return build
    back, after = reach(features)
    before = after + back  # a row lies at most `after` behind its moment of prediction
    by_year = functools.partial(_by_year, build, time, before, after)
    # not a function of its own: another process can be given this one, by the name of `build`
    return functools.update_wrapper(by_year, build)


def _by_year(
    build: Build,
    time: str,
    before: pd.Timedelta,
    after: pd.Timedelta,
    rows: pd.DataFrame,
    *others: Any,
) -> pd.DataFrame:
    at = rows[time]
    one = at.empty or at.iloc[-1] - at.iloc[0] < YEAR
    if one or not at.is_monotonic_increasing:  # the years have to lie one after the other
        return build(rows, *others)
    starts = pd.date_range(at.iloc[0], at.iloc[-1], freq=YEAR)
    first = at.searchsorted(starts)
    end = [*first[1:], len(rows)]
    opens = at.searchsorted(starts - before)
    closes = at.searchsorted(starts + YEAR + after, side="right")
    years = [
        build(rows.iloc[o:c].reset_index(drop=True), *others).iloc[f - o : e - o]
        for o, f, e, c in zip(opens, first, end, closes, strict=True)
    ]
    return pd.concat(years).set_axis(rows.index)


def group(table: Contract, features: Contract, build: Build, *inputs: str) -> Node:
    """Return the node of a group of features, built a year at a time.

    Its output is `x` if the function is `build_x`.
    """
    name = build.__name__
    by_year = in_yearly_chunks(build, table, features)
    return Node(by_year, [*inputs], name.removeprefix("build_"), name=name)


def run_in_memory(pipeline: Pipeline, given: dict[str, Any], output: str) -> pd.DataFrame:
    """Return one output of a Kedro pipeline run on `given`: see `run_outputs`."""
    return run_outputs(pipeline, given, output)[output]


def run_outputs(
    pipeline: Pipeline, given: dict[str, Any], *outputs: str
) -> dict[str, pd.DataFrame]:
    """Return outputs of a Kedro pipeline run on `given`: tables and parameters by their names.

    Tables get a new index, as if they had just been read. Nothing is written.
    """
    catalog = DataCatalog(
        {
            name: MemoryDataset(
                value.reset_index(drop=True) if isinstance(value, pd.DataFrame) else value,
                copy_mode="assign",
            )
            for name, value in given.items()
        }
    )
    part = pipeline.to_outputs(*outputs)
    used = [name for name in outputs if name not in part.outputs()]
    # Kedro forgets a dataset in memory when its last reader is done: another reader keeps it
    part += Pipeline([Node(_same, name, f"{name}_kept", name=f"keep_{name}") for name in used])
    made = SequentialRunner().run(part, catalog)
    return {name: made[f"{name}_kept" if name in used else name].load() for name in outputs}


def _same(table: pd.DataFrame) -> pd.DataFrame:
    return table
