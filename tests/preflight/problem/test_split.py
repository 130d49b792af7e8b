"""The split in dates or in weeks: where parts begin, and parts that were made otherwise."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from preflight.errors import RunError
from preflight.problem.framing import Framing
from preflight.problem.split import Split

Summary = Callable[..., pd.DataFrame]
WEEKS = {"timezone": "America/New_York", "validation_weeks": 4, "test_weeks": 3}


@pytest.mark.parametrize("test_from", ["2013-03-01T00:00:00-05:00", "2013-02-01T00:00:00-05:00"])
def test_a_test_that_does_not_follow_the_validation_is_refused(
    framing_as_written: dict[str, Any], test_from: str
) -> None:
    framing_as_written["split"]["test_from"] = test_from
    with pytest.raises(ValidationError, match=r"must come after validation_from"):
        Framing.model_validate(framing_as_written)


@pytest.mark.parametrize(
    ("change", "given"),
    [
        ({"test_weeks": 3}, "validation_from, test_from, test_weeks"),
        ({"test_from": None}, "validation_from"),
        ({"test_from": None, "test_weeks": 3}, "validation_from, test_weeks"),
        ({"validation_from": None, "test_from": None, "test_weeks": 3}, "test_weeks"),
        ({"test_share": 0.2}, "validation_from, test_from, test_share"),
        ({"validation_from": None, "test_from": None, "test_share": 0.2}, "test_share"),
    ],
)
def test_other_than_one_pair_is_refused(
    framing_as_written: dict[str, Any], change: dict[str, Any], given: str
) -> None:
    framing_as_written["split"] |= change
    with pytest.raises(ValidationError) as error:
        Framing.model_validate(framing_as_written)
    (fault,) = error.value.errors()
    assert "give one pair and leave out the others: validation_from and test_fr" in fault["msg"]
    assert fault["msg"].endswith(f"you gave {given}")
    weeks = {"validation_from": None, "test_from": None, "validation_weeks": 4, "test_weeks": 3}
    framing_as_written["split"] |= {"test_share": None} | weeks
    Framing.model_validate(framing_as_written)


def test_less_than_a_week_is_refused() -> None:
    with pytest.raises(ValidationError, match="test_weeks"):
        Split.model_validate(WEEKS | {"test_weeks": 0})


def test_what_is_not_given_is_not_written(framing: Framing) -> None:
    dated = framing.split.model_dump(mode="json")
    assert list(dated) == ["timezone", "validation_from", "test_from", "groups", "embargo_hours"]
    weekly = Split.model_validate(WEEKS).model_dump(mode="json")
    assert [*weekly][:3] == ["timezone", "validation_weeks", "test_weeks"]


def test_dates_are_the_boundaries_whatever_the_data(framing: Framing) -> None:
    for last in ("2013-04-02", "2014-01-01"):
        assert framing.split.starts(utc(last)).tolist() == [
            pd.Timestamp("2013-03-01T05:00", tz="UTC"),
            pd.Timestamp("2013-04-01T04:00", tz="UTC"),
        ]


@pytest.mark.parametrize("last", ["2013-05-05T04:00", "2013-05-05T15:00", "2013-05-06T03:59:59"])
def test_weeks_are_counted_back_from_the_end_of_the_last_local_day(last: str) -> None:
    starts = Split.model_validate(WEEKS).starts(utc(last))
    assert starts.tolist() == [
        pd.Timestamp("2013-03-18T00:00", tz="America/New_York"),
        pd.Timestamp("2013-04-15T00:00", tz="America/New_York"),
    ]
    assert str(starts.tz) == "UTC"


@pytest.mark.parametrize(
    ("timezone", "end", "begins"),
    [
        ("America/New_York", "2013-03-30T12:00", "2013-02-24T05:00"),  # an hour is skipped
        ("America/Sao_Paulo", "2013-11-23T12:00", "2013-10-20T03:00"),  # it has no midnight
        ("America/Havana", "2013-12-07T12:00", "2013-11-03T04:00"),  # it has two
    ],
)
def test_a_part_begins_with_its_day_where_the_clock_changes(
    timezone: str, end: str, begins: str
) -> None:
    split = Split(timezone=timezone, validation_weeks=1, test_weeks=4)
    start, _ = split.starts(utc(end))
    assert start == pd.Timestamp(begins, tz="UTC")
    tick = pd.Timedelta("1us")
    days = split.day(pd.Series([start - tick, start]))
    assert days.diff().iloc[1] == pd.Timedelta(days=1)


def weekly(framing: Framing, **changes: int) -> Framing:
    """The framing with a split in weeks: April is the test."""
    split = {"validation_weeks": 4, "test_weeks": 4} | changes
    dates = dict.fromkeys(["validation_from", "test_from"])
    return framing.model_copy(update={"split": framing.split.model_copy(update=dates | split)})


@pytest.mark.parametrize("weeks", [False, True])
def test_parts_of_another_split_are_found(
    framing: Framing, make_parcels: Callable[..., pd.DataFrame], split_summary: Summary, weeks: bool
) -> None:
    made = weekly(framing) if weeks else framing
    examples = make_parcels("2013-01-01", "2013-05-01", 2000)
    start, end = made.split.starts(examples["predict_at"])
    moment, known = examples["predict_at"], examples["label_known_at"]
    parts = {
        "train": examples[known <= start],
        "validation": examples[(moment >= start) & (known <= end)],
        "test": examples[moment >= end],
    }
    summary = split_summary(made, parts["test"])
    made.split.require(summary, **parts)
    changes: list[dict[str, Any]] = [
        {name: number} for name in ("validation_weeks", "test_weeks") for number in (3, 5)
    ]
    if not weeks:
        changes = [
            {name: getattr(made.split, name) + timedelta(days=days)}
            for name in ("validation_from", "test_from")
            for days in (-7, 7)
        ]
    for change in changes:
        other = made.split.model_copy(update=change)
        with pytest.raises(RunError, match=r"another framing.split: \w+ was 2?.*, is .*Run fea"):
            other.require(summary)

    later = made.split.model_copy(update={"embargo_hours": 48})
    with pytest.raises(RunError, match=r"another framing.split: embargo_hours was 0.0, is 48"):
        later.require(summary)
    for name in ("train", "validation"):
        with pytest.raises(RunError, match=f"'{name}' has predictions from"):
            later.require(summary.assign(split=later.stated()), **{name: parts[name]})
    with pytest.raises(RunError, match="'test' has predictions from"):
        made.split.require(summary, test=parts["validation"])


def test_shares_of_decisions_are_the_parts(framing: Framing) -> None:
    days = pd.date_range("2013-01-01T17:00", periods=100, tz="UTC").as_unit("us")
    split = Split(timezone="America/New_York", validation_share=0.3, test_share=0.1)
    start, end = split.starts(pd.Series(days))
    assert start == pd.Timestamp("2013-03-02", tz="America/New_York")
    assert end == pd.Timestamp("2013-04-01", tz="America/New_York")
    usual = Split().starts(pd.Series(days))
    assert [int((days < one).sum()) for one in usual] == [60, 80]
    assert "validation_share" not in Split().model_dump()


def test_shares_that_leave_nothing_for_train_are_refused() -> None:
    with pytest.raises(ValidationError, match="leaves nothing for train"):
        Split(validation_share=0.5, test_share=0.5)


@pytest.mark.parametrize("change", [{"embargo_hours": 1}, WEEKS])
def test_without_a_clock_only_shares_are_accepted(change: dict[str, Any]) -> None:
    Split(clock="none", validation_share=0.1, test_share=0.1)
    with pytest.raises(ValidationError, match=r"split\.clock is none, so parts are random"):
        Split.model_validate({"clock": "none"} | change)


def test_without_a_clock_parts_do_not_depend_on_the_data() -> None:
    split = Split(clock="none", validation_share=0.25, test_share=0.25)
    few, many = (split.starts(utc(*moments)) for moments in (["2000-03-01"], ["2000-01-01"] * 9))
    assert few.tolist() == many.tolist() == utc("2000-06-29", "2000-09-27").tolist()


def test_groups_are_part_of_a_split_without_a_clock_only() -> None:
    timed, drawn = Split(), Split(clock="none")
    grouped = {"groups": ["place"]}
    assert timed.stated() == timed.model_copy(update=grouped).stated()
    assert drawn.stated() != drawn.model_copy(update=grouped).stated()


def utc(*moments: str) -> pd.Series:
    return pd.Series(pd.to_datetime(list(moments), utc=True, format="ISO8601")).dt.as_unit("us")


def test_a_day_begins_at_the_local_midnight(framing: Framing) -> None:
    day = framing.split.day(
        utc("2013-01-02T04:59:59.999999", "2013-01-02T05:00", "2013-07-02T04:00")
    )
    assert day.dt.strftime("%Y-%m-%d %H:%M").tolist() == [
        "2013-01-01 00:00",
        "2013-01-02 00:00",
        "2013-07-02 00:00",
    ]
    assert day.dt.tz is None


@pytest.mark.parametrize(
    ("date", "hours"), [("2013-03-10", 23), ("2013-11-03", 25), ("2013-11-04", 24)]
)
def test_the_day_on_which_the_clock_changes_is_one_day(
    framing: Framing, date: str, hours: int
) -> None:
    around = pd.Timestamp(date, tz="UTC") + pd.to_timedelta(np.arange(-24, 48), unit="h")
    day = framing.split.day(pd.Series(around))
    assert day.value_counts()[pd.Timestamp(date)] == hours
    assert day.is_monotonic_increasing


def test_days_are_counted_in_the_time_zone_of_the_framing(framing: Framing) -> None:
    split = framing.split.model_copy(update={"timezone": "Asia/Tokyo"})
    assert split.day(utc("2013-01-01T15:00")).tolist() == [pd.Timestamp("2013-01-02")]
