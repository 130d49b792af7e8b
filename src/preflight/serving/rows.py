"""Rows as the service takes them: types, ranges and words come from the contract of a table."""

from collections.abc import Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import AwareDatetime, ConfigDict, Field, StringConstraints, TypeAdapter, create_model
from pydantic import ValidationError as InvalidError
from pydantic_core import from_json, to_json
from typing_extensions import TypedDict

from preflight.contracts.table import Table

STRICT = ConfigDict(strict=True, extra="forbid")
Row = dict[str, Any]
Faults = dict[int | None, list[str]]  # of each row; None: of the body as a whole

SAID_OF = 100  # rows whose faults are told
BOUNDS = {  # pandera's name of a check: its statistic, and pydantic's name
    "greater_than_or_equal_to": ("min_value", "ge"),
    "greater_than": ("min_value", "gt"),
    "less_than_or_equal_to": ("max_value", "le"),
    "less_than": ("max_value", "lt"),
}
WIDEST: dict[str, dict[str, Any]] = {  # what a table can hold, by kind of type; m: moments
    "f": {"ge": -3e38, "le": 3e38},
    "i": {"ge": -(2**31), "le": 2**31 - 1},
    "m": {"ge": datetime(1900, 1, 1, tzinfo=UTC), "le": datetime(2200, 1, 1, tzinfo=UTC)},
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


class Rows:
    """Reads and checks the body of a request, and makes a table of it.

    Args:
        contract: of the table; a value that may be missing is null.
        most: rows of one request.
    """

    def __init__(self, contract: type[Table], most: int) -> None:
        schema = contract.to_schema()
        self._key = contract.grain()
        self.dtypes = {name: column.dtype.type for name, column in schema.columns.items()}
        fields = {name: _field(column) for name, column in schema.columns.items()}
        one = TypedDict("Row", fields)  # type: ignore[misc]
        one.__doc__ = contract.__doc__
        one.__pydantic_config__ = STRICT  # type: ignore[attr-defined]
        some = Annotated[list[one], Field(min_length=1, max_length=most)]
        body = create_model("Body", __config__=STRICT, rows=(some, ...))
        self._body = TypeAdapter(body)

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of a body and of a row, with descriptions, units and ranges."""
        body = self._body.json_schema(ref_template="#/components/schemas/{model}")
        return {**body.pop("$defs"), "Body": body}

    def read(self, body: bytes) -> tuple[dict[int, Row], Faults]:
        """Return the good rows by their numbers in the body, and the faults of the others.

        There are no good rows if the body as a whole has a fault.
        """
        faults: Faults = {}
        try:
            good = dict(enumerate(self._rows_of(body)))
        except InvalidError as error:
            faults = _faults(error)
            if None in faults:
                return {}, faults
            some = {i: row for i, row in enumerate(from_json(body)["rows"]) if i not in faults}
            if not some:
                return {}, faults
            again = self._rows_of(to_json({"rows": list(some.values())}))
            good = dict(zip(some, again, strict=True))
        seen: set[tuple[Any, ...]] = set()
        for i, row in list(good.items()) if len(good) > 1 else []:
            key = tuple(row[name] for name in self._key)
            if key in seen:
                faults[i] = [f"key {', '.join(self._key)} is not unique"]
                del good[i]
            seen.add(key)
        return good, faults

    def _rows_of(self, body: bytes) -> list[Row]:
        return self._body.validate_json(body).rows  # type: ignore[attr-defined]

    def table(self, rows: Sequence[Row]) -> pd.DataFrame:
        """Return rows as the table that the contract describes."""
        columns: dict[str, Any] = {}
        for name, dtype in self.dtypes.items():
            values = list(map(itemgetter(name), rows))
            if isinstance(dtype, pd.CategoricalDtype):
                columns[name] = pd.Categorical(values)
            elif isinstance(dtype, pd.DatetimeTZDtype):
                columns[name] = pd.to_datetime(values, utc=True).as_unit(dtype.unit)
            else:
                columns[name] = np.array(values, dtype=dtype)
        return pd.DataFrame(columns, copy=False)


def _field(column: Any) -> Any:
    """Return the type of a value with what the contract says of it."""
    dtype, metadata = column.dtype.type, column.metadata or {}
    unit = f" ({metadata['unit']})" if "unit" in metadata else ""
    kind = (
        "m" if isinstance(dtype, pd.DatetimeTZDtype) else np.dtype(getattr(dtype, "kind", "O")).kind
    )
    bounds: dict[str, Any] = dict(WIDEST.get(kind, {}))
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
    elif kind == "m":
        one = Annotated[AwareDatetime, Field(**bounds)]
    elif kind == "i":
        one = Annotated[int, Field(**bounds)]
    elif kind == "f":
        one = Annotated[float, Field(**bounds, allow_inf_nan=False)]
    elif kind == "b":
        one = bool
    else:
        one = Annotated[str, StringConstraints(max_length=200)]
    described = Field(description=f"{column.description}{unit}")
    return Annotated[one | None, described] if column.nullable else Annotated[one, described]


def _faults(error: InvalidError) -> Faults:
    """Return what is wrong, by row, in words."""
    faults: Faults = {}
    for one in error.errors(include_url=False):
        where = one["loc"]
        whole = len(where) < 2 or where[0] != "rows"
        row, column = (None, "") if whole else (int(where[1]), "".join(map(str, where[2:3])))
        if row not in faults and len(faults) >= SAID_OF and row is not None:
            faults[row] = []
            continue
        ours = WORDS.get(one["type"])
        said = ours.format(**one.get("ctx", {})) if ours else one["msg"]
        found = one["input"]
        value = f": {found!r:.60}" if one["type"] not in {"missing", "extra_forbidden"} else ""
        name = f"column {column} " if column else f"{'.'.join(map(str, where))} ".lstrip()
        faults.setdefault(row, []).append(f"{name}{said}{'' if row is None else value}")
    return faults
