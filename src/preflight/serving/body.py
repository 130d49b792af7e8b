"""The outline of a body: where its rows, columns or keys are, and whether there are too many.

A JSON parser would first build everything in a body. The outline reads only brackets, quotes and
commas, so a body over the limits is refused before it is parsed.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic_core import from_json

BLOCK = 1 << 18  # bytes that are scanned at once: other threads wait no longer
MAX_DEPTH = 3  # body, its rows or columns, and each of them
MAX_MESSAGES = 20  # faults that an answer lists
MARKS = bytes(code in b'"{}[],' for code in range(256))
STEPS = np.array([(code in b"{[") - (code in b"}]") for code in range(256)], np.int8)

Places = npt.NDArray[np.intp]


class BodyError(Exception):
    """A body that can't be read: each argument is a message."""


class Faults:
    """What is wrong with a body: the first messages, and the number of further faults.

    messages: of each row; None: of the body as a whole.
    rows: all that have a fault.
    more: faults without a message; a row without any message counts as one.
    """

    def __init__(self) -> None:
        self.messages: dict[int | None, list[str]] = {}
        self.rows: set[int] = set()
        self.more = 0
        self._room = MAX_MESSAGES

    def add(self, row: int | None, messages: Sequence[str]) -> None:
        """Add what is wrong with a row, or with the body."""
        if listed := messages[: self._room]:
            self.messages.setdefault(row, []).extend(listed)
        self._room -= len(listed)
        self.more += len(messages) - len(listed)

    def add_rows(self, rows: Iterable[int], describe: Callable[[int], Sequence[str]]) -> None:
        """Add what is wrong with each row; a row is described only while messages are listed."""
        for row in rows:
            self.rows.add(row)
            if self._room:
                self.add(row, describe(row))
            else:
                self.more += 1


class Part(NamedTuple):
    """A row or a column: where it begins and ends, and how many values it has at most."""

    start: int
    end: int
    size: int


class Outline(NamedTuple):
    """The parts of a body: its rows, or its columns.

    parts: by the number of the row, or the name of the column.
    others: numbers or names of what is no object or no list, where a row or a column should be.
    """

    by_column: bool
    parts: dict[Any, Part]
    others: list[Any]

    def text(self, body: bytes, name: Any) -> bytes:
        """Return the JSON of a row or a column; nothing for one of the others."""
        start, end, _ = self.parts.get(name, (0, 0, 0))
        return body[start:end]


ROWS_OR_COLUMNS = ("rows", "columns")  # forms of a body; another one has "keys"


def outline(
    body: bytes, rows: int, columns: int, forms: Sequence[str] = ROWS_OR_COLUMNS
) -> Outline:
    """Return the parts of a body without parsing them.

    rows: the most of one body.
    columns: of a row; a row with more than twice as many keys is not read.
    forms: what the body may have; the first is a list of objects.

    Raises:
        BodyError: the body is no JSON of this form, or over a limit.
    """
    starts, ends, sizes = _scan(body, rows, columns, forms[0])
    outside = zip([0, *ends.tolist()], [*(starts + 1).tolist(), len(body)], strict=True)
    try:
        found = from_json(b"".join([body[i:j] for i, j in outside]))  # rows are {}, columns []
    except ValueError as error:
        raise BodyError(f"the body is not valid JSON: {error}") from error
    form = next(iter(found)) if isinstance(found, dict) and len(found) == 1 else ""
    if form not in forms:
        raise BodyError("either rows, columns or keys are needed")
    by_column, inner = form == "columns", found[form]
    if not isinstance(inner, dict if by_column else list):
        raise BodyError(f"{form} Input should be {'an object' if by_column else 'a valid array'}")
    every: Any = [*(inner.items() if isinstance(inner, dict) else enumerate(inner))]
    kind = list if by_column else dict
    named = [(name, type(value) is kind) for name, value in every if type(value) in (list, dict)]
    if len(named) != len(starts):
        raise BodyError("a name is given twice")
    most = rows if by_column else 2 * columns
    if len(sizes) and sizes.max() > most:
        name = f"{form[:-1]} {named[sizes.argmax()][0]!s:.60}"
        what = "values" if by_column else "names"
        raise BodyError(f"{name} has {sizes.max():,} {what}: the most is {most:,}")
    parts = zip(named, starts.tolist(), (ends + 1).tolist(), sizes.tolist(), strict=True)
    return Outline(
        by_column,
        {name: Part(start, end, size) for (name, fits), start, end, size in parts if fits},
        [name for name, value in every if type(value) is not kind],
    )


def _scan(body: bytes, rows: int, columns: int, form: str) -> tuple[Places, Places, Places]:
    """Return where the rows or columns begin and end, and how many values each has at most."""
    starts, ends, commas = [], [], []
    start, depth, quotes, parts, values = 0, 0, 0, 0, 0
    while start < len(body):
        block = _unescaped(body[start : start + BLOCK])
        at, codes, quotes = _structure(block, quotes)
        steps = STEPS[codes]
        depths = np.cumsum(steps, dtype=np.int32) + depth
        if depths.max(initial=0) > MAX_DEPTH:
            raise BodyError("a value may be no list and no object")
        if depths.min(initial=0) < 0:
            raise BodyError("the body is not valid JSON: a bracket is closed that was not opened")
        depth = int(depths[-1]) if depths.size else depth
        inner, outer, is_comma = depths == MAX_DEPTH, depths == MAX_DEPTH - 1, codes == ord(",")
        at += start
        starts.append(at[inner & (steps > 0)])
        ends.append(at[outer & (steps < 0)])
        commas.append(at[inner & is_comma])
        values += len(commas[-1])
        parts += int(np.count_nonzero(outer & is_comma))
        if parts >= rows:
            raise BodyError(f"a request may have {rows:,} {form}")
        if values > rows * columns:
            raise BodyError(f"a request may have {rows * columns:,} values")
        start += len(block)
    first, last, every = map(np.concatenate, (starts, ends, commas)) if starts else [_NONE] * 3
    if depth or len(first) != len(last):
        raise BodyError("the body is not valid JSON: brackets or quotes are not closed")
    return first, last, np.searchsorted(every, last) - np.searchsorted(every, first) + 1


_NONE: Places = np.array([], np.intp)


def _unescaped(block: bytes) -> bytes:
    """Return the block with its escapes masked; an escape that the block cuts is left off."""
    if b"\\" not in block:
        return block
    if (len(block) - len(block.rstrip(b"\\"))) % 2 and len(block) > 1:
        block = block[:-1]
    return block.replace(b"\\\\", b"__").replace(b'\\"', b"__")


def _structure(block: bytes, quotes: int) -> tuple[Places, npt.NDArray[np.uint8], int]:
    """Return positions and codes of brackets and commas outside of texts, and if a text is open."""
    at = np.flatnonzero(np.frombuffer(block.translate(MARKS), bool))
    codes = np.frombuffer(block, np.uint8)[at]
    is_quote = codes == ord('"')
    before = np.cumsum(is_quote, dtype=np.int32) + quotes
    outside = (before & 1 == 0) & ~is_quote
    return at[outside], codes[outside], int(before[-1]) & 1 if before.size else quotes
