"""Values of a raw file are read as the contract declares; what it leaves open is refused."""

from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kedro.io import DataCatalog
from kedro.validation import DataValidationError

from preflight.contracts.exact import convert
from preflight.contracts.raw_table import RawTable, read_by_contract
from preflight.contracts.table import Utc, column
from preflight.errors import RunError, explain

UTC = pd.DatetimeTZDtype("us", "UTC")


class RawOpen(RawTable):
    """Columns that declare no format."""

    id: int = column("number", nullable=True)
    at: Utc = column("a moment", "UTC", nullable=True)
    price: float = column("a price", "EUR", nullable=True)
    count: int = column("a count")
    order: pd.Int64Dtype = column("a number or missing", nullable=True)


class RawDeclared(RawOpen):
    """The same columns with the formats of another country."""

    at: Utc = column(
        "a moment", "UTC", nullable=True, timezone="Europe/Berlin", date_format="%d/%m/%Y %H:%M"
    )
    price: float = column("a price", "EUR", nullable=True, decimal=",", thousands=".")
    count: int = column("a count", thousands=".")
    order: pd.Int64Dtype = column("a number or missing", nullable=True, thousands=" ")


PLAIN = {"id": "1", "at": "2024-01-31T10:00Z", "price": "1.5", "count": "7", "order": "5"}
LOCAL = {
    "id": "1",
    "at": "03/02/2024 10:00",
    "price": "1.234,5",
    "count": "1.234",
    "order": "1 234",
}
BIG = "9007199254740993"  # 2**53 + 1: a float has no such number


def read(
    folder: Path, contract: type[RawTable], *rows: dict[str, str], **load_args: Any
) -> pd.DataFrame:
    """Return a CSV of rows as a run reads it, by the catalog."""
    path = folder / "parcels.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    entry = {
        "type": "pandas.CSVDataset",
        "filepath": str(path),
        "load_args": load_args,
        "validator": f"{__name__}.{contract.__name__}",
    }
    catalog = DataCatalog.from_config({"raw_parcels": entry})
    read_by_contract(catalog)
    loaded: pd.DataFrame = catalog.load("raw_parcels")
    return loaded


def refusal(folder: Path, contract: type[RawTable], *rows: dict[str, str], **load_args: Any) -> str:
    """Return the one failure of rows that a contract refuses."""
    with pytest.raises(DataValidationError) as error:
        read(folder, contract, *rows, **load_args)
    (line,) = [one for one in (explain(error.value) or "").splitlines() if one.startswith("  - ")]
    return line


def test_values_are_read_in_the_declared_formats(tmp_path: Path) -> None:
    first = read(tmp_path, RawDeclared, LOCAL).iloc[0]
    assert first["at"] == pd.Timestamp("2024-02-03T09:00Z")
    assert first.drop("at").tolist() == [1, 1234.5, 1234, 1234]
    plain = read(tmp_path, RawOpen, PLAIN).iloc[0]
    assert plain["at"] == pd.Timestamp("2024-01-31T10:00Z")
    assert plain.drop("at").tolist() == [1, 1.5, 7, 5]


@pytest.mark.parametrize("load_args", [{}, {"parse_dates": ["at"]}])
@pytest.mark.parametrize(
    ("value", "said"),
    [
        (
            "2024-01-31T10:00:00",
            "no offset from UTC. Declare where such times are from, as in colu",
        ),
        ("2024-01-31", "no offset from UTC"),
        ("31.1.2024 10:00", "no offset from UTC"),
        (
            "03/02/2024 10:00Z",
            'day or month may come first. Declare which: column(..., date_format="%d/%m/%Y %H:',
        ),
        ("03/02/2024", 'date_format="%m/%d/%Y"). 03/02/2024 has no offset from UTC'),
    ],
)
def test_a_time_that_may_be_another_one_is_refused(
    tmp_path: Path, value: str, said: str, load_args: dict[str, Any]
) -> None:
    message = refusal(tmp_path, RawOpen, PLAIN, PLAIN | {"id": "2", "at": value}, **load_args)
    assert f": 1 value, e.g. {value} (data row 2)" in message
    assert said in message


def test_an_order_that_the_catalog_gives_is_that_of_its_column_alone(tmp_path: Path) -> None:
    row = PLAIN | {"at": "03/02/2024 10:00+0000"}
    given: dict[str, Any] = {"parse_dates": ["at"], "date_format": {"at": "%d/%m/%Y %H:%M%z"}}
    assert read(tmp_path, RawOpen, row, **given)["at"].tolist() == [pd.Timestamp("2024-02-03 10Z")]
    given["date_format"] = {"price": "%d/%m/%Y"}
    assert "day or month may come first" in refusal(tmp_path, RawOpen, row, **given)


@pytest.mark.parametrize("load_args", [{}, {"parse_dates": ["at"]}])
def test_offsets_may_change_with_the_season(tmp_path: Path, load_args: dict[str, Any]) -> None:
    winter = PLAIN | {"at": "2024-01-31T10:00:00+01:00"}
    summer = PLAIN | {"id": "2", "at": "2024-07-31T10:00:00+02:00"}
    moments = read(tmp_path, RawOpen, winter, summer, **load_args)["at"]
    assert moments.dt.hour.tolist() == [9, 8]
    assert moments.dtype == UTC


@pytest.mark.parametrize("clock", ["31/03/2024 02:30", "27/10/2024 02:30"])
def test_a_time_that_clocks_show_twice_or_never_is_refused(tmp_path: Path, clock: str) -> None:
    message = refusal(tmp_path, RawDeclared, LOCAL, LOCAL | {"id": "2", "at": clock})
    assert f"If clocks in Europe/Berlin show {clock} twice or never, get the file with" in message
    made = pd.to_datetime(pd.Series([clock]), format="%d/%m/%Y %H:%M")  # the remedy
    made.dt.tz_localize("Europe/Berlin", ambiguous=True, nonexistent="shift_forward")


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        (
            "price",
            "1.234.567",
            'dots separate thousands. Declare column(..., decimal=",", thousand',
        ),
        ("price", "-1.234,5", 'dots separate thousands. Declare column(..., decimal=",", thousand'),
        ("price", "1,234,567", 'commas separate thousands. Declare column(..., thousands=",")'),
        ("price", "3,5", 'a comma separates decimals. Declare column(..., decimal=",")'),
        ("price", "0,123", 'a comma separates decimals. Declare column(..., decimal=",")'),
        ("price", "1,234", 'above a thousand, declare column(..., thousands=","). If its comma'),
        ("count", "1.234", 'above a thousand, declare column(..., thousands=".")'),
        ("price", BIG, "Declare the column as pd.Int64Dtype, or as str if it is an id"),
        ("price", "a lot", "e.g. a lot (data row 2)"),
    ],
)
def test_a_number_in_another_format_is_refused_with_the_remedy(
    tmp_path: Path, column: str, value: str, said: str
) -> None:
    message = refusal(tmp_path, RawOpen, PLAIN, PLAIN | {"id": "2", column: value})
    assert f"column {column} has values that" in message
    assert said in message


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("price", "12.5"),
        ("price", "1.23,5"),
        ("count", "12.34"),
        ("order", "1 2"),
    ],
)
def test_a_number_that_is_not_in_the_declared_format_is_refused(
    tmp_path: Path, column: str, value: str
) -> None:
    message = refusal(tmp_path, RawDeclared, LOCAL, LOCAL | {"id": "2", column: value})
    assert f"column {column} has values that" in message
    assert f": 1 value, e.g. {value} (data row 2)" in message
    assert "Declare" not in message


def test_an_id_beside_a_missing_one_keeps_its_digits_or_is_refused(tmp_path: Path) -> None:
    rows = PLAIN | {"id": BIG, "order": BIG}, PLAIN | {"id": "", "order": ""}
    message = refusal(tmp_path, RawOpen, *rows)
    assert "about 9007199254740992 (data row 1). A float rounds so large a number" in message
    rows = PLAIN | {"order": BIG}, PLAIN | {"id": "2", "order": ""}
    assert read(tmp_path, RawOpen, *rows)["order"].iloc[0] == int(BIG)
    message = refusal(tmp_path, RawOpen, *rows, decimal=".")
    assert "pandas has rounded it. Write load_args: {dtype: {order: str}}" in message
    rounded = read(tmp_path, RawOpen, *rows, decimal=".", dtype={"order": "str"})
    assert rounded["order"].iloc[0] == int(BIG)


def test_a_format_that_is_none_is_refused_where_it_is_declared() -> None:
    with pytest.raises(RunError, match=r"'sent' has timezone='Mars', which is no time zone"):
        column("sent", timezone="Mars")
    with pytest.raises(RunError, match=r"'price' has '.' for decimals and '.' for thousands"):
        column("price", decimal=".", thousands=".")


@given(
    at=st.datetimes(pd.Timestamp("1980-01-01"), pd.Timestamp("2040-01-01")),
    form=st.sampled_from(
        ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S.%f", "%Y%m%dT%H%M%S", "%d %b %Y %I:%M %p", "%Y-%m-%d %H"]
    ),
    offset=st.sampled_from(["", "Z", " UTC", "+00:00", "-05:00", " +0200", "+05"]),
)
def test_a_text_lacks_an_offset_where_pandas_reads_none(at: Any, form: str, offset: str) -> None:
    text = f"{at:{form}}{offset if '%H' in form or '%I' in form else ''}"
    try:
        moment = pd.Timestamp(text)
    except ValueError:  # pandas reads no such form
        return
    one = pd.Series([text])
    if not convert(one, UTC)[1].any():
        assert convert(one, UTC, timezone=None)[1].tolist() == [moment.tz is None]


def test_times_that_pandas_has_read_are_in_the_declared_zone_too() -> None:
    read_by_pandas = pd.read_csv(StringIO("at\n2024-07-01 10:00\n"), parse_dates=["at"])["at"]
    made, unfit = convert(read_by_pandas, UTC, "Europe/Berlin")
    assert made.tolist() == [pd.Timestamp("2024-07-01T08:00Z")]
    assert not unfit.any()
    assert convert(read_by_pandas, UTC, None)[1].tolist() == [True]
