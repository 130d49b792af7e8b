"""The outline of a body: where its rows or columns lie, and whether there are too many.

A parser would first build all that a body has. This looks at brackets, quotes and commas only.
"""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic_core import from_json

BLOCK = 1 << 18  # bytes that are looked at at once: other threads wait no longer
DEEPEST = 3  # body, its rows or columns, and each of them
MARKS = bytes(code in b'"{}[],' for code in range(256))
STEPS = np.array([(code in b"{[") - (code in b"}]") for code in range(256)], np.int8)

Places = npt.NDArray[np.intp]


MOST_SAID = 20  # faults that an answer lists


class BodyError(Exception):
    """A body that can't be read: each argument is a message."""


class Faults:
    """What is wrong with a body: the first messages, and how many more there are.

    said: messages of each row; None: of the body as a whole.
    rows: all that have a fault.
    more: how many faults are not in `said`; a row that is not in it may count as one.
    """

    def __init__(self) -> None:
        self.said: dict[int | None, list[str]] = {}
        self.rows: set[int] = set()
        self.more = 0

    @property
    def room(self) -> int:
        """Return how many messages are still taken."""
        return MOST_SAID - sum(map(len, self.said.values()))

    def add(self, row: int | None, says: Sequence[str]) -> None:
        """Add what is wrong with a row."""
        if row is not None:
            self.rows.add(row)
        if listed := says[: self.room]:
            self.said.setdefault(row, []).extend(listed)
        self.more += len(says) - len(listed)

    def count(self, rows: Collection[int]) -> None:
        """Add one fault of each row without a message."""
        self.rows.update(rows)
        self.more += len(rows)


class Outline(NamedTuple):
    """The parts of a body: its rows, or its columns.

    parts: where each begins and ends, and how many values it has at the most, by its name: the
        number of a row, or the name of a column.
    others: names of what is no object where a row should be, or no list where a column should be.
    """

    by_column: bool
    parts: dict[Any, tuple[int, int, int]]
    others: list[Any]


def outline(body: bytes, rows: int, columns: int) -> Outline:
    """Return the parts of a body without parsing them.

    rows: of one body, at the most.
    columns: of a row; one with more than twice as many keys is not read.
    """
    starts, ends, sizes = _parts(body, rows, columns)
    outside = zip([0, *ends.tolist()], [*(starts + 1).tolist(), len(body)], strict=True)
    try:
        found = from_json(b"".join([body[i:j] for i, j in outside]))  # rows are {}, columns []
    except ValueError as error:
        raise BodyError(f"the body is not valid JSON: {error}") from error
    form = next(iter(found)) if isinstance(found, dict) and len(found) == 1 else None
    if form not in {"rows", "columns"}:
        raise BodyError("either rows or columns are needed")
    by_column, inner = form == "columns", found[form]
    if not isinstance(inner, dict if by_column else list):
        raise BodyError(f"{form} Input should be {'an object' if by_column else 'a valid array'}")
    every: Any = [*(inner.items() if isinstance(inner, dict) else enumerate(inner))]
    kind = list if by_column else dict
    held = [(name, type(value) is kind) for name, value in every if type(value) in (list, dict)]
    if len(held) != len(starts):
        raise BodyError("a name is given twice")
    most = rows if by_column else 2 * columns
    if len(sizes) and sizes.max() > most:
        name = f"{form[:-1]} {held[sizes.argmax()][0]!s:.60}"
        what = "values" if by_column else "keys"
        raise BodyError(f"{name} has {sizes.max():,} {what}: {most:,} are read at the most")
    parts = zip(held, starts.tolist(), (ends + 1).tolist(), sizes.tolist(), strict=True)
    return Outline(
        by_column,
        {name: (start, end, size) for (name, fits), start, end, size in parts if fits},
        [name for name, value in every if type(value) is not kind],
    )


def _parts(body: bytes, rows: int, columns: int) -> tuple[Places, Places, Places]:
    """Return where the rows or columns begin and end, and how many values each has at the most."""
    starts, ends, commas = [], [], []
    start, depth, quotes, parts, values = 0, 0, 0, 0, 0
    while start < len(body):
        block = _unescaped(body[start : start + BLOCK])
        at, codes, quotes = _structure(block, quotes)
        steps = STEPS[codes]
        depths = np.cumsum(steps, dtype=np.int32) + depth
        if depths.max(initial=0) > DEEPEST:
            raise BodyError("a value may be no list and no object")
        if depths.min(initial=0) < 0:
            raise BodyError("the body is not valid JSON: a bracket is closed that was not opened")
        depth = int(depths[-1]) if depths.size else depth
        inner, outer, is_comma = depths == DEEPEST, depths == DEEPEST - 1, codes == ord(",")
        at += start
        starts.append(at[inner & (steps > 0)])
        ends.append(at[outer & (steps < 0)])
        commas.append(at[inner & is_comma])
        values += len(commas[-1])
        parts += int(np.count_nonzero(outer & is_comma))
        if parts >= rows:
            raise BodyError(f"a request may have {rows:,} rows")
        if values > rows * columns:
            raise BodyError(f"a request may have {rows * columns:,} values")
        start += len(block)
    first, last, every = map(np.concatenate, (starts, ends, commas)) if starts else [_NONE] * 3
    if depth or len(first) != len(last):
        raise BodyError("the body is not valid JSON: brackets or quotes are not closed")
    return first, last, np.searchsorted(every, last) - np.searchsorted(every, first) + 1


_NONE: Places = np.array([], np.intp)


def _unescaped(block: bytes) -> bytes:
    """Return as many bytes, without escapes; an escape that the block cuts is left for the next."""
    if b"\\" not in block:
        return block
    if (len(block) - len(block.rstrip(b"\\"))) % 2 and len(block) > 1:
        block = block[:-1]
    return block.replace(b"\\\\", b"__").replace(b'\\"', b"__")


def _structure(block: bytes, quotes: int) -> tuple[Places, npt.NDArray[np.uint8], int]:
    """Return where brackets and commas are outside of texts, which, and the quotes so far."""
    at = np.flatnonzero(np.frombuffer(block.translate(MARKS), bool))
    codes = np.frombuffer(block, np.uint8)[at]
    is_quote = codes == ord('"')
    before = np.cumsum(is_quote, dtype=np.int32) + quotes
    outside = (before & 1 == 0) & ~is_quote
    return at[outside], codes[outside], int(before[-1]) & 1 if before.size else quotes
