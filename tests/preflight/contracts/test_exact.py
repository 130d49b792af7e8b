"""Conversion never changes a value: what a type can't hold is found, all else is kept."""

from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from preflight.contracts.exact import convert, narrow
from preflight.errors import RunError

WHOLE = ["int8", "int64", "uint8", "uint64", "Int16", "Int64", "UInt32"]
EDGES = [0, 1, -1, 127, 128, 255, 256, 2**31, 2**53, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64]
whole_numbers = st.sampled_from(EDGES) | st.integers(-(2**70), 2**70)


def converted(values: list[Any], dtype: str) -> tuple[pd.Series, list[bool]]:
    made, unfit = convert(pd.Series(values, name="x"), pd.api.types.pandas_dtype(dtype))
    return made, unfit.tolist()


def limits(dtype: str) -> tuple[int, int]:
    bounds = np.iinfo(dtype.lower())
    return int(bounds.min), int(bounds.max)


@given(
    dtype=st.sampled_from(WHOLE),
    values=st.lists(st.none() | whole_numbers | st.floats(allow_nan=False), min_size=1),
    as_text=st.booleans(),
)
@example(dtype="int64", values=[2.0**53], as_text=False)
def test_whole_numbers_are_those_in_range_and_no_other(
    dtype: str, values: list[Any], as_text: bool
) -> None:
    given = [str(v) if as_text and v is not None else v for v in values]
    made, unfit = convert(pd.Series(given, dtype=object), pd.api.types.pandas_dtype(dtype))
    low, high = limits(dtype)
    for value, got, lost in zip(values, made, unfit, strict=True):
        if value is None:
            assert pd.isna(got) and not lost
            continue
        holds = abs(value) != float("inf") and int(value) == value and low <= value <= high
        if isinstance(value, float) and not as_text and abs(value) >= 2**53:
            holds = False  # it may have been rounded
        assert lost != holds
        assert pd.isna(got) if lost else int(got) == value


@given(
    dtype=st.sampled_from(["float32", "float64", "Float32"]),
    values=st.lists(st.none() | whole_numbers | st.floats(allow_nan=False), min_size=1),
    as_text=st.booleans(),
)
def test_floats_round_decimals_and_never_whole_numbers(
    dtype: str, values: list[Any], as_text: bool
) -> None:
    given = [str(v) if as_text and v is not None else v for v in values]
    made, unfit = convert(pd.Series(given, dtype=object), pd.api.types.pandas_dtype(dtype))
    assert made.dtype == dtype
    for value, got, lost in zip(values, made, unfit, strict=True):
        if value is None:
            assert pd.isna(got) and not lost
            continue
        with np.errstate(over="ignore"):
            near = float(np.dtype(dtype.lower()).type(float(value)))
        if isinstance(value, int):
            assert lost == (Fraction(near) != value if np.isfinite(near) else True)
        else:
            assert lost == (np.isinf(near) != np.isinf(value) or (near == 0) != (value == 0))
        assert pd.isna(got) if lost else got == near


@given(values=st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1), dtype=st.sampled_from(WHOLE))
def test_a_column_of_integers_is_judged_as_its_values_one_by_one(
    values: list[int], dtype: str
) -> None:
    low, high = limits(dtype)
    _, unfit = convert(pd.Series(values, dtype="int64"), pd.api.types.pandas_dtype(dtype))
    assert unfit.tolist() == [not low <= value <= high for value in values]


FITS: list[tuple[str, list[Any], list[Any]]] = [
    ("int64", ["7", " 8 ", "1.0", "1e3", "+5", "-0"], [7, 8, 1, 1000, 5, 0]),
    ("int64", [1.0, 1 - 2.0**53], [1, 1 - 2**53]),
    ("Int64", ["5000000000000000001", None], [5000000000000000001, pd.NA]),
    ("bool", ["True", "false", "TRUE", "1", "0.0"], [True, False, True, True, False]),
    ("bool", [1, 0], [True, False]),
    ("boolean", [1.0, None], [True, pd.NA]),
    ("float64", ["0.1", "1e-3", "inf", "9007199254740992"], [0.1, 0.001, np.inf, 2.0**53]),
    ("float32", [123456789.5], [np.float32(123456789.5)]),
    ("str", ["007", None, "1E5"], ["007", np.nan, "1E5"]),
    ("str", [None, None], [np.nan, np.nan]),
    ("category", ["b", "a"], ["b", "a"]),
    ("datetime64[us, UTC]", ["2013-01-01", "2013-01-01T01:00+01:00"], ["2013-01-01T00:00Z"] * 2),
    ("datetime64[us]", ["13.2.2013", None], ["2013-02-13", pd.NaT]),
    ("timedelta64[s]", ["90 s"], [pd.Timedelta("90s")]),
    ("object", [7, "x"], [7, "x"]),
]


@pytest.mark.parametrize(("dtype", "values", "expected"), FITS)
def test_what_a_type_holds_is_kept(dtype: str, values: list[Any], expected: list[Any]) -> None:
    made, unfit = converted(values, dtype)
    wanted = pd.Series(pd.to_datetime(expected) if "datetime" in dtype else expected, name="x")
    assert not any(unfit)
    pd.testing.assert_series_equal(made, wanted.astype(dtype))


UNFIT: list[tuple[str, list[Any], list[Any]]] = [
    ("int64", [0.9, 100.7, float("inf"), 2.0**63, 1.0], [0.9, 100.7, float("inf"), 2.0**63]),
    ("int64", ["1.5", "x", "0x1F", "1_0", "", "9223372036854775808", "1e999999999", "3"],
     ["1.5", "x", "0x1F", "1_0", "", "9223372036854775808", "1e999999999"]),
    ("int64", ["0x1F"], ["0x1F"]),
    ("int64", [5e18, -(2.0**63), 2.0**53, 1.0], [5e18, -(2.0**63), 2.0**53]),
    ("int32", [5_000_000_000, 1], [5_000_000_000]),
    ("uint8", [-1, 256, 255], [-1, 256]),
    ("Int8", [300, None], [300]),
    ("bool", [2, 0, -1], [2, -1]),
    ("boolean", [0.5, 1.0, None], [0.5]),
    ("bool", ["yes", "2", "True"], ["yes", "2"]),
    ("float64", [2**53 + 1, 1], [2**53 + 1]),
    ("float64", ["9007199254740993", "0.5", "x", "1e400"], ["9007199254740993", "x", "1e400"]),
    ("float32", [1e39, 1e-50, 0.1], [1e39, 1e-50]),
    ("float32", [16_777_217, 16_777_216], [16_777_217]),
    ("str", [7, "7", None, 7.0], [7, 7.0]),
    ("str", [7, 8], [7, 8]),
    ("datetime64[us, UTC]", ["2013-01-01T00:00:00.0000001Z", "soon", "2013-01-01"],
     ["2013-01-01T00:00:00.0000001Z", "soon"]),
    ("datetime64[us, UTC]", [2013, 2014], [2013, 2014]),
    ("timedelta64[s]", ["1.5 s", "2 s"], ["1.5 s"]),
    ("datetime64[us]", ["2013-01-01T00:00Z", "2013-01-01"], ["2013-01-01T00:00Z", "2013-01-01"]),
    ("period[D]", ["soon"], ["soon"]),
]  # fmt: skip


@pytest.mark.parametrize(("dtype", "values", "expected"), UNFIT)
def test_what_a_type_cannot_hold_is_found(
    dtype: str, values: list[Any], expected: list[Any]
) -> None:
    made, unfit = converted(values, dtype)
    assert [v for v, lost in zip(values, unfit, strict=True) if lost] == expected
    assert made[unfit].isna().all()


def test_a_declared_list_of_categories_is_all_that_a_category_holds() -> None:
    made, unfit = convert(pd.Series(["a", "c", None]), pd.CategoricalDtype(["a", "b"]))
    assert unfit.tolist() == [False, True, False]
    assert made.isna().tolist() == [False, True, True]


def test_moments_of_a_finer_unit_are_kept_only_if_nothing_is_cut_off() -> None:
    fine = pd.Series(
        pd.to_datetime(["2013-01-01T00:00:00.000001Z", "2013-01-01T00:00:00.0000001Z"])
    )
    _, unfit = convert(fine, pd.DatetimeTZDtype("us", "UTC"))
    assert unfit.tolist() == [False, True]


def test_narrowing_keeps_values_index_and_name() -> None:
    values = pd.Series([3, 4], index=[7, 9], name="parcel")
    pd.testing.assert_series_equal(narrow(values, "int8"), values.astype("int8"))
    pd.testing.assert_series_equal(narrow(values / 3, "float32"), (values / 3).astype("float32"))
    places = pd.Series(["a", None])
    pd.testing.assert_series_equal(narrow(places, "category"), places.astype("category"))


@pytest.mark.parametrize(
    ("values", "dtype", "said"),
    [
        (
            [5_000_000_000, 1],
            "int32",
            "'parcel' has 1 value that int32 can't hold, e.g. 5000000000",
        ),
        ([20_000_001, 1], "float32", "1 value that float32 can't hold, e.g. 20000001"),
        ([1.5, None], "Int8", "1 value that Int8 can't hold, e.g. 1.5"),
        ([1.0, None], "int8", "1 value that int8 can't hold, e.g. nan"),
    ],
)
def test_narrowing_that_would_change_a_value_stops(
    values: list[Any], dtype: str, said: str
) -> None:
    with pytest.raises(RunError, match=said) as error:
        narrow(pd.Series(values, name="parcel"), dtype)
    for words in ("Choose a wider type", "function that calls narrow", "contract of its table"):
        assert words in str(error.value)


TIME = pd.Timestamp("2024-01-01")
INTERPRETED = [
    (["007", "7"], "int32", "holds text, and int32 holds numbers: 2 values, e.g. '007', '7'"),
    ([" 7", None], "float32", "1 value, e.g. ' 7'"),
    (["1e3", 5], "Int64", "1 value, e.g. '1e3'"),
    (["True"], "bool", "1 value, e.g. 'True'"),
    (pd.Categorical(["7", "8", "7"]), "int8", "3 values, e.g. '7', '8', '7'"),
    ([TIME, pd.NaT], "int64", "holds times, and int64 holds numbers: 1 value, e.g. 2024-01-01"),
    (pd.to_datetime(["2024-01-01T00:00Z"]), "float64", "1 value, e.g. 2024-01-01"),
    ([pd.Timedelta("1h")], "int64", "holds times, and int64 holds numbers: 1 value"),
    (pd.Series([TIME.date(), 7], dtype="object"), "float64", "1 value, e.g. 2024-01-01"),
    (["2024-01-01"], "datetime64[us]", "holds text, and datetime64.* holds times: 1 value"),
    (["1h"], "timedelta64[s]", "holds text"),
]


@pytest.mark.parametrize(("values", "dtype", "said"), INTERPRETED)
def test_narrowing_never_interprets_text_or_times(values: Any, dtype: str, said: str) -> None:
    with pytest.raises(RunError, match=f"Column 'parcel' .*{said}.* on purpose before narrow"):
        narrow(pd.Series(values, name="parcel"), dtype)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (["007", None], "str"),
        (["007", "7"], "category"),
        ([True, False], "int8"),
        ([1, 0], "bool"),
        (pd.Series([7, 8], dtype="object"), "int8"),
        (pd.Categorical([7, 8]), "int8"),
        ([TIME, None], "datetime64[us]"),
        (pd.Series([TIME, None], dtype="object"), "datetime64[us]"),
        ([pd.Timedelta("1h")], "timedelta64[s]"),
        (pd.Series([None, None], dtype="object"), "float32"),
        (pd.to_numeric(pd.Series(["007", "7"])), "int32"),
    ],
)
def test_narrowing_takes_what_has_the_meaning_of_its_type(values: Any, dtype: str) -> None:
    column = pd.Series(values, name="parcel")
    pd.testing.assert_series_equal(narrow(column, dtype), column.astype(dtype))


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["03/02/2013", "04/02/2013"], None),  # February or March, April
        (["03.02.2013 10:00"], None),
        (["03/02/2013", "13/02/2013"], ["2013-02-03", "2013-02-13"]),  # there is no month 13
        (["02/03/2013", "02/13/2013"], ["2013-02-03", "2013-02-13"]),
        (["3 February 2013"], ["2013-02-03"]),
        (["2013-02-03", "2013-12-11"], ["2013-02-03", "2013-12-11"]),
        (["05/05/2013"], ["2013-05-05"]),  # the same either way
    ],
)
def test_day_and_month_are_never_swapped_by_a_guess(
    texts: list[str], expected: list[str] | None
) -> None:
    made, unfit = convert(pd.Series(texts, dtype="str"), pd.DatetimeTZDtype("us", "UTC"))
    assert unfit.all() if expected is None else not unfit.any()
    assert expected is None or made.dt.strftime("%Y-%m-%d").tolist() == expected
