"""A drafted contract and catalog entry for a new file, which a person reads and edits.

The draft declares types, missing values, bounds, lists of few values and a key. Comments point out
suspicious columns, and columns that could be moments or the target.
"""

import json
import re
from functools import partial
from itertools import combinations
from keyword import iskeyword
from math import isfinite, prod
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import pandas as pd
from jinja2 import Environment, PackageLoader

from preflight.contracts.raw_table import RawTable
from preflight.errors import RunError
from preflight.problem.shares import format_share
from preflight.runs.csv_faults import find_fault, other_separator

MAX_LISTED_VALUES = 12  # distinct texts that become a list of allowed values
SAMPLE = 5_000  # rows that are searched before all rows are
MAX_KEY_COLUMNS, MAX_KEY_CANDIDATES = 4, 15
EXACT = 2**53  # a column with missing values is read as floats, which are exact below this
TYPES = {"string": "str", "integer": "int", "floating": "float", "boolean": "bool"}
TYPES |= {"datetime64": "Utc", "categorical": "pd.CategoricalDtype"}
WITH_MISSING = {"int": "pd.Int64Dtype", "bool": "pd.BooleanDtype"}
NUMBERS = {"int", "float", "pd.Int64Dtype"}
TAKEN = {*dir(RawTable), *TYPES.values(), "column", "pd", "object"}
ISO = r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d.*)?"
DATE = r"\d{1,4}[./-]\d{1,2}[./-]\d{2,4}\b.*"
CODE = r"0\d+"
LONG = r"-?\d{16,18}"  # whole numbers that a float may round
THREE_DECIMALS = r"-?\d{1,3}\.\d{3}"  # 1.234 may be 1234
DOTS = r"-?\d{1,3}(\.\d{3}){2,}(,\d+)?"  # 1.234.567
COMMA = r"-?\d+,(\d{1,2}|\d{4,})"  # 1,5
FEWEST = 10  # values that have to look so


def draft_contract(path: Path, filepath: str, package: str) -> str:
    """Return a Python module with the drafted contract of a CSV or Parquet file.

    filepath: of the file, as the catalog names it.
    package: of the project, to which the contract is to belong.

    Raises:
        RunError: the file is missing, unreadable or empty.
    """
    table, load_args = read(path)
    dataset = re.sub(r"\W+", "_", f"raw {path.name.split('.')[0]}", flags=re.ASCII).strip("_")
    identifiers = _identifiers(table)
    texts = pd.DataFrame() if path.suffix == ".parquet" else _texts(path, load_args)
    columns = {
        name: _column(table[name], name, identifiers[name])
        | (_text_facts(texts[name], table[name]) if name in texts else {})
        for name in identifiers
    }
    distinct = {name: one["distinct"] for name, one in columns.items()}
    numbers = [name for name, one in columns.items() if one["kind"] in NUMBERS]
    key = key_of(table, distinct)
    environment = Environment(loader=PackageLoader("preflight", "cli"), keep_trailing_newline=True)
    environment.filters["share"] = partial(format_share, decimals=1)
    return environment.get_template("draft.py.j2").render(
        filepath=filepath,
        package=package,
        rows=len(table),
        dataset=dataset.lower(),
        contract=dataset.title().replace("_", ""),
        csv=path.suffix != ".parquet",
        load_args={name: value for name, value in load_args.items() if name != "dtype"},
        columns=columns.values(),
        grain=[identifiers[name] for name in key],
        key=_literal(key),
        max_key_columns=MAX_KEY_COLUMNS,
        labels=[identifiers[name] for name in identifiers if distinct[name] == 2],
        numbers=[identifiers[name] for name in numbers if distinct[name] > MAX_LISTED_VALUES],
    )


def read(path: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the table of a file, and the arguments with which pandas read it.

    Raises:
        RunError: the file is missing, neither CSV nor Parquet, damaged or empty.
    """
    parquet = path.suffix == ".parquet"
    if not path.is_file():
        raise RunError(f"There is no file {path}. Name one: make contract FROM=data/01_raw/new.csv")
    if ".csv" not in path.suffixes and not parquet:
        raise RunError(f"{path} is neither CSV nor Parquet. Save it as one of them.")
    if not parquet and (fault := find_fault(path, _separator(path))):
        raise RunError(fault)
    try:
        arguments = {} if parquet else _csv_arguments(path)
        table = pd.read_parquet(path) if parquet else _read_csv(path, arguments)
    except (ValueError, OSError, BadZipFile) as error:  # what parsers raise is a ValueError
        raise RunError(f"{path} can't be read: {error}. Save it again, as UTF-8.") from error
    if table.empty:
        raise RunError(f"{path} has no rows. Use a file with rows: the draft follows their values.")
    if any(table.index.names) or not (parquet or table.index.equals(pd.RangeIndex(len(table)))):
        raise RunError(f"{path} has an index, or rows longer than its header. Make them columns.")
    return table, arguments


def _read_csv(path: Path, arguments: dict[str, Any]) -> pd.DataFrame:
    """Return a CSV; moments whose offset changes, as with summer time, are in UTC."""
    table = pd.read_csv(path, low_memory=False, **arguments)
    for name in table.select_dtypes("str"):
        text = table[name].dropna()
        if len(text) and text.str.fullmatch(ISO).all():
            moments = pd.to_datetime(table[name], format="ISO8601", utc=True, errors="coerce")
            if moments.notna().sum() == len(text):
                table[name] = moments
    return table


def _separator(path: Path) -> dict[str, Any]:
    """Return the separator of a CSV as an argument; nothing if it is a comma or can't be read."""
    try:
        header = pd.read_csv(path, nrows=0).columns
    except (ValueError, EOFError, OSError, BadZipFile):
        return {}
    separator = other_separator(header.tolist())
    return {"sep": separator} if separator else {}


def _csv_arguments(path: Path) -> dict[str, Any]:
    """Return how to read a CSV: its separator, codes that begin with 0 as text, moments."""
    arguments = _separator(path)
    sample = pd.read_csv(path, nrows=SAMPLE, dtype="str", **arguments)
    texts = {name: sample[name].dropna() for name in sample}
    if codes := [name for name, text in texts.items() if text.str.fullmatch(CODE).any()]:
        arguments["dtype"] = dict.fromkeys(codes, "str")
    dated = [name for name, text in texts.items() if len(text) and text.str.fullmatch(ISO).all()]
    if long := [name for name, text in texts.items() if text.str.fullmatch(LONG).all()]:
        long = [name for name in long if len(texts[name])]
        arguments["dtype"] = arguments.get("dtype", {}) | dict.fromkeys(long, "Int64")
    if dated:  # pandas leaves a column as text if it can't parse a single row
        parsed = pd.read_csv(path, usecols=dated, parse_dates=dated, **arguments)
        if kept := [name for name in dated if parsed[name].dtype.kind == "M"]:
            arguments["parse_dates"] = kept
    return arguments


def _texts(path: Path, arguments: dict[str, Any]) -> pd.DataFrame:
    """Return a CSV as it is written."""
    form = {"sep": arguments["sep"]} if "sep" in arguments else {}
    return pd.read_csv(path, dtype="str", keep_default_na=False, **form)


def _text_facts(texts: pd.Series, values: pd.Series) -> dict[str, Any]:
    """Return what values no longer show: texts that are missing now, and dots for thousands."""
    written = texts[texts != ""]
    is_number = values.dtype.kind == "f" and len(written) >= FEWEST
    thousands = is_number and written.str.fullmatch(THREE_DECIMALS).all()
    return {
        "lost": ", ".join(texts[values.isna() & (texts != "")].unique()),
        "thousands": written.iloc[0] if thousands else "",
    }


def key_of(table: pd.DataFrame, distinct: dict[str, int]) -> list[str]:
    """Return the first of the smallest sets of columns that are a key; [] if there is none."""
    candidates = [
        name
        for name, count in distinct.items()
        if count > (len(table) > 1) and table[name].notna().all() and table[name].dtype.kind != "f"
    ]
    candidates.sort(key=lambda name: distinct[name] != len(table))
    for size in range(1, MAX_KEY_COLUMNS + 1):
        for names in map(list, combinations(candidates[:MAX_KEY_CANDIDATES], size)):
            enough = prod([distinct[name] for name in names]) >= len(table)
            if enough and not any(t[names].duplicated().any() for t in (table.head(SAMPLE), table)):
                return names
    return []


def _column(values: pd.Series, name: str, identifier: str) -> dict[str, Any]:
    """Return the declaration of a column, and the facts that the template's remarks need."""
    kind, distinct, non_null = _type(values), _distinct(values), values.dropna()
    label_text = re.sub(r"[\W_]+", " ", name).strip() or "without a name"
    checks = {} if identifier == name else {"alias": name}
    checks |= _checks(values, kind, distinct)
    return {
        "name": identifier,
        "kind": kind,
        "arguments": [_literal(label_text), *['"UTC"'] * (kind == "Utc")]
        + [f"{keyword}={_literal(value)}" for keyword, value in checks.items()],
        "distinct": distinct,
        "missing": len(values) - len(non_null),
        "non_null": non_null,
        "first": repr(*non_null.head(1).tolist()) if len(non_null) else "",
        "python": type(non_null.iloc[0]).__name__ if len(non_null) else "",
        **(_text_profile(non_null) if kind == "str" else {}),
    }


def _text_profile(values: pd.Series) -> dict[str, Any]:
    """Return which texts look like codes, numbers or dates."""
    text = values.drop_duplicates()
    bare = text.str.replace(r"[\s,%$€£]", "", regex=True)
    other = text[pd.to_numeric(bare, errors="coerce").isna()]
    codes = text[text.str.fullmatch(CODE)]
    return {
        "codes": repr(codes.iloc[0]) if len(codes) else "",
        "numeric": 1 - len(other) / len(text) if len(text) else 0,
        "other": repr(other.iloc[0]) if len(other) else "",
        "dates": text.str.fullmatch(DATE).mean() > 1 / 2,
        "dots": bool(text.str.fullmatch(DOTS).any()),
        "comma": bool(text.str.fullmatch(COMMA).any()),
    }


def _type(values: pd.Series) -> str:
    """Return the annotation of a column; `object` for what has no better one."""
    if values.isna().all():
        return "float"
    kind = TYPES.get(pd.api.types.infer_dtype(values, skipna=True), "object")
    if kind == "int" and values.max() > 2**63 - 1:
        return "object"
    return WITH_MISSING.get(kind, kind) if values.isna().any() else kind


def _checks(values: pd.Series, kind: str, distinct: int) -> dict[str, Any]:
    """Return the checks of a declaration: missing values, few values, length or bounds."""
    checks: dict[str, Any] = {"nullable": True} if values.isna().any() else {}
    non_null = values.dropna()
    texts = dict.fromkeys(("str", "pd.CategoricalDtype"), MAX_LISTED_VALUES)
    most = {**texts, "int": 2, "float": 2}.get(kind, 0)
    if 0 < distinct <= min(most, len(non_null) / 2):
        listed = non_null.unique().tolist()
        if all(isinstance(one, str) or (kind in NUMBERS and isfinite(one)) for one in listed):
            return checks | {"isin": sorted(listed)}
    if kind == "str" and len(lengths := non_null.str.len().unique()) == 1:
        checks["str_length"] = int(lengths[0])
    if kind in NUMBERS and len(non_null):
        number = float if kind == "float" else int
        bounds = {"ge": non_null.min(), "le": non_null.max()}
        checks |= {name: number(bound) for name, bound in bounds.items() if -EXACT < bound < EXACT}
    return checks


def _distinct(values: pd.Series) -> int:
    try:
        return values.nunique()
    except TypeError:  # lists and mappings have no hash
        return 0


def _identifiers(table: pd.DataFrame) -> dict[str, str]:
    """Return a valid Python name for each column: its own, or a similar one."""
    found: dict[str, str] = {}
    for name in table.columns:
        identifier = name
        if not re.fullmatch(r"[a-zA-Z]\w*", name, re.ASCII):
            identifier = re.sub(r"\W+", "_", f"column {name}", flags=re.ASCII).strip("_")
        while iskeyword(identifier) or identifier in TAKEN or identifier in found.values():
            identifier += "_"
        found[name] = identifier
    return found


def _literal(value: Any) -> str:
    """Return a value as Python source, text in double quotes."""
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
