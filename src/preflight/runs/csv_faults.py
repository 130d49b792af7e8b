"""What is wrong with the form of a CSV file, where it is, and how to mend it."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from lzma import LZMAError
from pathlib import Path
from typing import Any
from zipfile import BadZipFile
from zlib import error as ZlibError

import fsspec

UTF_16 = (b"\xff\xfe", b"\xfe\xff")
PAGE = re.compile(rb"\s*<(!doctype|html)", re.IGNORECASE)
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
UNDERSTOOD = {"sep", "delimiter", "encoding", "dtype", "parse_dates", "low_memory", "na_values"}
UNDERSTOOD |= {"keep_default_na", "decimal", "thousands", "true_values", "false_values", "usecols"}


def find_fault(path: Path, load_args: Mapping[str, Any]) -> str | None:
    """Return the first fault of a CSV file as a sentence with its row and remedy; None: no fault.

    Rows are numbered from 1, without the header.

    Args:
        load_args: of `pandas.read_csv`, as the catalog gives them. With arguments that change what
            a row is, such as `skiprows`, rows are not looked at.
    """
    try:
        with fsspec.open(str(path), "rb", compression="infer") as file:
            content: bytes = file.read()
    except (BadZipFile, EOFError, ZlibError, LZMAError, OSError) as error:
        return f"{path} can't be unpacked ({error}): it is damaged or not complete. Get it again."
    encoding = load_args.get("encoding") or "utf-8"
    if not content.strip():
        return f"{path} is empty. Get it again."
    if PAGE.match(content):
        return f"{path} is a web page and no table. Get the file itself."
    try:
        text = content.decode(encoding)
    except (UnicodeDecodeError, UnicodeError) as error:
        return _describe_encoding(path, content, encoding, error)
    if load_args.keys() - UNDERSTOOD:
        return None
    separator = load_args.get("sep") or load_args.get("delimiter") or ","
    return _find_in_rows(path, text.removeprefix("\ufeff"), separator)


def _describe_encoding(path: Path, content: bytes, encoding: str, error: UnicodeError) -> str:
    """Return where a file is not in its encoding."""
    if content.startswith(UTF_16):
        return (
            f"{path} is in UTF-16. Save it as UTF-8, or write load_args: {{encoding: utf-16}} in "
            "its catalog entry."
        )
    place = getattr(error, "start", 0)
    row = content.count(b"\n", 0, place)
    return (
        f"{path}, data row {row:,}: byte {content[place]:#x} is not {encoding.upper()}. Save the "
        "file as UTF-8, or write its encoding in its catalog entry, such as load_args: {encoding: "
        "latin-1}."
    )


def _find_in_rows(path: Path, text: str, separator: str) -> str | None:
    """Return the first fault of header and rows."""
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    number = 0
    try:
        header = next(rows)
        if fault := _find_in_header(path, header, separator):
            return fault
        for number, row in _numbered(rows):
            if len(row) != len(header):
                return _describe_length(path, text, separator, number, len(row), header)
    except csv.Error:
        return (
            f"{path}, data row {number + 1:,}: a quote is opened and never closed. Close it, or "
            "remove it."
        )
    return None if number else f"{path} has a header and no rows. Get it again."


def _numbered(rows: Any) -> Iterator[tuple[int, list[str]]]:
    """Yield each row with its number; lines without any value are none, as for pandas."""
    return enumerate(filter(None, rows), start=1)


def other_separator(header: Sequence[str]) -> str | None:
    """Return what separates the names in a header that was read as one name; None: nothing."""
    found = re.search(f"[{''.join(SEPARATORS)}]", header[0]) if len(header) == 1 else None
    return found[0] if found else None


def _find_in_header(path: Path, header: list[str], separator: str) -> str | None:
    """Return the fault of the names of columns."""
    if other := other_separator(header):
        written = "\\t" if other == "\t" else other
        return (
            f"{path}, header: values are separated by {SEPARATORS[other]}. Write load_args: "
            f'{{sep: "{written}"}} in its catalog entry.'
        )
    if header[-1] == "" and len(header) > 1:
        return (
            f"{path}, header: it ends with '{separator}', so the last column has no name. Remove "
            "the last separator of each line, or name the column."
        )
    if twice := [name for name, count in Counter(header).items() if count > 1]:
        return f"{path}, header: column {twice[0]} is there twice. Name each column once."
    return None


def _describe_length(
    path: Path, text: str, separator: str, number: int, size: int, header: list[str]
) -> str:
    """Return why a row has another number of values than the header."""
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    next(rows)
    longer = len(header) + 1
    if size == longer and all(len(row) == longer and row[-1] == "" for _, row in _numbered(rows)):
        return (
            f"{path}, data row 1 and all others end with '{separator}', and the header does not. "
            "Remove the last separator of each row."
        )
    remedy = "Quote values with a separator in them" if size > len(header) else "Complete it"
    return (
        f"{path}, data row {number:,} has {size} values, and the header {len(header)}. {remedy}, "
        "or get the file again."
    )
