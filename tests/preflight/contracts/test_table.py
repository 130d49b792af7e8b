"""Tables: what columns say, and rules that say how many rows break them."""

from typing import Any

import pandas as pd
import pandera.pandas as pa
import pytest
from pandera.errors import SchemaErrors

from preflight.contracts.table import IN_ADVANCE, Table, Utc, column, rule
from preflight.errors import RunError


class Boxes(Table, key=["number"]):
    """One row per box."""

    number: int = column("the box")
    least: float = column("least weight", "kg", nullable=False, known_at="weighed_at")
    most: float = column("most weight", "kg", group="weights", nullable=True)
    weighed_at: Utc = column("when it was weighed", "UTC")

    @rule("least is not above most", "least", "most")
    def in_order(cls, t: pd.DataFrame) -> pd.Series:
        return ~(t["least"] > t["most"])

    @rule("weighed in this century", "weighed_at", "number")
    def recent(cls, t: pd.DataFrame) -> pd.Series:
        return t["weighed_at"].dt.year >= 2000


def boxes(rows: int = 5) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "number": range(rows),
            "least": 1.0,
            "most": 2.5,
            "weighed_at": pd.Series(pd.Timestamp("2013-01-01", tz="UTC")).dt.as_unit("us")[0],
        }
    ).astype({"weighed_at": "datetime64[us, UTC]"})


def faults(table: pd.DataFrame) -> dict[str, list[str]]:
    """What pandera finds: each check with its failure cases as text."""
    try:
        Boxes.validate(table, lazy=True)
    except SchemaErrors as error:
        cases = error.failure_cases.astype({"failure_case": "str"})
        return cases.groupby("check")["failure_case"].agg(list).to_dict()
    return {}


def test_a_table_that_holds_passes_unchanged() -> None:
    table = boxes()
    pd.testing.assert_frame_equal(Boxes.validate(table, lazy=True), boxes())


def test_a_broken_rule_is_one_failure_with_the_count_and_the_first_three_rows() -> None:
    table = boxes(2000)
    table.loc[500:, "least"] = 3.0
    (case,) = faults(table)["least is not above most"]
    assert "1,500 rows, the first: " in case
    assert case.count("least 3, most 2.5") == 3
    assert list(faults(table)) == ["least is not above most"]


def test_a_single_broken_row_is_told_in_the_singular() -> None:
    table = boxes()
    table.loc[3, "least"] = 9.0
    (case,) = faults(table)["least is not above most"]
    assert "1 row, the first: least 9, most 2.5" in case


def test_examples_show_only_the_columns_of_the_rule_and_only_rows_that_break_it() -> None:
    table = boxes()
    table.loc[2, "weighed_at"] = pd.Timestamp("1913-01-01", tz="UTC")
    (case,) = faults(table)["weighed in this century"]
    assert "1 row, the first: weighed_at 1913-01-01 00:00:00+00:00, number 2" in case


def test_a_missing_column_is_the_only_fault_though_a_rule_needs_it() -> None:
    assert faults(boxes().drop(columns="most")) == {"column_in_dataframe": ["most"]}


def test_text_for_a_number_is_not_told_again_by_the_rule() -> None:
    assert "least is not above most" not in faults(boxes().assign(most="2.5"))
    assert faults(boxes().assign(most="2.5")) != {}


def test_each_broken_rule_is_told() -> None:
    table = boxes().assign(least=3.0, weighed_at=pd.Timestamp("1913-01-01", tz="UTC"))
    table = table.astype({"weighed_at": "datetime64[us, UTC]"})
    assert set(faults(table)) == {"least is not above most", "weighed in this century"}


@pytest.mark.parametrize(
    ("defect", "check"),
    [
        ({"extra": 1}, "column_in_schema"),
        ({"number": 1}, "multiple_fields_uniqueness"),
        ({"least": 1}, "dtype('float64')"),
        ({"least": None}, "not_nullable"),
    ],
)
def test_a_table_is_strict(defect: dict[str, Any], check: str) -> None:
    table = boxes().assign(**defect)
    table = table.astype({"least": "float64"}) if defect == {"least": None} else table
    assert check in faults(table)


def test_columns_tell_their_meaning_in_the_order_of_declaration() -> None:
    assert Boxes.columns() == {
        "number": {"description": "the box"},
        "least": {"unit": "kg", "known_at": "weighed_at", "description": "least weight"},
        "most": {"unit": "kg", "group": "weights", "description": "most weight"},
        "weighed_at": {"unit": "UTC", "description": "when it was weighed"},
    }
    assert list(Boxes.columns()) == list(boxes())


def test_the_grain_is_the_key() -> None:
    class Loose(Table):
        """A table without a key."""

        number: int = column("the box")

    assert Boxes.grain() == ["number"]
    assert Loose.grain() == []


def test_a_check_goes_to_pandera_and_the_rest_is_kept_as_metadata() -> None:
    class Weights(pa.DataFrameModel):
        weight: float = column("weight", "kg", ge=0, le=10)

    found = Weights.to_schema().columns["weight"]
    assert [check.name for check in found.checks] == [
        "greater_than_or_equal_to",
        "less_than_or_equal_to",
    ]
    assert found.metadata == {"unit": "kg"}


class Parcels(Table, key=["number"], known_at="in advance"):
    """One row per parcel; its weight is known when it is weighed."""

    number: int = column("number")
    weighed_at: Utc = column("weighing", "UTC", nullable=True, known_at="weighed_at")
    weight: float = column("weight", "kg", nullable=True, known_at="weighed_at")
    sender: float = column(
        "sender", nullable=True, known_at="weighed_at", assumption="written on it"
    )


def test_a_value_without_the_moment_when_it_became_known_is_refused() -> None:
    moment = pd.Timestamp("2020-01-01", tz="UTC").as_unit("us")
    parcels = pd.DataFrame(
        {
            "number": [1, 2, 3],
            "weighed_at": pd.Series([moment, pd.NaT, pd.NaT], dtype="datetime64[us, UTC]"),
            "weight": [2.5, None, None],
            "sender": [1.0, 2.0, None],
        }
    )
    Parcels.validate(parcels, lazy=True)
    with pytest.raises(SchemaErrors, match="became known at a moment"):
        Parcels.validate(parcels.assign(weight=[2.5, None, 4.0]), lazy=True)


def test_what_is_known_later_with_and_without_assumptions() -> None:
    assert set(Parcels.known_later()) == {"weighed_at", "weight"}
    assert set(Parcels.known_later(assume=False)) == {"weighed_at", "weight", "sender"}


def test_a_column_that_may_be_missing_in_a_table_in_advance_says_when_it_comes() -> None:
    class Register(Table, key=["parcel"], known_at=IN_ADVANCE):
        parcel: int = column("number")
        weighed_at: Utc = column("weighed", "UTC", known_at="weighed_at")
        weight: float = column("weight", "kg", known_at="weighed_at")
        place: str = column("where it goes", known_at=IN_ADVANCE)

    assert Register.known_later() == {"weighed_at": "weighed_at", "weight": "weighed_at"}
    assert Register.to_schema().columns["place"].nullable

    with pytest.raises(RunError, match=r"Undated\.place may be missing, and rows of Undated are"):

        class Undated(Table, key=["parcel"], known_at=IN_ADVANCE):
            parcel: int = column("number")
            place: str = column("where it goes", nullable=True)

    class Dated(Table, key=["parcel"], known_at="made_at"):
        parcel: int = column("number")
        made_at: Utc = column("row made", "UTC")
        place: str = column("where it goes", nullable=True)  # known with its row

    assert Dated.known_later() == {}
