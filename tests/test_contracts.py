"""What holds of every contract there is, and of each that is added."""

import inspect
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pytest

from preflight.contracts.catalog import contracts_of, read_catalog, specs_of, tables
from preflight.contracts.raw_table import RawTable
from preflight.contracts.table import AFTERWARDS, IN_ADVANCE, Table, Utc, column

from late_flights.contracts import primary, raw
from late_flights.contracts.features import Features
from late_flights.pipelines.feature_engineering.pipeline import (
    create_pipeline as feature_engineering,
)

PROJECT = Path(__file__).parents[1]
EVERY = dict(sorted(contracts_of(specs_of(read_catalog(PROJECT))).items()))
TABLES = list(dict.fromkeys(tables(EVERY).values()))
OTHERS = {name: one for name, one in EVERY.items() if one not in TABLES}
PRIMARY = [one for one in TABLES if one.__module__ == primary.__name__]
READ_FROM_TEXT = "late_flights.contracts.raw"  # the only place where types are given
OTHER_TASK = ("prediction", "^prediction")  # columns that stand where a probability does not
NUMBERED = {"weekday", "previous_state"}  # features that count nothing: they number states


def schema(contract: type[Table]) -> pa.DataFrameSchema:
    return contract.to_schema()


def test_contracts_are_found() -> None:
    assert len(TABLES) > 10
    assert {"verdict", "metrics", "candidate"} <= set(OTHERS)


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_table_validates_all_the_same(name: str) -> None:
    assert list(inspect.signature(OTHERS[name].validate).parameters)[-1] == "data"


@pytest.mark.parametrize("contract", TABLES)
def test_a_table_drops_nothing_unseen(contract: type[Table]) -> None:
    assert schema(contract).strict is True  # "filter" would drop a column without a word
    assert schema(contract).drop_invalid_rows is False
    assert not any(column.drop_invalid_rows for column in schema(contract).columns.values())


@pytest.mark.parametrize("contract", TABLES)
def test_types_are_given_where_text_is_read_and_nowhere_else(contract: type[Table]) -> None:
    reads_text = contract.__module__ == READ_FROM_TEXT
    assert issubclass(contract, RawTable) is reads_text
    assert not schema(contract).coerce  # it changes what a type can't hold
    assert not any(column.coerce for column in schema(contract).columns.values())


@pytest.mark.parametrize("contract", TABLES)
def test_a_table_has_a_key_that_is_never_missing(contract: type[Table]) -> None:
    assert contract.grain()
    assert [schema(contract).columns[name].nullable for name in contract.grain()] == [
        False for _ in contract.grain()
    ]


@pytest.mark.parametrize("contract", TABLES)
def test_grain_and_every_column_are_described(contract: type[Table]) -> None:
    assert contract.__doc__ is not None
    assert contract.__doc__.startswith(("One row per ", "Features with "))
    assert [name for name, one in contract.columns().items() if not one["description"]] == []


@pytest.mark.parametrize("contract", TABLES)
def test_every_column_has_a_type(contract: type[Table]) -> None:
    assert [name for name, one in schema(contract).columns.items() if one.dtype is None] == []


@pytest.mark.parametrize("contract", [*PRIMARY, Features])
def test_every_measured_number_has_a_unit(contract: type[Table]) -> None:
    numbers = {
        name: {check.name for check in one.checks}
        for name, one in schema(contract).columns.items()
        if str(one.dtype).startswith("float")
    }
    without = {name for name in numbers if "unit" not in contract.columns()[name]}
    assert {name for name in without - NUMBERED if "isin" not in numbers[name]} == set()


@pytest.mark.parametrize("contract", TABLES)
def test_a_moment_has_its_time_zone(contract: type[Table]) -> None:
    moments = {name: one for name, one in contract.columns().items() if one.get("unit") == "UTC"}
    types = {name: str(one.dtype) for name, one in schema(contract).columns.items()}
    assert {name for name, kind in types.items() if "datetime" in kind} == set(moments)
    assert {types[name] for name in moments} <= {"datetime64[us, UTC]"}


def undated(contract: type[Table]) -> list[str]:
    """Columns of which nothing says when they became known, or says it wrongly."""
    columns, types = contract.columns(), schema(contract).columns
    rows = contract.about("known_at")
    faults = [
        name
        for name, one in columns.items()
        if (moment := one.get("known_at", rows)) not in (IN_ADVANCE, AFTERWARDS)
        and (moment not in columns or columns[moment].get("unit") != "UTC")
    ]
    if rows in types and types[rows].nullable:
        faults.append(rows)  # such a row would never be known
    return faults + [name for name in contract.known_later() if not types[name].nullable]


@pytest.mark.parametrize("contract", PRIMARY)
def test_every_column_of_a_primary_table_says_when_it_became_known(contract: type[Table]) -> None:
    assert undated(contract) == []
    assert contract.about("event_time") in {None, *contract.columns()}


def test_a_column_without_known_at_is_found() -> None:
    class Undated(Table):
        a: int = column("a")
        b_at: Utc = column("moment", "UTC", known_at="b_at")
        b: float = column("b", known_at="b_at")

    class Dated(Undated, known_at=IN_ADVANCE):
        pass

    class KnownAtNoMoment(Undated, known_at="b"):
        pass

    class RowsNeverKnown(Undated, known_at="b_at"):
        pass

    class NeverMissing(Dated):
        c: int = column("c", nullable=False, known_at="b_at")

    assert undated(Dated) == []
    assert undated(Undated) == ["a"]
    assert undated(KnownAtNoMoment) == ["a", "b"]
    assert undated(RowsNeverKnown) == ["b_at"]
    assert undated(NeverMissing) == ["c"]


@pytest.mark.parametrize("contract", TABLES)
def test_an_empty_table_of_the_declared_types_is_accepted_by_every_rule(
    contract: type[Table],
) -> None:
    empty = pd.DataFrame(
        {
            name.strip("^$").replace(".+", "candidate"): pd.Series([], dtype=one.dtype.type)
            for name, one in schema(contract).columns.items()
            if one.required or not name.startswith(OTHER_TASK)
        }
    )
    if not issubclass(contract, RawTable):
        assert len(contract.validate(empty, lazy=True)) == 0
        return
    with pytest.raises(pa.errors.SchemaErrors) as error:  # a raw file without rows is damaged
        contract.validate(empty, lazy=True)
    assert set(error.value.failure_cases["check"]) == {"there are rows"}


def test_the_features_of_a_model_are_the_grouped_columns_in_order() -> None:
    grouped = [name for names in Features.groups().values() for name in names]
    assert Features.names() == grouped
    assert set(grouped) == {n for n, one in Features.columns().items() if "group" in one}
    assert len(grouped) == len(np.unique(grouped)) > 0


def test_every_table_that_features_are_made_of_is_tested_above() -> None:
    read = feature_engineering().to_outputs("features").inputs()
    passed = {name for name in read if name.startswith("params:")} | {"contracts"}
    assert {EVERY[name] for name in read - passed} <= set(PRIMARY)


def test_a_primary_table_has_the_contract_of_its_name() -> None:
    for one in PRIMARY:
        dataset = re.sub(r"(?<!^)(?=[A-Z])", "_", one.__name__).lower()
        assert EVERY[dataset] is one
    assert "nothing" not in EVERY


def test_contracts_that_the_catalog_does_not_name_are_only_what_others_are_made_of() -> None:
    for module in (raw, primary):  # those of a stage that was left out stay in derived
        declared = [
            one
            for one in vars(module).values()
            if isinstance(one, type)
            and issubclass(one, Table)
            and one.__module__ == module.__name__
        ]
        unused = [one for one in declared if one not in TABLES]
        assert [one for one in unused if not any(issubclass(c, one) for c in TABLES)] == []
