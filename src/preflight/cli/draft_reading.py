"""The values of a file for which a contract is drafted: exact ones, and as the file writes them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import pandas as pd

from preflight.contracts.exact import ROUNDED, convert
from preflight.errors import RunError
from preflight.runs.csv_faults import find_fault, other_separator

MOMENT = pd.DatetimeTZDtype("us", "UTC")
ISO = r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d.*)?"
CODE, LONG = r"0\d+", r"\d{19,}"
INT64_MAX = 2**63 - 1
OF_TYPES = {"dtype", "converters", "parse_dates", "date_format", "dayfirst"}
OF_TYPES |= {"decimal", "thousands", "true_values", "false_values", "low_memory"}
AS_WRITTEN: dict[str, Any] = {"keep_default_na": False, "na_values": []}


def read(path: Path, given: Mapping[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Return the table of a file, its values as text, and the arguments to read it with pandas.

    Codes, such as digits with a 0 in front, are text. ISO dates are moments, and whole numbers next
    to missing ones keep their digits. Of a Parquet file there is no text.

    given: arguments of the file's catalog entry; those that concern types are left out.

    Raises:
        RunError: the file is missing, neither CSV nor Parquet, damaged or empty.
    """
    parquet = path.suffix == ".parquet"
    if not path.is_file():
        raise RunError(f"There is no file {path}. Name one: make contract FROM=data/01_raw/new.csv")
    if ".csv" not in path.suffixes and not parquet:
        raise RunError(f"{path} is neither CSV nor Parquet. Save it as one of them.")
    form = {} if parquet else {n: one for n, one in given.items() if n not in OF_TYPES}
    if not (parquet or form.keys() & {"sep", "delimiter"}):
        form |= _separator(path, form)
    if not parquet and (fault := find_fault(path, form)):
        raise RunError(fault)
    try:
        texts = pd.DataFrame() if parquet else pd.read_csv(path, dtype="str", **form | AS_WRITTEN)
        table = pd.read_parquet(path) if parquet else _read_csv(path, texts, form)
    except (ValueError, OSError, BadZipFile) as error:  # what parsers raise is a ValueError
        raise RunError(f"{path} can't be read: {error}. Save it again, as UTF-8.") from error
    if table.empty:
        raise RunError(f"{path} has no rows. Use a file with rows: the draft follows their values.")
    if any(table.index.names) or not (parquet or table.index.equals(pd.RangeIndex(len(table)))):
        raise RunError(f"{path} has an index, or rows longer than its header. Make them columns.")
    return table, texts, form


def _separator(path: Path, form: Mapping[str, Any]) -> dict[str, Any]:
    """Return the separator of a CSV as an argument; nothing if it is a comma or can't be read."""
    try:
        header = pd.read_csv(path, **{**form, "nrows": 0}).columns
    except (ValueError, EOFError, OSError, BadZipFile):
        return {}
    separator = other_separator(header.tolist())
    return {"sep": separator} if separator else {}


def _read_csv(path: Path, texts: pd.DataFrame, form: dict[str, Any]) -> pd.DataFrame:
    """Return a CSV with the types that pandas finds, where they keep each value."""
    codes = {name: "str" for name, text in texts.items() if _has_codes(text)}
    table = pd.read_csv(path, low_memory=False, dtype=codes, **form)
    exact = {name: _exact(table[name], texts[name].where(table[name].notna())) for name in table}
    return table.assign(**exact)


def _has_codes(text: pd.Series) -> bool:
    """Return whether there are digits with a 0 in front, or more of them than a number keeps."""
    long = text[text.str.fullmatch(LONG)]
    return bool(text.str.fullmatch(CODE).any()) or any(int(one) > INT64_MAX for one in long)


def _exact(values: pd.Series, text: pd.Series) -> pd.Series:
    """Return a column as whole numbers or moments if pandas has rounded or not seen them."""
    if values.dtype.kind == "f" and (values.abs() >= ROUNDED).any():
        made, unfit = convert(text, pd.Int64Dtype())
        return values if unfit.any() else made
    present = text.dropna()
    if values.dtype.kind == "O" and len(present) and present.str.fullmatch(ISO).all():
        made, unfit = convert(text, MOMENT)
        return values if unfit.any() else made
    return values
