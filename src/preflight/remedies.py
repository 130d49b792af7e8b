"""Remedies for values of a raw file that the declared type of their column can't hold."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

DATE = r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}([T ][\d:.]+)?"
MONTH = "(0?[1-9]|1[0-2])"  # or a day
TIMES = {  # by the keyword of `column` that is missing: a value without it, and the remedy
    "date_format": (
        rf"{MONTH}[./-]{MONTH}[./-]\d.*",
        "In {} day or month may come first. Declare which, as in "
        'column(..., date_format="%d/%m/%Y").',
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


def _of_times(dtype: str, values: list[str], metadata: Mapping[str, Any]) -> str:
    """Return the remedies for times in which something is left open."""
    missing = [
        remedy.format(value)
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
