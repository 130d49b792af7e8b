"""The features of decisions that are due, in an SQLite file in which the service looks them up.

The file is never changed, only replaced as a whole, and a reader takes all of it into memory. So
what a reader finds is of one version, and it needs no lock, no open file and no right to write. A
file that is changed in place, with a journal or in WAL mode, would need a reader that writes next
to it, and two look-ups of one request could see two versions. To write it anew each time costs
little: decisions that are over are left out.

A row of features is kept as JSON, in the form in which the service takes rows. So it is read and
checked like a row of a request.
"""

import json
import logging
import sqlite3
import threading
import weakref
from collections.abc import Iterable, Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy.typing as npt
import pandas as pd
from kedro.io import DatasetError
from pydantic_core import from_json, to_json

from preflight.contracts.catalog import Contract, Contracts
from preflight.datasets import ContractDataset
from preflight.errors import RunError
from preflight.files import locked, replacing
from preflight.inference.contracts import KeyedColumns
from preflight.problem.framing import Framing

log = logging.getLogger(__name__)

WRITE_ANEW = "Write it anew: kedro run --pipelines inference"
OWN = list(KeyedColumns.to_schema().columns)  # all other columns are features


def key_upcoming(
    upcoming: pd.DataFrame, framing: Framing, run_version: str, contracts: Contracts
) -> pd.DataFrame:
    """Return the features of the decisions that are due, with what looking them up needs.

    A row is kept until its decision is over and its features are older than the framing allows.

    Grain: one row per decision.
    """
    rows = contracts["upcoming"].empty() if upcoming.empty else upcoming
    over = rows["predict_at"] + pd.Timedelta(minutes=framing.prediction.lead_minutes)
    too_old = rows["moment"] + framing.features_max_age
    return rows.assign(
        run=pd.Series(run_version, rows.index, dtype="str"),
        kept_until=over.where(over > too_old, too_old).dt.as_unit("us"),
    )


class Found(NamedTuple):
    """The features that were found for a key.

    row: key and features as JSON. moment: when they were computed, in microseconds since 1970.
    lacks: values published in advance that are missing. run: the version of the run.
    """

    row: str
    moment: int
    lacks: str
    run: str


class Snapshot:
    """One version of the table in memory, whatever replaces its file.

    Args:
        path: of the file.
        contract: of the table.

    Raises:
        RunError: there is no file, it is damaged, or it has other features than the contract.
    """

    def __init__(self, path: Path, contract: Contract) -> None:
        self._lock = threading.Lock()
        if not path.is_file():
            raise RunError(f"There is no table of features to look up: {path}. {WRITE_ANEW}")
        self._connection = sqlite3.connect(":memory:", check_same_thread=False)
        weakref.finalize(self, self._connection.close)
        try:
            if not (content := path.read_bytes()):
                raise ValueError("it is empty")
            self._connection.deserialize(content)
            about = dict(self._connection.execute("SELECT name, value FROM about"))
            columns, self.version = json.loads(about["columns"]), str(about["version"])
            if about["sha256"] != _digest(self.rows()):
                raise ValueError("its rows have changed since they were written")
        except (sqlite3.Error, ValueError, KeyError, TypeError) as error:
            raise RunError(
                f"The table of features to look up is damaged: {path} ({error}). {WRITE_ANEW}"
            ) from error
        if faults := _compare(columns, _types(contract)):
            raise RunError(
                f"The table of features to look up, {path}, is of other features than the contract "
                f"{contract.__name__}: {'; '.join(faults)}. {WRITE_ANEW}, with the same code as "
                "that which reads it"
            )
        wanted = " AND ".join(f"{_quoted(name)} = ?" for name in contract.grain())
        self._find = f"SELECT row, moment, lacks, run FROM features WHERE {wanted}"

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Yield the rows as in the file, in the order of the key."""
        yield from self._connection.execute("SELECT * FROM features")

    def find(self, key: tuple[Any, ...]) -> Found | None:
        """Return the features of a key, given as `key_values` has it; None: there are none."""
        with self._lock:  # requests in other threads share the connection
            found = self._connection.execute(self._find, key).fetchone()
        return found and Found(*found)


class KeyedFeatures(ContractDataset):
    """Features by key. Saving adds rows, and leaves out those that need not be kept any longer.

    Of a key that is there already, the row of the later `moment` stays. A file that can't be read,
    or has other features, is replaced.

    Args:
        contract: path of the class of the table, whose key finds a row.
    """

    def load(self) -> pd.DataFrame:
        """Return the table, in the order of the key.

        Raises:
            DatasetError: there is no file, it is damaged, or it has other features.
        """
        try:
            return _as_table(self.open().rows(), self._schema)
        except RunError as error:
            raise DatasetError(str(error)) from error

    def save(self, data: pd.DataFrame) -> None:
        """Replace the file by one with the new rows, and the old ones that are still needed."""
        key = self._schema.grain()
        with locked(self._filepath, wait=True):  # or a run that saves at the same time is lost
            old = self._read_old()
            if old is not None and data.empty:
                return  # no decision is due, and nothing says which moment it is
            rows = data if old is None else pd.concat([old, data], ignore_index=True)
            needed = rows[~(rows["kept_until"] <= rows["moment"].max())]
            last = needed.sort_values("moment", kind="stable").drop_duplicates(key, keep="last")
            version = data["run"].iloc[-1] if len(data) else ""
            made = _make_file(last, str(version), self._schema)
            with replacing(self._filepath, "wb") as file:
                file.write(made)

    def _read_old(self) -> pd.DataFrame | None:
        """Return the rows that are there; None if there is no file that can be used."""
        try:
            return self.load()
        except DatasetError as error:
            if self._exists():
                log.warning("  inference: %s. It is replaced now", error)
            return None

    def _exists(self) -> bool:
        return self._filepath.is_file()

    def open(self) -> Snapshot:
        """Return the table as it is now, to look up keys; raise RunError if it can't be used."""
        return Snapshot(self._filepath, self._schema)

    def stamp(self) -> tuple[int, ...] | None:
        """Return what differs between two files that had this path; None: there is no file."""
        try:
            state = self._filepath.stat()
        except FileNotFoundError:
            return None
        return state.st_ino, state.st_mtime_ns, state.st_size


def key_values(columns: Iterable[npt.NDArray[Any]]) -> list[tuple[Any, ...]]:
    """Return keys as the table has them: of moments the microseconds since 1970.

    columns: of the key, in their order; moments in UTC, without their zone.
    """
    values = (one.astype("M8[us]") if one.dtype.kind == "M" else one for one in columns)
    # SQLite's integers have a sign: those of 64 bits without one keep their bits
    plain = (one.astype("int64") if one.dtype.kind in "Mu" else one for one in values)
    return list(zip(*(one.tolist() for one in plain), strict=True))


def _make_file(table: pd.DataFrame, version: str, contract: Contract) -> bytes:
    """Return the content of the file of a table."""
    key, types = contract.grain(), _types(contract)
    values = table[list(types)].astype(object)
    rows = values.where(values.notna(), None).to_dict("records")
    others = key_values(_plain(table[name]) for name in [*key, *OWN])
    every = [(*other, to_json(row).decode()) for other, row in zip(others, rows, strict=True)]
    named, found = (", ".join(map(_quoted, names)) for names in (key, [*key, *OWN, "row"]))
    with closing(sqlite3.connect(":memory:")) as made:
        made.execute(f"CREATE TABLE features ({found}, PRIMARY KEY ({named}))")
        made.execute("CREATE TABLE about (name, value)")
        places = ", ".join("?" * (len(key) + len(OWN) + 1))
        made.executemany(f"INSERT INTO features VALUES ({places})", sorted(every))
        digest = _digest(made.execute("SELECT * FROM features"))
        about = {"version": version, "columns": json.dumps(types), "sha256": digest}
        made.executemany("INSERT INTO about VALUES (?, ?)", about.items())
        made.commit()
        return made.serialize()


def _as_table(rows: Iterable[tuple[Any, ...]], contract: Contract) -> pd.DataFrame:
    """Return the rows of a file as a table of the contract."""
    declared = contract.to_schema().columns
    every = list(rows)
    values = from_json("[" + ",".join(row[-1] for row in every) + "]")
    first = len(contract.grain())  # of the table's own columns
    for value, row in zip(values, every, strict=True):
        value.update(zip(OWN, row[first:-1], strict=True))
    table = pd.DataFrame(values, columns=[*declared])
    for name, column in declared.items():
        if isinstance(column.dtype.type, pd.DatetimeTZDtype):
            given = {"unit": "us"} if name in OWN else {"format": "ISO8601"}
            table[name] = pd.to_datetime(table[name], utc=True, **given)  # type: ignore[call-overload]
    return table.astype({name: column.dtype.type for name, column in declared.items()})


def _plain(values: pd.Series) -> npt.NDArray[Any]:
    """Return a column as NumPy has it: moments in UTC without their zone, categories as texts."""
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return values.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
    return values.to_numpy(object if isinstance(values.dtype, pd.CategoricalDtype) else None)


def _types(contract: Contract) -> dict[str, str]:
    """Return the type of key and features, by name."""
    columns = contract.to_schema().columns
    return {name: str(one.dtype.type) for name, one in columns.items() if name not in OWN}


def _compare(found: dict[str, str], declared: dict[str, str]) -> list[str]:
    """Return how columns differ from those that are declared."""
    says = [f"column {name} is missing" for name in declared if name not in found]
    says += [f"column {name} is not in the contract" for name in found if name not in declared]
    return says + [
        f"column {name} is {found[name]}, not {declared[name]}"
        for name in declared
        if found.get(name, declared[name]) != declared[name]
    ]


def _digest(rows: Iterable[tuple[Any, ...]]) -> str:
    """Return the SHA-256 of rows, in their order."""
    digest = sha256()
    for row in rows:
        digest.update(repr(row).encode())
    return digest.hexdigest()


def _quoted(name: str) -> str:
    """Return the name of a column as SQL has it."""
    return '"' + name.replace('"', '""') + '"'
