"""Tables as they stood: nothing later, nothing lost that was known."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kedro.pipeline import Node, Pipeline

from preflight.contracts.table import AFTERWARDS, IN_ADVANCE, Table, Utc, column
from preflight.errors import RunError
from preflight.features.point_in_time import as_of, between, in_yearly_chunks, reach, run_in_memory

from late_flights.contracts.primary import Flights, Weather

START = pd.Timestamp("2020-01-01", tz="UTC")
HOURS = st.integers(0, 48)


class Visits(Table, key=["visit"], known_at="booked_at", event_time="booked_at"):
    """One row per visit, booked at a moment; its cost is known when it is closed."""

    visit: int = column("number")
    booked_at: Utc = column("booking", "UTC")
    closed_at: Utc = column("end", "UTC", nullable=True, known_at="closed_at")
    cost: float = column("cost", "EUR", nullable=True, known_at="closed_at")
    kind: pd.CategoricalDtype = column(
        "kind", nullable=True, known_at="closed_at", assumption="asked for at booking"
    )


class OfVisits(Visits, look_back="3D", look_ahead="0D"):
    """Features of visits, which look three days back."""


class Rooms(Table, key=["room"], known_at=IN_ADVANCE):
    """One row per room."""

    room: int = column("number")


def moment(hours: float) -> pd.Timestamp:
    return START + pd.Timedelta(hours=hours)


@st.composite
def visits(draw: st.DrawFn) -> pd.DataFrame:
    rows = draw(st.lists(st.tuples(HOURS, st.none() | HOURS), max_size=15))
    booked = [moment(b) for b, _ in rows]
    closed = [pd.NaT if c is None else moment(b + c) for b, c in rows]
    table = pd.DataFrame(
        {
            "visit": np.arange(len(rows)),
            "booked_at": pd.to_datetime(booked, utc=True).as_unit("us"),
            "closed_at": pd.to_datetime(closed, utc=True).as_unit("us"),
            "cost": [np.nan if c is None else float(c) for _, c in rows],
            "kind": pd.Categorical(["new"] * len(rows), categories=["new", "old"]),
        },
        index=pd.Index(range(100, 100 + len(rows))),
    )
    return table.sample(frac=1, random_state=draw(st.integers(0, 9)))


@given(visits(), HOURS)
def test_by_hand_a_row_and_a_value_are_there_once_they_are_known(
    table: pd.DataFrame, hours: int
) -> None:
    now = moment(hours)
    stood = as_of(table, Visits, now)
    assert stood.index.tolist() == [i for i, at in table["booked_at"].items() if at <= now]
    for i, row in stood.iterrows():
        closed = table.loc[i, "closed_at"] <= now
        assert (row["cost"] == table.loc[i, "cost"]) if closed else pd.isna(row["cost"])
        assert pd.isna(row["closed_at"]) is not closed
        assert row["kind"] == "new"  # assumed


@given(visits(), HOURS)
def test_never_later_knowledge(table: pd.DataFrame, hours: int) -> None:
    stood = as_of(table, Visits, moment(hours))
    for name in ("booked_at", "closed_at"):
        assert not (stood[name] > moment(hours)).any()


@given(visits(), HOURS)
def test_twice_is_once(table: pd.DataFrame, hours: int) -> None:
    once = as_of(table, Visits, moment(hours))
    pd.testing.assert_frame_equal(as_of(once, Visits, moment(hours)), once)


@given(visits(), HOURS, HOURS)
def test_what_was_known_stays_known(table: pd.DataFrame, one: int, other: int) -> None:
    early, late = sorted((moment(one), moment(other)))
    before, after = as_of(table, Visits, early), as_of(table, Visits, late)
    assert set(before.index) <= set(after.index)
    there = before.notna()
    pd.testing.assert_frame_equal(after.loc[before.index].where(there), before.where(there))
    pd.testing.assert_frame_equal(as_of(after, Visits, early), before)


@given(visits())
def test_at_the_end_of_time_it_is_the_table_itself(table: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(as_of(table, Visits, moment(1000)), table)


@given(visits(), st.lists(HOURS, min_size=15, max_size=15))
def test_a_moment_for_each_row_is_that_moment_for_that_row(
    table: pd.DataFrame, hours: list[int]
) -> None:
    moments = pd.Series(
        [moment(h) for h in hours[: len(table)]], table.index, "datetime64[us, UTC]"
    )
    found = as_of(table, Visits, moments)
    alone = [as_of(table.loc[[i]], Visits, moments[i]) for i in table.index]
    expected = pd.concat(alone) if alone else table
    pd.testing.assert_frame_equal(found, expected)


@given(visits(), HOURS)
def test_without_assumptions_what_is_assumed_is_missing_too(
    table: pd.DataFrame, hours: int
) -> None:
    stood = as_of(table, Visits, moment(hours), assume=False)
    assert (stood["kind"].notna() == stood["closed_at"].notna()).all()


@given(visits(), HOURS)
def test_a_table_as_it_stood_keeps_its_contract(table: pd.DataFrame, hours: int) -> None:
    Visits.validate(as_of(table, Visits, moment(hours)), lazy=True)


@given(visits(), st.none() | HOURS, st.none() | HOURS)
def test_a_period_is_the_rows_whose_event_lies_in_it(
    table: pd.DataFrame, start: int | None, end: int | None
) -> None:
    bounds: dict[str, Any] = {
        "start": None if start is None else moment(start),
        "end": None if end is None else moment(end),
    }
    inside = [
        i
        for i, at in table["booked_at"].items()
        if (start is None or at >= bounds["start"]) and (end is None or at <= bounds["end"])
    ]
    assert between(table, Visits, **bounds).index.tolist() == inside


def test_what_is_known_in_advance_and_has_no_time_is_always_there() -> None:
    rooms = pd.DataFrame({"room": [1, 2]})
    pd.testing.assert_frame_equal(as_of(rooms, Rooms, START), rooms)
    pd.testing.assert_frame_equal(between(rooms, Rooms, START, START), rooms)


@pytest.mark.parametrize("now", ["2013-01-05 00:00", "2013-02-09 13:00", "2014-02-01"])
def test_the_real_tables_as_they_stood_keep_their_contracts(
    tables: dict[str, pd.DataFrame], now: str
) -> None:
    for name, contract in (("flights", Flights), ("weather", Weather)):
        stood = as_of(tables[name], contract, pd.Timestamp(now, tz="UTC"))
        contract.validate(stood, lazy=True)
        whole = now.startswith("2014")
        assert stood.equals(tables[name]) is whole


def test_a_pipeline_is_run_on_what_is_given_and_nothing_is_written() -> None:
    def doubled(table: pd.DataFrame, times: int) -> pd.DataFrame:
        return table * times

    pipeline = Pipeline(
        [
            Node(doubled, ["table", "params:times"], "result"),
            Node(lambda result: 1 / 0, "result", "not_asked_for"),
        ]
    )
    table = pd.DataFrame({"a": [1, 2]}, index=[7, 3])
    found = run_in_memory(pipeline, {"table": table, "params:times": 3}, "result")
    assert found["a"].tolist() == [3, 6]
    assert found.index.tolist() == [0, 1]
    assert table.index.tolist() == [7, 3]


def visits_in_three_days(table: pd.DataFrame) -> pd.DataFrame:
    """How many visits were booked in the three days up to a row's, by comparing all with all."""
    at = table["booked_at"].dt.tz_convert(None).to_numpy()
    near = (at[None, :] <= at[:, None]) & (at[None, :] > at[:, None] - np.timedelta64(3, "D"))
    return pd.DataFrame({"visits": near.sum(axis=1)})


@pytest.mark.parametrize("rows", [0, 1, 4000])
def test_in_yearly_chunks_it_gives_the_values_and_the_index_of_the_whole(rows: int) -> None:
    days = np.sort(np.random.default_rng(3).integers(0, 5 * 366, rows))
    table = pd.DataFrame({"booked_at": START + pd.to_timedelta(days, unit="D")})
    table.index = table.index[::-1]  # any index
    lengths = []

    def build(part: pd.DataFrame) -> pd.DataFrame:
        lengths.append(len(part))
        return visits_in_three_days(part).set_axis(part.index)

    by_years = in_yearly_chunks(build, Visits, OfVisits)
    pd.testing.assert_frame_equal(
        by_years(table), visits_in_three_days(table).set_axis(table.index)
    )
    assert max(lengths) <= max(1, rows / 3)  # at no time was it the whole


def test_features_have_to_say_how_far_they_look() -> None:
    assert reach(OfVisits) == (pd.Timedelta(days=3), pd.Timedelta(0))
    with pytest.raises(RunError, match=r'class Visits\(Key, look_back="...", look_ahead="..."\)'):
        reach(Visits)


def test_rows_out_of_order_are_built_at_once_and_right() -> None:
    days = np.random.default_rng(4).integers(0, 5 * 366, 300)
    table = pd.DataFrame({"booked_at": START + pd.to_timedelta(days, unit="D")})
    build = in_yearly_chunks(visits_in_three_days, Visits, OfVisits)
    pd.testing.assert_frame_equal(build(table), visits_in_three_days(table))


def test_what_comes_after_every_decision_is_never_known() -> None:
    class Stays(Table, key=["stay"], known_at=IN_ADVANCE):
        """One row per stay, none of which has a time."""

        stay: int = column("number")
        place: pd.CategoricalDtype = column("where")
        cost: float = column("what it cost", known_at=AFTERWARDS)

    table = Stays.validate(
        pd.DataFrame({"stay": [1, 2], "place": pd.Categorical(["a", "b"]), "cost": [5.0, 6.0]})
    )
    seen = as_of(table, Stays, START)
    assert seen["cost"].isna().all()
    pd.testing.assert_frame_equal(seen.drop(columns="cost"), table.drop(columns="cost"))
    assert as_of(table, Stays, pd.Series([START] * 2))["cost"].isna().all()


def test_features_of_a_table_without_a_time_are_built_at_once() -> None:
    def build(rooms: pd.DataFrame) -> pd.DataFrame:
        return rooms

    assert in_yearly_chunks(build, Rooms, OfVisits) is build


def test_a_contract_that_does_not_say_when_rows_became_known_is_refused() -> None:
    class Undated(Table, key=["order"]):
        order: int = column("number")

    with pytest.raises(RunError, match=r'class Undated\(Table, known_at="..."\)'):
        as_of(pd.DataFrame({"order": [1]}), Undated, pd.Timestamp("2024-05-01", tz="UTC"))
