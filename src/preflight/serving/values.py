"""The checks of a contract: those of one value as pydantic types, the others by pandera."""

import math
from collections.abc import Callable, Iterator
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
BAD: Any = type("Bad", (), {"__repr__": lambda _: "BAD"})()  # takes the place of a refused value
Kind = np.dtype[Any]

BOUNDS = {  # pandera's name of a check: its statistic, and pydantic's name
    "greater_than_or_equal_to": ("min_value", "ge"),
    "greater_than": ("min_value", "gt"),
    "less_than_or_equal_to": ("max_value", "le"),
    "less_than": ("max_value", "lt"),
}
ERROR_TEMPLATES = {  # of pydantic's kinds of errors, worded as in errors.MEANINGS
    "greater_than_equal": "is below {ge}",
    "greater_than": "is not above {gt}",
    "less_than_equal": "is above {le}",
    "less_than": "is not below {lt}",
    "literal_error": "is none of {expected}",
}


class Value:
    """The type of a column's values.

    type: for the document of the service. schema: reads JSON, and gives BAD for a refused value.

    Args:
        column: of a pandera schema.
    """

    def __init__(self, column: Any) -> None:
        self._dtype = column.dtype.type
        kind = kind_of(self._dtype)
        self.type = _type(column, kind)
        self._adapter: TypeAdapter[Any] = TypeAdapter(self.type, config=STRICT)
        exact: TypeAdapter[Any] = TypeAdapter(_type(column, kind, exact=True), config=STRICT)
        self.schema = core_schema.with_default_schema(
            exact.core_schema, default=BAD, on_error="default"
        )
        self.read = json_reader(core_schema.list_schema(self.schema))

    def fault(self, value: Any) -> str | None:
        """Return why a value, as parsed from JSON, is refused; None if it is valid."""
        text = to_json(value, inf_nan_mode="constants")
        if self.read(b"[" + text + b"]") != [BAD]:
            return None
        try:
            self._adapter.validate_json(text)
        except InvalidError as error:
            first = error.errors(include_url=False)[0]
            template = ERROR_TEMPLATES.get(first["type"])
            message = template.format(**first.get("ctx", {})) if template else first["msg"]
        else:  # only the nearest value of the column's type is out of bounds
            message = f"is out of bounds as {self._dtype}"
        return f"{message}: {value!r:.60}"


_CORE = CoreConfig(strict=True)


def json_reader(schema: Any) -> Callable[[bytes], Any]:
    """Return a function that reads JSON by a schema of pydantic's core, without changing types."""
    return SchemaValidator(schema, _CORE).validate_json


def object_schema(schemas: dict[str, Any], required: bool) -> Any:
    """Return the schema of an object with these fields; other fields are ignored."""
    fields = {n: core_schema.typed_dict_field(s, required=required) for n, s in schemas.items()}
    return core_schema.typed_dict_schema(fields, extra_behavior="ignore", config=_CORE)


def kind_of(dtype: Any) -> Kind:
    """Return NumPy's type of a column's values: object for texts, M for moments."""
    if isinstance(dtype, pd.DatetimeTZDtype):
        return np.dtype(f"M8[{dtype.unit}]")
    dtype = getattr(dtype, "numpy_dtype", dtype)  # of a nullable type
    return dtype if isinstance(dtype, np.dtype) else np.dtype(object)


def _type(column: Any, kind: Kind, exact: bool = False) -> Any:
    """Return the pydantic type of a value, with the checks of its column.

    exact: bounds of a float are those of the numbers that its type rounds into the contract's.
    """
    given: dict[str, Any] = {}
    for check in column.checks:
        if check.name in BOUNDS:
            statistic, argument = BOUNDS[check.name]
            given[argument] = check.statistics[statistic]
    one: Any = bool if kind.kind == "b" else str
    allowed = _allowed(column)
    if kind.kind == "M":
        bounds = _moment_bounds(kind, given)
        one = Annotated[AwareDatetime, Field(**bounds, strict=False), BeforeValidator(_as_moment)]
    elif kind.kind in "iu":
        bounds = _integer_bounds(kind, given)
        some = [n for n in allowed or [] if bounds["ge"] <= n <= bounds["le"]]
        one = Annotated[int, Field(**bounds)] if allowed is None else Literal[tuple(some)]
        one = Annotated[one, BeforeValidator(_as_integer)]
    elif kind.kind == "f":
        bounds = _rounding_bounds(kind, _feature_bounds(column, given)) if exact else given
        one = Annotated[float, Field(**bounds, allow_inf_nan=False)]
    elif kind.kind == "O" and allowed is not None:
        one = Literal[tuple(allowed)]
    dtype = column.dtype.type  # NumPy's integers can't be missing, whatever the contract says
    may_be_missing = not (isinstance(dtype, np.dtype) and dtype.kind in "iub")
    return one | None if column.nullable and may_be_missing else one


def _allowed(column: Any) -> list[Any] | None:
    """Return the allowed values of a column; None: all."""
    categories = getattr(column.dtype.type, "categories", None)
    some = [] if categories is None else [categories.tolist()]
    some += [list(c.statistics["allowed_values"]) for c in column.checks if c.name == "isin"]
    return [one for one in some[0] if all(one in other for other in some)] if some else None


def _as_integer(value: Any) -> Any:
    """Return 1 for 1.0: pandas writes integers so in a column with missing values."""
    if isinstance(value, bool):  # a literal takes it for 1
        raise PydanticCustomError("whole", "Input should be a valid integer")
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _as_moment(value: Any) -> Any:
    """Refuse a number, which pydantic takes for seconds since 1970."""
    if isinstance(value, str) and value[4:5] == "-":
        return value
    raise PydanticCustomError("moment", "Input should be a moment as in 2013-06-01T12:00:00Z")


def _integer_bounds(kind: Kind, given: dict[str, Any]) -> dict[str, Any]:
    """Return the bounds of integers: the contract's, within those of the type."""
    widest = np.iinfo(kind)
    low = max(widest.min, math.ceil(given.get("ge", widest.min)))
    high = min(widest.max, math.floor(given.get("le", widest.max)))
    low = max(low, math.floor(given.get("gt", low - 1)) + 1)
    high = min(high, math.ceil(given.get("lt", high + 1)) - 1)
    return {"ge": low, "le": high}


def _moment_bounds(kind: Kind, given: dict[str, Any]) -> dict[str, Any]:
    """Return the bounds of moments: the contract's, within those of the type."""
    bounds = {name: pd.Timestamp(value).to_pydatetime() for name, value in given.items()}
    if np.datetime_data(kind)[0] != "ns":
        return bounds
    within = [datetime(1678, 1, 1, tzinfo=UTC), datetime(2262, 1, 1, tzinfo=UTC)]
    return {"ge": within[0], "le": within[1]} | bounds


def _feature_bounds(column: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Return the bounds of a column; a feature also has those of `Table.finite`."""
    if "group" not in (column.metadata or {}):
        return given
    low, high = max(given.get("ge", -LARGEST), -LARGEST), min(given.get("le", LARGEST), LARGEST)
    return {**given, "ge": low, "le": high}


def _rounding_bounds(kind: Kind, given: dict[str, Any]) -> dict[str, float]:
    """Return the bounds of the numbers that a float type rounds into the contract's bounds."""
    limits = np.finfo(kind)
    low, high = limits.min, limits.max
    with np.errstate(over="ignore"):
        bound = {name: kind.type(value) for name, value in given.items()}
        above = np.nextafter(bound["gt"], kind.type(np.inf)) if "gt" in bound else low
        below = np.nextafter(bound["lt"], kind.type(-np.inf)) if "lt" in bound else high
        least, most = max(low, bound.get("ge", low), above), min(high, bound.get("le", high), below)
        return {"ge": -_largest_rounded_to(-least), "le": _largest_rounded_to(most)}


def _largest_rounded_to(value: Any) -> float:
    """Return the largest number of 64 bits that is rounded to a value."""
    step = float(value) - float(np.nextafter(value, type(value)(-np.inf)))
    after = float(np.nextafter(value, type(value)(np.inf)))
    middle = (float(value) + (after if math.isfinite(after) else float(value) + step)) / 2
    return middle if type(value)(middle) <= value else math.nextafter(middle, -math.inf)


def body_type(contract: type[Table], values: dict[str, Value], max_rows: int) -> TypeAdapter[Any]:
    """Return the type of a body, for the document of the service."""
    columns = contract.to_schema().columns
    about = {name: Field(description=_description(column)) for name, column in columns.items()}
    some = Field(min_length=1, max_length=max_rows)
    row = _typed("Row", {n: Annotated[v.type, about[n]] for n, v in values.items()})
    row.__doc__ = contract.__doc__
    lists = {n: Annotated[list[v.type], some, about[n]] for n, v in values.items()}  # type: ignore[name-defined]
    body = {
        "rows": NotRequired[Annotated[list[row], some]],  # type: ignore[valid-type]
        "columns": NotRequired[_typed("Columns", lists)],
    }
    return TypeAdapter(_typed("Body", body, json_schema_extra=ONE_OF))


def _typed(name: str, fields: dict[str, Any], **config: Any) -> Any:
    """Return a TypedDict with exactly these fields."""
    made = TypedDict(name, fields)  # type: ignore[misc]
    made.__pydantic_config__ = STRICT | config  # type: ignore[attr-defined]
    return made


def _description(column: Any) -> str:
    """Return a column's description, with its unit."""
    unit = (column.metadata or {}).get("unit")
    return f"{column.description} ({unit})" if unit else str(column.description)


CHECKED_ON_READ = {"finite", "category_is_text"}  # checks of every table


class TableCheck(NamedTuple):
    """A check of a column, or of the table, that pandera makes."""

    column: str | None
    check: Check

    def broken(self, table: pd.DataFrame) -> pd.Index:
        """Return the rows that break the check; all rows if it does not say which."""
        try:
            result = self.check(table if self.column is None else table[self.column])
        except BrokenRuleError as error:
            return error.args[1]
        except Exception:  # the contract refuses the table too
            return table.index
        passed = result.check_output
        if isinstance(passed, pd.DataFrame):
            passed = passed.all(axis=1)
        if isinstance(passed, pd.Series) and passed.index.isin(table.index).all():
            return passed.index[~passed.astype(bool)]
        return table.index[:0] if result.check_passed else table.index

    def __str__(self) -> str:
        """Return the message for a row that breaks the check."""
        where = f"column {self.column} " if self.column else ""
        return f"{where}breaks the contract: {self.check.error or self.check.name}"


def table_checks(contract: type[Table]) -> Iterator[TableCheck]:
    """Yield the checks that are not made while values are read; a warning refuses nothing."""
    schema = contract.to_schema()
    for name, column in schema.columns.items():
        kind = kind_of(column.dtype.type).kind
        read = {*(BOUNDS if kind in "iufM" else []), *(["isin"] if kind in "iuO" else [])}
        if column.unique:
            unique = Check(lambda s: ~s.duplicated(), error="unique", ignore_na=False)
            yield TableCheck(name, unique)
        for check in column.checks:
            if check.name not in read and not check.raise_warning:
                yield TableCheck(name, check)
    for check in schema.checks:
        needed = (
            contract.known_later()
            if check.name == "has_moment"
            else check.name not in CHECKED_ON_READ
        )
        if needed and not check.raise_warning:
            yield TableCheck(None, check)
