"""Contracts of tables: a strict table, a described column, a rule over several columns."""

from collections.abc import Callable, Iterable
from typing import Annotated, Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.engines.pandas_engine import Engine

from preflight.contracts.formats import FORMATS, require_format
from preflight.errors import NO_TEXT, NOT_FINITE, RunError
from preflight.partitions import Partitions

# A moment in UTC, to the microsecond, as pandas 3 reads and Parquet keeps it.
Utc = Annotated[pd.DatetimeTZDtype, "us", "UTC"]


IN_ADVANCE = "in advance"  # known_at of rows that are available long before they are used
AFTERWARDS = "afterwards"  # known_at of values that come after every decision, if none has a time
WHOLE_TABLE = "of the whole table"  # title of checks that no part of a table can be held by
KEPT = ("known_at", "assumption", "group", *FORMATS)  # metadata of a column


def column(description: str, unit: str | None = None, **checks: Any) -> Any:
    """Declare a column: its meaning, its unit and its checks.

    The keywords below are kept as metadata; all others go to `pandera.Field`.

    known_at: the column of the same table with the time this value became available. The value may
        be missing until then. Without `known_at` the value is available with its row. If rows are
        known in advance, a column that may be missing has to state it: most values that are missing
        come later. IN_ADVANCE says that this one does not. AFTERWARDS is for the outcome where
        decisions have no time (`framing.split.clock: none`): no feature may use it.
    assumption: why the value counts as available with its row all the same. No audit can prove it:
        the audit lists it, with the features that depend on it.
    group: the feature group of the column.
    timezone: in a raw file, where times without an offset are from, such as "Europe/Berlin".
    date_format: in a raw file, the format of its times, such as "%d/%m/%Y %H:%M".
    decimal, thousands: in a raw file, what separates decimals, and groups of three digits.

    Raises:
        RunError: `timezone` is no time zone, or decimals and thousands have the same separator.
    """
    kept = {"unit": unit} | {k: checks.pop(k, None) for k in KEPT}
    metadata = {key: value for key, value in kept.items() if value is not None}
    require_format(description, metadata)
    usual = {"nullable": "known_at" in metadata}
    return pa.Field(description=description, metadata=metadata, **usual | checks)


LARGEST = float(np.finfo("float32").max)  # scikit-learn's trees compute in 32 bits
REMEDIES = {  # of a type that no feature can have, by NumPy's kind of type
    "M": "Declare a moment as the minutes since another one: float.",
    "m": "Declare a duration as its minutes: float.",
    "b": "Declare a yes or no that may be missing as float: 1, 0 or missing.",
    "i": "Declare a whole number that may be missing as float.",
    "u": "Declare a whole number that may be missing as float.",
    "f": "Declare a number as float or pandera.dtypes.Float32.",
    "c": "Declare a number as float.",
    "category": "Declare it as pd.CategoricalDtype, and list the categories with isin=[...].",
    "text": "Declare a text as pd.CategoricalDtype, a number as float.",
}


def unusable(dtype: Any) -> str | None:
    """Return the remedy for a type that models or the service can't take, or None.

    A feature is a bool, an integer, a float of 32 or 64 bits, or a category.
    """
    if isinstance(dtype, pd.CategoricalDtype):
        return None if dtype.categories is None else REMEDIES["category"]
    kind = getattr(dtype, "kind", "text")
    if isinstance(dtype, np.dtype) and (kind in "biu" or dtype in ("float32", "float64")):
        return None
    return REMEDIES.get(kind, REMEDIES["text"])


class BrokenRuleError(Exception):
    """Rows that break a rule over several columns: their number, the first ones, their index."""


def rule(statement: str, *columns: str) -> Callable[[Callable[..., Any]], Any]:
    """Turn a method into a check over `columns`; the method returns True for each valid row.

    Pandera would report every column of each bad row (millions of cases when a clock is shifted).
    So a failure is raised as one message: the number of rows, and the first three. A table that
    lacks a column, or has another type in it, passes here: the column's own check has failed.
    """

    def decorate(holds: Callable[..., Any]) -> Any:
        def check(cls: type[pa.DataFrameModel], table: pd.DataFrame) -> bool:
            return _hold(cls, table, columns, lambda part: holds(cls, part))

        check.__name__, check.__doc__ = holds.__name__, holds.__doc__
        return pa.dataframe_check(error=statement, ignore_na=False)(check)

    return decorate


def table_rule(statement: str, *columns: str) -> Callable[[Callable[..., Any]], Any]:
    """Turn a method into a check of the whole table, such as of a sum or of the newest row.

    The method gets these columns of all rows, and returns True if the table is valid. Of a table in
    partitions it is checked once, over all of them.
    """

    def decorate(holds: Callable[..., Any]) -> Any:
        def check(cls: type[pa.DataFrameModel], table: pd.DataFrame) -> bool:
            return bool(holds(cls, table[list(columns)]))

        check.__name__, check.__doc__ = holds.__name__, holds.__doc__
        about = {"title": WHOLE_TABLE, "description": ",".join(columns)}
        return pa.dataframe_check(error=statement, ignore_na=False, **about)(check)

    return decorate


def bounds(low: str, high: str) -> Any:
    """Return a rule: `low` is not above `high`, where neither is missing."""

    def in_order(cls: Any, t: pd.DataFrame) -> pd.Series:
        return ~(t[low] > t[high])

    return rule("bounds are in order", low, high)(in_order)


def _hold(
    contract: Any,  # a check's `cls`, for mypy a Table and not its class
    table: pd.DataFrame,
    columns: Iterable[str],
    holds: Callable[[pd.DataFrame], pd.Series],
) -> bool:
    """Return True if all rows are valid, or can't be checked; else raise BrokenRuleError."""
    declared = contract.to_schema().columns
    if not all(
        name in table and declared[name].dtype.check(Engine.dtype(table[name].dtype))
        for name in columns
    ):
        return True
    part = table[list(columns)]
    broken = part[~holds(part)]
    if broken.empty:
        return True
    examples = "; ".join(
        ", ".join(f"{name} {short(value)}" for name, value in row.items())
        for row in broken.head(3).to_dict("records")
    )
    rows = "row" if len(broken) == 1 else "rows"
    place = contract.describe_place(broken.index[0])
    raise BrokenRuleError(f"{len(broken):,} {rows}, the first: {examples}{place}", broken.index)


def short(value: Any) -> str:
    """Return a value as a message shows it."""
    if pd.isna(value):
        return "missing"
    return f"{value:.6g}" if isinstance(value, float | np.floating) else str(value)


class Table(pa.DataFrameModel):
    """A table with exactly the declared columns and types.

    Keywords of the class:

    - `key`: the columns that identify a row.
    - `known_at`: the column with the time a row became available, or "in advance".
    - `event_time`: the column by which a period is cut out of the table.
    - `look_back`, `look_ahead` (features only): the time before and after a prediction from which
      its features need rows.
    """

    class Config:
        """Refuse columns that are not declared."""

        strict = True

    def __init_subclass__(cls, key: list[str] | None = None, **metadata: str) -> None:
        config: dict[str, Any] = {"unique": key, "metadata": metadata}
        given = {name: value for name, value in config.items() if value}
        if given:
            given["name"] = cls.__name__
            cls.Config = type("Config", (cls.Config,), given)  # type: ignore[misc, assignment]
        super().__init_subclass__()  # type: ignore[no-untyped-call]
        for name in cls.names():
            dtype = cls.to_schema().columns[name].dtype
            if remedy := unusable(dtype.type):
                raise RunError(f"{cls.__name__}.{name} is a feature of type {dtype}. {remedy}")
        if undated := cls._undated():
            raise RunError(
                f"{cls.__name__}.{undated[0]} may be missing, and rows of {cls.__name__} are known "
                "in advance. Say when its values come: known_at=, the column with their moment. "
                "Or known_at=IN_ADVANCE, if they are there as early as the row."
            )

    @classmethod
    def validate(cls, check_obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the table if it is valid; partitions are, as each was validated when written."""
        if isinstance(check_obj, Partitions):
            return check_obj
        return super().validate(check_obj, *args, **kwargs)

    @classmethod
    def describe_place(cls, row: Any) -> str:
        """Return where a file has a row, as a message ends with it; rows of a file are numbered."""
        return ""

    @classmethod
    def columns(cls) -> dict[str, dict[str, Any]]:
        """Return each column's metadata and description, in the order of declaration."""
        return {
            name: {**(field.metadata or {}), "description": field.description}
            for name, field in cls.to_schema().columns.items()
        }

    @classmethod
    def grain(cls) -> list[str]:
        """Return the key: the columns that identify a row."""
        return list(cls.to_schema().unique or [])

    @classmethod
    def groups(cls) -> dict[str, list[str]]:
        """Return the columns of each feature group, in the order of declaration."""
        groups: dict[str, list[str]] = {}
        for name, column_metadata in cls.columns().items():
            if "group" in column_metadata:
                groups.setdefault(column_metadata["group"], []).append(name)
        return groups

    @classmethod
    def names(cls) -> list[str]:
        """Return all features, in the order of declaration."""
        return [name for group in cls.groups().values() for name in group]

    @classmethod
    def about(cls, name: str) -> str | None:
        """Return the value of a keyword of the class, or of its first base class that has it."""
        by_class = (getattr(vars(one).get("Config"), "metadata", None) or {} for one in cls.__mro__)
        return next((metadata[name] for metadata in by_class if name in metadata), None)

    @classmethod
    def _undated(cls) -> list[str]:
        """Return the columns of rows in advance that may be missing, and do not say when."""
        if cls.about("known_at") != IN_ADVANCE:
            return []
        about, columns = cls.columns(), cls.to_schema().columns
        return [n for n, one in columns.items() if one.nullable and "known_at" not in about[n]]

    @staticmethod
    def known_by(table: pd.DataFrame, known_at: str, moment: Any) -> pd.Series:
        """Return whether each row's values of a column were known by a moment, shape (n,)."""
        if known_at == AFTERWARDS:
            return pd.Series(False, table.index)
        return table[known_at] <= moment

    @classmethod
    def known_later(cls, assume: bool = True) -> dict[str, str]:
        """Return the columns that become available after their rows, and their `known_at`.

        assume: leave out columns with an `assumption`.
        """
        return {
            name: about["known_at"]
            for name, about in cls.columns().items()
            if about.get("known_at", IN_ADVANCE) != IN_ADVANCE
            and not (assume and "assumption" in about)
        }

    @pa.dataframe_check(error="a value that is there became known at a moment", ignore_na=False)
    def has_moment(cls, table: pd.DataFrame) -> bool:
        """Refuse a value without its `known_at`: it would never be available."""
        return all(
            _hold(cls, table, pair, lambda t: t.iloc[:, 0].isna() | t.iloc[:, -1].notna())
            for pair in cls.known_later().items()
            if pair[1] != AFTERWARDS
        )

    @pa.dataframe_check(error=NOT_FINITE, ignore_na=False)
    def finite(cls, table: pd.DataFrame) -> bool:
        """Refuse features with values that most models, and the service, can't take."""
        return _features_hold(cls, table, "f", lambda values: ~(values.abs() > LARGEST))

    @pa.dataframe_check(error=NO_TEXT, ignore_na=False)
    def category_is_text(cls, table: pd.DataFrame) -> bool:
        """Refuse features with numbers as categories: the service reads texts."""
        return _features_hold(cls, table, "O", lambda values: values.isna() | _is_text(values))


def _features_hold(
    contract: Any, table: pd.DataFrame, kind: str, holds: Callable[[pd.Series], pd.Series]
) -> bool:
    """Return True if all features of a kind of type are valid; else raise BrokenRuleError."""
    declared = contract.to_schema().columns
    faults, broken = [], table.index[:0]
    for name in contract.names():
        dtype = declared[name].dtype
        if dtype.type.kind != kind or name not in table:
            continue
        if not dtype.check(Engine.dtype(table[name].dtype)):
            continue  # the check of the type has failed
        bad = table.loc[~holds(table[name]), name]
        if count := len(bad):
            examples = ", ".join(map(short, bad.head(3)))
            values = "value" if count == 1 else "values"
            faults.append(f"column {name}: {count:,} {values}, e.g. {examples}")
            broken = broken.union(bad.index)
    if faults:
        raise BrokenRuleError("; ".join(faults), broken)
    return True


def _is_text(values: pd.Series) -> pd.Series:
    return values.isin([one for one in values.cat.categories if isinstance(one, str)])
