"""What a contract says of one value, as pydantic checks it; and the checks that pandera makes."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NamedTuple, NotRequired

import numpy as np
import pandas as pd
from pandera.pandas import Check
from pydantic import AwareDatetime, BeforeValidator, ConfigDict, Field, TypeAdapter
from pydantic import ValidationError as InvalidError
from pydantic_core import CoreConfig, PydanticCustomError, SchemaValidator, core_schema, to_json
from typing_extensions import TypedDict

from preflight.contracts.table import LARGEST, BrokenRuleError, Table

ONE_OF = {"oneOf": [{"required": ["rows"]}, {"required": ["columns"]}]}
STRICT = ConfigDict(strict=True, extra="forbid")
BAD: Any = type("Bad", (), {"__repr__": lambda _: "BAD"})()  # is read where a value is refused
Kind = np.dtype[Any]

BOUNDS = {  # pandera's name of a check: its statistic, and pydantic's name
    "greater_than_or_equal_to": ("min_value", "ge"),
    "greater_than": ("min_value", "gt"),
    "less_than_or_equal_to": ("max_value", "le"),
    "less_than": ("max_value", "lt"),
}
WORDS = {  # pydantic's kind of error, in the words that a broken contract has elsewhere
    "greater_than_equal": "is below {ge}",
    "greater_than": "is not above {gt}",
    "less_than_equal": "is above {le}",
    "less_than": "is not below {lt}",
    "literal_error": "is none of {expected}",
}


class Value:
    """A value of one column: `type` is what pydantic makes a document of; `read` reads many.

    Args:
        column: of a pandera schema.
    """

    def __init__(self, column: Any) -> None:
        self._dtype = column.dtype.type
        self.type = _type(column, kind_of(self._dtype))
        self._worded: TypeAdapter[Any] = TypeAdapter(self.type, config=STRICT)
        exact = TypeAdapter(_type(column, kind_of(self._dtype), exact=True), config=STRICT)
        self.schema = core_schema.with_default_schema(
            exact.core_schema, default=BAD, on_error="default"
        )
        self.read = reader(core_schema.list_schema(self.schema)).validate_json

    def why(self, value: Any) -> str | None:
        """Return why a value as parsed from JSON is refused, in words; None if it is not."""
        text = to_json(value, inf_nan_mode="constants")
        if self.read(b"[" + text + b"]") != [BAD]:
            return None
        try:
            self._worded.validate_json(text)
        except InvalidError as error:
            one = error.errors(include_url=False)[0]
            words = WORDS.get(one["type"])
            said = words.format(**one.get("ctx", {})) if words else one["msg"]
        else:  # its nearest value of this type is out of bounds
            said = f"is out of bounds as {self._dtype}"
        return f"{said}: {value!r:.60}"


_CORE = CoreConfig(strict=True)


def reader(schema: Any) -> SchemaValidator:
    """Return what reads JSON by a schema of pydantic's core, without changing types."""
    return SchemaValidator(schema, _CORE)


def fields(schemas: dict[str, Any], required: bool) -> Any:
    """Return the schema of an object with these fields; others are not looked at."""
    made = {n: core_schema.typed_dict_field(s, required=required) for n, s in schemas.items()}
    return core_schema.typed_dict_schema(made, extra_behavior="ignore", config=_CORE)


def kind_of(dtype: Any) -> Kind:
    """Return NumPy's type of the values of a column: object for texts, M for moments."""
    if isinstance(dtype, pd.DatetimeTZDtype):
        return np.dtype(f"M8[{dtype.unit}]")
    dtype = getattr(dtype, "numpy_dtype", dtype)  # of a nullable type
    return dtype if isinstance(dtype, np.dtype) else np.dtype(object)


def _type(column: Any, kind: Kind, exact: bool = False) -> Any:
    """Return the type of a value with what the contract says of it.

    exact: with the bounds of what is rounded to a value within the contract's.
    """
    given: dict[str, Any] = {}
    for check in column.checks:
        if check.name in BOUNDS:
            theirs, ours = BOUNDS[check.name]
            given[ours] = check.statistics[theirs]
    one: Any = bool if kind.kind == "b" else str
    allowed = _allowed(column)
    if kind.kind == "M":
        bounds = _moments(kind, given)
        one = Annotated[AwareDatetime, Field(**bounds, strict=False), BeforeValidator(_as_moment)]
    elif kind.kind in "iu":
        within = _whole(kind, given)
        some = [n for n in allowed or [] if within["ge"] <= n <= within["le"]]
        one = Annotated[int, Field(**within)] if allowed is None else Literal[tuple(some)]
        one = Annotated[one, BeforeValidator(_as_whole)]
    elif kind.kind == "f":
        bounds = _reach(kind, _within_features(column, given)) if exact else given
        one = Annotated[float, Field(**bounds, allow_inf_nan=False)]
    elif kind.kind == "O" and allowed is not None:
        one = Literal[tuple(allowed)]
    held = column.dtype.type  # NumPy's whole numbers can't be missing, whatever the contract says
    empty = not (isinstance(held, np.dtype) and held.kind in "iub")
    return one | None if column.nullable and empty else one


def _allowed(column: Any) -> list[Any] | None:
    """Return the values that a column may hold; None: any."""
    categories = getattr(column.dtype.type, "categories", None)
    some = [] if categories is None else [categories.tolist()]
    some += [list(c.statistics["allowed_values"]) for c in column.checks if c.name == "isin"]
    return [one for one in some[0] if all(one in other for other in some)] if some else None


def _as_whole(value: Any) -> Any:
    """Return 1 for 1.0, as pandas writes whole numbers beside missing ones."""
    if isinstance(value, bool):  # a literal takes it for 1
        raise PydanticCustomError("whole", "Input should be a valid integer")
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _as_moment(value: Any) -> Any:
    """Refuse a number, which pydantic takes for seconds since 1970."""
    if isinstance(value, str) and value[4:5] == "-":
        return value
    raise PydanticCustomError("moment", "Input should be a moment as in 2013-06-01T12:00:00Z")


def _whole(kind: Kind, given: dict[str, Any]) -> dict[str, Any]:
    """Return the bounds of whole numbers: the contract's, within what the type can hold."""
    widest = np.iinfo(kind)
    low = max(widest.min, math.ceil(given.get("ge", widest.min)))
    high = min(widest.max, math.floor(given.get("le", widest.max)))
    low = max(low, math.floor(given.get("gt", low - 1)) + 1)
    high = min(high, math.ceil(given.get("lt", high + 1)) - 1)
    return {"ge": low, "le": high}


def _moments(kind: Kind, given: dict[str, Any]) -> dict[str, Any]:
    """Return the bounds of moments: the contract's, within what the type can hold."""
    bounds = {name: pd.Timestamp(value).to_pydatetime() for name, value in given.items()}
    if np.datetime_data(kind)[0] != "ns":
        return bounds
    within = [datetime(1678, 1, 1, tzinfo=UTC), datetime(2262, 1, 1, tzinfo=UTC)]
    return {"ge": within[0], "le": within[1]} | bounds


def _within_features(column: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Return the bounds of a column, of a feature those that each feature has (`Table.finite`)."""
    if "group" not in (column.metadata or {}):
        return given
    low, high = max(given.get("ge", -LARGEST), -LARGEST), min(given.get("le", LARGEST), LARGEST)
    return {**given, "ge": low, "le": high}


def _reach(kind: Kind, given: dict[str, Any]) -> dict[str, float]:
    """Return the bounds of the numbers that are within the contract's when the type rounds them."""
    widest = np.finfo(kind)
    low, high = widest.min, widest.max
    with np.errstate(over="ignore"):
        one = {name: kind.type(value) for name, value in given.items()}
        above = np.nextafter(one["gt"], kind.type(np.inf)) if "gt" in one else low
        below = np.nextafter(one["lt"], kind.type(-np.inf)) if "lt" in one else high
        least, most = max(low, one.get("ge", low), above), min(high, one.get("le", high), below)
        return {"ge": -_farthest(-least), "le": _farthest(most)}


def _farthest(value: Any) -> float:
    """Return the greatest number of 64 bits that is rounded to a value."""
    step = float(value) - float(np.nextafter(value, type(value)(-np.inf)))
    after = float(np.nextafter(value, type(value)(np.inf)))
    middle = (float(value) + (after if math.isfinite(after) else float(value) + step)) / 2
    return middle if type(value)(middle) <= value else math.nextafter(middle, -math.inf)


def document(contract: type[Table], values: dict[str, Value], most: int) -> TypeAdapter[Any]:
    """Return the type of a body, for its document."""
    columns = contract.to_schema().columns
    said = {name: Field(description=_said(column)) for name, column in columns.items()}
    some = Field(min_length=1, max_length=most)
    row = _typed("Row", {n: Annotated[v.type, said[n]] for n, v in values.items()})
    row.__doc__ = contract.__doc__
    lists = {n: Annotated[list[v.type], some, said[n]] for n, v in values.items()}  # type: ignore[name-defined]
    body = {
        "rows": NotRequired[Annotated[list[row], some]],  # type: ignore[valid-type]
        "columns": NotRequired[_typed("Columns", lists)],
    }
    return TypeAdapter(_typed("Body", body, json_schema_extra=ONE_OF))


def _typed(name: str, fields: dict[str, Any], **config: Any) -> Any:
    """Return a class of dictionaries with these fields and no other."""
    made = TypedDict(name, fields)  # type: ignore[misc]
    made.__pydantic_config__ = STRICT | config  # type: ignore[attr-defined]
    return made


def _said(column: Any) -> str:
    """Return a column's description, with its unit."""
    unit = (column.metadata or {}).get("unit")
    return f"{column.description} ({unit})" if unit else str(column.description)


READ = {"finite", "category_is_text"}  # checks of every table that a reader makes


class Rest(NamedTuple):
    """A check that no reader makes: pandera makes it, of a column or of the whole table."""

    column: str | None
    check: Check

    def broken(self, table: pd.DataFrame) -> pd.Index:
        """Return the rows that break it; all if it can't be told which."""
        try:
            found = self.check(table if self.column is None else table[self.column])
        except BrokenRuleError as error:
            return error.args[1]
        except Exception:  # the contract refuses the table too
            return table.index
        holds = found.check_output
        if isinstance(holds, pd.DataFrame):
            holds = holds.all(axis=1)
        if isinstance(holds, pd.Series) and holds.index.isin(table.index).all():
            return holds.index[~holds.astype(bool)]
        return table.index[:0] if found.check_passed else table.index

    def __str__(self) -> str:
        """Return what is wrong with a row that breaks it."""
        where = f"column {self.column} " if self.column else ""
        return f"{where}breaks the contract: {self.check.error or self.check.name}"


def rest(contract: type[Table]) -> Iterator[Rest]:
    """Yield the checks of a contract that no reader makes; a warning refuses nothing."""
    schema = contract.to_schema()
    for name, column in schema.columns.items():
        kind = kind_of(column.dtype.type).kind
        read = {*(BOUNDS if kind in "iufM" else []), *(["isin"] if kind in "iuO" else [])}
        if column.unique:
            yield Rest(name, Check(lambda s: ~s.duplicated(), error="unique", ignore_na=False))
        yield from (Rest(name, c) for c in column.checks if not (c.name in read or c.raise_warning))
    for check in schema.checks:
        needed = contract.known_later() if check.name == "has_moment" else check.name not in READ
        if needed and not check.raise_warning:
            yield Rest(None, check)
