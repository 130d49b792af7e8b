"""Rows as the service takes them: types, ranges and words come from the contract of a table."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from pydantic import ValidationError as InvalidError
from pydantic_core import core_schema, from_json

from preflight.contracts.table import Table
from preflight.serving.body import BodyError, Faults, Outline, outline
from preflight.serving.values import BAD, Kind, Value, document, fields, reader, rest

Blocks = dict[Kind, npt.NDArray[Any]]  # the values of each kind, shape (columns, rows)

AT_ONCE = 64  # rows that are parsed in one go: no other thread runs meanwhile
VALUES_AT_ONCE = 50_000  # that become an array in one go


class Asked(NamedTuple):
    """What a body asks.

    blocks: the good rows.
    places: their numbers in the body.
    size: all rows of the body.
    """

    blocks: Blocks
    places: list[int]
    size: int
    faults: Faults
    by_column: bool


class Rows:
    """Reads and checks the body of a request, and makes a table of it.

    Args:
        contract: of the table; a value that may be missing is null.
        most: rows of one request.
    """

    def __init__(self, contract: type[Table], most: int) -> None:
        columns = contract.to_schema().columns
        self._most, self._key, self._rest = most, contract.grain(), list(rest(contract))
        self._dtypes = {name: column.dtype.type for name, column in columns.items()}
        self._kinds: dict[Kind, list[str]] = {np.dtype("float32"): []}
        for name, dtype in self._dtypes.items():
            self._kinds.setdefault(_held(dtype), []).append(name)
        numbers = (kind for kind in self._kinds if kind.kind in "fiub")
        self._usual = max(numbers, key=lambda kind: len(self._kinds[kind]))
        self._values = {name: Value(column) for name, column in columns.items()}
        row = fields({name: value.schema for name, value in self._values.items()}, False)
        rows = core_schema.list_schema(row)
        self._read = reader(rows).validate_json
        self._read_body = reader(fields({"rows": rows}, True)).validate_json
        self._body = document(contract, self._values, most)

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of a body and its parts, with descriptions, units and ranges."""
        body = self._body.json_schema(ref_template="#/components/schemas/{model}")
        return {**body.pop("$defs"), "Body": body}

    def read(self, body: bytes) -> Asked:
        """Return the good rows, and the faults of the others; none if the body has a fault.

        It is parsed piece by piece: while one is parsed, no other thread runs.
        """
        faults = Faults()
        by_column = False
        try:
            if (columns := self._good(body)) is None:
                found = outline(body, self._most, len(self._dtypes))
                by_column = found.by_column
                columns = (self._columns if by_column else self._rows)(body, found, faults)
        except BodyError as error:
            faults = Faults()
            faults.add(None, error.args)
            return Asked({}, [], 0, faults, False)
        size = len(next(iter(columns.values()))) + (0 if by_column else len(faults.rows))
        if by_column and faults.rows:
            columns = {name: _without(values, faults.rows) for name, values in columns.items()}
        places = [i for i in range(size) if i not in faults.rows]
        keys = list(zip(*(columns[name] for name in self._key), strict=True))
        if len(set(keys)) < len(keys):
            first = {key: i for i, key in reversed([*enumerate(keys)])}
            again = {i for i, key in enumerate(keys) if first[key] != i}
            said = f"key {', '.join(self._key)} is not unique"
            _add_each(faults, [places[i] for i in sorted(again)], [said])
            columns = {name: _without(values, again) for name, values in columns.items()}
            places = _without(places, again)
        blocks = self._blocks(columns, len(places))
        if self._rest and places:
            broken = self._broken(blocks, places, faults)
            blocks = {kind: np.delete(block, broken, axis=1) for kind, block in blocks.items()}
            places = _without(places, set(broken))
        return Asked(blocks, places, size, faults, by_column)

    def _good(self, body: bytes) -> dict[str, Sequence[Any]] | None:
        """Return the columns of a few rows that are all good; None if that takes a closer look.

        If all columns are there, and the commas are as many as they need, nothing else is there.
        """
        size = body.count(b"{") - 1
        if size > AT_ONCE or body.count(b",") != size * len(self._dtypes) - 1:
            return None
        try:
            rows = self._read_body(body)["rows"]
        except InvalidError:
            return None
        if len(rows) != size or any(BAD in row.values() for row in rows):
            return None
        columns = zip(*(row.values() for row in rows), strict=True)
        return dict(zip(self._dtypes, columns, strict=True))

    def _rows(self, body: bytes, found: Outline, faults: Faults) -> dict[str, Sequence[Any]]:
        """Return the columns of the good rows."""
        if not found.parts and not found.others:
            raise BodyError("rows has no row")
        columns: dict[str, Any] = {name: [] for name in self._dtypes}
        # one with more keys, or less, is not parsed: no row is cheaper to answer than to refuse
        width = len(self._dtypes)
        fit = [row for row, part in found.parts.items() if part[2] == width]
        bad = {*found.parts, *found.others}.difference(fit)
        for start in range(0, len(fit), AT_ONCE):
            some = fit[start : start + AT_ONCE]
            parsed = self._parsed([_text(body, found, row) for row in some])
            wrong = {n for n, one in enumerate(parsed) if one is None or BAD in one.values()}
            bad.update(some[n] for n in wrong)
            good = [one.values() for n, one in enumerate(parsed) if one and n not in wrong]
            for values, more in zip(columns.values(), zip(*good, strict=True), strict=False):
                values.extend(more)
        listed = iter(sorted(bad))
        while faults.room and (row := next(listed, None)) is not None:
            faults.add(row, self._said_of(_text(body, found, row)))
        faults.count([*listed])
        return columns

    def _parsed(self, texts: list[bytes]) -> list[dict[str, Any] | None]:
        """Return rows, with BAD where a value is missing or refused; None for what is no JSON."""
        try:
            return self._read(b"[" + b",".join(texts) + b"]")
        except InvalidError:
            return [None] if len(texts) == 1 else [self._parsed([one])[0] for one in texts]

    def _said_of(self, text: bytes) -> list[str]:
        """Return what is wrong with a row."""
        if not text:
            return ["Input should be an object"]
        try:
            row = from_json(text)
        except ValueError as error:
            return [f"is not valid JSON: {error}"]
        says = [f"column {name} is missing" for name in self._dtypes if name not in row]
        says += [f"column {n:.60} is not in the contract" for n in row if n not in self._dtypes]
        for name, value in self._values.items():
            if name in row and (why := value.why(row[name])):
                says.append(f"column {name} {why}")
        return says or ["a column is given twice"]

    def _columns(self, body: bytes, found: Outline, faults: Faults) -> dict[str, Sequence[Any]]:
        """Return the columns, with BAD where a value is refused."""
        given = dict.fromkeys([*found.parts, *found.others])
        says = [f"column {name} is missing" for name in self._dtypes if name not in given]
        says += [f"column {n:.60} is not in the contract" for n in given if n not in self._dtypes]
        says += [f"column {n} Input should be a valid array" for n in found.others]
        if says:
            raise BodyError(*says)
        columns: dict[str, Sequence[Any]] = {}
        for name, value in self._values.items():
            text = _text(body, found, name)
            try:
                columns[name] = value.read(text)
            except InvalidError as error:
                said = error.errors(include_url=False)[0]["msg"]
                raise BodyError(f"column {name} is not valid JSON: {said}") from error
            if BAD in columns[name]:
                bad = [i for i, one in enumerate(columns[name]) if one is BAD]
                room = faults.room
                raw = from_json(text) if room else []
                for i in bad[:room]:
                    faults.add(i, [f"column {name} {value.why(raw[i])}"])
                faults.count(bad[room:])
        sizes = {len(values): name for name, values in columns.items()}
        if len(sizes) > 1 or 0 in sizes:
            told = (f"{name} {size:,}" for size, name in sorted(sizes.items()))
            raise BodyError("columns have no row" if {*sizes} == {0} else _DIFFER + ", ".join(told))
        return columns

    def _broken(self, blocks: Blocks, places: list[int], faults: Faults) -> list[int]:
        """Return which rows break what pandera checks."""
        table = self.table(blocks)
        broken: set[int] = set()
        for one in self._rest:
            rows = sorted(one.broken(table))
            broken.update(rows)
            _add_each(faults, [places[i] for i in rows], [str(one)])
        return sorted(broken)

    def _blocks(self, columns: dict[str, Sequence[Any]], size: int) -> Blocks:
        def values(name: str, kind: Kind) -> Any:
            return _moments(columns[name]) if kind.kind == "M" else columns[name]

        def array(kind: Kind, names: list[str]) -> npt.NDArray[Any]:
            if len(names) * size > VALUES_AT_ONCE and len(names) > 1:
                half = len(names) // 2
                return np.concatenate([array(kind, names[:half]), array(kind, names[half:])])
            found = np.array([values(name, kind) for name in names], kind)
            return found.reshape(len(names), size)

        return {kind: array(kind, names) for kind, names in self._kinds.items()}

    def table(self, blocks: Blocks, names: Sequence[str] = ()) -> pd.DataFrame:
        """Return rows as the contract describes them; numbers of one kind stay one block.

        Column by column, making the table of one row would take as long as its prediction.

        names: the columns, in their order; without them all.
        """
        every = {
            n: v for kind in blocks for n, v in zip(self._kinds[kind], blocks[kind], strict=True)
        }
        names = names or list(every)
        numbers = [name for name in names if self._dtypes[name] == self._usual]
        at = [self._kinds[self._usual].index(name) for name in numbers]
        table = pd.DataFrame(blocks[self._usual][at].T, columns=pd.Index(numbers, dtype=object))
        for i, name in enumerate(names):
            if (dtype := self._dtypes[name]) != self._usual:
                table.insert(i, name, _of_dtype(every[name], dtype))
        return table


_DIFFER = "columns differ in length: "


def joined(some: list[Blocks]) -> Blocks:
    """Return the rows of several requests as those of one."""
    return {kind: np.concatenate([one[kind] for one in some], axis=1) for kind in some[0]}


def _text(body: bytes, found: Outline, name: Any) -> bytes:
    """Return a row or a column of a body; nothing for what is no part."""
    start, end, _ = found.parts.get(name, (0, 0, 0))
    return body[start:end]


def _without(values: Sequence[Any], places: Collection[int]) -> list[Any]:
    return [value for i, value in enumerate(values) if i not in places]


def _add_each(faults: Faults, rows: list[int], says: list[str]) -> None:
    """Add the same to each row."""
    room = faults.room
    for row in rows[:room]:
        faults.add(row, says)
    faults.count(rows[room:])


def _held(dtype: Any) -> Kind:
    """Return the type of an array that holds a column: moments without their zone, and texts."""
    if isinstance(dtype, pd.DatetimeTZDtype):
        return np.dtype(f"M8[{dtype.unit}]")
    return dtype if isinstance(dtype, np.dtype) else np.dtype(object)


def _moments(values: Sequence[datetime | None]) -> npt.NDArray[np.datetime64]:
    """Return moments in UTC; pyarrow takes a hundredth of NumPy's time."""
    return pa.array(values, pa.timestamp("us", "UTC")).to_numpy(zero_copy_only=False)


def _of_dtype(values: npt.NDArray[Any], dtype: Any) -> Any:
    """Return a column of the contract's type."""
    if isinstance(dtype, pd.DatetimeTZDtype):
        return pd.DatetimeIndex(values).tz_localize("UTC")
    if (
        isinstance(dtype, pd.CategoricalDtype) and dtype.categories is None
    ):  # by codes: a quarter of the time for a row
        texts = values.tolist()
        categories = sorted({*texts} - {None})
        codes = {text: code for code, text in enumerate(categories)} | {None: -1}
        index = pd.Index(categories, dtype=object)
        return pd.Categorical.from_codes([codes[text] for text in texts], index)
    return values if isinstance(dtype, np.dtype) else pd.array(values, dtype=dtype)
