"""A broken contract is told in full, once, and in words; a fault of the program is not hidden."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kedro.io import DataCatalog, DatasetError, MemoryDataset
from kedro.validation import DataValidationError, ParameterValidationError, instantiate_model
from pandera.dtypes import Float32
from pydantic import Field

from preflight.contracts.documents import Document, DocumentContract
from preflight.contracts.raw_table import RawTable
from preflight.contracts.table import Table, Utc, column, rule
from preflight.errors import RunError, explain


class Boxes(Table, key=["number"]):
    """One row per box."""

    number: int = column("the box")
    least: float = column("least weight", "kg", ge=0, le=100)
    most: float = column("most weight", "kg", nullable=True)
    kind: str = column("kind of box", isin=["crate", "bag"])

    @rule("least is not above most", "least", "most")
    def in_order(cls, t: pd.DataFrame) -> pd.Series:
        return ~(t["least"] > t["most"])


class RawBoxes(Boxes, RawTable):
    """One row per box, read from text."""


class Label(Document):
    """A document."""

    weight: float = Field(gt=0)
    to: str


label = DocumentContract(Label)


def boxes(rows: int = 6) -> pd.DataFrame:
    return pd.DataFrame({"number": range(rows), "least": 1.0, "most": 2.0, "kind": "bag"})


def told(data: Any, contract: str = "Boxes") -> list[str]:
    """The lines of the message when the data are saved under a contract; none if they hold."""
    entry = {"type": "MemoryDataset", "validator": f"{__name__}.{contract}"}
    try:
        DataCatalog.from_config({"boxes": entry}).save("boxes", data)
    except DataValidationError as error:
        return (explain(error) or "").splitlines()
    return []


def failures(data: Any, contract: str = "Boxes") -> list[str]:
    """The lines of the message that each tell a failure, sorted."""
    return sorted(line[4:] for line in told(data, contract) if line.startswith("  - "))


BOTH = pytest.mark.parametrize("contract", ["Boxes", "RawBoxes"])


@BOTH
def test_data_that_hold_are_saved(contract: str) -> None:
    assert told(boxes(), contract) == []


def test_the_message_names_dataset_moment_contract_and_what_to_do() -> None:
    first, failure, last = told(boxes().assign(kind="box"))
    assert first == "Dataset 'boxes', before it was written, breaks its contract Boxes:"
    assert failure.startswith("  - column kind ")
    assert f"change {__name__}.Boxes if the data are right" in last


def test_a_fault_of_what_was_read_says_so(tmp_path: Path) -> None:
    boxes().drop(columns="most").to_csv(tmp_path / "boxes.csv", index=False)
    entry = {
        "type": "pandas.CSVDataset",
        "filepath": str(tmp_path / "boxes.csv"),
        "validator": f"{__name__}.RawBoxes",
    }
    with pytest.raises(DataValidationError) as error:
        DataCatalog.from_config({"boxes": entry}).load("boxes")
    message = explain(error.value)
    assert message is not None
    assert message.startswith("Dataset 'boxes', as read, breaks its contract RawBoxes:\n")
    assert "  - column most is missing\n" in message


@BOTH
def test_a_missing_column_is_one_failure_though_a_rule_needs_it(contract: str) -> None:
    assert failures(boxes().drop(columns="most"), contract) == ["column most is missing"]


@BOTH
def test_an_extra_column_is_one_failure(contract: str) -> None:
    assert failures(boxes().assign(more=1), contract) == ["column more is not in the contract"]


@BOTH
def test_a_renamed_column_is_both_missing_and_extra(contract: str) -> None:
    assert failures(boxes().rename(columns={"kind": "sort"}), contract) == [
        "column kind is missing",
        "column sort is not in the contract",
    ]


def test_a_number_as_text_is_one_failure_with_the_texts_that_are_no_numbers() -> None:
    least = ["1", "2", "three", "4", "five", "6"]
    (failure,) = failures(boxes().assign(least=least), "RawBoxes")
    assert "column least has values that float64 can't hold: 2 values, e.g. three, five" in failure


def test_dates_that_can_be_read_in_two_ways_come_with_the_setting_that_says_which() -> None:
    class RawDates(RawTable):
        """Dates as text."""

        sent_at: Utc = column("sent", "UTC")

    globals()["RawDates"] = RawDates
    (failure,) = failures(pd.DataFrame({"sent_at": ["03/02/2013", "04/02/2013"]}), "RawDates")
    assert (
        "2 values, e.g. 03/02/2013, 04/02/2013. In 03/02/2013 day or month may come first"
        in failure
    )
    assert 'Declare which: column(..., date_format="%d/%m/%Y")' in failure
    (failure,) = failures(pd.DataFrame({"sent_at": ["2013-02-03", "soon"]}), "RawDates")
    assert "day or month" not in failure


def test_values_out_of_range_are_counted_and_three_are_shown() -> None:
    table = boxes(3000).assign(most=500.0)
    table.loc[1000:, "least"] = range(101, 2101)
    table["most"] = 5000.0
    (failure,) = failures(table)
    assert failure.startswith("column least is above 100: 2,000 values, ")
    assert failure.endswith("e.g. 101.0, 102.0, 103.0")


def test_a_single_bad_value_is_told_in_the_singular() -> None:
    (failure,) = failures(boxes().assign(kind=["bag"] * 5 + ["box"]))
    assert failure.endswith(": 1 value, e.g. box")


def test_missing_values_are_counted() -> None:
    table = boxes()
    table.loc[[1, 4], "kind"] = None
    (failure,) = failures(table)
    assert failure.startswith("column kind has missing values: 2 values")


@BOTH
def test_a_key_that_is_not_unique_is_one_failure_with_examples(contract: str) -> None:
    (failure,) = failures(boxes().assign(number=[0, 1, 2, 2, 4, 5]), contract)
    assert re.search(r"number .*not unique: 2 \w+, e\.g\. 2\W+2", failure)


@BOTH
def test_a_broken_rule_is_one_failure_with_count_and_rows(contract: str) -> None:
    table = boxes().assign(most=[2, 0.5, 2, 2, 0.25, 2])
    place = {"RawBoxes": " (the first is data row 2)"}.get(contract, "")
    assert failures(table, contract) == [
        "rule 'least is not above most': 2 rows, the first: least 1, most 0.5; "
        f"least 1, most 0.25{place}"
    ]


class Features(Table, key=["parcel"]):
    """One row per parcel."""

    parcel: int = column("the parcel")
    inv: float = column("one over the volume", group="size")
    rate: Float32 = column("rate", group="size", nullable=True)
    place: pd.CategoricalDtype = column("where it goes", group="place")
    limit: float = column("no feature, so it may be infinite")


def features(**changed: Any) -> pd.DataFrame:
    made = {"parcel": [1, 2], "inv": [0.5, 2.0], "rate": np.array([1, np.nan], "float32")}
    made |= {"place": pd.Categorical(["n", "s"]), "limit": [np.inf, 1.0]}
    return pd.DataFrame(made | changed)


def test_features_that_are_infinite_are_named_as_columns_with_the_remedy() -> None:
    assert told(features(), "Features") == []
    infinite = {"inv": [np.inf, 1.0], "rate": np.array([-np.inf, np.inf], "float32")}
    _, failure, last = told(features(**infinite), "Features")
    assert failure == (
        "  - features with values that are infinite, or too large for 32 bits: column inv: "
        "1 value, e.g. inf; column rate: 2 values, e.g. -inf, inf. Make such values missing (NaN), "
        "or cap them, in the function that computes the feature."
    )
    assert last == "Nothing made from it was written."
    _, *_, last = told(features(inv=[np.inf, 1.0], parcel=[1, 1]), "Features")
    assert last.endswith(f"Correct the data, or change {__name__}.Features if the data are right.")


def test_a_feature_whose_categories_are_no_text_is_named_with_the_remedy() -> None:
    _, failure, last = told(features(place=pd.Categorical([7, 8])), "Features")
    assert failure.startswith("  - features with categories that are not text: column place: 2 ")
    assert 'astype(str).astype("category")' in failure
    assert last == "Nothing made from it was written."


@BOTH
def test_all_failures_are_told_at_once_and_each_once(contract: str) -> None:
    table = boxes().drop(columns="kind").assign(more=1, number=0, least=[-1, -2, 3, 3, 3, 3])
    found = failures(table.astype({"least": "float64"}), contract)
    expected = [
        "column kind is missing",
        "column more is not in the contract",
        "column least is below 0: 2 values, e.g. -1.0, -2.0",
        "number .*not unique: 6",
        "rule 'least is not above most': 4 rows, the first: least 3, most 2",
    ]
    assert len(found) == len(expected)
    for failure in expected:
        pattern = failure if "*" in failure else re.escape(failure)
        assert len([told for told in found if re.search(pattern, told)]) == 1, failure


def test_a_document_tells_all_its_faults() -> None:
    assert told({"weight": 1, "to": "me"}, "label") == []
    found = failures({"weight": -1, "from": "you"}, "label")
    assert len(found) == 3
    assert all(any(name in failure for failure in found) for name in ("weight", "from", "to"))
    assert "-1" in found[2]


def test_what_is_no_table_at_all_is_told() -> None:
    (failure,) = failures("a text")
    assert failure


def test_a_wrong_parameter_is_told_without_remarks_for_programmers() -> None:
    with pytest.raises(ParameterValidationError) as error:
        instantiate_model("label", {"weight": -1, "to": "me"}, Label)
    message = explain(error.value)
    assert message is not None
    assert "weight" in message
    assert "greater than 0" in message
    assert "pydantic.dev" not in message
    assert "[type=" not in message


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: RunError("no model"), "no model"),
        (lambda: DatasetError("no such file"), "no such file"),
    ],
)
def test_what_a_user_can_put_right_is_told(make: Callable[[], Exception], words: str) -> None:
    message = explain(make())
    assert message is not None
    assert words in message


def test_a_refusal_while_a_dataset_is_read_is_told_without_the_words_of_the_catalog() -> None:
    class Refused(MemoryDataset):
        def load(self) -> Any:
            raise RunError("The file is gone. Restore it.")

    with pytest.raises(DatasetError) as error:
        DataCatalog({"model": Refused()}).load("model")
    assert explain(error.value) == "The file is gone. Restore it."


@pytest.mark.parametrize("fault", [ValueError, KeyError, TypeError, AssertionError, MemoryError])
def test_a_fault_of_the_program_is_left_to_its_traceback(fault: type[Exception]) -> None:
    assert explain(fault("dataset")) is None
    assert explain(KeyboardInterrupt()) is None


class Shelves(Table, key=["shelf", "floor"]):
    """One row per shelf and floor."""

    shelf: int = column("the shelf")
    floor: str = column("the floor")
    width: float = column("width", "m", gt=0)


def test_a_key_of_several_columns_is_one_failure_with_whole_keys() -> None:
    shelves = pd.DataFrame({"shelf": [1, 2, 2], "floor": ["up", "down", "down"], "width": 1.0})
    assert failures(shelves, "Shelves") == [
        "key shelf, floor is not unique: 2 rows, e.g. 2, down; 2, down"
    ]


def test_every_missing_column_is_named_however_many() -> None:
    assert failures(pd.DataFrame({"box": [1]}), "Boxes") == [
        "column box is not in the contract",
        "columns number, least, most, kind are missing",
    ]
    six = type("Six", (Table,), {"__annotations__": {f"c{n}": int for n in range(6)}})
    globals()["Six"] = six
    names = ", ".join(f"c{n}" for n in range(6))
    assert f"columns {names} are missing" in failures(pd.DataFrame({"box": [1]}), "Six")


@pytest.mark.parametrize("least", ["1", ["1", "2", "x", "y", "5", "6"], 1])
def test_a_wrong_type_is_one_failure_where_types_are_not_given(least: Any) -> None:
    (failure,) = failures(boxes().assign(least=least))
    assert failure.startswith("column least is not of type float64: ")


def test_text_in_a_column_is_not_told_again_by_a_rule_that_could_compare_it() -> None:
    class Equal(RawBoxes):
        """Rules that never raise."""

        @rule("least is most", "least", "most")
        def equal(cls, t: pd.DataFrame) -> pd.Series:
            return t["least"] == t["most"]

    globals()["Equal"] = Equal
    table = boxes().assign(most=1.0, least=["1", "1", "x", "1", "1", "1"])
    (failure,) = failures(table, "Equal")
    assert failure.startswith("column least has values that float64 can't hold: 1 value, e.g. x")
