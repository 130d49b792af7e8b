"""Examples are split by time: nobody could have trained on a label that is in a part."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandera.dtypes import Float32, Int8

from preflight.contracts.table import Table, Utc, column
from preflight.errors import RunError
from preflight.features.contracts import ExampleColumns, KeyHashes, SplitSummary
from preflight.features.fingerprints import hash_keys, refuse_test_rows
from preflight.features.split import draw_moments, join_features, split_examples
from preflight.problem.framing import Framing
from preflight.problem.split import Split


class ParcelFeatures(Table, key=["parcel"]):
    """One row per parcel."""

    parcel: int = column("number")
    predict_at: Utc = column("moment of prediction", "UTC")
    signal: Float32 = column("signal")
    place: pd.CategoricalDtype = column("place")
    price: float = column("price", "EUR")
    worth: float = column("worth, if it is known", "EUR", nullable=True)


class ParcelExamples(ExampleColumns, ParcelFeatures):
    """Parcels with their label."""

    label: Int8 = column("broken", isin=[0, 1])


CONTRACTS: dict[str, Any] = {"features": ParcelFeatures, "train": ParcelExamples}
Given = tuple[pd.DataFrame, pd.DataFrame]


@pytest.fixture(scope="module")
def given(make_parcels: Callable[..., pd.DataFrame]) -> Given:
    """Features and labels of parcels of four months."""
    made = make_parcels("2013-01-01", "2013-05-01", 4000)
    price = pd.Series(np.random.default_rng(1).uniform(5, 50, len(made)), name="price")
    worth = price.mask(made.index % 7 == 0).rename("worth")
    values = made[["signal", "place"]]
    features = join_features(made, made["predict_at"], CONTRACTS, values, price, worth)
    labels = made[["parcel", "label", "label_known_at"]].astype({"label": "float64"})
    return features, labels


def within(framing: Framing, **changes: Any) -> Framing:
    """The framing with some of its split changed."""
    return framing.model_copy(update={"split": framing.split.model_copy(update=changes)})


def test_features_stand_side_by_side_with_key_and_moment(given: Given) -> None:
    features, _ = given
    names = ["parcel", "predict_at", "signal", "place", "price", "worth"]
    assert features.columns.tolist() == names
    ParcelFeatures.validate(features, lazy=True)


def test_no_label_of_a_part_was_open_when_the_next_began(given: Given, framing: Framing) -> None:
    *parts, keys, summary = split_examples(*given, framing, CONTRACTS)
    train, validation, test = parts
    KeyHashes.validate(keys, lazy=True)
    assert keys.equals(hash_keys(test, CONTRACTS))
    assert not keys["key_hash"].isin(hash_keys(train, CONTRACTS)["key_hash"]).any()
    starts = [framing.split.validation_from, framing.split.test_from]
    assert train["label_known_at"].max() <= starts[0]
    assert validation["predict_at"].min() >= starts[0]
    assert validation["label_known_at"].max() <= starts[1] <= test["predict_at"].min()
    assert summary["left_out"].gt(0).tolist() == [True, True, False]
    assert summary["rows"].sum() + summary["left_out"].sum() == len(given[0])
    SplitSummary.validate(summary, lazy=True)
    for part in parts:
        ParcelExamples.validate(part, lazy=True)
        assert part["predict_at"].is_monotonic_increasing

    *_, later = split_examples(*given, within(framing, embargo_hours=24), CONTRACTS)
    assert (later["left_out"] > summary["left_out"]).tolist() == [True, True, False]


@pytest.mark.parametrize(("validation", "test"), [(1, 1), (4, 4), (3, 8)])
@pytest.mark.parametrize("open_days", [0, 10])
def test_weeks_give_the_same_parts_as_the_equal_dates(
    given: Given, framing: Framing, validation: int, test: int, open_days: int
) -> None:
    features, labels = given
    last = features["predict_at"].max() - pd.Timedelta(days=open_days)
    is_open = features["predict_at"] > last
    labels = labels.assign(**{n: labels[n].mask(is_open) for n in ("label", "label_known_at")})
    end = pd.Timestamp(last.tz_convert("America/New_York").date()) + pd.Timedelta(days=1)
    test_from, validation_from = (
        (end - pd.Timedelta(weeks=weeks)).tz_localize("America/New_York")
        for weeks in (test, validation + test)
    )
    dated = within(framing, validation_from=validation_from, test_from=test_from)
    weeks = {"validation_weeks": validation, "test_weeks": test}
    weekly = within(framing, validation_from=None, test_from=None, **weeks)
    *parts, _, summary = split_examples(features, labels, dated, CONTRACTS)
    *others, _, same = split_examples(features, labels, weekly, CONTRACTS)
    same = same.assign(split=summary["split"])  # which says how it was given
    for part, other in zip([*parts, summary], [*others, same], strict=True):
        pd.testing.assert_frame_equal(part, other)
    assert summary["starts"].tolist()[1:] == [validation_from, test_from]
    dated.split.require(summary, train=parts[0], validation=parts[1], test=parts[2])


def drawn(framing: Framing, *groups: str) -> Framing:
    split = Split(clock="none", validation_share=0.2, test_share=0.3, groups=list(groups))
    return framing.model_copy(update={"split": split})


def test_without_a_clock_parts_are_random_and_a_row_keeps_its_part(
    given: Given, framing: Framing
) -> None:
    timeless = drawn(framing)
    features, labels = given
    moments = draw_moments(features, timeless, CONTRACTS)
    start, end = timeless.split.starts(moments)
    shares = [(moments < start).mean(), (moments >= end).mean()]
    assert shares == pytest.approx([0.5, 0.3], abs=0.03)
    some = features.sample(500, random_state=0)
    pd.testing.assert_series_equal(draw_moments(some, timeless, CONTRACTS), moments[some.index])
    assert abs(np.corrcoef(moments.rank(), features["predict_at"].rank())[0, 1]) < 0.05

    features = features.assign(predict_at=moments)
    known = labels["label"].where(labels["label"].isna(), moments + pd.Timedelta("1us"))
    labels = labels.assign(label_known_at=pd.to_datetime(known, utc=True).dt.as_unit("us"))
    *parts, _, summary = split_examples(features, labels, timeless, CONTRACTS)
    assert sum(map(len, parts)) == len(features)
    assert summary["left_out"].tolist() == [0, 0, 0]


def test_without_a_clock_a_group_is_in_one_part(given: Given, framing: Framing) -> None:
    features, _ = given
    many = features.assign(place=(features["parcel"] % 40).astype(str).astype("category"))
    timeless = drawn(framing, "place")
    moments = draw_moments(many, timeless, CONTRACTS)
    assert moments.groupby(many["place"], observed=True).nunique().eq(1).all()
    assert moments.nunique() == 40
    with pytest.raises(RunError, match=r"no column shop, which framing.split.groups names"):
        draw_moments(many, drawn(framing, "shop"), CONTRACTS)
    with pytest.raises(RunError, match=r"Set framing.split.clock to none"):
        draw_moments(many, framing, CONTRACTS)


def test_more_weeks_than_there_are_and_no_labels_at_all_are_refused(
    given: Given, framing: Framing
) -> None:
    features, labels = given
    unset: dict[str, Any] = {"validation_from": None, "test_from": None}
    weekly = within(framing, **unset, validation_weeks=2, test_weeks=16)
    with pytest.raises(RunError, match=r"leaves train without examples.* Change framing.split"):
        split_examples(features, labels, weekly, CONTRACTS)
    every = labels["label"].notna()
    nothing = labels.assign(**{n: labels[n].mask(every) for n in ("label", "label_known_at")})
    with pytest.raises(RunError, match=r"No example has a label. Correct the functions"):
        split_examples(features, nothing, weekly, CONTRACTS)


def test_a_part_that_begins_before_its_boundary_is_refused(
    given: Given, framing: Framing, refuse_table: Callable[..., None]
) -> None:
    *_, summary = split_examples(*given, framing, CONTRACTS)
    later = summary["starts"] + pd.Timedelta(days=9)
    refuse_table(SplitSummary, summary, {"starts": later}, "bounds are in order")


def test_an_example_at_the_moment_of_a_boundary_is_the_first_of_the_later_part(
    given: Given, framing: Framing
) -> None:
    features, labels = given
    start = pd.Timestamp(framing.split.validation_from)
    moved = features["predict_at"].searchsorted(start)
    at = features["predict_at"].mask(features.index == moved, start.tz_convert("UTC"))
    features = features.assign(predict_at=at.astype(features["predict_at"].dtype))
    train, validation, *_ = split_examples(features, labels, framing, CONTRACTS)
    assert validation["predict_at"].iloc[0] == start > train["predict_at"].max()


def test_a_label_that_its_type_cannot_hold_is_refused(given: Given, framing: Framing) -> None:
    features, labels = given
    halves = labels.assign(label=labels["label"].where(labels["label"] != 1, 0.5))
    with pytest.raises(RunError, match=r"'label' has .* values that int8 can't hold, e.g. 0.5"):
        split_examples(features, halves, framing, CONTRACTS)


def test_a_label_that_is_neither_0_nor_1_is_refused_in_a_binary_task(
    given: Given, framing: Framing
) -> None:
    features, labels = given
    twos = labels.assign(label=labels["label"].replace(1, 2))
    with pytest.raises(RunError, match=r"^The label is 2 in some examples.*task is binary"):
        split_examples(features, twos, framing, CONTRACTS)


def test_labels_of_other_rows_are_refused(given: Given, framing: Framing) -> None:
    features, labels = given
    shifted = labels.iloc[::-1].reset_index(drop=True)
    with pytest.raises(RunError, match=r"different rows.*feature_engineering"):
        split_examples(features, shifted, framing, CONTRACTS)


def test_a_cost_that_is_no_number_or_is_missing_is_told_before_anything_is_learnt(
    given: Given, framing: Framing
) -> None:
    def split(column: str) -> None:
        costs = framing.costs.model_copy(update={"tp": 1.0, "fp": 1.0, "fn": column})
        split_examples(*given, framing.model_copy(update={"costs": costs}), CONTRACTS)

    split("price")
    with pytest.raises(RunError, match=r"costs.fn names 'place', which is no column of numbers"):
        split("place")
    with pytest.raises(RunError, match=r"fn is missing in [\d,]+ of [\d,]+ rows\n.*fn: worth"):
        split("worth")


def test_dates_of_the_split_may_be_in_summer_and_in_winter_time(
    given: Given, framing: Framing
) -> None:
    mixed = within(
        framing,
        validation_from=datetime.fromisoformat("2013-02-09T00:00:00-05:00"),
        test_from=datetime.fromisoformat("2013-03-20T00:00:00-04:00"),
    )
    *_, summary = split_examples(*given, mixed, CONTRACTS)
    assert (summary["rows"] > 0).all()


def test_development_refuses_a_decision_of_test_with_any_label(
    given: Given, framing: Framing
) -> None:
    train, validation, test, keys, _ = split_examples(*given, framing, CONTRACTS)
    refuse_test_rows(pd.concat([train, validation]), keys, CONTRACTS)
    added = test.head(1).assign(label=1 - test["label"][0], signal=0, predict_at=pd.NaT)
    with pytest.raises(RunError, match=r"^1 rows .* of the test set, the first: parcel \d+\."):
        refuse_test_rows(pd.concat([train, added]), keys, CONTRACTS)


@pytest.mark.parametrize("name", ["train", "validation", "test"])
def test_a_part_with_one_class_only_is_refused(given: Given, framing: Framing, name: str) -> None:
    features, labels = given
    *parts, _, _ = split_examples(features, labels, framing, CONTRACTS)
    of_part = dict(zip(["train", "validation", "test"], parts, strict=True))[name]["parcel"]
    is_in = labels["parcel"].isin(of_part)
    alike = labels.assign(label=labels["label"].mask(is_in & labels["label"].notna(), 0.0))
    with pytest.raises(RunError, match=rf"All [\d,]+ labels of '{name}' are 0, with predictions"):
        split_examples(features, alike, framing, CONTRACTS)
