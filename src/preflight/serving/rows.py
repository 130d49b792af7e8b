"""Rows as the service takes them: types, ranges and words come from the contract of a table."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NamedTuple, NotRequired

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from pydantic import AwareDatetime, ConfigDict, Field, StringConstraints, TypeAdapter
from pydantic import ValidationError as InvalidError
from pydantic_core import from_json, to_json
from typing_extensions import TypedDict

from preflight.contracts.table import Table

STRICT = ConfigDict(strict=True, extra="forbid")
ONE_OF = {"oneOf": [{"required": ["rows"]}, {"required": ["columns"]}]}
Kind = np.dtype[Any]
Blocks = dict[Kind, npt.NDArray[Any]]  # the values of each kind, shape (columns, rows)
Faults = dict[int | None, list[str]]  # of each row; None: of the body as a whole

SAID_OF = 100  # rows whose faults are told
BOUNDS = {  # pandera's name of a check: its statistic, and pydantic's name
    "greater_than_or_equal_to": ("min_value", "ge"),
    "greater_than": ("min_value", "gt"),
    "less_than_or_equal_to": ("max_value", "le"),
    "less_than": ("max_value", "lt"),
}
WIDEST: dict[str, dict[str, Any]] = {  # what a table can hold, by kind of type; M: moments
    "f": {"ge": -3e38, "le": 3e38},
    "M": {"ge": datetime(1900, 1, 1, tzinfo=UTC), "le": datetime(2200, 1, 1, tzinfo=UTC)},
}
WORDS = {  # pydantic's kind of error, in the words that a broken contract has elsewhere
    "missing": "is missing",
    "extra_forbidden": "is not in the contract",
    "greater_than_equal": "is below {ge}",
    "greater_than": "is not above {gt}",
    "less_than_equal": "is above {le}",
    "less_than": "is not below {lt}",
    "literal_error": "is none of {expected}",
}


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
        self._key = contract.grain()
        self._dtypes = {name: column.dtype.type for name, column in columns.items()}
        self._kinds: dict[Kind, list[str]] = {np.dtype("float32"): []}
        for name, dtype in self._dtypes.items():
            self._kinds.setdefault(_held(dtype), []).append(name)
        numbers = (kind for kind in self._kinds if kind.kind in "fiub")
        self._usual = max(numbers, key=lambda kind: len(self._kinds[kind]))
        value = {name: _value(column) for name, column in columns.items()}
        said = {name: Field(description=_said(column)) for name, column in columns.items()}
        some = Field(min_length=1, max_length=most)
        row = _typed("Row", {n: Annotated[value[n], said[n]] for n in value})
        row.__doc__ = contract.__doc__
        lists = {n: Annotated[list[value[n]], some, said[n]] for n in value}  # type: ignore[valid-type]
        body = {
            "rows": NotRequired[Annotated[list[row], some]],  # type: ignore[valid-type]
            "columns": NotRequired[_typed("Columns", lists)],
        }
        self._body: TypeAdapter[Any] = TypeAdapter(_typed("Body", body, json_schema_extra=ONE_OF))

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of a body and its parts, with descriptions, units and ranges."""
        body = self._body.json_schema(ref_template="#/components/schemas/{model}")
        return {**body.pop("$defs"), "Body": body}

    def read(self, body: bytes) -> Asked:
        """Return the good rows, and the faults of the others; none if the body has a fault."""
        faults: Faults = {}
        try:
            content = self._body.validate_json(body)
        except InvalidError as error:
            faults = _faults(error)
            content = {} if None in faults else from_json(body)
        size = 0 if None in faults else _size(content, faults)
        places = [i for i in range(size) if i not in faults]
        if not places:
            return Asked({}, [], size, faults, False)
        columns = self._columns(content, faults)
        if faults:
            columns = self._body.validate_json(to_json({"columns": columns}))["columns"]
        keys = list(zip(*(columns[name] for name in self._key), strict=True))
        if len(set(keys)) < len(keys):
            first = {key: i for i, key in reversed([*enumerate(keys)])}
            again = {i for i, key in enumerate(keys) if first[key] != i}
            said = f"key {', '.join(self._key)} is not unique"
            faults |= {places[i]: [said] for i in again}
            columns = self._columns({"columns": columns}, again)
            places = [place for place in places if place not in faults]
        return Asked(self._blocks(columns, len(places)), places, size, faults, "columns" in content)

    def _columns(self, content: Any, without: Collection[int | None]) -> dict[str, list[Any]]:
        """Return the columns of a body, without some rows."""
        if "rows" in content:
            rows = [row for i, row in enumerate(content["rows"]) if i not in without]
            return {name: [row[name] for row in rows] for name in self._dtypes}
        if not without:
            return dict(content["columns"])
        return {
            name: [value for i, value in enumerate(values) if i not in without]
            for name, values in content["columns"].items()
        }

    def _blocks(self, columns: dict[str, list[Any]], size: int) -> Blocks:
        def values(name: str, kind: Kind) -> Any:
            return _moments(columns[name]) if kind.kind == "M" else columns[name]

        return {
            kind: np.array([values(name, kind) for name in names], kind).reshape(len(names), size)
            for kind, names in self._kinds.items()
        }

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


def joined(some: list[Blocks]) -> Blocks:
    """Return the rows of several requests as those of one."""
    return {kind: np.concatenate([one[kind] for one in some], axis=1) for kind in some[0]}


def _typed(name: str, fields: dict[str, Any], **config: Any) -> Any:
    """Return a class of dictionaries with these fields and no other."""
    made = TypedDict(name, fields)  # type: ignore[misc]
    made.__pydantic_config__ = STRICT | config  # type: ignore[attr-defined]
    return made


def _held(dtype: Any) -> Kind:
    """Return the type of an array that holds a column: moments without their zone, and texts."""
    if isinstance(dtype, pd.DatetimeTZDtype):
        return np.dtype(f"M8[{dtype.unit}]")
    return dtype if isinstance(dtype, np.dtype) else np.dtype(object)


def _moments(values: list[datetime | None]) -> npt.NDArray[np.datetime64]:
    """Return moments in UTC; pyarrow takes a hundredth of NumPy's time."""
    return pa.array(values, pa.timestamp("us", "UTC")).to_numpy(zero_copy_only=False)


def _of_dtype(values: npt.NDArray[Any], dtype: Any) -> Any:
    """Return a column of the contract's type."""
    if isinstance(dtype, pd.DatetimeTZDtype):
        return pd.DatetimeIndex(values).tz_localize("UTC")
    if isinstance(dtype, pd.CategoricalDtype):  # by codes: a quarter of the time for a row
        texts = values.tolist()
        categories = sorted({*texts} - {None})
        codes = {text: code for code, text in enumerate(categories)} | {None: -1}
        index = pd.Index(categories, dtype=object)
        return pd.Categorical.from_codes([codes[text] for text in texts], index)
    return values if isinstance(dtype, np.dtype) else pd.array(values, dtype=dtype)


def _size(content: dict[str, Any], faults: Faults) -> int:
    """Return how many rows a body has; 0 and a fault if that can't be told."""
    if len(content) != 1:
        faults[None] = ["either rows or columns are needed"]
        return 0
    sizes = {len(values): name for name, values in content.get("columns", content).items()}
    if len(sizes) > 1:
        told = (f"{name} {size:,}" for size, name in sorted(sizes.items()))
        faults[None] = [f"columns differ in length: {', '.join(told)}"]
        return 0
    return next(iter(sizes))


def _value(column: Any) -> Any:
    """Return the type of a value with what the contract says of it."""
    dtype = column.dtype.type
    kind = _held(dtype).kind
    bounds: dict[str, Any] = dict(WIDEST.get(kind, {}))
    if kind in "iu":
        bounds = {"ge": int(np.iinfo(dtype).min), "le": int(np.iinfo(dtype).max)}
    allowed = None
    for check in column.checks:
        if check.name in BOUNDS:
            theirs, ours = BOUNDS[check.name]
            bounds.pop({"gt": "ge", "lt": "le"}.get(ours, ours), None)
            bounds[ours] = check.statistics[theirs]
        elif check.name == "isin":
            allowed = check.statistics["allowed_values"]
    if allowed is not None:
        one: Any = Literal[tuple(allowed)]
    elif kind == "M":
        one = Annotated[AwareDatetime, Field(**bounds)]
    elif kind in "iu":
        one = Annotated[int, Field(**bounds)]
    elif kind == "f":
        one = Annotated[float, Field(**bounds, allow_inf_nan=False)]
    elif kind == "b":
        one = bool
    else:
        one = Annotated[str, StringConstraints(max_length=200)]
    return one | None if column.nullable else one


def _said(column: Any) -> str:
    """Return a column's description, with its unit."""
    unit = (column.metadata or {}).get("unit")
    return f"{column.description} ({unit})" if unit else str(column.description)


def _faults(error: InvalidError) -> Faults:
    """Return what is wrong, by row, in words."""
    faults: Faults = {}
    for one in error.errors(include_url=False):
        where = one["loc"]
        row, column = _place(*where)
        if row not in faults and len(faults) >= SAID_OF and row is not None:
            faults[row] = []
            continue
        ours = WORDS.get(one["type"])
        said = ours.format(**one.get("ctx", {})) if ours else one["msg"]
        found = one["input"]
        told = row is not None and one["type"] not in {"missing", "extra_forbidden"}
        name = f"column {column} " if column else f"{'.'.join(map(str, where))} ".lstrip()
        faults.setdefault(row, []).append(f"{name}{said}{f': {found!r:.60}' if told else ''}")
    return faults


def _place(form: Any = None, first: Any = None, second: Any = None, *_: Any) -> Any:
    """Return row and column of a fault by where pydantic found it; None: not of one."""
    return (first, second) if form == "rows" else (second, first if form == "columns" else None)
