"""A drafted contract and catalog entry for a new file, which a person reads and edits.

The draft declares types, missing values, bounds, lists of few values and a key. Comments point out
suspicious columns, and columns that could be moments or the target.
"""

import json
import re
from collections.abc import Mapping
from functools import partial
from itertools import combinations
from keyword import iskeyword
from math import isfinite, prod
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader

from preflight.cli.draft_reading import CODE, MOMENT, read
from preflight.contracts.exact import ROUNDED, convert
from preflight.contracts.raw_table import RawTable
from preflight.problem.shares import format_share
from preflight.remedies import date_formats, find_remedy

MAX_LISTED_VALUES = 12  # distinct texts that become a list of allowed values
SAMPLE = 5_000  # rows that are searched before all rows are
MAX_KEY_COLUMNS, MAX_KEY_CANDIDATES = 4, 15
TYPES = {"string": "str", "integer": "int", "floating": "float", "boolean": "bool"}
TYPES |= {"datetime64": "Utc", "categorical": "pd.CategoricalDtype"}
WITH_MISSING = {"int": "pd.Int64Dtype", "bool": "pd.BooleanDtype"}
NUMBERS = {"int", "float", "pd.Int64Dtype"}
TAKEN = {*dir(RawTable), *TYPES.values(), "column", "pd", "object"}
DATE = r"\d{1,4}[./-]\d{1,2}[./-]\d{2,4}\b.*"
NUMBER = r"[+-]?\d[\d.,]*"
GROUPS = r"[+-]?(?:0|[1-9]\d{0,2}(?:\.\d{3})*)"  # what numbers look like if dots group digits


def draft_contract(
    path: Path, filepath: str, package: str, given: Mapping[str, Any] = MappingProxyType({})
) -> str:
    """Return a Python module with the drafted contract of a CSV or Parquet file.

    filepath: of the file, as the catalog names it.
    package: of the project, to which the contract is to belong.
    given: the `load_args` of the file's entry in the catalog, if there is one.

    Raises:
        RunError: the file is missing, unreadable or empty.
    """
    table, texts, load_args = read(path, given)
    dataset = re.sub(r"\W+", "_", f"raw {path.name.split('.')[0]}", flags=re.ASCII).strip("_")
    identifiers = _identifiers(table)
    columns = {
        name: _column(table[name], name, identifier, _left_open(table[name], texts.get(name)))
        for name, identifier in identifiers.items()
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
        load_args=load_args,
        columns=columns.values(),
        grain=[identifiers[name] for name in key],
        key=_literal(key),
        max_key_columns=MAX_KEY_COLUMNS,
        labels=[identifiers[name] for name in identifiers if distinct[name] == 2],
        numbers=[identifiers[name] for name in numbers if distinct[name] > MAX_LISTED_VALUES],
    )


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


def _column(
    values: pd.Series, name: str, identifier: str, left_open: dict[str, Any]
) -> dict[str, Any]:
    """Return the declaration of a column, and the facts that the template's remarks need."""
    kind, distinct, non_null = _type(values), _distinct(values), values.dropna()
    label_text = re.sub(r"[\W_]+", " ", name).strip() or "without a name"
    checks = {} if identifier == name else {"alias": name}
    checks |= _checks(values, kind, distinct) | ({"timezone": "UTC"} if left_open["naive"] else {})
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
        **left_open,
    }


def _left_open(values: pd.Series, text: pd.Series | None) -> dict[str, Any]:
    """Return what a column's values leave open: times without an offset, and what CSV hides.

    text: as the file has it; None: it is no CSV.
    """
    if text is None:
        is_naive = values.dtype.kind == "M" and values.dt.tz is None
        return {"naive": repr(str(values.min())) if is_naive else ""}
    written = text[values.notna()]
    found = {"lost": ", ".join(text[values.isna() & (text != "")].unique()), "naive": ""}
    if values.dtype == MOMENT:
        naive = written[convert(written, MOMENT, timezone=None)[1]]
        found["naive"] = repr(naive.iloc[0]) if len(naive) else ""
    if values.dtype.kind == "f" and written.str.fullmatch(GROUPS).all():
        above = written[written.str.contains(r"[1-9]\d*\.\d{3}")]
        found["grouped"] = above.iloc[0] if len(above) else ""
    return found


def _text_profile(values: pd.Series) -> dict[str, Any]:
    """Return which texts look like codes, numbers or dates."""
    text = values.drop_duplicates()
    bare = text.str.replace(r"[\s,%$€£]", "", regex=True)
    other = text[pd.to_numeric(bare, errors="coerce").isna()]
    codes = text[text.str.fullmatch(CODE)]
    is_number = text.str.fullmatch(NUMBER).all() and text.str.contains("[.,]").any()
    orders = [one for one in date_formats(text) if not convert(text, MOMENT, "UTC", one)[1].any()]
    return {
        "separated": find_remedy("", "float", text, {}) if is_number else "",
        "orders": " or ".join(f'date_format="{one}"' for one in orders),
        "codes": repr(codes.iloc[0]) if len(codes) else "",
        "numeric": 1 - len(other) / len(text) if len(text) else 0,
        "other": repr(other.iloc[0]) if len(other) else "",
        "dates": text.str.fullmatch(DATE).mean() > 1 / 2,
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
        checks |= {
            name: number(bound) for name, bound in bounds.items() if -ROUNDED < bound < ROUNDED
        }
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
