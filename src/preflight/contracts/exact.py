"""Exact conversion to a declared type: values that the type can't hold are reported."""

import warnings
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from preflight.errors import RunError

Mask = npt.NDArray[np.bool_]

BOOLEANS = {"true": True, "false": False}
TEXTS: tuple[type, ...] = (str, bytes)
TIMES: tuple[type, ...] = (
    date,
    time,
    timedelta,
    np.datetime64,
    np.timedelta64,
    pd.Period,
)  # and pandas' own
# after a time, or after a date and an hour: Z, UTC, +01:00, -0500
OFFSET = (
    r"(?i)(?:(?:\d|[ap]m)\s*(?:z|utc|gmt)|(?:[:t]\d\d[\d:.,]*|\d-\d\d \d\d)(?:\s*[ap]m)?"
    r"\s*[+-]\d\d(?::?\d\d)?)\s*$"
)
OWN = "own"  # of a type: its time zone
ROUNDED = 2**53  # from here on a float may stand for several whole numbers


def narrow(values: pd.Series, dtype: Any) -> pd.Series:
    """Return a column in another type, such as "int32", with the same values.

    Decimals are rounded to the nearest float; whole numbers never are.

    Raises:
        RunError: the type can't hold some of the values, or they are text or times where the type
            holds numbers, or text where it holds times.
    """
    target = pd.api.types.pandas_dtype(dtype)
    _require_same_meaning(values, target)
    made, unfit = convert(values, target)
    needs_all = isinstance(target, np.dtype) and target.kind in "biu"
    lost = unfit | (values.isna().to_numpy() & needs_all)
    if count := int(lost.sum()):
        examples = ", ".join(map(str, values[lost].head(3)))
        raise RunError(
            f"Column '{values.name}' has {count:,} {'value' if count == 1 else 'values'} that "
            f"{target} can't hold, e.g. {examples}. Choose a wider type in the function that calls "
            "narrow and in the contract of its table, or repair the values first."
        )
    return made


def _require_same_meaning(values: pd.Series, target: Any) -> None:
    """Raise RunError if a conversion would interpret text, or would count the units of times."""
    kind = getattr(target, "kind", "O")
    if kind not in "biufcmM":
        return
    if values.dtype.kind in "biufc" or (values.dtype.kind in "mM" and kind in "mM"):
        return
    other = TEXTS if kind in "mM" else TEXTS + TIMES
    places = [isinstance(value, other) for value in values]
    found = values[places].dropna()
    if count := len(found):
        is_text = isinstance(found.iloc[0], TEXTS)
        function = {"m": "pd.to_timedelta", "M": "pd.to_datetime"}.get(kind, "pd.to_numeric")
        remedy = function if is_text else "`(moment - start) / pd.Timedelta(hours=1)`"
        examples = ", ".join(repr(v) if is_text else str(v) for v in found.head(3))
        raise RunError(
            f"Column '{values.name}' holds {'text' if is_text else 'times'}, and {target} holds "
            f"{'times' if kind in 'mM' else 'numbers'}: {count:,} "
            f"{'value' if count == 1 else 'values'}, e.g. {examples}. narrow never interprets "
            f"values. Convert the column on purpose before narrow, for example with {remedy}."
        )


def convert(
    values: pd.Series, dtype: Any, timezone: str | None = OWN, date_format: str | None = None
) -> tuple[pd.Series, Mask]:
    """Return values in a type, and which of them it can't hold: those are missing in the first.

    Missing values in whole numbers or yes and no give pandas' nullable type.

    Args:
        timezone: of times without an offset, by default that of the type; None: a type with a time
            zone can't hold them.
        date_format: of times in text; None: ISO 8601, or what pandas guesses with certainty.
    """
    if values.dtype == dtype:
        return values, np.zeros(len(values), dtype=bool)
    non_null = values.notna().to_numpy()
    made: pd.Series
    if isinstance(dtype, pd.CategoricalDtype):
        known = values if dtype.categories is None else values.where(values.isin(dtype.categories))
        made = known.astype(dtype)
    elif isinstance(dtype, pd.StringDtype):
        text = np.array([isinstance(value, str) for value in values], dtype=bool)
        made = values.astype(object).where(text).astype(dtype)
    elif dtype.kind in "biuf":
        made = _numbers(values, dtype, non_null)
    elif dtype.kind in "mM":
        made = _times(values, dtype, timezone, date_format)
    else:
        try:
            made = values.astype(dtype)
        except (TypeError, ValueError):
            made = values.mask(non_null)
    return made, non_null & made.isna().to_numpy()


def _numbers(values: pd.Series, dtype: Any, non_null: Mask) -> pd.Series:
    """Return numbers, or yes and no: fast where nothing can be lost, else one by one."""
    to = getattr(dtype, "numpy_dtype", dtype)
    cast = _cast(values, to)
    made, doubtful = (np.zeros(len(values), to), non_null) if cast is None else cast
    places = np.flatnonzero(doubtful & non_null)
    exact = [_exact(value, to) for value in values.iloc[places]]
    lost = np.array([one is None for one in exact], dtype=bool)
    made[places] = [0 if one is None else one for one in exact]
    gone = ~non_null
    gone[places[lost]] = True
    nullable = dtype is not to or (to.kind != "f" and gone.any())
    array = pd.array(made) if nullable else made
    numbers = pd.Series(array, values.index, name=values.name).mask(gone)
    return numbers if dtype is to else numbers.astype(dtype)


def _cast(values: pd.Series, to: np.dtype[Any]) -> tuple[npt.NDArray[Any], Mask] | None:
    """Return all values cast at once, and which of them may have changed; None if some can't be."""
    wide = {"f": pa.float64(), "b": pa.int64()}.get(to.kind, pa.from_numpy_dtype(to))
    try:
        found = pa.array(values, from_pandas=True)
        text = pa.types.is_string(found.type) or pa.types.is_large_string(found.type)
        if text and to.kind == "b":
            wide = pa.bool_()
        elif text and pc.any(pc.match_substring(found, "x")).as_py():  # 0x1F is no number here
            return None
        whole = found.cast(wide).fill_null(0).to_numpy(zero_copy_only=False)
    except (pa.ArrowException, OverflowError):
        return None
    with np.errstate(over="ignore"):
        made = whole.astype(to)
    if to.kind != "f":
        floats = pa.types.is_floating(found.type)  # those in a column of objects too
        rounded = (whole >= ROUNDED) | (whole <= -ROUNDED) if floats else False
        return made, (made != whole) | rounded
    exact_below = np.inf if values.dtype.kind == "f" else 2.0 ** (np.finfo(to).nmant + 1)
    return made, (abs(made) >= exact_below) | ((made == 0) & (whole != 0))


def _exact(value: Any, to: np.dtype[Any]) -> Any:
    """Return one value as a type holds it; None if it can't."""
    plain = value.item() if isinstance(value, np.generic) else value
    plain = plain.strip() if isinstance(plain, str) else plain
    if to.kind == "b" and str(plain).lower() in BOOLEANS:
        return BOOLEANS[str(plain).lower()]
    try:
        number = Decimal(plain)
    except (ArithmeticError, TypeError, ValueError):
        return None
    if number.is_nan() or "_" in str(plain):
        return None
    if to.kind != "f":
        low, high = (0, 1) if to.kind == "b" else (np.iinfo(to).min, np.iinfo(to).max)
        whole = low <= number <= high and number == number.to_integral_value()
        known = whole and not (isinstance(plain, float) and abs(plain) >= ROUNDED)
        return int(number) if known else None
    with np.errstate(over="ignore"):
        near = float(to.type(number))
    if isinstance(plain, float) or set(".eEnN") & set(str(plain)):  # rounded, but not away
        same = np.isfinite(near) == number.is_finite() and bool(near) == bool(number)
    else:
        same = Decimal(near) == number
    return near if same else None


def _times(
    values: pd.Series, dtype: Any, timezone: str | None, date_format: str | None
) -> pd.Series:
    """Return moments or durations; a number is neither."""
    zone = getattr(dtype, "tz", None)
    none = pd.Series(pd.NaT, values.index, dtype, name=values.name)
    if values.dtype.kind in "biuf":
        return none
    try:
        parsed = values if values.dtype.kind in "mM" else _parsed(values, dtype, date_format)
        if zone is not None:
            naive = _lack_offset(values, date_format)
            parsed = parsed.dt.tz_localize("UTC") if parsed.dt.tz is None else parsed
            clock = str(zone) if timezone == OWN else timezone
            parsed = _localize(parsed, naive, clock).dt.tz_convert(zone)
        made = parsed.astype(dtype)
    except (TypeError, ValueError):  # such as some with and some without an offset
        return none
    return made.where(made == parsed)


def _lack_offset(values: pd.Series, date_format: str | None) -> Mask:
    """Return which moments state no offset from UTC."""
    if values.dtype.kind == "M":
        return np.full(len(values), values.dt.tz is None)
    if date_format is not None:
        return np.full(len(values), "%z" not in date_format)
    text = pa.array(values.astype("str"), from_pandas=True)
    found = pc.match_substring_regex(text, OFFSET).fill_null(True)
    return ~found.to_numpy(zero_copy_only=False)


def _localize(parsed: pd.Series, naive: Mask, timezone: str | None) -> pd.Series:
    """Return moments, of which those without an offset were read as UTC, as in their time zone.

    Missing are times that clocks show twice or never, and all without an offset if there is none.
    """
    if timezone == "UTC" or not naive.any():
        return parsed
    if timezone is None:
        return parsed.mask(naive)
    clock = parsed[naive].dt.tz_localize(None)
    moments = clock.dt.tz_localize(timezone, ambiguous="NaT", nonexistent="NaT")
    return parsed.mask(naive, moments.dt.tz_convert(parsed.dt.tz))


def _parsed(values: pd.Series, dtype: Any, date_format: str | None) -> pd.Series:
    """Return times from text in the unit that they need; missing what is none."""
    if dtype.kind == "m":
        return pd.to_timedelta(values, errors="coerce")
    utc = getattr(dtype, "tz", None) is not None
    if date_format is not None:
        return pd.to_datetime(values, format=date_format, errors="coerce", utc=utc)
    parsed = pd.to_datetime(values, format="ISO8601", errors="coerce", utc=utc)
    if parsed.isna().sum() == values.isna().sum():
        return parsed
    return min(parsed, _guess(values, utc), key=lambda some: some.isna().sum())


def _guess(values: pd.Series, utc: bool) -> pd.Series:
    """Return times in a format that pandas guesses; missing where day and month may be swapped.

    They are not if one order reads more values: there is no month 13.
    """
    with warnings.catch_warnings():  # of a format that differs from row to row
        warnings.simplefilter("ignore", UserWarning)
        month_first, day_first = (
            pd.to_datetime(values, errors="coerce", utc=utc, dayfirst=first)
            for first in (False, True)
        )
    lost = [order.isna().sum() for order in (month_first, day_first)]
    if lost[0] != lost[1]:
        return month_first if lost[0] < lost[1] else day_first
    return month_first.where(month_first == day_first)
