"""Remedies for values of a raw file that the declared type of their column can't hold."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

DATE = r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}([T ][\d:.]+)?"
ORDERED = (  # separator, year, time
    r"\d{1,2}([./-])\d{1,2}\1(\d{4}|\d\d)([ T]\d{1,2}:\d\d)?(:\d\d)?(\.\d{1,6})?"
    r"(Z|[+-]\d\d:?\d\d)?"
)
MONTH = "(0?[1-9]|1[0-2])"  # or a day
TIMES = {  # by the keyword of `column` that is missing: a value without it, and the remedy
    "date_format": (
        rf"{MONTH}[./-]{MONTH}[./-]\d.*",
        "In {} day or month may come first. Declare which: {}.",
    ),
    "timezone": (
        DATE,
        "{} has no offset from UTC. Declare where such times are from, as in "
        'column(..., timezone="Europe/Berlin"), or timezone="UTC".',
    ),
}
TWICE_OR_NEVER = (
    "If clocks in {zone} show {value} twice or never, get the file with offsets. Or declare the "
    "column as str, and decide in cleaning, with .dt.tz_localize({zone!r}, ambiguous=True, "
    'nonexistent="shift_forward").'
)
SEPARATED = (  # numbers with other separators; the first that fits a value
    (
        r"\d{1,3}((\.\d{3}){2,}|(\.\d{3})+,\d+)(,\d+)?",
        'In {} dots separate thousands. Declare column(..., decimal=",", thousands=".").',
    ),
    (
        r"\d{1,3}((,\d{3}){2,}|(,\d{3})+\.\d+)(\.\d+)?",
        'In {} commas separate thousands. Declare column(..., thousands=",").',
    ),
    (
        r"\d+,(\d{1,2}|\d{4,})|(0|\d{4,}),\d+",
        'In {} a comma separates decimals. Declare column(..., decimal=",").',
    ),
    (
        r"\d+,\d{3}",
        'If {} is above a thousand, declare column(..., thousands=","). If its comma separates '
        'decimals, declare column(..., decimal=",").',
    ),
    (
        r"[1-9]\d{0,2}\.\d{3}",
        'If {} is above a thousand, declare column(..., thousands=".").',
    ),
)
ROUNDED = r"about [+-]?\d+|[+-]?\d{16,}"
EXACT = (
    "A float rounds so large a number. Declare the column as pd.Int64Dtype, or as str if it is an "
    "id: both keep all digits."
)
TEXT = "pandas has rounded it. Write load_args: {dtype: {%s: str}} in the catalog entry."


def find_remedy(column: str, dtype: str, values: Iterable[str], metadata: Mapping[str, Any]) -> str:
    """Return what to declare, so that values are read as they are meant; "" if nothing is known.

    Args:
        dtype: the declared type, which can't hold them.
        metadata: of the column, as `column` keeps it.
    """
    if "datetime" in dtype:
        return _of_times(dtype, list(values), metadata)
    if not re.search("int|float", dtype, re.IGNORECASE):
        return ""
    if any(re.fullmatch(ROUNDED, value) for value in values):
        return TEXT % column if dtype.startswith("I") else EXACT
    if metadata.keys() & {"decimal", "thousands"}:
        return ""
    for pattern, remedy in SEPARATED:
        if value := _first(rf"[+-]?({pattern})", values):
            return remedy.format(value)
    return ""


def date_formats(values: Iterable[str]) -> list[str]:
    """Return the formats of the first date with numbers: day first, month first; [] if none is."""
    for value in values:
        if form := re.fullmatch(ORDERED, value):
            mark, year, clock, seconds, fraction, offset = form.groups()
            time = "".join(
                [
                    f"{clock[0]}%H:%M" if clock else "",
                    ":%S" if seconds else "",
                    ".%f" if fraction else "",
                    "%z" if offset else "",
                ]
            )
            last = "%Y" if len(year) == len("2024") else "%y"
            return [f"%{a}{mark}%{b}{mark}{last}{time}" for a, b in ("dm", "md")]
    return []


def _of_times(dtype: str, values: list[str], metadata: Mapping[str, Any]) -> str:
    """Return the remedies for times in which something is left open."""
    formats = date_formats(values) or ["%d/%m/%Y", "%m/%d/%Y"]
    orders = " or ".join(f'column(..., date_format="{one}")' for one in formats)
    missing = [
        remedy.format(value, orders)
        for keyword, (pattern, remedy) in TIMES.items()
        if keyword not in metadata and (value := _first(pattern, values))
        if keyword != "timezone" or "," in dtype
    ]
    zone, value = metadata.get("timezone", "UTC"), _first(DATE, values)
    if not missing and zone != "UTC" and value:
        return TWICE_OR_NEVER.format(zone=zone, value=value)
    return " ".join(missing)


def _first(pattern: str, values: Iterable[str]) -> str | None:
    """Return the first value of a form."""
    return next((value for value in values if re.fullmatch(pattern, value)), None)
