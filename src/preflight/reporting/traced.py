"""Values that know where they are from, in whatever sentence or table they are written.

A traced value writes itself between marks that no text has. On a page the marks become an element
with the dataset, its version, and what follows `catalog.load(dataset)` to get the value.
"""

import math
import re
from typing import Any

import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype, is_string_dtype
from pydantic import BaseModel

BEGIN, BETWEEN, END = "\ue000", "\ue001", "\ue002"
MARKED = re.compile(BEGIN + f"([^{BETWEEN}]*){BETWEEN}" * 3 + f"([^{END}]*){END}")


class _Traced:
    """A value from a dataset; source: the dataset, path: what follows `catalog.load(source)`."""

    value: Any
    source: str
    path: str

    def __new__(cls, value: Any, source: str, path: str) -> Any:
        made: Any = super().__new__(cls, value)  # type: ignore[call-arg]
        made.value, made.source, made.path = value, source, path
        return made

    def __reduce__(self) -> Any:
        return type(self), (self.value, self.source, self.path)

    def __str__(self) -> str:
        return marked(self, str(self.value))

    def __format__(self, spec: str) -> str:
        return marked(self, format(self.value, spec))


class _Float(_Traced, float): ...


class _Int(_Traced, int): ...


class _Text(_Traced, str): ...


def traced(data: Any, source: str, path: str = "") -> Any:
    """Return data in which each number, and each text with one, knows where it is from.

    Dictionaries, lists, tables and pydantic models are gone through; numbers that are derived keep
    what they are derived by, as the path. Numbers not known stay as they are.
    """
    match data:
        case bool() | _Traced():
            pass
        case int():
            data = _Int(data, source, path)
        case float() if not math.isnan(data):
            data = _Float(data, source, path)
        case str() if re.search(r"\d", data):
            data = _Text(data, source, path)
        case dict():
            data = {k: traced(v, source, f"{path}[{k!r}]") for k, v in data.items()}
        case list():
            data = [traced(v, source, f"{path}[{i}]") for i, v in enumerate(data)]
        case BaseModel():
            inner = {name: getattr(data, name) for name in type(data).model_fields}
            data = data.model_copy(update=traced(inner, source, path))
        case pd.DataFrame():
            told = {str(c): _column(data[c], source) for c in data if _is_told(data[c])}
            data = data.assign(**told)
    return data


def _is_told(column: pd.Series) -> bool:
    is_number = is_numeric_dtype(column) and not is_bool_dtype(column)
    return is_number or is_string_dtype(column)


def _column(column: pd.Series, source: str) -> pd.Series:
    cells = [
        traced(cell, source, f".at[{row}, {column.name!r}]")
        for row, cell in enumerate(column.tolist())
    ]
    return pd.Series(cells, index=column.index, dtype=object)


def marked(value: Any, text: str) -> str:
    """Return the text that a value is written as, between marks if it is traced."""
    if not isinstance(value, _Traced):
        return text
    written = "" if isinstance(value, str) else repr(value.value)
    return f"{BEGIN}{BETWEEN.join([value.source, value.path, written, text])}{END}"


def plain(text: str) -> str:
    """Return a text without marks."""
    return MARKED.sub(r"\4", text)


def linked(page: str, versions: dict[str, str]) -> str:
    """Return a page with an element instead of each pair of marks."""

    def element(found: re.Match[str]) -> str:
        source, path, value, text = found.groups()
        tag, has = ("data", f' value="{value}"') if value else ("span", "")
        version = f' data-version="{versions[source]}"' if source in versions else ""
        return f'<{tag}{has} data-from="{source}"{version} data-path="{path}">{text}</{tag}>'

    return MARKED.sub(element, page)
