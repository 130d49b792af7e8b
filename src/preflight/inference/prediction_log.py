"""The log of predictions: Parquet files in a folder a day."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import pandas as pd
from kedro.io import DatasetError
from kedro.utils import load_obj

from preflight.datasets import ReadOnlyDataset
from preflight.files import replacing

_NO_KEYS = np.empty(0, np.uint64)


class PredictionLog(ReadOnlyDataset):
    """Predictions that were made: Parquet files in one folder per UTC day of `moment`.

    A file is written whole and never changed, so a crash leaves no partial file. A row is added
    once: rows with the same decision, moment and model are skipped.

    Args:
        contract: path of the class whose key identifies a row.
    """

    def __init__(
        self, filepath: str, contract: str, metadata: dict[str, Any] | None = None
    ) -> None:
        super().__init__(filepath, metadata)
        self._contract = contract

    @property
    def _key(self) -> list[str]:
        key: list[str] = load_obj(self._contract).grain()  # late: the class imports this package
        return key

    def load(self) -> pd.DataFrame:
        """Return all rows, in the order of `moment`; raise DatasetError if there are none."""
        files = sorted(self._filepath.glob("day=*/*.parquet"))
        if not files:
            raise DatasetError(f"nothing was predicted yet: {self._filepath} has no rows")
        return _read_all(files, self._key)

    def save(self, data: pd.DataFrame) -> None:
        """Add the rows that are not there yet."""
        key = self._key
        for day, rows in data.groupby(data["moment"].dt.strftime("%Y-%m-%d")):
            folder = self._filepath / f"day={day}"
            near = _overlapping(folder, *_span(rows))
            logged = [_hash_keys(_read_file(file, key), key) for file in near]
            new = rows[~np.isin(_hash_keys(rows, key), np.concatenate([_NO_KEYS, *logged]))]
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

    def _exists(self) -> bool:
        return any(self._filepath.glob("day=*/*.parquet"))


def _read_all(files: list[Path], key: list[str]) -> pd.DataFrame:
    """Return the rows of all files, each once, in the order of `moment`."""
    parts = [_read_file(file) for file in files]
    categories = parts[0].select_dtypes("category").columns
    rows = pd.concat(parts).astype(dict.fromkeys(categories, "category"))
    first = ~pd.Series(_hash_keys(rows, key)).duplicated().to_numpy()  # two wrote at once
    return rows[first].sort_values("moment", kind="stable", ignore_index=True)


def _read_file(file: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Return the rows of a file; raise DatasetError if it is damaged."""
    try:
        return pd.read_parquet(file, columns=columns)
    except (ValueError, OSError) as error:
        if getattr(error, "errno", None):  # of the system, such as a missing right
            raise
        raise DatasetError(
            f"A file of the prediction log is damaged: {file}. Restore it from a backup, or move "
            "it out of the log, which then lacks its predictions."
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


def _hash_keys(rows: pd.DataFrame, key: list[str]) -> npt.NDArray[Any]:
    """Return a hash of each row's key, shape (n,)."""
    return pd.util.hash_pandas_object(rows[key], index=False).to_numpy()
