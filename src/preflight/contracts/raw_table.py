"""A raw file as a table: read as text, converted to the declared types, checked value by value."""

from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
from kedro.io import DataCatalog
from kedro.utils import load_obj

from preflight.contracts.exact import convert
from preflight.contracts.table import Table

AS_TEXT: dict[str, Any] = {"text": "str", "moments": "str", "numbers": object}  # object is faster
FORMATS = {
    "moments": {"parse_dates"},
    "numbers": {"decimal", "thousands", "true_values", "false_values"},
}


class RawTable(Table):
    """A raw file: values are converted to their declared types; one that doesn't fit fails."""

    @pa.dataframe_parser
    @classmethod
    def typed(cls, table: pd.DataFrame) -> pd.DataFrame:
        """Return the table with the declared types; a column with values that don't fit stays.

        Numbers are read from text here and nowhere else.
        """
        made = {
            name: convert(table[name], declared.dtype.type)
            for name, declared in cls.to_schema().columns.items()
            if name in table
        }
        return table.assign(**{name: one for name, (one, unfit) in made.items() if not unfit.any()})

    @pa.dataframe_check(error="there are rows")
    @classmethod
    def has_rows(cls, table: pd.DataFrame) -> bool:
        """Return whether there are rows: an empty file is a failed export."""
        return len(table) > 0

    @pa.check(".*", regex=True, error="representable")
    def representable(cls, values: pd.Series) -> pd.Series:
        """Return True where the declared type holds the value exactly."""
        dtype = cls.to_schema().columns[values.name].dtype.type
        return pd.Series(~convert(values, dtype)[1], values.index)

    @classmethod
    def describe_place(cls, row: Any) -> str:
        """Return the number of the first broken row, from 1, without the header."""
        return f" (the first is data row {row + 1:,})" if isinstance(row, int | np.integer) else ""

    @classmethod
    def read_args(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Return arguments for `pandas.read_csv` so that it guesses no type; `given` has priority.

        Text and numbers are read as text; numbers are converted by `typed`. pandas itself converts
        moments and numbers with a given format, and whole numbers that can't be missing: it reads
        these exactly, or as floats, which fail from 2**53 on.
        """
        dtype = given.get("dtype", {})
        if not isinstance(dtype, dict):
            return given
        kinds = {name: _read_as(one.dtype.type) for name, one in cls.to_schema().columns.items()}
        own = {kind for kind, formats in FORMATS.items() if formats & given.keys()}
        left = {*given.get("converters", {}), *(n for n, kind in kinds.items() if kind in own)}
        text = {n: AS_TEXT[kind] for n, kind in kinds.items() if kind in AS_TEXT and n not in left}
        return {**given, "dtype": text | dtype}


def _read_as(dtype: Any) -> str | None:
    """Return the kind of a column's values in a file; None if pandas may guess the type."""
    categories = getattr(dtype, "categories", None)
    if isinstance(dtype, pd.StringDtype | pd.CategoricalDtype):
        return "text" if categories is None or categories.dtype.kind == "O" else None
    if dtype.kind in "mM":
        return "moments"
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
