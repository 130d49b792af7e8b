"""The service accepts a row if and only if the contract does; what it refuses, it refuses early."""

import json
import math
import time
import tracemalloc
from datetime import UTC, datetime
from typing import Annotated, Any

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from pandera.errors import SchemaErrors
from pydantic_core import to_json

from preflight.contracts.table import Table, Utc, column, rule
from preflight.serving import body as bodies
from preflight.serving import rows as reading
from preflight.serving.rows import Rows

Nano = Annotated[pd.DatetimeTZDtype, "ns", "UTC"]
Letters = Annotated[pd.CategoricalDtype, ["b", "a"], False]
NOON = pd.Timestamp("2013-06-01 12:00", tz="UTC")

CASES: list[tuple[Any, dict[str, Any]]] = [
    (np.int8, {}),
    (np.int8, {"ge": -5, "lt": 100}),
    (np.int16, {"gt": 0.5, "le": 10.5}),
    (np.int32, {"nullable": True}),
    (np.int32, {"isin": [0, 1, 7], "lt": 7}),
    (np.int64, {}),
    (np.int64, {"ne": 3}),
    (np.uint8, {"ge": -1}),
    (np.uint64, {"notin": [3]}),
    (np.float32, {}),
    (np.float32, {"ge": 0.1, "le": 0.7}),
    (np.float32, {"gt": 0.1, "lt": 0.7, "nullable": True}),
    (np.float32, {"isin": [0.1, 1]}),
    (np.float64, {"in_range": {"min_value": 0.1, "max_value": 0.7}}),
    (np.float64, {"gt": 0.1, "lt": 0.7}),
    (np.bool_, {}),
    (np.bool_, {"isin": [True]}),
    (str, {}),
    (str, {"str_length": {"min_value": 2, "max_value": 3}, "nullable": True}),
    (str, {"str_matches": "^a+$"}),
    (str, {"isin": ["a", "aa"]}),
    (str, {"notin": ["a"]}),
    (pd.CategoricalDtype, {"nullable": True}),
    (pd.CategoricalDtype, {"isin": ["a", "aa"]}),
    (Letters, {}),
    (pd.Int64Dtype, {"ge": 0, "nullable": True}),
    (pd.UInt8Dtype, {"eq": 3}),
    (pd.Float32Dtype, {"le": 0.7, "nullable": True}),
    (pd.BooleanDtype, {"nullable": True}),
    (Utc, {"ge": NOON}),
    (Utc, {"lt": NOON, "nullable": True}),
    (Nano, {}),
]


def contract_of(columns: dict[str, tuple[Any, dict[str, Any]]], **more: Any) -> type[Table]:
    fields = {name: column("a value", **checks) for name, (_, checks) in columns.items()}
    types = {name: dtype for name, (dtype, _) in columns.items()}
    return type("Made", (Table,), {"__annotations__": types, **fields, **more})


def limits(kind: Any) -> list[float]:
    try:
        info: Any = np.iinfo(kind) if np.issubdtype(kind, np.integer) else np.finfo(kind)
    except (TypeError, ValueError):
        return []
    return [info.min.item() if hasattr(info.min, "item") else info.min, info.max]


def values(kind: Any, checks: dict[str, Any]) -> st.SearchStrategy[Any]:
    """JSON values of all types, many of them near to what the type and its checks allow."""
    edges: list[Any] = [0.1, 0.7, 1, 3, 7, 2**31, 2**63, *limits(kind)]
    edges += [value for value in checks.values() if isinstance(value, int | float)]
    near = [
        e
        for edge in map(float, edges)
        for e in (edge, math.nextafter(edge, math.inf), math.nextafter(edge, -math.inf))
    ]
    near32 = [
        float(np.nextafter(np.float32(edge), np.float32(to)))
        for edge in (0.1, 0.7)
        for to in (0.0, edge, 1.0)
    ]
    whole = [int(edge) + step for edge in edges if math.isfinite(edge) for step in (-1, 0, 1)]
    return st.one_of(
        st.sampled_from([*near, *near32, *whole]),
        st.sampled_from([None, True, False, "", "a", "b", "aa", "aaa", "aaaa", "é", "x" * 300]),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.floats(width=32, allow_nan=False, allow_infinity=False),
        st.text(max_size=4).filter(lambda text: text.isprintable()),
        st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)),
        st.sampled_from([NOON, NOON + pd.Timedelta("1us"), NOON - pd.Timedelta("1us")]),
    )


def frame_of(contract: type[Table], row: dict[str, Any]) -> pd.DataFrame | None:
    """The row as a table of the contract's types; None if they can't hold it."""
    made = {}
    for name, one in contract.to_schema().columns.items():
        dtype, value = one.dtype.type, row[name]
        kind = getattr(dtype, "numpy_dtype", dtype)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        held = isinstance(dtype, np.dtype)
        if isinstance(value, datetime) and not isinstance(dtype, pd.DatetimeTZDtype):
            value = json.loads(to_json(value))  # JSON has no moments
        if value is None:
            fits = not (held and kind.kind in "iub")
        elif isinstance(dtype, pd.DatetimeTZDtype):
            fits = isinstance(value, datetime)
            if fits and dtype.unit == "ns":
                fits = 1678 <= value.year < 2262
        elif isinstance(dtype, pd.CategoricalDtype | pd.StringDtype):
            fits = isinstance(value, str)
            if fits and getattr(dtype, "categories", None) is not None:
                fits = value in dtype.categories
        elif kind.kind == "b":
            fits = isinstance(value, bool)
        elif kind.kind in "iu":
            whole = number and (isinstance(value, int) or value.is_integer())
            info = np.iinfo(kind)
            fits = whole and info.min <= value <= info.max
            value = int(value) if fits else value
        else:
            with np.errstate(over="ignore"):
                fits = number and bool(np.isfinite(kind.type(value)))
            value = kind.type(value) if fits else value
        if not fits:
            return None
        made[name] = pd.Series([value], dtype=dtype if value is not None or not held else "float64")
        made[name] = made[name].astype(dtype)
        if isinstance(dtype, pd.CategoricalDtype) and dtype.categories is None:
            made[name] = pd.Series(pd.Categorical([value]))
    return pd.DataFrame(made)


def accepts(contract: type[Table], row: dict[str, Any]) -> bool:
    frame = frame_of(contract, row)
    if frame is None:
        return False
    try:
        contract.to_schema().validate(frame, lazy=True)
    except SchemaErrors:
        return False
    return True


def as_json(rows: list[dict[str, Any]], by_column: bool = False) -> bytes:
    names = rows[0] if rows else {}
    columns = {name: [row[name] for row in rows] for name in names}
    return to_json({"columns": columns} if by_column else {"rows": rows})


@pytest.mark.parametrize(("dtype", "checks"), CASES, ids=str)
def test_a_value_is_accepted_if_and_only_if_the_contract_accepts_it(
    dtype: Any, checks: dict[str, Any]
) -> None:
    contract = contract_of({"x": (dtype, checks)})
    rows = Rows(contract, 10)
    held = contract.to_schema().columns["x"].dtype.type
    seen = set()

    @hypothesis.settings(max_examples=150, deadline=None)
    @hypothesis.given(values(getattr(held, "numpy_dtype", held), checks))
    def same(value: Any) -> None:
        expected = accepts(contract, {"x": value})
        seen.add(expected)
        for by_column in (False, True):
            asked = rows.read(as_json([{"x": value}], by_column))
            assert (asked.places == [0]) is expected, (value, asked.faults.said)
            assert bool(asked.faults.said) is not expected
            if expected:
                contract.to_schema().validate(rows.table(asked.blocks)[["x"]])

    same()
    assert seen == {True, False}
