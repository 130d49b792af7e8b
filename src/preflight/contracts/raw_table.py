"""A raw file as a table: read as text, converted to the declared types, checked value by value."""

from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
from kedro.io import DataCatalog
from kedro.utils import load_obj
from pandera.engines.pandas_engine import DateTime

from preflight.contracts.exact import Mask
from preflight.contracts.formats import NUMBERS, read_values
from preflight.contracts.table import Table

AS_TEXT: dict[str, Any] = {"text": "str", "moments": "str", "formatted": "str"}
AS_TEXT |= {"numbers": object}  # object is faster
GIVEN = {  # arguments with which pandas converts a kind of column
    "moments": {"date_format", "dayfirst"},
    "numbers": {"decimal", "thousands", "true_values", "false_values"},
}


class RawTable(Table):
    """A raw file: values are converted to their declared types; one that doesn't fit fails."""

    @classmethod
    def to_schema(cls) -> pa.DataFrameSchema:
        """Return the schema; of a column with a wrong type it parses no moment again.

        Pandera would parse each value of such a column on its own: minutes for a long file.
        """
        schema = super().to_schema()
        for one in schema.columns.values():
            if isinstance(one.dtype, DateTime):
                object.__setattr__(one.dtype, "coerce_value", _unchanged)
        return schema

    @pa.dataframe_parser
    @classmethod
    def typed(cls, table: pd.DataFrame) -> pd.DataFrame:
        """Return the table with the declared types; a column with values that don't fit stays.

        Numbers are read from text here and nowhere else.
        """
        made = {name: cls._read(table[name]) for name in cls.to_schema().columns if name in table}
        return table.assign(**{name: one for name, (one, unfit) in made.items() if not unfit.any()})

    @pa.dataframe_check(error="there are rows")
    @classmethod
    def has_rows(cls, table: pd.DataFrame) -> bool:
        """Return whether there are rows: an empty file is a failed export."""
        return len(table) > 0

    @pa.check(".*", regex=True, error="representable")
    def representable(cls, values: pd.Series) -> pd.Series:
        """Return True where the declared type holds the value exactly."""
        return pd.Series(~cls._read(values)[1], values.index)

    @classmethod
    def _read(cls, values: pd.Series) -> tuple[pd.Series, Mask]:
        """Return a column in its declared type and format, and which values have another."""
        declared = cls.to_schema().columns[values.name]
        return read_values(values, declared.dtype.type, declared.metadata or {})

    @classmethod
    def describe_place(cls, row: Any) -> str:
        """Return the number of the first broken row, from 1, without the header."""
        return f" (the first is data row {row + 1:,})" if isinstance(row, int | np.integer) else ""

    @classmethod
    def read_args(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Return arguments for `pandas.read_csv` so that it guesses no type; `given` has priority.

        Text, moments and numbers are read as text; `typed` converts them. pandas itself converts
        moments and numbers with a format that is given, and whole numbers that can't be missing: it
        reads these exactly, or as floats, which fail from 2**53 on. With `parse_dates` alone it
        would swap day and month, and take any clock for UTC.
        """
        dtype = given.get("dtype", {})
        if not isinstance(dtype, dict):
            return given
        columns = cls.to_schema().columns
        kinds = {n: _read_as(one.dtype.type, one.metadata or {}) for n, one in columns.items()}
        own = {kind for kind, formats in GIVEN.items() if formats & given.keys()}
        left = {*given.get("converters", {}), *(n for n, kind in kinds.items() if kind in own)}
        if isinstance(by_column := given.get("date_format"), dict):
            left -= {n for n, kind in kinds.items() if kind == "moments" and n not in by_column}
        text = {n: AS_TEXT[kind] for n, kind in kinds.items() if kind in AS_TEXT and n not in left}
        dates = given.get("parse_dates")
        if isinstance(dates, list):
            given = given | {"parse_dates": [n for n in dates if n not in text]}
        return {**given, "dtype": text | dtype}


def _unchanged(value: Any) -> Any:
    """Return the value."""
    return value


def _read_as(dtype: Any, metadata: dict[str, Any]) -> str | None:
    """Return the kind of a column's values in a file; None if pandas may guess the type."""
    categories = getattr(dtype, "categories", None)
    if isinstance(dtype, pd.StringDtype | pd.CategoricalDtype):
        return "text" if categories is None or categories.dtype.kind == "O" else None
    if dtype.kind in "mM":
        return "moments"
    if dtype.kind in "iuf" and metadata.keys() & NUMBERS:
        return "formatted"
    exact = isinstance(dtype, np.dtype) and dtype.kind in "iu"
    return "numbers" if dtype.kind in "biuf" and not exact else None


def read_by_contract(catalog: DataCatalog) -> None:
    """Let CSV datasets with a raw contract read by its types; their `load_args` have priority."""
    from kedro_datasets.pandas import CSVDataset

    for name, spec in catalog.validator_specs.items():
        contract = load_obj(spec.class_path)
        converts = spec.enabled and spec.severity == "error" and "load" in spec.on
        if not (converts and isinstance(contract, type) and issubclass(contract, RawTable)):
            continue
        if isinstance(dataset := catalog.get(name), CSVDataset):
            dataset._load_args = contract.read_args(dataset._load_args)
