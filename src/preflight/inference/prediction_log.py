"""The log of predictions: Parquet files in a folder a day."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import pandas as pd
from kedro.io import DatasetError
from pandera.errors import SchemaError
from pyarrow import concat_tables
from pyarrow.parquet import ParquetFile, read_metadata

from preflight.contracts.catalog import Contract
from preflight.datasets import ContractDataset
from preflight.errors import RunError
from preflight.files import replacing
from preflight.inference.contracts import LOG_VERSION
from preflight.inference.experiment import DRAWN, Design, assign
from preflight.problem.framing import Framing

_NO_KEYS = np.empty(0, np.uint64)
Bools = npt.NDArray[np.bool_]
Days = Mapping[str, Callable[[], pd.DataFrame]]  # parts of the log, by their first day


def log_rows(
    answered: pd.DataFrame, framing: Framing, source: str, designs: Iterable[Design] = ()
) -> pd.DataFrame:
    """Return features with their answers as rows of the log, of batch inference or the service.

    designs: of experiments, which give the unit and the variant of decisions that have none yet.
    """
    known = framing.prediction.label_delay
    return answered.assign(
        source=source,
        label_due_at=(answered["predict_at"] + known).dt.as_unit("us"),
        **(answered[DRAWN] if set(DRAWN) <= {*answered} else assign(answered, designs, framing)),
        features_run=answered.get("features_run", pd.Series(None, answered.index, dtype="str")),
        untouched=answered["untouched"].astype("boolean"),
        log_version=pd.Series(LOG_VERSION, answered.index, dtype="Int16"),
    )


class PredictionLog(ContractDataset):
    """Predictions that were made: Parquet files in one folder per UTC day of `moment`.

    A file is written whole, and only replaced as a whole, so a crash leaves no partial file. A row
    is added once: rows with the same decision, moment and model are skipped.

    Args:
        contract: path of the class whose key identifies a row.
    """

    @property
    def _key(self) -> list[str]:
        return self._schema.grain()

    def load(self) -> Any:
        """Return all rows, in the order of `moment`, with the columns of the contract.

        A file that is older than a column has null there; a column that is no longer in the
        contract stays in its file.

        Raises:
            DatasetError: there are no rows, or a file is damaged.
        """
        files = sorted(self._filepath.glob("day=*/*.parquet"))
        if not files:
            raise DatasetError(f"nothing was predicted yet: {self._filepath} has no rows")
        return self._read(files)

    def _read(self, files: list[Path]) -> pd.DataFrame:
        return _conform(_read_all(files, self._key), self._schema)

    def save(self, data: pd.DataFrame) -> None:
        """Add the rows that are not there yet."""
        key = self._key
        for day, rows in data.groupby(data["moment"].dt.strftime("%Y-%m-%d")):
            folder = self._filepath / f"day={day}"
            near = _overlapping(folder, *_span(rows))
            logged = [hash_keys(_read_file(file, key), key) for file in near]
            new = rows[~np.isin(hash_keys(rows, key), np.concatenate([_NO_KEYS, *logged]))]
            if len(new):
                _write_new(folder, new)

    def compact(self) -> int:
        """Merge the files of each past day into one, and return how many files were removed.

        The merged file is written before the others are removed: rows that a crash leaves twice
        are read once.
        """
        removed = 0
        for folder in sorted(self._filepath.glob("day=*")):
            files = sorted(folder.glob("*.parquet"))
            if folder.name < f"day={pd.Timestamp.now('UTC'):%Y-%m-%d}" and len(files) > 1:
                _write_new(folder, _read_all(files, self._key))
                for file in files:
                    file.unlink()
                removed += len(files)
        return removed

    def find(self, before: pd.Timestamp | None, where: Mapping[str, str]) -> dict[Path, Bools]:
        """Return the files with rows that `delete` is to remove, and which rows these are.

        Args:
            before: only rows with an earlier `moment`.
            where: only rows with these values, as text, in these columns of the key.

        Raises:
            RunError: a column is not in the key, so older rows may not have it.
        """
        if unknown := [name for name in where if name not in self._key]:
            raise RunError(f"{unknown[0]} is not in the key of the log: {', '.join(self._key)}.")
        found = {}
        for file in sorted(self._filepath.glob("day=*/*.parquet")):
            rows = _read_file(file, ["moment", *where])
            selected = np.full(len(rows), True) if before is None else (rows["moment"] < before)
            for name, value in where.items():
                selected = selected & (rows[name].astype(str) == value)
            if selected.any():
                found[file] = np.asarray(selected)
        return found

    def delete(self, found: Mapping[Path, Bools]) -> None:
        """Remove rows for good; a file that keeps rows is written again before it is removed."""
        for file, rows in found.items():
            if not rows.all():
                _write_new(file.parent, _read_file(file)[~rows])
            file.unlink()

    def _exists(self) -> bool:
        return any(self._filepath.glob("day=*/*.parquet"))


class LoggedDays(PredictionLog):
    """The same log, read in parts of whole days: a year fits into memory a part at a time.

    Args:
        part_rows: of the days that are read together; a larger day is read alone.
    """

    def __init__(
        self,
        filepath: str,
        contract: str,
        metadata: dict[str, Any] | None = None,
        part_rows: int = 25_000,
    ) -> None:
        super().__init__(filepath, contract, metadata)
        self._part_rows = part_rows

    def load(self) -> dict[str, Callable[[], pd.DataFrame]]:
        """Return a function for each part that reads its rows, oldest first; no rows: empty.

        A part is named for its first UTC day. To check a small day takes as long as to check a
        month of them, so days are read together.
        """
        parts: dict[str, list[Path]] = {}
        rows = self._part_rows
        for folder in sorted(self._filepath.glob("day=*")):
            files = sorted(folder.glob("*.parquet"))
            count = sum(map(_count_rows, files))
            if files and rows + count > self._part_rows:
                name, rows = folder.name.removeprefix("day="), 0
                parts[name] = []
            if files:
                parts[name] += files
                rows += count
        return {name: partial(self._checked, files) for name, files in parts.items()}

    def _checked(self, files: list[Path]) -> pd.DataFrame:
        """Return the rows of files; raise DatasetError that names one that breaks the contract."""
        try:
            return self._schema.validate(self._read(files))
        except (SchemaError, TypeError) as error:  # types of one file differ from those of others
            if len(files) > 1:
                for file in files:
                    self._checked([file])
                raise
            raise DatasetError(
                f"A file of the prediction log breaks its contract {self._contract}: {files[0]}: "
                f"{error}. Restore it from a backup, or move it out of the log, which then lacks "
                "its predictions."
            ) from error


def _conform(rows: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    """Return rows with the columns of the contract, null where they were not written yet."""
    declared = contract.to_schema().columns
    of_costs = [name for name, column in declared.items() if column.regex]
    known = [n for n in rows if n in declared or any(re.match(one, str(n)) for one in of_costs)]
    lacking = {
        name: pd.Series(None, rows.index, dtype=column.dtype.type)
        for name, column in declared.items()
        if column.required and column.nullable and name not in rows
    }
    return rows[known].assign(**lacking)


def _read_all(files: list[Path], key: list[str]) -> pd.DataFrame:
    """Return the rows of all files, each once, in the order of `moment`."""
    tables = [_read_table(file, key) for file in files]
    # those with the same columns are joined first: pandas takes as long for one as for all
    alike = [[*some] for _, some in groupby(tables, lambda table: table.schema)]
    parts = [concat_tables(some).to_pandas() for some in alike]
    categories = {name for part in parts for name in part.select_dtypes("category")}
    rows = pd.concat(parts).astype(dict.fromkeys(categories, "category"))
    first = ~pd.Series(hash_keys(rows, key)).duplicated().to_numpy()  # two wrote at once
    return rows[first].sort_values("moment", kind="stable", ignore_index=True)


def _count_rows(file: Path) -> int:
    """Return the number of rows of a file; raise DatasetError if it is damaged."""
    with _naming(file):
        rows: int = read_metadata(file).num_rows
    return rows


def _read_table(file: Path, key: list[str]) -> Any:
    """Return the rows of a file as an Arrow table; raise DatasetError if it is damaged."""
    with _naming(file), ParquetFile(file) as opened:
        if lacking := [name for name in key if name not in opened.schema_arrow.names]:
            raise ValueError(f"it has no column {', '.join(lacking)}")
        return opened.read()


def _read_file(file: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Return the rows of a file; raise DatasetError if it is damaged."""
    with _naming(file):
        return pd.read_parquet(file, columns=columns)


@contextmanager
def _naming(file: Path) -> Iterator[None]:
    """Raise DatasetError with the name of a damaged file."""
    try:
        yield
    except (ValueError, OSError) as error:
        if getattr(error, "errno", None):  # of the system, such as a missing right
            raise
        raise DatasetError(
            f"A file of the prediction log is damaged: {file} ({str(error).rstrip('.')}). Restore "
            "it from a backup, or move it out of the log, which then lacks its predictions."
        ) from error


def _write_new(folder: Path, rows: pd.DataFrame) -> None:
    """Write rows of a day to a new file."""
    whole = folder / f"{'-'.join(_span(rows))}-{uuid4().hex}.parquet"
    with replacing(whole, "wb") as file:
        rows.to_parquet(file, compression="zstd", index=False)


def _span(rows: pd.DataFrame) -> tuple[str, str]:
    """Return the first and last time of day of some rows, as in the name of their file."""
    first, last = rows["moment"].min(), rows["moment"].max()
    return f"{first:%H%M%S%f}", f"{last:%H%M%S%f}"


def _overlapping(folder: Path, first: str, last: str) -> list[Path]:
    """Return the files of a day whose names span any time between two."""
    spans = {file: file.name.split("-") for file in folder.glob("*.parquet")}
    return [file for file, (start, end, _) in spans.items() if start <= last and first <= end]


def hash_keys(rows: pd.DataFrame, key: list[str]) -> npt.NDArray[Any]:
    """Return a hash of each row's key, shape (n,)."""
    return pd.util.hash_pandas_object(rows[key], index=False).to_numpy()
