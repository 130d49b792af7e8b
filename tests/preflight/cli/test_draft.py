"""A drafted contract is valid Python that its own file passes, and says what has to be decided."""

import re
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kedro.framework.startup import bootstrap_project
from kedro.io import DataCatalog

from preflight.cli.commands import cli
from preflight.cli.draft import draft_contract, key_of
from preflight.contracts.raw_table import RawTable
from preflight.errors import RunError

PROJECT = Path(__file__).parents[3]
RAW = sorted(p for p in (PROJECT / "data/01_raw").iterdir() if {".csv", ".parquet"} & {*p.suffixes})


def write(folder: Path, table: pd.DataFrame | str, name: str = "new.csv") -> Path:
    path = folder / name
    if isinstance(table, str):
        path.write_text(table, encoding="utf-8")
    elif path.suffix == ".parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False)
    return path


def loaded(path: Path) -> tuple[str, type[RawTable], pd.DataFrame]:
    """The draft, its class, and the table as the drafted catalog entry and class read it."""
    text = draft_contract(path, path.as_posix(), "late_parcels")
    names: dict[str, Any] = {"__name__": "drafted"}
    exec(compile(text, "drafted.py", "exec"), names)
    entry = yaml.safe_load(
        re.sub("^# ?", "", text.split("catalog/data_engineering.yml:\n")[1], flags=re.MULTILINE)
    )
    ((dataset, config),) = entry.items()
    module, name = config.pop("validator").rsplit(".", 1)
    assert module == "late_parcels.contracts.raw"
    contract = names[name]
    if path.suffix != ".parquet":
        config["load_args"] = contract.read_args(config.get("load_args", {}))
    return text, contract, DataCatalog.from_config({dataset: config}).load(dataset)


def drafted(path: Path) -> tuple[str, type[RawTable]]:
    """The draft and its class, which the file has passed, and which may stand as a contract."""
    text, contract, table = loaded(path)
    assert len(contract.validate(table, lazy=True)) == len(table)
    assert (contract.__doc__ or "").startswith("One row per ")
    assert all(one["description"] for one in contract.columns().values())
    return text, contract


def remarks(text: str, column: str) -> str:
    """What is to be decided of a column."""
    before = text.split(f"\n    {column}: ", maxsplit=1)[0].splitlines()
    above = [line for line in before[-9:] if line.startswith("    ")]
    last = max([i for i, line in enumerate(above) if " = column(" in line], default=-1)
    return "\n".join(above[last + 1 :])


@pytest.mark.parametrize("path", RAW, ids=lambda p: p.name)
def test_the_raw_files_pass_the_contracts_drafted_from_them(path: Path) -> None:
    _, contract = drafted(path)
    assert contract.grain()


NAMES = st.one_of(
    st.sampled_from(["column", "int", "Utc", "columns", "class", "_a", "a b", "a-b", "1", "größe"]),
    st.text(string.ascii_letters + "_ -%äß\"'\\{}", min_size=1, max_size=6).map(str.strip),
).filter(bool)
VALUES: list[st.SearchStrategy[Any]] = [
    st.integers(-(2**63), 2**63 - 1),
    st.integers(0, 2**64 - 1),
    st.sampled_from([0, 1]),
    st.booleans(),
    st.floats(),
    st.text(st.characters(exclude_characters="\r"), max_size=5),  # pandas writes it unquoted
    st.sampled_from(["a", "007", "1,200", "2013-01-01", "2013-01-01 10:00+01:00", "NA", "{% x %}"]),
    st.datetimes(pd.Timestamp("1990-01-01"), pd.Timestamp("2030-01-01")),
    st.just(None),
]


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    """Tables with columns of all kinds, some with missing values."""
    rows = draw(st.integers(1, 12))
    columns = {}
    for name in draw(st.lists(NAMES, min_size=1, max_size=5, unique=True)):
        values = draw(st.sampled_from(VALUES))
        missing = draw(st.booleans())
        one = st.none() | values if missing else values
        columns[name] = draw(st.lists(one, min_size=rows, max_size=rows))
    return pd.DataFrame(columns)


@pytest.mark.parametrize("name", ["any.csv", "any.parquet"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=tables())
def test_any_table_passes_the_contract_drafted_from_it(
    tmp_path: Path, table: pd.DataFrame, name: str
) -> None:
    path = write(tmp_path, table, name)
    try:
        text, contract = drafted(path)
    except RunError as error:  # rows of nothing are no rows of a CSV
        assert "no rows" in str(error)
        return
    assert len(contract.columns()) == len(table.columns)
    assert set(contract.grain()) <= set(contract.columns())
    assert "TODO" not in text


def parcels(rows: int = 40) -> pd.DataFrame:
    number = np.arange(rows)
    return pd.DataFrame(
        {
            "parcel": [f"P{n:03}" for n in number],
            "zip": [f"0{n % 7}123" for n in number],
            "size class": np.where(number % 3 == 0, "small", "large"),
            "weight": np.where(number % 4 == 0, np.nan, number / 7),
            "price": [f"{n},{n:03}" for n in number],
            "height": ["?" if n == 3 else str(n) for n in number],
            "packed": pd.date_range("2013-01-01", periods=rows, freq="h"),
            "sent_at": pd.date_range("2013-01-02", periods=rows, freq="h", tz="UTC"),
            "due": [f"{n % 28 + 1}.2.2013" for n in number],
            "country": "US",
            "note": None,
            "pieces": number % 5,
            "parts": number % 5,
            "broken": (number % 8 == 0).astype(int),
        }
    )


def test_what_has_to_be_decided_stands_with_its_column(tmp_path: Path) -> None:
    text, contract = drafted(write(tmp_path, parcels()))
    assert contract.grain() == ["parcel"]
    for column, said in {
        "parcel": "every value differs",
        "zip": "digits with a 0 in front ('00123')",
        "column_size_class": "two values, 'small' and another",
        "weight": "10 rows, 25.0%, have no value",
        "price": "numbers as text ('0,000')",
        "height": "numbers, and '?'",
        "packed": "no offset from UTC, as in '2013-01-01 00:00:00': is timezone=\"UTC\" right",
        "sent_at": "(event_time), or when the row became available (known_at)?",
        "due": "dates as text ('1.2.2013'): Utc, with date_format=\"%d.%m.%Y\", and the timezone",
        "country": "always 'US'",
        "note": "no value at all",
        "broken": "two values, 1 and another: the label",
    }.items():
        assert said in remarks(text, column), column
    assert remarks(text, "pieces") == ""
    assert "# Could be the label: column_size_class, broken.\n" in text
    assert "# Could be a target that is a number: weight.\n" in text
    assert 'column_size_class: str = column("size class", alias="size class", ' in text
    assert 'broken: int = column("broken", isin=[0, 1])' in text
    assert 'pieces: int = column("pieces", ge=0, le=4)' in text


@pytest.mark.parametrize(
    ("column", "change", "fault"),
    [
        ("pieces", lambda t: t["pieces"] + 1, "less_than_or_equal_to"),
        ("broken", lambda t: t["broken"] * 2, "isin"),
        ("sent_at", lambda t: t["sent_at"].where(t["pieces"] > 0), "not_nullable"),
        ("parcel", lambda t: "P001", "multiple_fields_uniqueness"),
    ],
)
def test_a_file_that_differs_breaks_the_draft(
    tmp_path: Path, column: str, change: Callable[[pd.DataFrame], Any], fault: str
) -> None:
    path = write(tmp_path, parcels(), "new.parquet")
    _, contract, table = loaded(path)
    with pytest.raises(Exception, match=fault):
        contract.validate(table.assign(**{column: change}), lazy=True)


def test_a_key_is_the_fewest_columns_that_are_unique() -> None:
    table = pd.DataFrame(
        {
            "c": 1,
            "x": [0.1, 0.2, 0.3, 0.4],
            "n": [1, None, 2, 3],
            "a": list("iijj"),
            "b": list("klkl"),
        }
    )
    assert key_of(table, table.nunique().to_dict()) == ["a", "b"]
    twice = pd.concat([table, table])
    assert key_of(twice, twice.nunique().to_dict()) == []


def test_a_table_without_a_key_says_so(tmp_path: Path) -> None:
    text, contract = drafted(write(tmp_path, "a,b\n1,x\n1,x\n"))
    assert contract.grain() == []
    assert "# decide: a key; no 4 columns or fewer" in text


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_another_separator_is_found(tmp_path: Path, mark: str) -> None:
    _, contract = drafted(write(tmp_path, f"a{mark}b\n1{mark}1,5\n2{mark}2,5\n"))
    assert list(contract.columns()) == ["a", "b"]


def test_codes_need_no_arguments_as_the_contract_reads_them_as_text(tmp_path: Path) -> None:
    text, contract, table = loaded(write(tmp_path, "code,n\n007,1\n08,2\n"))
    assert "load_args" not in text
    assert contract.validate(table)["code"].tolist() == ["007", "08"]


def test_lists_are_named(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": [1, 2], "tags": [["x"], ["y", "z"]]})
    text, _ = drafted(write(tmp_path, table, "new.parquet"))
    assert "values of type ndarray" in remarks(text, "tags")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("new.csv", None, "There is no file"),
        ("new.xlsx", "a", "neither CSV nor Parquet"),
        ("new.csv", "", "is empty"),
        ("new.csv", "a,b\n", "has a header and no rows"),
        ("new.csv", "a,b\n1,2,3\n4,5,6\n", "data row 1 has 3 values, and the header 2"),
        ("new.csv", 'a,b\n"1,2\n', "a quote is opened and never closed"),
        ("new.csv.gz", "a,b\n1,2\n", "can't be unpacked"),
        ("new.csv.zip", "a,b\n1,2\n", "can't be unpacked"),
        ("new.parquet", "a,b\n1,2\n", "can't be read"),
    ],
)
def test_a_file_of_which_nothing_can_be_drafted_is_refused(
    tmp_path: Path, name: str, text: str | None, said: str
) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    with pytest.raises(RunError, match=said):
        draft_contract(path, name, "late_parcels")


def test_another_encoding_and_an_index_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "new.csv"
    path.write_bytes("a\nß\n".encode("latin-1"))
    with pytest.raises(RunError, match="UTF-8"):
        draft_contract(path, "new.csv", "late_parcels")
    indexed = pd.DataFrame({"a": [1]}, index=pd.Index([7], name="id"))
    with pytest.raises(RunError, match="has an index"):
        draft_contract(write(tmp_path, indexed, "new.parquet"), "new.parquet", "late_parcels")


def command(*arguments: object) -> Result:
    project = bootstrap_project(PROJECT)
    return CliRunner().invoke(cli, ["contract", *map(str, arguments)], obj=project)


def test_the_command_prints_or_writes_a_new_file(tmp_path: Path) -> None:
    path, to = RAW[0], tmp_path / "draft.py"
    printed = command(path)
    assert printed.exit_code == 0
    assert f"#   filepath: data/01_raw/{RAW[0].name}\n" in printed.output
    package = bootstrap_project(PROJECT).package_name
    assert f"#   validator: {package}.contracts.raw.Raw" in printed.output
    assert command(path, "--to", to).exit_code == 0
    assert to.read_text() == printed.output


def test_the_command_never_writes_over_a_file(tmp_path: Path) -> None:
    to = tmp_path / "draft.py"
    to.write_text("mine")
    result = command(RAW[0], "--to", to)
    assert result.exit_code == 1
    assert "exists" in result.output
    assert to.read_text() == "mine"


def test_the_command_tells_a_fault_and_leaves_nothing(tmp_path: Path) -> None:
    result = command(tmp_path / "no.csv", "--to", tmp_path / "draft.py")
    assert result.exit_code == 1
    assert result.output.startswith("Error: There is no file")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("text", "asked"), [("NA", True), ("", False), ("NO", False)])
def test_a_text_that_is_read_as_missing_is_asked_about(
    tmp_path: Path, text: str, asked: bool
) -> None:
    rows = "".join(f"{n},{text if n % 3 == 0 else 'EU'}\n" for n in range(30))
    drafted_, _ = drafted(write(tmp_path, f"id,region\n{rows}"))
    assert ("NA is read as missing: is it a value?" in remarks(drafted_, "region")) is asked
    assert "is read as missing" not in remarks(drafted_, "id")


@pytest.mark.parametrize(
    ("values", "declared", "asked"),
    [
        (["2024-01-31T10:00+01:00", "2024-07-31T10:00+02:00"], 'Utc = column("x", "UTC")', ""),
        (["2024-01-31 10:00", "2024-07-31T10:00Z"], 'timezone="UTC")', "as in '2024-01-31 10:00':"),
        (["9007199254740993", ""], "pd.Int64Dtype = column(", ""),
        (["18446744073709551615", ""], "str = column(", ""),
        (["1.234", "17.002", "999"], "float = column(", "as in 1.234: do dots separate thousands?"),
        (["1.234", "17.02", "999"], "float = column(", ""),
        (["0.234", "17.002", "999"], "float = column(", ""),
        (["1.234.567", "2"], "str = column(", 'Declare column(..., decimal=",", thousands=".")'),
        (["1,5", "2"], "str = column(", "float? In 1,5 a comma separates decimals. Declare col"),
        (["03/02/24", "04/02/24"], "str = ", 'date_format="%d/%m/%y" or date_format="%m/%d/%y"'),
        (["03.02.2024 10:00", "13.02.2024 10:00"], "str = ", 'Utc, with date_format="%d.%m.%Y %H:'),
        ([str(n) for n in range(6_000)] + ["007"], "str = column(", "a 0 in front ('007')"),
    ],
)
def test_what_a_csv_leaves_open_is_kept_and_asked_about(
    tmp_path: Path, values: list[str], declared: str, asked: str
) -> None:
    rows = "\n".join(f'{n},"{value}"' for n, value in enumerate(values))
    text, _ = drafted(write(tmp_path, f"id,x\n{rows}\n"))
    (line,) = [one for one in text.splitlines() if one.startswith("    x: ")]
    assert declared in line
    questions = remarks(text, "x")
    assert asked in questions
    if not asked:
        assert "separate" not in questions
        assert "offset" not in questions


def test_a_moment_of_parquet_without_a_time_zone_is_asked_about(tmp_path: Path) -> None:
    table = pd.DataFrame({"id": [1, 2], "at": pd.date_range("2024-01-31 10:00", periods=2)})
    text, _ = drafted(write(tmp_path, table, "new.parquet"))
    assert 'at: Utc = column("at", "UTC", timezone="UTC")' in text
    assert "as in '2024-01-31 10:00:00': is timezone" in remarks(text, "at")


def test_the_arguments_of_the_catalog_entry_are_those_of_the_draft(tmp_path: Path) -> None:
    path = tmp_path / "new.csv"
    path.write_bytes("id;region\n1;NA\n2;ü\n3;NA\n4;ü\n".encode("latin-1"))
    given = {"encoding": "latin-1", "keep_default_na": False, "parse_dates": ["other"]}
    text = draft_contract(path, "new.csv", "late_parcels", given)
    assert 'region: str = column("region", isin=["NA", "ü"])' in text
    assert '{"encoding": "latin-1", "keep_default_na": false, "sep": ";"}' in text
    assert "is read as missing" not in text
