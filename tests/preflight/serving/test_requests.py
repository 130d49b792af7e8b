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

from preflight.contracts.table import LARGEST, Table, Utc, column, rule
from preflight.serving import body as bodies
from preflight.serving import requests as reading
from preflight.serving.requests import RequestReader

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
    (np.float32, {"group": "a", "lt": 0.7}),
    (np.float64, {"group": "a", "nullable": True}),
    (pd.CategoricalDtype, {"group": "a", "nullable": True}),
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


def near_to(kind: Any, checks: dict[str, Any]) -> list[Any]:
    """JSON values of all types, many of them near to what a type and its checks allow."""
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
    texts = [None, True, False, "", "a", "b", "aa", "aaa", "aaaa", "é", "x" * 300]
    moments = [NOON, NOON + pd.Timedelta("1us"), NOON - pd.Timedelta("1us")]
    return [*near, *near32, *whole, *texts, *moments]


ANY = st.one_of(
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(width=32, allow_nan=False, allow_infinity=False),
    st.text(max_size=4).filter(lambda text: text.isprintable()),
    st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)),
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
    rows = RequestReader(contract, 10)
    held = contract.to_schema().columns["x"].dtype.type
    seen = set()

    def same(value: Any) -> None:
        expected = accepts(contract, {"x": value})
        seen.add(expected)
        for by_column in (False, True):
            asked = rows.read(as_json([{"x": value}], by_column))
            assert (asked.row_numbers == [0]) is expected, (value, asked.faults.messages)
            assert bool(asked.faults.messages) is not expected
            if expected:
                contract.to_schema().validate(rows.table(asked.blocks)[["x"]])

    for value in near_to(getattr(held, "numpy_dtype", held), checks):
        same(value)
    assert seen == {True, False}
    hypothesis.settings(max_examples=100, deadline=None)(hypothesis.given(ANY)(same))()


class Pair(Table, key=["name"]):
    """Rows with a rule over two columns, and what pandera alone checks."""

    name: str = column("a name", str_matches="^[a-z]+$")
    low: np.float32 = column("the least", nullable=True, ge=0)
    high: np.float32 = column("the most", nullable=True, le=10)
    code: np.int64 = column("a code", unique=True)

    @rule("low is not above high", "low", "high")
    def in_order(cls, t: pd.DataFrame) -> pd.Series:
        return ~(t["low"] > t["high"])


def pair(name: str, low: Any = 1.0, high: Any = 2.0, code: int | None = None) -> dict[str, Any]:
    return {"name": name, "low": low, "high": high, "code": ord(name[0]) if code is None else code}


@pytest.mark.parametrize("by_column", [False, True])
def test_checks_that_only_pandera_makes_refuse_the_rows_that_break_them(by_column: bool) -> None:
    rows = [
        pair("a"),
        pair("b", 3.0),
        pair("C"),
        pair("d", code=97),
        pair("e", None),
        pair("f", -1),
    ]
    asked = RequestReader(Pair, 10).read(as_json(rows, by_column))
    assert (asked.row_numbers, asked.size) == ([0, 4], 6)
    assert asked.faults.messages == {
        1: ["breaks the contract: low is not above high"],
        2: ["column name breaks the contract: str_matches('^[a-z]+$')"],
        3: ["column code breaks the contract: unique"],
        5: ["column low is below 0.0: -1"],
    }
    assert not RequestReader(Pair, 10).read(as_json([rows[0], rows[4]], by_column)).faults.messages


def test_a_contract_without_such_checks_costs_no_pandera() -> None:
    from late_flights.contracts.features import Features

    assert RequestReader(Features, 10)._table_checks == []


@pytest.mark.parametrize("value", [LARGEST, -LARGEST, LARGEST * 1.01, -LARGEST * 1.01, 1e300])
def test_a_feature_is_within_what_models_compute_with(value: float) -> None:
    contract = contract_of({"x": (np.float64, {"group": "a"})})
    asked = RequestReader(contract, 10).read(as_json([{"x": value}]))
    assert (asked.row_numbers == [0]) is accepts(contract, {"x": value}) is (abs(value) <= LARGEST)


def test_a_check_that_fails_on_a_table_refuses_all_its_rows() -> None:
    def none_is_the_most(cls: Any, t: pd.DataFrame) -> bool:
        return bool(t["x"].max() < 5)

    import pandera.pandas as pa

    check = pa.dataframe_check(none_is_the_most)
    rows = RequestReader(contract_of({"x": (np.int64, {})}, none_is_the_most=check), 10)
    assert rows.read(as_json([{"x": 1}, {"x": 4}])).row_numbers == [0, 1]
    assert rows.read(as_json([{"x": 1}, {"x": 5}])).row_numbers == []


WIDE = {f"x{i}": (np.float32, {"ge": 0, "nullable": i > 0}) for i in range(40)}
MOST = 1000


@pytest.fixture(scope="module")
def wide() -> RequestReader:
    return RequestReader(
        contract_of(WIDE, Config=type("Config", (Table.Config,), {"unique": ["x0"]})), MOST
    )


def good(size: int) -> list[dict[str, Any]]:
    return [dict.fromkeys(WIDE, 1.5) | {"x0": i} for i in range(size)]


def cost(rows: RequestReader, body: bytes) -> float:
    """CPU seconds of reading a body, the least of five."""

    def once() -> float:
        began = time.process_time()
        rows.read(body)
        return time.process_time() - began

    return min(once() for _ in range(5))


def peak(rows: RequestReader, body: bytes) -> int:
    tracemalloc.start()
    rows.read(body)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


KEYS = b'{"rows":[{' + b",".join(b'"k%d":0' % i for i in range(400_000)) + b"}]}"
ATTACKS = {
    "too many rows": b'{"rows":[' + b",".join([b"{}"] * (MOST + 1)) + b"]}",
    "very many rows": b'{"rows":[' + b",".join([b"{}"] * 900_000) + b"]}",
    "very many keys": KEYS,
    "very many columns": KEYS.replace(b":0", b":[]").replace(b"rows", b"columns"),
    "very many values": b'{"columns":{"x0":[' + b",".join([b"0"] * 900_000) + b"]}}",
    "keys twice": b'{"rows":[{' + b",".join([b'"x0":0'] * 400_000) + b"}]}",
    "deep": b'{"rows":' + b"[" * 900_000,
    "deep and closed": b'{"rows":[{"x0":' + b"[" * 900_000 + b"]" * 900_000 + b"}]}",
    "closed before": b"]" * 900_000,
    "not closed": b'{"rows":[{"x0":"' + b"x" * 900_000,
}


@pytest.mark.parametrize("name", ATTACKS)
def test_a_body_over_the_limits_is_refused_before_it_is_parsed(
    name: str, wide: RequestReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[int] = []
    parse = bodies.from_json
    monkeypatch.setattr(bodies, "from_json", lambda text: parsed.append(len(text)) or parse(text))
    monkeypatch.setattr(reading, "from_json", None)
    monkeypatch.setattr(wide, "_parse", None)
    monkeypatch.setattr(wide, "_values", {})
    asked = wide.read(ATTACKS[name])
    (says,) = asked.faults.messages.values()
    assert (len(says), asked.row_numbers) == (1, [])
    assert sum(parsed) < 20  # no more than what is around the rows
    assert peak(wide, ATTACKS[name]) < 50 * bodies.BLOCK


def test_what_is_refused_costs_no_more_than_what_is_answered(wide: RequestReader) -> None:
    valid = as_json(good(MOST))
    refused = {
        "bad values": valid.replace(b"1.5", b"-10"),
        "other types": valid.replace(b"1.5", b'"a"'),
        "other names": valid.replace(b'"x1"', b'"y1"'),
        "a key twice": valid.replace(b'"x1"', b'"x2"'),
        "a key more": valid.replace(b'"x1":', b'"a":0,"x1":'),
        "keys": KEYS[:10] + KEYS[11 : len(valid)] + b"}]}",
    }
    answered = cost(wide, valid)
    for name, body in refused.items():
        asked = wide.read(body)
        assert not asked.row_numbers, name
        assert sum(map(len, asked.faults.messages.values())) <= 20
        assert cost(wide, body) < 2.5 * answered, name  # to answer it takes as long again
        assert peak(wide, body) < 2 * peak(wide, valid), name
    columns = as_json(good(MOST), by_column=True)
    bad = columns.replace(b"1.5", b"-10")
    by_row, by_column = (wide.read(body).faults for body in (refused["bad values"], bad))
    assert vars(by_column) == vars(by_row)
    assert by_column.more == len(WIDE) - 1 - 20 + MOST - 1
    assert cost(wide, bad) < 4 * cost(wide, columns)


def test_empty_rows_make_no_error_for_each_column(
    wide: RequestReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wide, "_parse", None)  # no row of them is parsed with the others
    asked = wide.read(b'{"rows":[' + b",".join([b"{}"] * MOST) + b"]}")
    assert asked.faults.messages == {0: [f"column {name} is missing" for name in [*WIDE][:20]]}
    assert asked.faults.more == len(WIDE) - 20 + MOST - 1
    assert asked.faults.rows == {*range(MOST)}


def test_many_rows_are_parsed_a_few_at_a_time(
    wide: RequestReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    parse = wide._parse
    monkeypatch.setattr(wide, "_parse", lambda texts: sizes.append(len(texts)) or parse(texts))
    assert len(wide.read(as_json(good(MOST))).row_numbers) == MOST
    assert max(sizes) <= reading.ROWS_AT_ONCE
    assert sum(sizes) == MOST


TEXTS = st.text(st.sampled_from('"\\{}[],:ab\n\u00e9'), max_size=6)


@hypothesis.settings(max_examples=200, deadline=None)
@hypothesis.given(
    st.lists(TEXTS, min_size=1, max_size=5, unique=True), st.integers(2, 9), st.booleans()
)
def test_no_text_is_taken_for_structure(texts: list[str], block: int, by_column: bool) -> None:
    rows = RequestReader(contract_of({"a": (str, {}), "b": (str, {})}), 10)
    body = as_json([{"a": text, "b": text[::-1]} for text in texts], by_column)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bodies, "BLOCK", block)
        patch.setattr(rows, "_read_few", lambda _: None)
        asked = rows.read(body)
    assert asked.row_numbers == [*range(len(texts))]
    assert rows.table(asked.blocks)["a"].tolist() == texts


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"\xff\xfe{", "not valid JSON"),
        (b'{"rows":[{"x":1}', "not closed"),
        (b'{"rows":[{"x":1} {"x":2}]}', "not valid JSON"),
        (b'{"rows":[{"x":1}],"rows":[{"x":2}]}', "a name is given twice"),
        (b'{"rows":[{"x":1}],"columns":{"x":[1]}}', "either rows, columns or keys"),
        (b'{"columns":{"x":[1],"x":[2]}}', "a name is given twice"),
        (b'{"rows":[{"x":1,"x":2}]}', "a column is given twice"),
        (b'{"rows":[{"x":[1]}]}', "no list and no object"),
        (b'{"rows":[{"x":NaN}]}', "Input should be a finite number: nan"),
        (b'{"rows":[{"x":-Infinity}]}', "Input should be a finite number: -inf"),
        (b'{"rows":[{"x":1e999}]}', "Input should be a finite number: inf"),
        (b'{"rows":[{"x":' + b"9" * 4000 + b"}]}", "column x "),
        (b'{"rows":[{"x":' + b"9" * 100_000 + b"}]}", "not valid JSON"),
        (b'{"rows":[{"x":"' + b"9" * 100_000 + b'"}]}', "Input should be a valid number: '99"),
        (b'{"rows":[{"x":"\xff"}]}', "not valid JSON"),
        (b'{"rows":[{"x":1]]}', "not valid JSON"),
        (b'{"rows":[[1]]}', "Input should be an object"),
        (b'{"rows":[]}', "no row"),
        (b'{"columns":{"x":[]}}', "no row"),
    ],
)
def test_what_is_no_row_is_refused_in_few_words(body: bytes, says: str) -> None:
    asked = RequestReader(contract_of({"x": (np.float32, {})}), 10).read(body)
    told = [said for messages in asked.faults.messages.values() for said in messages]
    assert not asked.row_numbers
    assert says in told[0]
    assert len(told[0]) < 200


def test_a_number_of_another_form_is_the_same_number() -> None:
    rows = RequestReader(contract_of({"x": (np.int64, {})}), 10)
    asked = rows.read(b'{"rows":[{"x":1.0},{"x":1.5},{"x":5000000000},{"x":9223372036854775808}]}')
    assert rows.table(asked.blocks)["x"].tolist() == [1, 5_000_000_000]
    assert [*asked.faults.messages] == [1, 3]


@pytest.mark.parametrize("form", ["rows", "columns"])
def test_a_moment_of_another_offset_is_the_same_moment(form: str) -> None:
    reader = RequestReader(contract_of({"x": (Utc, {"nullable": True})}), 10)
    moments = ["2013-06-01T17:30:00+05:30", None, "2013-06-01T12:00:00Z", "2013-06-01T08:00-04:00"]
    columns = {"rows": [{"x": one} for one in moments], "columns": {"x": moments}}
    asked = reader.read(to_json({form: columns[form]}))
    read = reader.table(asked.blocks)["x"]
    assert read.isna().tolist() == [False, True, False, False]
    assert read.dropna().tolist() == [NOON] * 3
