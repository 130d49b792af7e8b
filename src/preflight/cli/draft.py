"""A draft of a contract and a catalog entry for a new file, to be read and edited by a person.

Missing values and bounds are pandera's own inference; the rest is what it lacks: a key, lists of
few values, suspicious columns, and which columns could be moments or the target.
"""

import json
import re
from itertools import combinations
from keyword import iskeyword
from math import isfinite, prod
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import pandas as pd
import pandera.pandas as pa
from jinja2 import Environment, FileSystemLoader

from preflight.contracts.raw_table import RawTable
from preflight.errors import RunError

FEW = 12  # so many values of a text are listed
SAMPLE = 5_000  # rows that are looked at before all are
KEY, CANDIDATES = 4, 15  # most columns of a key, and of the table, that are tried
EXACT = 2**53  # pandera infers bounds as floats, which are whole numbers up to here
TYPES = {"string": "str", "integer": "int", "floating": "float", "boolean": "bool"}
TYPES |= {"datetime64": "Utc", "categorical": "pd.CategoricalDtype"}
WITH_MISSING = {"int": "pd.Int64Dtype", "bool": "pd.BooleanDtype"}
NUMBERS = {"int", "float", "pd.Int64Dtype"}
BOUNDS = {"greater_than_or_equal_to": "ge", "less_than_or_equal_to": "le"}
TAKEN = {*dir(RawTable), *TYPES.values(), "column", "pd", "object"}
ISO = r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d.*)?"
DATE = r"\d{1,4}[./-]\d{1,2}[./-]\d{2,4}\b.*"
CODE = r"0\d+"


def draft_contract(path: Path, filepath: str, package: str) -> str:
    """Return a module with the drafted contract of a CSV or Parquet file.

    filepath: where the catalog looks for the file.
    package: of the project, whose contracts the class is to be one of.

    Raises:
        RunError: nothing can be drafted.
    """
    table, load_args = read(path)
    dataset = re.sub(r"\W+", "_", f"raw {path.name.split('.')[0]}", flags=re.ASCII).strip("_")
    inferred, names = pa.infer_schema(table).columns, _identifiers(table)
    columns = {name: _column(table, name, names, inferred[name]) for name in names}
    distinct = {name: one["distinct"] for name, one in columns.items()}
    many = [name for name, one in columns.items() if one["kind"] in NUMBERS]
    key = key_of(table, distinct)
    beside = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=beside, keep_trailing_newline=True)
    return environment.get_template("draft.py.j2").render(
        filepath=filepath,
        package=package,
        rows=len(table),
        dataset=dataset.lower(),
        contract=dataset.title().replace("_", ""),
        csv=path.suffix != ".parquet",
        load_args={word: said for word, said in load_args.items() if word != "dtype"},
        columns=columns.values(),
        grain=[names[name] for name in key],
        key=_literal(key),
        most=KEY,
        labels=[names[name] for name in names if distinct[name] == 2],
        numbers=[names[name] for name in many if distinct[name] > FEW],
    )


def read(path: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the file's table, and the arguments of pandas by which it was read.

    Raise RunError if it is not there, neither CSV nor Parquet, damaged or empty.
    """
    parquet = path.suffix == ".parquet"
    if not path.is_file():
        raise RunError(f"There is no file {path}. Name one: make contract FROM=data/01_raw/new.csv")
    if ".csv" not in path.suffixes and not parquet:
        raise RunError(f"{path} is neither CSV nor Parquet. Save it as one of them.")
    try:
        arguments = {} if parquet else _csv_arguments(path)
        table = (
            pd.read_parquet(path) if parquet else pd.read_csv(path, low_memory=False, **arguments)
        )
    except (ValueError, OSError, BadZipFile) as error:  # what parsers raise is a ValueError
        raise RunError(f"{path} can't be read: {error}. It has to be sound, and UTF-8.") from error
    if table.empty:
        raise RunError(f"{path} has no rows: a draft is made from values.")
    if any(table.index.names) or not (parquet or table.index.equals(pd.RangeIndex(len(table)))):
        raise RunError(f"{path} has an index, or rows longer than its header. Make them columns.")
    return table, arguments


def _csv_arguments(path: Path) -> dict[str, Any]:
    """Return how to read a CSV: its separator, codes that begin with 0, moments."""
    header = pd.read_csv(path, nrows=0).columns
    apart = re.search(r"[;\t|]", header[0]) if len(header) == 1 else None
    found: dict[str, Any] = {"sep": apart[0]} if apart else {}
    text = pd.read_csv(path, nrows=SAMPLE, dtype="str", **found)
    there = {name: text[name].dropna() for name in text}
    if codes := [name for name, one in there.items() if one.str.fullmatch(CODE).any()]:
        found["dtype"] = dict.fromkeys(codes, "str")
    dated = [name for name, one in there.items() if len(one) and one.str.fullmatch(ISO).all()]
    if dated:  # pandas leaves as text what it can't read, if only in the last row
        parsed = pd.read_csv(path, usecols=dated, parse_dates=dated, **found)
        found["parse_dates"] = [name for name in dated if parsed[name].dtype.kind == "M"]
    return found


def key_of(table: pd.DataFrame, distinct: dict[str, int]) -> list[str]:
    """Return the fewest columns that are unique and never missing, the first such; [] if none."""
    could = [
        name
        for name, count in distinct.items()
        if count > (len(table) > 1) and table[name].notna().all() and table[name].dtype.kind != "f"
    ]
    could.sort(key=lambda name: distinct[name] != len(table))
    for size in range(1, KEY + 1):
        for names in map(list, combinations(could[:CANDIDATES], size)):
            enough = prod([distinct[name] for name in names]) >= len(table)
            if enough and not any(t[names].duplicated().any() for t in (table.head(SAMPLE), table)):
                return names
    return []


def _column(
    table: pd.DataFrame, name: str, names: dict[str, str], inferred: pa.Column
) -> dict[str, Any]:
    """Return what the template writes of a column: its declaration, and facts to decide on."""
    values, kind, distinct = table[name], _type(table[name]), _distinct(table[name])
    there = values.dropna()
    words = re.sub(r"[\W_]+", " ", name).strip() or "without a name"
    alias = {} if names[name] == name else {"alias": name}
    checks = alias | _checks(values, kind, distinct, inferred)
    return {
        "name": names[name],
        "kind": kind,
        "arguments": [_literal(words), *['"UTC"'] * (kind == "Utc")]
        + [f"{word}={_literal(value)}" for word, value in checks.items()],
        "distinct": distinct,
        "missing": len(values) - len(there),
        "there": there,
        "first": repr(*there.head(1).tolist()) if len(there) else "",
        "python": type(there.iloc[0]).__name__ if len(there) else "",
        **(_of_text(there) if kind == "str" else {}),
    }


def _of_text(there: pd.Series) -> dict[str, Any]:
    """Return what a text's values look like: codes, numbers, dates."""
    text = there.drop_duplicates()
    bare = text.str.replace(r"[\s,%$€£]", "", regex=True)
    odd = pd.to_numeric(bare, errors="coerce").isna()
    codes = text[text.str.fullmatch(CODE)]
    return {
        "codes": repr(codes.iloc[0]) if len(codes) else "",
        "numeric": 1 - odd.mean(),
        "other": repr(text[odd].iloc[0]) if odd.any() else "",
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


def _checks(values: pd.Series, kind: str, distinct: int, inferred: pa.Column) -> dict[str, Any]:
    """Return the keywords of a declaration: what pandera infers, or a list of the few values."""
    checks: dict[str, Any] = {"nullable": True} if inferred.nullable else {}
    there = values.dropna()
    few = {"str": FEW, "pd.CategoricalDtype": FEW, "int": 2, "float": 2}.get(kind, 0)
    if 0 < distinct <= min(few, len(there) / 2):
        listed = there.unique().tolist()
        if all(isinstance(one, str) or (kind in NUMBERS and isfinite(one)) for one in listed):
            return checks | {"isin": sorted(listed)}
    if kind == "str" and len(lengths := there.str.len().unique()) == 1:
        checks["str_length"] = int(lengths[0])
    for check in (inferred.checks or []) if kind in NUMBERS else []:
        bound = next(iter(check.statistics.values()))
        if check.name in BOUNDS and abs(bound) < EXACT:
            checks[BOUNDS[check.name]] = float(bound) if kind == "float" else int(bound)
    return checks


def _distinct(values: pd.Series) -> int:
    try:
        return values.nunique()
    except TypeError:  # lists and mappings can't be told apart
        return 0


def _identifiers(table: pd.DataFrame) -> dict[str, str]:
    """Return a name in Python for each column: its own if it can be, else one like it."""
    found: dict[str, str] = {}
    for name in table.columns:
        plain = name
        if not re.fullmatch(r"[a-zA-Z]\w*", name, re.ASCII):
            plain = re.sub(r"\W+", "_", f"column {name}", flags=re.ASCII).strip("_")
        while iskeyword(plain) or plain in TAKEN or plain in found.values():
            plain += "_"
        found[name] = plain
    return found


def _literal(value: Any) -> str:
    """Return a value as it is written in Python, text in double quotes."""
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
