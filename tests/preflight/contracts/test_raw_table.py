"""Raw tables: read as text, converted to the declared types, checked value by value."""

from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kedro.io import DataCatalog
from kedro.validation import DataValidationError
from pandera.dtypes import Float32, Int8, UInt16
from pandera.errors import SchemaErrors

from preflight.contracts.raw_table import RawTable, read_by_contract
from preflight.contracts.table import Utc, column
from preflight.errors import explain


class RawKinds(RawTable, key=["id"]):
    """One row of every type that a contract can declare."""

    id: int = column("whole")
    small: Int8 = column("small", ge=-100, le=100)
    count: UInt16 = column("a count", alias="a count")
    order: pd.Int64Dtype = column("whole or missing", nullable=True)
    share: float = column("a number", nullable=True)
    weight: Float32 = column("a small number")
    glass: bool = column("yes or no")
    paid: pd.BooleanDtype = column("yes, no or missing", nullable=True)
    code: str = column("text", nullable=True)
    place: pd.CategoricalDtype = column("text of a few", nullable=True)
    at: Utc = column("a moment", "UTC", nullable=True)


GOOD = {
    "id": "1", "small": "-100", "a count": "65535", "order": "5000000000000000001", "share": "0.1",
    "weight": "1e3", "glass": "True", "paid": "false", "code": "007", "place": "1E5",
    "at": "2013-01-01T00:00:00.000001Z",
}  # fmt: skip


def read(path: Path, *rows: dict[str, str], **load_args: Any) -> pd.DataFrame:
    """Return a CSV file of rows as a run reads it, by the catalog."""
    pd.DataFrame(rows).to_csv(path, index=False)
    entry = {
        "type": "pandas.CSVDataset",
        "filepath": str(path),
        "load_args": load_args,
        "validator": f"{__name__}.RawKinds",
    }
    catalog = DataCatalog.from_config({"raw_kinds": entry})
    read_by_contract(catalog)
    loaded: pd.DataFrame = catalog.load("raw_kinds")
    return loaded


def test_a_file_is_read_with_the_types_of_its_contract(tmp_path: Path) -> None:
    table = read(tmp_path / "kinds.csv", GOOD)
    declared = RawKinds.to_schema().columns
    assert [str(table[name].dtype) for name in declared] == [
        "int64", "int8", "uint16", "Int64", "float64", "float32", "bool", "boolean", "str",
        "category", "datetime64[us, UTC]",
    ]  # fmt: skip
    first = table.iloc[0]
    assert (first["order"], first["code"], first["place"]) == (5000000000000000001, "007", "1E5")


@pytest.mark.parametrize(
    "column", [name for name in GOOD if name not in ("id", "small", "a count")]
)
def test_a_value_is_read_alike_whatever_other_rows_hold(tmp_path: Path, column: str) -> None:
    optional = column not in ("weight", "glass")
    other = GOOD | {"id": "2", column: "" if optional else {"weight": "7", "glass": "0"}[column]}
    alone = read(tmp_path / "kinds.csv", GOOD)
    both = read(tmp_path / "kinds.csv", GOOD, other)
    pd.testing.assert_series_equal(
        both[column].iloc[:1].astype(object), alone[column].astype(object)
    )
    assert both[column].isna().tolist() == [False, optional]


DEFECTS = [
    ("id", "0.9", "int64 can't hold"),
    ("id", "", "has missing values"),
    ("small", "100.7", "int8 can't hold"),
    ("small", "300", "int8 can't hold"),
    ("a count", "-1", "uint16 can't hold"),
    ("order", "1.5", "Int64 can't hold"),
    ("order", "9223372036854775808", "Int64 can't hold"),
    ("share", "9007199254740993", "float64 can't hold"),
    ("weight", "1e39", "float32 can't hold"),
    ("glass", "2", "bool can't hold"),
    ("glass", "yes", "bool can't hold"),
    ("paid", "0.5", "boolean can't hold"),
    ("at", "2013-01-01T00:00:00.0000001Z", "datetime64[us, UTC] can't hold"),
    ("at", "soon", "datetime64[us, UTC] can't hold"),
]


@pytest.mark.parametrize(("column", "value", "said"), DEFECTS)
def test_a_value_that_its_type_cannot_hold_is_one_failure_with_count_and_example(
    tmp_path: Path, column: str, value: str, said: str
) -> None:
    rows = [GOOD, GOOD | {"id": "2", column: value}, GOOD | {"id": "3"}]
    with pytest.raises(DataValidationError) as error:
        read(tmp_path / "kinds.csv", *rows)
    lines = [line for line in (explain(error.value) or "").splitlines() if line.startswith("  - ")]
    (line,) = lines
    assert f"column {column} " in line
    assert said in line
    assert f": 1 value, e.g. {value}" in line or value == ""


def test_an_id_that_pandas_has_rounded_is_refused(tmp_path: Path) -> None:
    exact = GOOD | {"id": "5000000000000000001"}
    assert read(tmp_path / "kinds.csv", exact)["id"].tolist() == [5000000000000000001]
    with pytest.raises(DataValidationError) as error:
        read(tmp_path / "kinds.csv", exact, GOOD | {"id": "1.0"})
    assert "column id has values that int64 can't hold: 1 value" in (explain(error.value) or "")


def test_missing_and_unfit_values_of_a_column_are_both_told(tmp_path: Path) -> None:
    rows = [GOOD, GOOD | {"id": "2", "glass": ""}, GOOD | {"id": "3", "glass": "no"}]
    with pytest.raises(DataValidationError) as error:
        read(tmp_path / "kinds.csv", *rows)
    message = explain(error.value) or ""
    assert "column glass has missing values: 1 value" in message
    assert "column glass has values that bool can't hold: 1 value, e.g. no" in message


def test_numbers_are_no_text() -> None:
    table = pd.read_csv(StringIO(",".join(GOOD) + "\n" + ",".join(GOOD.values())))
    with pytest.raises(SchemaErrors) as error:
        RawKinds.validate(table, lazy=True)
    cases = error.value.failure_cases
    unfit = cases[cases["check"] == "representable"]
    assert unfit[["column", "failure_case"]].to_numpy().tolist() == [["code", 7]]


def test_the_arguments_of_the_catalog_go_first() -> None:
    everything = RawKinds.read_args({})["dtype"]
    assert set(everything) == set(GOOD) - {"id", "small", "a count"}  # pandas reads them exactly
    assert RawKinds.read_args({"sep": ";", "dtype": {"code": "category"}}) == {
        "sep": ";",
        "dtype": everything | {"code": "category"},
    }
    assert RawKinds.read_args({"dtype": "str"}) == {"dtype": "str"}
    given = {"parse_dates": ["at", "other"], "date_format": "%Y"}
    assert "at" not in RawKinds.read_args(given)["dtype"]
    assert RawKinds.read_args({"parse_dates": ["at", "other"]}) == {
        "parse_dates": ["other"],  # pandas alone would swap day and month
        "dtype": everything,
    }
    assert "code" not in RawKinds.read_args({"converters": {"code": str.strip}})["dtype"]
    assert set(RawKinds.read_args({"decimal": ","})["dtype"]) == {"code", "place", "at"}


def test_numbers_of_another_format_are_read_as_the_catalog_says(tmp_path: Path) -> None:
    table = read(tmp_path / "kinds.csv", GOOD | {"share": "0,5", "order": "7"}, decimal=",")
    assert table["share"].tolist() == [0.5]


def kinds(names: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(st.fixed_dictionaries(names), min_size=1, max_size=8)


TEXT = (
    st.none() | st.text('07E.-+ a,"\n', min_size=1, max_size=6) | st.sampled_from(["1E5", "true"])
)
VALID = kinds(
    {
        "small": st.integers(-100, 100),
        "a count": st.integers(0, 2**16 - 1),
        "order": st.none() | st.integers(-(2**63), 2**63 - 1),
        "share": st.none() | st.floats(allow_nan=False),
        "weight": st.floats(width=32, allow_nan=False),
        "glass": st.booleans(),
        "paid": st.none() | st.booleans(),
        "code": TEXT,
        "place": TEXT,
        "at": st.none() | st.datetimes(pd.Timestamp("1700-01-01"), pd.Timestamp("2200-01-01")),
    }
)


@given(rows=VALID, number=st.integers(-(2**63), 2**63 - 100))
def test_what_is_written_is_read_back_equal(rows: list[dict[str, Any]], number: int) -> None:
    types = {name: one.dtype.type for name, one in RawKinds.to_schema().columns.items()}
    # as objects: beside a missing value, pandas would make floats of whole numbers
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in rows[0]}
    columns = {name: pd.Series(values, dtype="object") for name, values in columns.items()}
    columns["at"] = pd.to_datetime(pd.Series(columns["at"], dtype="datetime64[us]"), utc=True)
    table = pd.DataFrame({"id": range(number, number + len(rows)), **columns})
    table = RawKinds.validate(table.astype(types)[list(types)], lazy=True)
    text = StringIO(table.to_csv(index=False, date_format="%Y-%m-%dT%H:%M:%S.%fZ"))
    again = RawKinds.validate(pd.read_csv(text, **RawKinds.read_args({})), lazy=True)
    text_of_few = {"place": "str"}  # which categories there are is not in a file
    pd.testing.assert_frame_equal(
        again.astype(text_of_few), table.astype(text_of_few), check_exact=True
    )
