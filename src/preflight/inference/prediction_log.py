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


class PredictionLog(ReadOnlyDataset):
    """Predictions that were given: Parquet files in a folder a day, by the UTC day of `moment`.

    A file is put in its place whole and never changed, so a crash leaves nothing half-written. Rows
    that are there already are not added: same decision, moment and model.

    Args:
        contract: path of the class with the key that tells one row from another.
    """

    def __init__(
        self, filepath: str, contract: str, metadata: dict[str, Any] | None = None
    ) -> None:
        super().__init__(filepath, metadata)
        self._contract = contract

    @property
    def _key(self) -> list[str]:
        key: list[str] = load_obj(self._contract).grain()
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
            there = [_keys(pd.read_parquet(file, columns=key), key) for file in near]
            new = rows[
                ~np.isin(_keys(rows, key), np.concatenate([_keys(rows.iloc[:0], key), *there]))
            ]
            if len(new):
                _add(folder, new)

    def compact(self) -> int:
        """Put the files of each day that is over into one, and return how many are gone.

        The one is there before the others go: what a crash leaves twice is read once.
        """
        gone = 0
        for folder in sorted(self._filepath.glob("day=*")):
            files = sorted(folder.glob("*.parquet"))
            if folder.name < f"day={pd.Timestamp.now('UTC'):%Y-%m-%d}" and len(files) > 1:
                _add(folder, _read_all(files, self._key))
                for file in files:
                    file.unlink()
                gone += len(files)
        return gone

    def _exists(self) -> bool:
        return any(self._filepath.glob("day=*/*.parquet"))


def _read_all(files: list[Path], key: list[str]) -> pd.DataFrame:
    """Return the rows of all files, each once, in the order of `moment`."""
    parts = [pd.read_parquet(file) for file in files]
    categories = parts[0].select_dtypes("category").columns
    rows = pd.concat(parts).astype(dict.fromkeys(categories, "category"))
    new = ~pd.Series(_keys(rows, key), rows.index).duplicated().to_numpy()  # two wrote at once
    return rows[new].sort_values("moment", kind="stable", ignore_index=True)


def _add(folder: Path, rows: pd.DataFrame) -> None:
    """Write rows of a day to a file that is there whole or not at all."""
    whole = folder / f"{'-'.join(_span(rows))}-{uuid4().hex}.parquet"
    with replacing(whole, "wb") as file:
        rows.to_parquet(file, compression="zstd", index=False)


def _span(rows: pd.DataFrame) -> tuple[str, str]:
    """Return the first and last time of day of some rows, as a file's name has them."""
    first, last = rows["moment"].min(), rows["moment"].max()
    return f"{first:%H%M%S%f}", f"{last:%H%M%S%f}"


def _overlapping(folder: Path, first: str, last: str) -> list[Path]:
    """Return the files with moments between two of a day, by their names."""
    spans = {file: file.name.split("-") for file in folder.glob("*.parquet")}
    return [file for file, (start, end, _) in spans.items() if start <= last and first <= end]


def _keys(rows: pd.DataFrame, key: list[str]) -> npt.NDArray[Any]:
    """Return a number for each row that tells it from others, shape (n,)."""
    return pd.util.hash_pandas_object(rows[key], index=False).to_numpy()
