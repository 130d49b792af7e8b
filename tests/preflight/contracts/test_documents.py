"""Documents name all their faults at once."""

from typing import Any

import pytest
from kedro.validation import DataValidationError
from pydantic import Field

from preflight.contracts.documents import Document, DocumentContract


class Parcel(Document):
    """A document."""

    weight: float = Field(gt=0)
    content: dict[str, int]


CONTRACT = DocumentContract(Parcel)


def test_a_document_that_holds_is_returned_as_it_is() -> None:
    document = {"weight": 1, "content": {"apples": 3}}
    assert CONTRACT.validate(document) is document
    assert document == {"weight": 1, "content": {"apples": 3}}


def test_a_document_names_all_its_faults_at_once() -> None:
    document = {"weight": -1, "content": {"apples": "many"}, "sender": "me"}
    with pytest.raises(DataValidationError, match="Parcel") as error:
        CONTRACT.validate(document)
    told = {(fault.column, fault.failure_examples[0]) for fault in error.value.failures}
    assert told == {("weight", -1), ("content.apples", "many"), ("sender", "me")}
    assert all(fault.message for fault in error.value.failures)


@pytest.mark.parametrize("document", [None, [], "text", 3])
def test_what_is_no_document_at_all_is_refused(document: Any) -> None:
    with pytest.raises(DataValidationError) as error:
        CONTRACT.validate(document)
    assert len(error.value.failures) == 1


@pytest.mark.parametrize("weight", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_is_refused(weight: float) -> None:
    """Of what is not known a document has null; a NaN would keep every limit."""
    with pytest.raises(DataValidationError) as error:
        CONTRACT.validate({"weight": weight, "content": {}})
    (fault,) = error.value.failures
    assert (fault.column, fault.message) == ("weight", "Input should be a finite number")
