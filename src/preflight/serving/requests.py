"""Requests: the body as JSON, checked against the contract of the features, as typed arrays."""

from collections.abc import Collection, Sequence
from functools import cache
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import ValidationError
from pydantic_core import core_schema, from_json

from preflight.contracts.table import Table
from preflight.serving.arrays import moments, of_dtype, storage_dtype
from preflight.serving.body import ROWS_OR_COLUMNS, BodyError, Faults, Outline, outline
from preflight.serving.values import (
    BAD,
    Kind,
    Value,
    body_type,
    json_reader,
    object_schema,
    table_checks,
)

Blocks = dict[Kind, npt.NDArray[Any]]  # the values of each kind, shape (columns, rows)
Columns = dict[str, Sequence[Any]]

ROWS_AT_ONCE = 64  # rows that are parsed in one go: no other thread runs meanwhile
VALUES_AT_ONCE = 50_000  # values that become an array in one go


class ParsedRequest(NamedTuple):
    """The rows of a request.

    blocks: the valid rows.
    row_numbers: their numbers in the body.
    size: the number of all rows of the body.
    """

    blocks: Blocks
    row_numbers: list[int]
    size: int
    faults: Faults
    by_column: bool


class Layout(NamedTuple):
    """Where a table has its columns from.

    numbers: the row of each column in the block of the main kind. others: the kind, the row in its
    block and the type of each other column. Columns are named by their place.
    """

    columns: pd.Index
    numbers: dict[int, int]
    others: dict[int, tuple[Kind, int, Any]]


class RequestReader:
    """Reads and checks the body of a request, and makes a table of its rows.

    Args:
        contract: of the table; a value that may be missing is null.
        max_rows: of one request.
        forms: what a body may have; the first is a list of objects.
    """

    def __init__(
        self, contract: type[Table], max_rows: int, forms: Sequence[str] = ROWS_OR_COLUMNS
    ) -> None:
        columns = contract.to_schema().columns
        self._max_rows, self._key, self._forms = max_rows, contract.grain(), forms
        self._table_checks = list(table_checks(contract))
        self._dtypes = {name: column.dtype.type for name, column in columns.items()}
        self._kinds: dict[Kind, list[str]] = {np.dtype("float32"): []}
        for name, dtype in self._dtypes.items():
            self._kinds.setdefault(storage_dtype(dtype), []).append(name)
        numbers = (kind for kind in self._kinds if kind.kind in "fiub")
        self._main_kind = max(numbers, key=lambda kind: len(self._kinds[kind]))
        self._layout = cache(self._make_layout)
        self._values = {name: Value(column) for name, column in columns.items()}
        row = object_schema({name: value.schema for name, value in self._values.items()}, False)
        rows = core_schema.list_schema(row)
        self._read_rows = json_reader(rows)
        self._read_body = json_reader(object_schema({forms[0]: rows}, True))
        self._body = body_type(contract, self._values, max_rows)

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of a body and its parts, with descriptions, units and ranges."""
        body = self._body.json_schema(ref_template="#/components/schemas/{model}")
        return {**body.pop("$defs"), "Body": body}

    def read(self, body: bytes) -> ParsedRequest:
        """Return the valid rows, and the faults of the others; no rows if the body is not valid.

        It is parsed piece by piece: while one is parsed, no other thread runs.
        """
        faults = Faults()
        by_column = False
        try:
            if (columns := self._read_few(body)) is None:
                found = outline(body, self._max_rows, len(self._dtypes), self._forms)
                by_column = found.by_column
                columns = self._read_outlined(body, found, faults)
        except BodyError as error:
            faults.add(None, error.args)
            return ParsedRequest({}, [], 0, faults, False)
        size = len(next(iter(columns.values()))) + len(faults.rows)
        row_numbers = [i for i in range(size) if i not in faults.rows]
        blocks = self._blocks(columns, len(row_numbers))
        if broken := self._broken_checks(columns, blocks, row_numbers):
            faults.add_rows(sorted(broken), broken.__getitem__)
            valid = [row not in broken for row in row_numbers]
            blocks = {kind: block[:, valid] for kind, block in blocks.items()}
            row_numbers = [row for row in row_numbers if row not in broken]
        return ParsedRequest(blocks, row_numbers, size, faults, by_column)

    def _read_few(self, body: bytes) -> Columns | None:
        """Return the columns of a few rows if all are valid; None if that takes a closer look.

        If all columns are there, and the commas are as many as they need, nothing else is there.
        """
        size = body.count(b"{") - 1
        if size > ROWS_AT_ONCE or body.count(b",") != size * len(self._dtypes) - 1:
            return None
        try:
            rows = self._read_body(body)[self._forms[0]]
        except ValidationError:
            return None
        if len(rows) != size or any(BAD in row.values() for row in rows):
            return None
        columns = zip(*(row.values() for row in rows), strict=True)
        return dict(zip(self._dtypes, columns, strict=True))

    def _read_outlined(self, body: bytes, found: Outline, faults: Faults) -> Columns:
        """Return the columns of the rows whose values are valid; add the faults of the others."""
        if found.by_column:
            texts = self._column_texts(body, found)
            columns = self._parse_columns(texts)
            bad = {i for v in columns.values() if BAD in v for i, one in enumerate(v) if one is BAD}
            columns = {name: _without(values, bad) for name, values in columns.items()}
            raw = cache(lambda: {name: from_json(text) for name, text in texts.items()})
            faults.add_rows(
                sorted(bad), lambda row: self._describe({n: v[row] for n, v in raw().items()})
            )
        else:
            columns, bad = self._parse_rows(body, found)
            faults.add_rows(sorted(bad), lambda row: self._describe_text(found.text(body, row)))
        return columns

    def _parse_rows(self, body: bytes, found: Outline) -> tuple[Columns, set[int]]:
        """Return the columns of the valid rows, and the numbers of the others."""
        if not found.parts and not found.others:
            raise BodyError(f"{self._forms[0]} has no {self._forms[0][:-1]}")
        columns: dict[str, Any] = {name: [] for name in self._dtypes}
        # a row with more or fewer keys is not parsed: no row is cheaper to answer than to refuse
        fit = [row for row, part in found.parts.items() if part.size == len(self._dtypes)]
        bad = {*found.parts, *found.others}.difference(fit)
        for start in range(0, len(fit), ROWS_AT_ONCE):
            some = fit[start : start + ROWS_AT_ONCE]
            parsed = self._parse([found.text(body, row) for row in some])
            wrong = {n for n, one in enumerate(parsed) if one is None or BAD in one.values()}
            bad.update(some[n] for n in wrong)
            good = [one.values() for n, one in enumerate(parsed) if one and n not in wrong]
            for values, more in zip(columns.values(), zip(*good, strict=True), strict=False):
                values.extend(more)
        return columns, bad

    def _parse(self, texts: list[bytes]) -> list[dict[str, Any] | None]:
        """Return rows, with BAD where a value is missing or refused; None for what is no JSON."""
        try:
            return self._read_rows(b"[" + b",".join(texts) + b"]")
        except ValidationError:
            return [None] if len(texts) == 1 else [self._parse([one])[0] for one in texts]

    def _describe_text(self, text: bytes) -> list[str]:
        """Return what is wrong with a row, given as JSON."""
        if not text:
            return ["Input should be an object"]
        try:
            return self._describe(from_json(text))
        except ValueError as error:
            return [f"is not valid JSON: {error}"]

    def _describe(self, row: dict[str, Any]) -> list[str]:
        """Return what is wrong with a row."""
        says = self._describe_names(row)
        for name, value in self._values.items():
            if name in row and (fault := value.fault(row[name])):
                says.append(f"column {name} {fault}")
        return says or ["a column is given twice"]

    def _describe_names(self, names: Collection[str]) -> list[str]:
        """Return which columns are missing, and which are not in the contract."""
        expected = self._dtypes
        says = [f"column {name} is missing" for name in expected if name not in names]
        return says + [f"column {n:.60} is not in the contract" for n in names if n not in expected]

    def _column_texts(self, body: bytes, found: Outline) -> dict[str, bytes]:
        """Return the JSON of each column; raise BodyError if they are not those of the contract."""
        says = self._describe_names(dict.fromkeys([*found.parts, *found.others]))
        if says := says + [f"column {n} Input should be a valid array" for n in found.others]:
            raise BodyError(*says)
        return {name: found.text(body, name) for name in self._dtypes}

    def _parse_columns(self, texts: dict[str, bytes]) -> Columns:
        """Return the columns, with BAD where a value is refused."""
        columns: Columns = {}
        for name, text in texts.items():
            try:
                columns[name] = self._values[name].read(text)
            except ValidationError as error:
                message = error.errors(include_url=False)[0]["msg"]
                raise BodyError(f"column {name} is not valid JSON: {message}") from error
        sizes = {len(values): name for name, values in columns.items()}
        if len(sizes) > 1:
            named = ", ".join(f"{name} {size:,}" for size, name in sorted(sizes.items()))
            raise BodyError(f"columns differ in length: {named}")
        if 0 in sizes:
            raise BodyError("columns have no row")
        return columns

    def _broken_checks(
        self, columns: Columns, blocks: Blocks, row_numbers: list[int]
    ) -> dict[int, list[str]]:
        """Return the rows that break checks over several values, with a message for each check."""
        broken: dict[int, list[str]] = {}
        first: dict[Any, int] = {}
        keys = zip(*(columns[name] for name in self._key), strict=True)
        for row, key in zip(row_numbers, keys, strict=False):
            if first.setdefault(key, row) != row:
                broken[row] = [f"key {', '.join(self._key)} is not unique"]
        if self._table_checks and row_numbers:
            table = self.table(blocks)
            for check in self._table_checks:
                for place in check.broken(table):
                    broken.setdefault(row_numbers[place], []).append(str(check))
        return broken

    def _blocks(self, columns: Columns, size: int) -> Blocks:
        def array(kind: Kind, names: list[str]) -> Any:
            if len(names) * size > VALUES_AT_ONCE and len(names) > 1:
                half = len(names) // 2
                return np.concatenate([array(kind, names[:half]), array(kind, names[half:])])
            values = [columns[name] for name in names]
            found = moments([*chain(*values)]) if kind.kind == "M" else np.array(values, kind)
            return found.astype(kind, copy=False).reshape(len(names), size)

        return {kind: array(kind, names) for kind, names in self._kinds.items()}

    def arrays(self, blocks: Blocks) -> dict[str, npt.NDArray[Any]]:
        """Return the columns of rows, by name, each of shape (rows,)."""
        named = ((self._kinds[kind], values) for kind, values in blocks.items())
        return {n: v for names, values in named for n, v in zip(names, values, strict=True)}

    def table(self, blocks: Blocks, names: Sequence[str] = ()) -> pd.DataFrame:
        """Return rows as a table of the contract; numbers of the main kind stay one block.

        Made column by column, the table of one row would take as long as its prediction.

        names: the columns, in their order; all by default.
        """
        columns, numbers, others = self._layout(tuple(names))
        main = blocks[self._main_kind]
        block = np.zeros((len(columns), main.shape[1]), self._main_kind)
        block[[*numbers]] = main[[*numbers.values()]]
        table = pd.DataFrame(block.T, columns=columns)
        for place, (kind, row, dtype) in others.items():  # to insert them takes twice as long
            table.isetitem(place, of_dtype(blocks[kind][row], dtype))
        return table

    def _make_layout(self, names: tuple[str, ...]) -> Layout:
        where = {
            name: (kind, row, self._dtypes[name])
            for kind, some in self._kinds.items()
            for row, name in enumerate(some)
        }
        columns = pd.Index(names or [*where], dtype=object)
        found = dict(enumerate(where[name] for name in columns))
        numbers = {i: row for i, (_, row, dtype) in found.items() if dtype == self._main_kind}
        return Layout(columns, numbers, {i: one for i, one in found.items() if i not in numbers})


def concatenate_blocks(requests: list[Blocks]) -> Blocks:
    """Return the rows of several requests as those of one."""
    return {kind: np.concatenate([one[kind] for one in requests], axis=1) for kind in requests[0]}


def _without(values: Sequence[Any], places: Collection[int]) -> Any:
    return [value for i, value in enumerate(values) if i not in places] if places else values
