"""Trailing windows give what a slow and plain loop over the events gives."""

import math
import statistics
from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preflight.features.windows import Events, Floats, Ints, Log, Window, codes

NEVER = np.iinfo(np.int64).min
DAY = 24 * 60
MINUTE = pd.Timedelta(minutes=1)


def moments(time: np.ndarray, unit: str = "m") -> pd.Series:
    """Whole units since 1970 as moments in UTC; NEVER is a missing one."""
    resolution = "s" if unit == "m" else unit
    since = pd.Series(np.asarray(time).astype(f"datetime64[{unit}]"))
    return since.astype(f"datetime64[{resolution}]").dt.tz_localize("UTC")


class MinuteWindow:
    """A window whose lengths are given in minutes, as the tests below give them."""

    def __init__(self, window: Window) -> None:
        self._window = window

    def count(self, window: float | None = None) -> Ints:
        return self._window.count(None if window is None else pd.Timedelta(minutes=window))

    def sum(self, name: str, window: float) -> Ints:
        return self._window.sum(name, pd.Timedelta(minutes=window))

    def mean(self, name: str, window: float) -> Floats:
        return self._window.mean(name, pd.Timedelta(minutes=window))

    def std(self, name: str, window: float) -> Floats:
        return self._window.std(name, pd.Timedelta(minutes=window))

    def min(self, name: str, window: float) -> Floats:
        return self._window.min(name, pd.Timedelta(minutes=window))

    def max(self, name: str, window: float) -> Floats:
        return self._window.max(name, pd.Timedelta(minutes=window))

    def last(self, name: str, window: float) -> Floats:
        return self._window.last(name, pd.Timedelta(minutes=window))

    def distinct(self, name: str, window: float) -> Ints:
        return self._window.distinct(name, pd.Timedelta(minutes=window))


class MinuteLog:
    """Events at whole minutes since 1970."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def at(self, key: np.ndarray, time: np.ndarray) -> MinuteWindow:
        return MinuteWindow(self._log.at(key, moments(time)))


def log(key: np.ndarray, time: np.ndarray, **values: Any) -> MinuteLog:
    return MinuteLog(Events(moments(time), **values).by(key))


class Case(NamedTuple):
    """Events, questions, and an order in which to shuffle each."""

    key: np.ndarray
    time: np.ndarray
    value: np.ndarray
    asked_key: np.ndarray
    asked_time: np.ndarray
    window: int
    shuffled: np.ndarray
    asked_shuffled: np.ndarray


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Few keys and moments, so that boundaries are hit, moments tie and keys lack events."""
    start = draw(st.sampled_from([1, 22_600_000]))
    key, moment = st.integers(0, 3), st.integers(start, start + 30)
    event = st.tuples(key, st.one_of(moment, st.just(NEVER)), st.integers(-5, 5))
    events = draw(st.lists(event, max_size=25))
    asked = draw(st.lists(st.tuples(key, moment), min_size=1, max_size=25))
    columns = np.array(events, dtype=np.int64).reshape(-1, 3).T
    return Case(
        *columns,
        *np.array(asked, dtype=np.int64).T,
        draw(st.integers(1, 40)),
        np.array(draw(st.permutations(range(len(events)))), dtype=np.int64),
        np.array(draw(st.permutations(range(len(asked)))), dtype=np.int64),
    )


# sums in floats depend on their order, running totals on what was before: decimal fractions, small
# numbers beside large ones that cancel, limbs that carry, zeros of both signs, missing values
NUMBERS = st.one_of(
    st.integers(-5, 5),
    st.integers(-(10**12), 10**12).map(lambda thousandths: thousandths / 1000),
    st.floats(0.5, 1).map(lambda share: 1e9 + share),
    st.sampled_from([0.0, -0.0, 0.1, 0.2, 1e-9, 2**32 - 1.0, -(2.0**32), 1e9, -1e9, 1e22, -1e22]),
    st.just(np.nan),
)


@st.composite
def float_cases(draw: st.DrawFn) -> Case:
    case = draw(cases())
    values = draw(st.lists(NUMBERS, min_size=len(case.key), max_size=len(case.key)))
    return case._replace(value=np.array(values, dtype=np.float64))


def in_window(case: Case, window: float) -> list[list[tuple[int, int]]]:
    """(time, value) of the events in (t - window, t] for each question, in order."""
    events = list(zip(case.key, case.time, case.value, strict=True))
    return [
        sorted(
            (time, value)
            for key, time, value in events
            if key == asked and time != NEVER and t - window < time <= t
        )
        for asked, t in zip(case.asked_key, case.asked_time, strict=True)
    ]


def answers(case: Case) -> dict[str, Any]:
    window = log(case.key, case.time, value=case.value).at(case.asked_key, case.asked_time)
    return {
        "count": window.count(case.window),
        "count of all": window.count(),
        "sum": window.sum("value", case.window),
        "mean": window.mean("value", case.window),
        "std": window.std("value", case.window),
        "min": window.min("value", case.window),
        "max": window.max("value", case.window),
        "last": window.last("value", case.window),
        "distinct": window.distinct("value", case.window),
    }


@given(cases())
def test_every_answer_is_that_of_a_loop_over_the_events(case: Case) -> None:
    found = answers(case)
    inside = in_window(case, case.window)
    values = [[value for _, value in events] for events in inside]
    assert found["count"].tolist() == [len(events) for events in inside]
    assert found["count of all"].tolist() == [len(events) for events in in_window(case, np.inf)]
    assert found["sum"].tolist() == [sum(some) for some in values]
    nothing = np.nan
    np.testing.assert_array_equal(
        found["mean"], [sum(some) / len(some) if some else nothing for some in values]
    )
    np.testing.assert_array_equal(found["last"], [some[-1] if some else nothing for some in values])


def ulps(found: float, exact: Fraction) -> float:
    """How far a float is from a number, in spacings of floats there."""
    return float(abs(Fraction(found) - exact)) / math.ulp(float(exact))


@settings(max_examples=300)
@given(float_cases())
def test_floats_are_aggregated_as_pandas_and_exact_fractions_do(case: Case) -> None:
    found = answers(case)
    inside = in_window(case, case.window)
    assert found["count"].tolist() == [len(events) for events in inside]
    known = [pd.Series([v for _, v in e], dtype="float64").dropna() for e in inside]
    for i, values in enumerate(known):
        exact = sum(map(Fraction, values), Fraction(0))
        assert ulps(found["sum"][i], exact) <= 2
        if len(values):
            assert ulps(found["mean"][i], exact / len(values)) <= 3
        if len(values) > 1:
            spread = statistics.stdev(map(Fraction, values))
            assert found["std"][i] == pytest.approx(float(spread), rel=1e-15, abs=0)
    empty = np.array([len(values) == 0 for values in known])
    assert (np.isnan(found["mean"]) == empty).all()
    assert (np.isnan(found["std"]) == [len(values) < 2 for values in known]).all()
    np.testing.assert_array_equal(found["min"], [values.min() for values in known])
    np.testing.assert_array_equal(found["max"], [values.max() for values in known])
    assert found["distinct"].tolist() == [values.nunique() for values in known]
    last = [
        max((event for event in events if not np.isnan(event[1])), default=(0, np.nan))[1]
        for events in inside
    ]
    np.testing.assert_array_equal(found["last"], last)


@given(st.one_of(cases(), float_cases()))
def test_the_order_of_events_and_questions_does_not_matter(case: Case) -> None:
    events, asked = case.shuffled, case.asked_shuffled
    shuffled = Case(
        case.key[events], case.time[events], case.value[events],
        case.asked_key[asked], case.asked_time[asked], *case[5:],
    )  # fmt: skip
    before, after = answers(case), answers(shuffled)
    for name, answer in before.items():
        assert after[name].tobytes() == answer[asked].tobytes(), name


@given(st.one_of(cases(), float_cases()))
def test_events_outside_of_the_windows_change_no_bit(case: Case) -> None:
    early, late = case.asked_time.min() - case.window, case.asked_time.max()
    kept = (case.time > early) & (case.time <= late)
    part = case._replace(key=case.key[kept], time=case.time[kept], value=case.value[kept])
    whole, cut = answers(case), answers(part)
    for name in whole.keys() - {"count of all"}:
        assert cut[name].tobytes() == whole[name].tobytes(), name


def one_key(*times: int) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros(len(times), dtype=np.int64), np.array(times)


@pytest.mark.parametrize("values", [[1, 9, 5], [9, 5, 1], [5, 1, 9]])
def test_a_tie_at_one_moment_does_not_depend_on_row_order(values: list[int]) -> None:
    window = log(*one_key(7, 7, 7), value=np.array(values)).at(*one_key(7))
    assert window.last("value", 5).tolist() == [9]


def test_a_window_is_open_at_its_start_and_closed_at_its_end() -> None:
    events = log(*one_key(100), value=np.array([1]))
    assert events.at(*one_key(99, 100, 109, 110)).count(10).tolist() == [0, 1, 1, 0]


def test_what_never_happened_is_left_out_of_everything() -> None:
    events = log(*one_key(NEVER, 5, NEVER), value=np.array([100, 1, 100]))
    window = events.at(*one_key(5, 4))
    assert window.count().tolist() == [1, 0]
    assert window.sum("value", 10).tolist() == [1, 0]
    np.testing.assert_array_equal(window.last("value", 10), [1, np.nan])


def test_without_any_event_there_is_nothing_to_count() -> None:
    empty = np.array([], dtype=np.int64)
    window = log(empty, empty, value=empty).at(*one_key(5, 6))
    assert window.count(10).tolist() == window.count().tolist() == [0, 0]
    assert window.sum("value", 10).tolist() == [0, 0]
    assert np.isnan([window.mean("value", 10), window.last("value", 10)]).all()


def test_without_any_question_there_is_no_answer() -> None:
    empty = np.array([], dtype=np.int64)
    window = log(*one_key(5), value=np.array([1])).at(empty, empty)
    assert [len(window.count(10)), len(window.last("value", 10))] == [0, 0]


def test_the_first_window_of_a_key_never_reaches_into_the_key_before_it() -> None:
    far = 253_402_300_799  # seconds to the end of the year 9999
    window = log(np.array([0, 0]), np.array([1, far]), value=np.array([7, 7])).at(
        np.array([1]), np.array([1])
    )
    assert window.count().tolist() == window.count(400 * DAY).tolist() == [0]
    assert window.sum("value", 400 * DAY).tolist() == [0]
    assert np.isnan(window.last("value", 400 * DAY)).all()


def test_one_question_after_another_gives_what_each_gives_alone() -> None:
    events = log(*one_key(1, 5, 9), value=np.array([1, 2, 4]))
    window = events.at(*one_key(9))
    asked = [window.sum("value", w).item() for w in (1, 5, 100, 1)]
    assert asked == [4, 6, 7, 4]


def test_shares_of_booleans_are_counted() -> None:
    late = np.array([True, True, False])
    window = log(*one_key(1, 2, 3), late=late).at(*one_key(3))
    assert window.sum("late", 10).tolist() == [2]
    assert window.mean("late", 10).tolist() == [2 / 3]


def test_totals_of_a_part_of_history_are_those_of_all_of_it() -> None:
    rng = np.random.default_rng(0)
    time, value = np.sort(rng.integers(0, 10_000, 500)), rng.integers(-999, 999, 500)
    key, late = np.zeros(500, dtype=np.int64), time > 5_000
    asked = one_key(9_000, 9_999)
    all_of_it = log(key, time, value=value).at(*asked).mean("value", 3_000)
    a_part = log(key[late], time[late], value=value[late]).at(*asked).mean("value", 3_000)
    assert a_part.tobytes() == all_of_it.tobytes()


COMBINATIONS = st.lists(
    st.tuples(st.sampled_from(["a", "b", None]), st.sampled_from([1.0, 2.0, np.nan])), min_size=1
)


@given(COMBINATIONS)
def test_a_code_stands_for_one_combination(rows: list[Any]) -> None:
    table = pd.DataFrame(rows, columns=["text", "number"])
    found = codes(table["text"].astype("category"), table["number"])
    combinations = [(text, None if np.isnan(number) else number) for text, number in rows]
    code_of = dict(zip(combinations, found.tolist(), strict=True))
    assert [code_of[one] for one in combinations] == found.tolist()
    assert len(set(code_of.values())) == len(set(combinations))
    assert 0 <= min(found) <= max(found) < 9  # three texts by three numbers


def test_a_combination_is_not_the_sum_of_its_parts() -> None:
    one = pd.Series(["a", "a", "ab", "b"])
    other = pd.Series(["bc", "c", "c", "a"])
    assert len(set(codes(one, other))) == 4
    assert codes(one).tolist() == [0, 0, 1, 2]


def test_of_many_possible_keys_those_that_occur_are_numbered() -> None:
    half = np.arange(2049)
    route, parcel = pd.Series(half, name="route"), pd.Series(half, name="parcel")
    assert codes(route, parcel).tolist() == half.tolist()


def test_the_largest_key_has_room_for_its_times() -> None:
    key, time = np.array([4_194_302, 4_194_301]), np.array([2_000_000_000, 2_000_000_000])
    assert log(key, time).at(key, time + 5).count(10).tolist() == [1, 1]
    assert log(key, time).at(key, time + 5).count().tolist() == [1, 1]


RESOLUTIONS = {"us": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000}  # in microseconds


@st.composite
def resolved(draw: st.DrawFn) -> tuple[Any, ...]:
    """Events and questions of resolutions of their own, and a window that often ends at an event.

    In microseconds. Keys that lie far apart leave no room for times beside them.
    """
    event_unit, asked_unit = draw(st.tuples(*[st.sampled_from([*RESOLUTIONS])] * 2))
    apart, far = draw(st.sampled_from([1, 1 << 21, 1 << 50])), st.sampled_from([0, 200_000_000])
    start, span = draw(st.sampled_from([-40, 1_357_000_000_000_000])), draw(far) + 200

    def rows(unit: str) -> st.SearchStrategy[list[tuple[int, int]]]:
        step = RESOLUTIONS[unit]
        moment = st.integers(start // step, (start + span) // step).map(lambda n: n * step)
        key = st.integers(0, 3).map(lambda number: number * apart)
        return st.lists(st.tuples(key, moment | st.just(NEVER)), min_size=1, max_size=12)

    events, asked = draw(rows(event_unit)), draw(rows(asked_unit))
    happened = [time for _, time in events if time != NEVER] or [start]
    between = [t - one for one in happened for _, t in asked if t > one] or [1]
    window = draw(st.sampled_from(between)) + draw(st.sampled_from([-1, 0, 0, 1]))
    return events, event_unit, asked, asked_unit, max(window, 1)


def in_unit(microseconds: list[int], unit: str) -> pd.Series:
    whole = [one if one == NEVER else one // RESOLUTIONS[unit] for one in microseconds]
    return moments(np.array(whole, dtype=np.int64), unit)


@settings(max_examples=400)
@given(resolved())
def test_an_event_counts_if_it_lies_in_the_window_to_the_microsecond(case: Any) -> None:
    events, event_unit, asked, asked_unit, window = case
    key, time = np.array(events, dtype=np.int64).reshape(-1, 2).T
    asked_key, asked_time = np.array(asked, dtype=np.int64).T
    value = np.arange(len(time)) ** 2
    found = (
        Events(in_unit(time.tolist(), event_unit), value=value)
        .by(key)
        .at(asked_key, in_unit(asked_time.tolist(), asked_unit))
    )
    length = pd.Timedelta(microseconds=window)
    inside = [
        (key == k) & (time != NEVER) & (t != NEVER) & (t - window < time) & (time <= t)
        for k, t in asked
    ]
    assert found.count(length).tolist() == [int(one.sum()) for one in inside]
    assert found.sum("value", length).tolist() == [int(value[one].sum()) for one in inside]
    upto = [(key == k) & (time != NEVER) & (t != NEVER) & (time <= t) for k, t in asked]
    assert found.count().tolist() == [int(one.sum()) for one in upto]
    last = [max(((time[i], value[i]) for i in np.flatnonzero(o)), default=None) for o in inside]
    np.testing.assert_array_equal(
        found.last("value", length), [np.nan if one is None else one[1] for one in last]
    )


@pytest.mark.parametrize("later, counted", [("0s", 1), ("1us", 0), ("30s", 0)])
def test_an_event_after_the_prediction_is_not_used(later: str, counted: int) -> None:
    predicted = pd.Series(pd.to_datetime(["2013-05-01 10:00Z"]).as_unit("us"))
    happened = pd.concat([predicted + pd.Timedelta(later), predicted - pd.Timedelta("7min")])
    window = Events(happened).by(np.array([0, 1])).at(np.array([0]), predicted)
    assert window.count().tolist() == window.count(pd.Timedelta("1h")).tolist() == [counted]


@pytest.mark.parametrize("key", [-7, -1, 2, (1 << 62) + 1])
def test_a_key_without_an_event_has_none_however_large(key: int) -> None:
    window = log(np.array([0, 1]), np.array([5, 6])).at(np.array([key, 1]), np.array([9, 9]))
    assert window.count().tolist() == window.count(60).tolist() == [0, 1]


@pytest.mark.parametrize("window", [60, "1h"])
def test_a_window_without_a_unit_is_refused(window: Any) -> None:
    events = Events(moments(np.array([1]))).by(np.array([0]))
    with pytest.raises(TypeError, match=r"A window is a pd.Timedelta, such as .* not"):
        events.at(np.array([0]), moments(np.array([1]))).count(window)


@pytest.mark.parametrize("key", [-2, 1 << 62])
def test_keys_for_which_there_is_no_room_are_refused(key: int) -> None:
    with pytest.raises(ValueError, match="too large, or below -1: use codes"):
        Events(moments(np.array([1]))).by(np.array([key]))
    assert Events(moments(np.array([1]))).by(np.array([-1])).stamp.shape == (1,)


def test_whole_numbers_written_as_short_floats_are_summed_exactly() -> None:
    value = np.array([2**24, 1, 1], dtype="float32")
    window = log(*one_key(1, 2, 3), value=value).at(*one_key(3))
    assert window.sum("value", 10).tolist() == [2**24 + 2]


def test_a_question_at_a_moment_that_never_came_finds_nothing() -> None:
    key, time = np.array([0, 0, 1]), np.array([10, 20, 30])
    window = log(key, time, value=time).at(np.array([0, 1]), np.array([NEVER, NEVER]))
    assert window.count().tolist() == window.count(5).tolist() == [0, 0]
    assert window.sum("value", 5).tolist() == [0, 0]


def test_moments_before_1970_and_at_its_first_minute_are_counted_with_their_key() -> None:
    key, time = np.array([0, 0, 1, 1]), np.array([-5, 0, -7, 3])
    window = log(key, time).at(np.array([0, 1, 1]), np.array([5, 5, -6]))
    assert window.count().tolist() == [2, 2, 1]
    assert window.count(6).tolist() == [1, 1, 1]


def test_keys_too_large_to_be_packed_with_time_and_row_give_the_same() -> None:
    rng = np.random.default_rng(1)
    key, time = rng.integers(0, 50, 3000), rng.integers(1, 400, 3000)
    time[0] = 1 << 33  # 33 bits of time, 22 of key and 12 of row are too many
    few, many = (log(k, time, value=time).at(k, time + 5) for k in (key, key + (1 << 21)))
    assert many.sum("value", 60).tolist() == few.sum("value", 60).tolist()
    assert many.last("value", 60).tolist() == few.last("value", 60).tolist()


def test_long_windows_give_what_pandas_gives() -> None:
    rng = np.random.default_rng(2)
    key, time = rng.integers(0, 3, 900), rng.integers(0, 20_000, 900)
    price = np.where(rng.random(900) < 0.1, np.nan, rng.lognormal(3, 1, 900).round(1))
    window = log(key, time, price=price).at(key, time)
    for length in (0.5, 40, 5_000, 30_000):
        rows = [
            pd.Series(price[(key == k) & (t - length < time) & (time <= t)])
            for k, t in zip(key, time, strict=True)
        ]
        for name in ("sum", "mean", "std", "min", "max"):
            found = getattr(window, name)("price", length)
            expected = [getattr(row, name)() for row in rows]
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-9, err_msg=name)
        assert window.distinct("price", length).tolist() == [row.nunique() for row in rows]


def test_small_numbers_on_a_large_offset_are_summed_exactly() -> None:
    """Running totals in floats would have lost them: 1e9 + 0.1 is known to a ten-millionth."""
    value = 1e9 + np.array([0.25, 0.5, 0.75] * 1000)
    window = log(*one_key(*range(3000)), value=value).at(*one_key(2999))
    assert window.sum("value", 3).tolist() == [3e9 + 1.5]
    assert window.std("value", 3).tolist() == [0.25]
    same = log(*one_key(*range(3000)), value=np.full(3000, 0.1)).at(*one_key(2999))
    assert same.std("value", 7).tolist() == [0]
    assert same.mean("value", 7).tolist() == [0.1]


def test_a_window_without_a_value_has_no_mean() -> None:
    for value in (
        np.array([1.5]),
        np.array([np.nan]),
        np.array([7]),
        np.array([], dtype="float64"),
    ):
        times = one_key(*[1] * len(value))
        window = log(*times, value=value).at(*one_key(50))
        assert window.sum("value", 10).tolist() == window.distinct("value", 10).tolist() == [0]
        for name in ("mean", "std", "min", "max", "last"):
            assert np.isnan(getattr(window, name)("value", 10)).tolist() == [True], name


def test_a_missing_value_is_an_event_and_no_value() -> None:
    value = pd.Series([4, None, 8], dtype="Int64", index=[9, 5, 7])
    window = log(*one_key(1, 2, 3), value=value).at(*one_key(2, 3))
    assert window.count(10).tolist() == [2, 3]
    assert window.sum("value", 10).tolist() == [4, 12]
    assert window.mean("value", 10).tolist() == [4, 6]
    assert window.last("value", 10).tolist() == [4, 8]
    assert window.last("value", 1)[0] != window.last("value", 1)[0]  # that of the missing one
    assert window.distinct("value", 10).tolist() == [1, 2]


@pytest.mark.parametrize("dtype", ["str", "category", "object"])
def test_different_texts_are_counted(dtype: str) -> None:
    shop = pd.Series(["a", "b", "a", None, "c"]).astype(dtype)
    key, time = np.array([0, 0, 0, 0, 1]), np.array([1, 2, 3, 4, 4])
    window = log(key, time, shop=shop).at(np.array([0, 0, 1]), np.array([4, 2, 4]))
    assert window.distinct("shop", 10).tolist() == [2, 2, 1]
    assert window.distinct("shop", 2).tolist() == [1, 2, 1]


def ask(name: str, values: Any) -> Any:
    window = log(*one_key(1, 2), value=values).at(*one_key(3))
    return getattr(window, name)("value", 10)


@pytest.mark.parametrize("name", ["sum", "mean", "std", "min", "max", "last"])
@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (["a", "b"], TypeError, "value has values of type str, and numbers are needed: convert"),
        ([1.0, np.inf], ValueError, "value has infinite values: make them missing"),
    ],
)
def test_what_is_no_number_has_no_aggregate(
    name: str, values: Any, error: type[Exception], message: str
) -> None:
    assert np.isfinite(ask(name, [1.0, 2.0])).all()
    with pytest.raises(error, match=message):
        ask(name, values)


@pytest.mark.parametrize("name", ["sum", "mean", "min", "max", "last"])
def test_a_zero_has_no_sign_that_would_depend_on_the_order(name: str) -> None:
    assert not np.signbit(ask(name, [0.0, -0.0]))
    assert not np.signbit(ask(name, [-0.0, -0.0]))


def test_numbers_too_far_apart_have_no_exact_spread() -> None:
    assert ask("std", [1e100, 1e-30]).tolist() == pytest.approx([1e100 / math.sqrt(2)])
    assert ask("std", [1e-200, 0]).tolist() == pytest.approx([1e-200 / math.sqrt(2)])
    with pytest.raises(ValueError, match="value has values from 1e-50 to 1e\\+100, too far apart"):
        ask("std", [1e100, 1e-50])


@pytest.mark.parametrize("key", [["a", "b"], pd.Series(["a", "b"]), np.array([1.0, np.nan])])
def test_a_key_that_is_no_integer_is_to_be_numbered(key: Any) -> None:
    times = moments(np.array([1, 2]))
    assert Events(times).by(codes(pd.Series(key))).at(codes(pd.Series(key)), times).count().all()
    with pytest.raises(
        TypeError, match=r"key in by\(\) is of type .*: number its values with codes"
    ):
        Events(times).by(key)
    with pytest.raises(
        TypeError, match=r"key in at\(\) is of type .*: number its values with codes"
    ):
        Events(times).by(np.array([0, 1])).at(key, times)


def test_keys_of_two_tables_are_numbered_together() -> None:
    sold, asked = pd.Series(["b", "a", "b"]), pd.Series(["a", "b", "new"])
    both = codes(pd.concat([sold, asked]))
    window = log(both[:3], np.array([1, 2, 3])).at(both[3:], np.array([9, 9, 9]))
    assert window.count().tolist() == [1, 2, 0]


def test_a_series_is_taken_by_position() -> None:
    index = pd.Index([5, 3, 1])
    key, value = pd.Series([0, 0, 1], index=index), pd.Series([1, 2, 4], index=index)
    window = log(key, np.array([1, 2, 3]), value=value).at(np.array([0, 1]), np.array([3, 3]))
    assert window.sum("value", 10).tolist() == [3, 4]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda e, t: Events(t, value=[1, 2, 3]), "value has 3 values for 2 events"),
        (lambda e, t: e.by(np.array([0])), r"key in by\(\) has 1 rows, the times have 2"),
        (lambda e, t: e.by(np.array([0, 0])).at(np.array([0]), t), r"key in at\(\) has 1 rows"),
        (
            lambda e, t: e.by(np.array([0, 0])).at(np.array([0, 0]), t).sum("cost", DAY * MINUTE),
            "Events have no value 'cost': give it, as in",
        ),
    ],
)
def test_what_does_not_belong_to_the_events_is_refused(
    call: Callable[[Events, pd.Series], Any], message: str
) -> None:
    times = moments(np.array([1, 2]))
    with pytest.raises(ValueError, match=message):
        call(Events(times, value=[1, 2]), times)
