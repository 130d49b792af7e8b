"""Parts of the split that overlap, or are not divided by time: planted and caught."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from preflight.audit.contracts import AuditParameters
from preflight.audit.split_checks import check_split, label_findings
from preflight.problem.framing import Framing
from preflight.problem.split import Split

Parts = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]
Failures = Callable[..., list[str]]
LabelsOf = Callable[[Parts], pd.DataFrame]


@pytest.fixture
def split_failures(
    make_audit: Callable[..., AuditParameters],
    contracts: Any,
    failed: Callable[[pd.DataFrame], list[str]],
    labels_of: LabelsOf,
) -> Failures:
    """The checks that fail on these parts, with some of the audit's parameters changed."""

    def check(
        parts: Parts, framing: Framing, labels: pd.DataFrame | None = None, **changed: Any
    ) -> list[str]:
        given = labels_of(parts) if labels is None else labels
        audit = make_audit(**changed)
        return failed(check_split(*parts, parts[2], given, framing, audit, contracts))

    return check


def test_a_decision_in_two_parts_is_caught(
    split_failures: Failures, parts: Parts, framing: Framing
) -> None:
    train, validation, test = parts
    twice = test.assign(parcel=test["parcel"].where(test.index > 0, train["parcel"][5]))
    assert split_failures((train, validation, twice), framing) == ["same decision"]


def test_a_decision_whose_name_is_only_written_otherwise_is_caught(
    split_failures: Failures, parts: Parts, framing: Framing
) -> None:
    train, validation, test = (
        part.assign(parcel="P" + part["parcel"].astype(str)) for part in parts
    )
    assert split_failures((train, validation, test), framing) == []
    validation.loc[3, "parcel"] = " " + train["parcel"][7].lower() + " "
    assert split_failures((train, validation, test), framing) == ["same decision"]


def test_rows_that_are_copies_are_caught(
    split_failures: Failures, contracts: Any, parts: Parts, framing: Framing
) -> None:
    train, validation, test = parts
    features = contracts["features"].names()
    copied = test.astype({"place": str})
    copied.loc[:9, features] = train.loc[:9, features].astype({"place": str})
    copied.loc[:9, "place"] = copied.loc[:9, "place"].str.upper() + " "
    assert split_failures((train, validation, copied), framing) == ["same row"]
    assert split_failures((train, validation, copied), framing, duplicate_share=0.1) == []


def test_a_group_in_two_parts_is_caught(
    split_failures: Failures, parts: Parts, framing: Framing
) -> None:
    grouped = framing.model_copy(
        update={"split": framing.split.model_copy(update={"groups": ["one"]})}
    )
    assert split_failures(parts, grouped) == []
    train, validation, test = parts
    validation.loc[0, "one"] = train["one"][0]
    assert split_failures((train, validation, test), grouped) == ["same one"]


def test_a_label_that_was_open_at_the_boundary_is_caught(
    split_failures: Failures, parts: Parts, framing: Framing
) -> None:
    train, validation, test = parts
    boundary = pd.Timestamp(framing.split.validation_from)
    train.loc[len(train) - 1, "label_known_at"] = boundary + pd.Timedelta("1us")
    assert split_failures((train, validation, test), framing) == ["labels in time"]


def test_a_label_within_the_embargo_is_caught(
    split_failures: Failures, parts: Parts, framing: Framing
) -> None:
    split = framing.split.model_copy(update={"embargo_hours": 12})
    assert split_failures(parts, framing.model_copy(update={"split": split})) == ["labels in time"]


def test_a_label_that_is_known_later_than_framed_is_caught(
    split_failures: Failures, parts: Parts, framing: Framing
) -> None:
    train, validation, test = parts
    test.loc[0, "label_known_at"] = test.loc[0, "predict_at"] + pd.Timedelta(hours=50)
    assert split_failures((train, validation, test), framing) == ["labels known"]


def test_a_row_on_the_wrong_side_is_caught(
    split_failures: Failures, parts: Parts, framing: Framing
) -> None:
    train, validation, test = parts
    test.loc[0, "predict_at"] = pd.Timestamp(framing.split.test_from) - pd.Timedelta("1us")
    assert split_failures((train, validation, test), framing) == ["parts in order"]


def test_boundaries_in_weeks_are_checked_by_the_end_of_the_test(
    split_failures: Failures, parts: Parts, framing: Framing
) -> None:
    def weekly(validation: int, test: int) -> Framing:
        split = {"timezone": "UTC", "validation_weeks": validation, "test_weeks": test}
        return framing.model_copy(update={"split": Split.model_validate(split)})

    train, validation, test = parts
    starts = weekly(4, 4).split.starts(test["predict_at"])
    moved = (
        train[train["label_known_at"] <= starts[0]],
        validation[validation["predict_at"] >= starts[0]],
        test[test["predict_at"] >= starts[1]],
    )
    assert split_failures(moved, weekly(4, 4)) == []
    assert split_failures(moved, weekly(5, 4)) == ["labels in time", "parts in order"]
    assert split_failures(moved, weekly(4, 5)) == ["labels in time", "parts in order"]


def test_text_that_reads_missing_is_not_a_missing_value(
    split_failures: Failures, contracts: Any, parts: Parts, framing: Framing
) -> None:
    train, validation, test = (part.astype({"place": object}) for part in parts)
    features = [*contracts["features"].names()]
    for number in range(10):
        validation.loc[number, features] = train.loc[number, features]
        train.loc[number, "place"], validation.loc[number, "place"] = "missing", None
    assert split_failures((train, validation, test), framing) == []


HOUR = pd.Timedelta(hours=1)


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize(
    ("column", "change"),
    [("label", lambda value: 1 - value), ("label_known_at", lambda value: value - HOUR)],
)
def test_a_part_with_another_label_than_labels_is_caught(
    split_failures: Failures,
    parts: Parts,
    framing: Framing,
    number: int,
    column: str,
    change: Callable[[Any], Any],
    labels_of: LabelsOf,
) -> None:
    labels = labels_of(parts)
    assert split_failures(parts, framing, labels) == []
    parts[number].loc[7, column] = change(parts[number].loc[7, column])
    name = ("train", "validation", "test")[number]
    assert split_failures(parts, framing, labels) == [f"labels of {name}"]


def test_another_label_is_shown_with_its_decision_and_a_remedy(
    parts: Parts, labels_of: LabelsOf
) -> None:
    labels = labels_of(parts)
    parts[0].loc[7, "label"] = 1 - parts[0].loc[7, "label"]
    (found,) = label_findings({"train": parts[0]}, labels, ["parcel"])
    assert found["evidence"].startswith(
        "1 rows of train have another label or time than in 'labels', the first: parcel 7, label "
    )
    assert found["evidence"].endswith("kedro run --pipelines feature_engineering")


def test_labels_of_a_narrower_type_are_equal(parts: Parts, labels_of: LabelsOf) -> None:
    amounts = parts[0].assign(label=parts[0]["label"] + np.float64(0.1))
    labels = labels_of((amounts, *parts[1:]))
    (found,) = label_findings({"train": amounts.astype({"label": "float32"})}, labels, ["parcel"])
    assert found["state"] == "passed"
