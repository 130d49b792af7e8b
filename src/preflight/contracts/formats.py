"""Values of a raw file, read in the format that the contract declares: nothing is guessed."""

import re
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pandas as pd

from preflight.contracts.exact import Mask, convert
from preflight.errors import RunError

MOMENTS, NUMBERS = ("timezone", "date_format"), ("decimal", "thousands")
FORMATS = MOMENTS + NUMBERS  # keywords of `column`


def require_format(description: str, metadata: Mapping[str, Any]) -> None:
    """Raise RunError if a declared format is none."""
    name = metadata.get("timezone", "UTC")
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError, TypeError) as error:
        raise RunError(
            f"The column described as {description!r} has timezone={name!r}, which is no time "
            'zone. Write one such as timezone="Europe/Berlin" or "UTC".'
        ) from error
    decimal, thousands = _separators(metadata)
    if not decimal or decimal == thousands:
        raise RunError(
            f"The column described as {description!r} has {decimal!r} for decimals and "
            f'{thousands!r} for thousands. Declare two that differ: decimal=",", thousands=".".'
        )


def read_values(
    values: pd.Series, dtype: Any, metadata: Mapping[str, Any]
) -> tuple[pd.Series, Mask]:
    """Return values of a raw file in a type, and which of them it can't hold.

    A type with a time zone can't hold a time without an offset, unless `timezone` says where it is
    from; nor a time that clocks there show twice or never.

    Args:
        metadata: of the column, as `column` keeps it.
    """
    times = metadata.get("timezone"), metadata.get("date_format")
    separators = _separators(metadata)
    is_plain = getattr(dtype, "kind", "O") not in "iuf" or values.dtype.kind in "biuf"
    if is_plain or separators == (".", ""):
        return convert(values, dtype, *times)
    plain = _plain(values, *separators)
    made, unfit = convert(plain, dtype)
    return made, unfit | (plain.isna() & values.notna()).to_numpy()


def _separators(metadata: Mapping[str, Any]) -> tuple[str, str]:
    """Return what separates decimals, and thousands; "" if nothing does."""
    thousands = metadata.get("thousands", "")
    return metadata.get("decimal", "," if thousands == "." else "."), thousands


def _plain(values: pd.Series, decimal: str, thousands: str) -> pd.Series:
    """Return numbers as text with a point for decimals; missing where one has another form."""
    grouped = rf"|\d{{1,3}}(?:{re.escape(thousands)}\d{{3}})+" if thousands else ""
    number = rf"[+-]?(?:\d+{grouped})(?:{re.escape(decimal)}\d+)?(?:[eE][+-]?\d+)?"
    text = values.astype("str").str.strip()
    bare = text.str.replace(thousands, "", regex=False) if thousands else text
    return bare.str.replace(decimal, ".", regex=False).where(text.str.fullmatch(number))
