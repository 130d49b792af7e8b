"""The outline of a body: where its rows or columns lie, and whether there are too many.

A parser would first build all that a body has. This looks at brackets, quotes and commas only.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic_core import from_json

BLOCK = 1 << 18  # bytes that are looked at at once: other threads wait no longer
DEEPEST = 3  # body, its rows or columns, and each of them
MARKS = bytes(code in b'"{}[],' for code in range(256))
STEPS = np.array([(code in b"{[") - (code in b"}]") for code in range(256)], np.int8)

Places = npt.NDArray[np.intp]


class BodyError(Exception):
    """A body that can't be read: each argument is a message."""


class Part(NamedTuple):
    """A row or a column.

    name: the number of the row, or the name of the column.
    text: its JSON; None if it is no object, or no list.
    most: how many values it has at the most.
    """

    name: Any
    text: memoryview | None
    most: int


class Outline(NamedTuple):
    """The parts of a body: its rows or its columns."""

    by_column: bool
    parts: list[Part]


def outline(body: bytes, rows: int, columns: int) -> Outline:
    """Return the parts of a body without parsing them.

    rows: of one body, at the most.
    columns: of a row; one with twice as many keys is not read.
    """
    starts, ends, sizes = _parts(body, rows, columns)
    cuts = [0, *(end for one in zip(starts, ends, strict=True) for end in (one[0] + 1, one[1]))]
    outer = b"".join(map(body.__getitem__, map(slice, cuts[::2], [*cuts[1::2], len(body)])))
    try:
        found = from_json(outer)  # each row is {} in it, each column []
    except ValueError as error:
        raise BodyError(f"the body is not valid JSON: {error}") from error
    form = next(iter(found)) if isinstance(found, dict) and len(found) == 1 else None
    if form not in {"rows", "columns"}:
        raise BodyError("either rows or columns are needed")
    inner, by_column = found[form], form == "columns"
    if not isinstance(inner, dict if by_column else list):
        raise BodyError(f"{form} Input should be {'an object' if by_column else 'a valid array'}")
    view, parts, at = memoryview(body), [], 0
    for name, value in inner.items() if by_column else enumerate(inner):
        fits = isinstance(value, list if by_column else dict)
        if isinstance(value, list | dict) and at < len(starts):
            text = view[starts[at] : ends[at] + 1] if fits else None
            parts.append(Part(name, text, sizes[at]))
            at += 1
        else:
            parts.append(Part(name, None, 0))
    if at < len(starts):
        raise BodyError("a name is given twice")
    most, what = (rows, "values") if by_column else (2 * columns, "keys")
    for part in parts:
        if part.most > most:
            name = f"{'column' if by_column else 'row'} {part.name}"
            raise BodyError(f"{name:.80} has {part.most:,} {what}: {most:,} are read at the most")
    return Outline(by_column, parts)


def _parts(body: bytes, rows: int, columns: int) -> tuple[list[int], list[int], list[int]]:
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
        depth = int(depths[-1]) if depths.size else depth
        inner = depths == DEEPEST
        at += start
        starts.append(at[inner & (steps > 0)])
        ends.append(at[(depths == DEEPEST - 1) & (steps < 0)])
        commas.append(at[inner & (codes == ord(","))])
        values += len(commas[-1])
        parts += int(np.count_nonzero((depths == DEEPEST - 1) & (codes == ord(","))))
        if parts >= rows:
            raise BodyError(f"a request may have {rows:,} rows")
        if values > rows * columns:
            raise BodyError(f"a request may have {rows * columns:,} values")
        start += len(block)
    first, last, every = map(np.concatenate, (starts, ends, commas)) if starts else [_NONE] * 3
    if depth or len(first) != len(last):
        raise BodyError("the body is not valid JSON: brackets or quotes are not closed")
    sizes = np.searchsorted(every, last) - np.searchsorted(every, first) + 1
    return first.tolist(), last.tolist(), sizes.tolist()


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
    outside = (before % 2 == 0) & ~is_quote
    return at[outside], codes[outside], int(before[-1]) % 2 if before.size else quotes
