"""Datasets that Kedro's own do not quite provide."""

import logging
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import pandas as pd
from kedro.io import AbstractDataset, DataCatalog, DatasetError
from kedro.utils import load_obj
from kedro_datasets._typing import TablePreview
from kedro_datasets.pandas import CSVDataset, ParquetDataset

from preflight import champion, model_file
from preflight.contracts import predictions
from preflight.contracts.table import RawTable
from preflight.files import json_object, replacing

log = logging.getLogger(__name__)

KEY = predictions.PredictionLog.grain()


def read_by_contract(catalog: DataCatalog) -> None:
    """Let CSV datasets with a raw contract read by its types; their own `load_args` go first."""
    for name, spec in catalog.validator_specs.items():
        contract = load_obj(spec.class_path)
        converts = spec.enabled and spec.severity == "error" and "load" in spec.on
        if not (converts and isinstance(contract, type) and issubclass(contract, RawTable)):
            continue
        if isinstance(dataset := catalog.get(name), CSVDataset):
            dataset._load_args = contract.read_args(dataset._load_args)


class ParquetTable(ParquetDataset):  # type: ignore[misc]
    """A Parquet file whose preview shows a missing moment as an empty cell.

    Kedro-Viz 12.5 stops with "'float' object cannot be interpreted as an integer" on pandas' NaT.
    """

    def preview(self, nrows: int = 5) -> TablePreview:
        """Return the first rows as Kedro-Viz wants them, by columns and rows."""
        table = super().preview(nrows)
        rows = table["data"]
        table["data"] = [[None if cell is pd.NaT else cell for cell in row] for row in rows]
        return table


class AtPath(AbstractDataset[Any, Any]):
    """What lies at a path, and is only read unless a class says how it is written.

    Args:
        filepath: of the file or folder.
        metadata: for Kedro-Viz.
    """

    def __init__(self, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    def save(self, data: Any) -> None:
        """Refuse."""
        raise DatasetError(f"{self._filepath} is only read")

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}


class Champion(AtPath):
    """The model that a pointer names, and None as long as there is none.

    Args:
        trusted: types that may be in the model's file besides those that skops knows.
    """

    def __init__(
        self, filepath: str, trusted: list[str], metadata: dict[str, Any] | None = None
    ) -> None:
        super().__init__(filepath, metadata)
        self._trusted = trusted
        self._loaded: Path | None = None

    def load(self) -> Any:
        """Return the model, with its version in the provenance, or None."""
        promoted = champion.current(self._filepath)
        if promoted is None:
            return None
        self._loaded = champion.file_of(self._filepath, promoted)
        with self._loaded.open("rb") as file:
            bundle = model_file.load(file, self._trusted)
        bundle["provenance"]["version"] = promoted.version
        return bundle

    def save(self, data: Any) -> None:
        """Refuse: there is a gate before it."""
        raise DatasetError("the champion is changed by: kedro run --pipelines deployment")

    def _get_load_path(self) -> Path:
        """Return the file that was loaded, for the run's manifest: by now another may be named."""
        return self._loaded or Path()

    def _exists(self) -> bool:
        return self._loaded is not None or champion.current(self._filepath) is not None


class Promotion(AtPath):
    """The champion's pointer: what is saved becomes the champion, unless another came first."""

    def load(self) -> Any:
        """Return the champion as it was promoted; raise DatasetError if there is none."""
        promoted = champion.current(self._filepath)
        if promoted is None:
            raise DatasetError("there is no champion yet: kedro run --pipelines deployment")
        return promoted.model_dump()

    def save(self, data: dict[str, Any]) -> None:
        """Change the pointer in one step."""
        champion.promote(self._filepath, champion.Promoted.model_validate(data))


class PredictionLog(AtPath):
    """Predictions that were given: Parquet files in a folder a day, by the UTC day of `moment`.

    A file is put in its place whole and never changed, so a crash leaves nothing half-written. Rows
    that are there already are not added: same decision, moment and model.
    """

    def load(self) -> pd.DataFrame:
        """Return all rows, in the order of `moment`; raise DatasetError if there are none."""
        files = sorted(self._filepath.glob("day=*/*.parquet"))
        if not files:
            raise DatasetError(f"nothing was predicted yet: {self._filepath} has no rows")
        return _together(files)

    def save(self, data: pd.DataFrame) -> None:
        """Add the rows that are not there yet."""
        for day, rows in data.groupby(data["moment"].dt.strftime("%Y-%m-%d")):
            folder = self._filepath / f"day={day}"
            near = _overlapping(folder, *_span(rows))
            there = [_keys(pd.read_parquet(file, columns=KEY)) for file in near]
            new = rows[~np.isin(_keys(rows), np.concatenate([_keys(rows.iloc[:0]), *there]))]
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
                _add(folder, _together(files))
                for file in files:
                    file.unlink()
                gone += len(files)
        return gone

    def _exists(self) -> bool:
        return any(self._filepath.glob("day=*/*.parquet"))


def _together(files: list[Path]) -> pd.DataFrame:
    """Return the rows of all files, each once, in the order of `moment`."""
    parts = [pd.read_parquet(file) for file in files]
    categories = parts[0].select_dtypes("category").columns
    rows = pd.concat(parts).astype(dict.fromkeys(categories, "category"))
    new = ~pd.Series(_keys(rows), rows.index).duplicated().to_numpy()  # two wrote at once
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


def _keys(rows: pd.DataFrame) -> npt.NDArray[Any]:
    """Return a number for each row that tells it from others, shape (n,)."""
    return pd.util.hash_pandas_object(rows[KEY], index=False).to_numpy()


class Folder(AtPath):
    """A folder, for what needs to look into its files."""

    def load(self) -> Path:
        """Return its path."""
        return self._filepath


class StudyStorage(AtPath):
    """Where Optuna keeps its studies, as the URL that it wants.

    Args:
        filepath: of an SQLite file, made when it is first used.
        url: of a database, such as "postgresql://...", for several machines; goes before the file.
    """

    def __init__(self, filepath: str, url: str | None = None) -> None:
        super().__init__(filepath)
        self._url = url

    def load(self) -> str:
        """Return the URL."""
        if self._url is None:
            self._filepath.parent.mkdir(parents=True, exist_ok=True)
        return self._url or f"sqlite:///{self._filepath.as_posix()}"


class KeptVersions(AtPath):
    """All versions of a JSON dataset that are on disk, the oldest first; none if there is none."""

    def load(self) -> list[dict[str, Any]]:
        """Return the documents; leave out, with a warning, a file that holds no JSON object."""
        documents = {path: json_object(path) for path in sorted(self._filepath.glob("*/*.json"))}
        for path in (path for path, document in documents.items() if document is None):
            log.warning("%s is left out: it is broken. Restore or delete the file.", path)
        return [document for document in documents.values() if document is not None]
