"""Small datasets that Kedro lacks: read-only paths, all versions, Optuna's storage."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from kedro.io import AbstractDataset, DatasetError
from kedro.utils import load_obj
from kedro_datasets._typing import TablePreview
from kedro_datasets.json import JSONDataset
from kedro_datasets.pandas import ParquetDataset

from preflight.files import json_object

log = logging.getLogger(__name__)


class ParquetTable(ParquetDataset):  # type: ignore[misc]
    """A Parquet file whose preview shows a missing moment as an empty cell.

    Kedro-Viz 12.5 stops with "'float' object cannot be interpreted as an integer" on pandas' NaT.
    """

    def preview(self, nrows: int = 5) -> TablePreview:
        """Return the first rows in the form of Kedro-Viz: columns and rows."""
        table = super().preview(nrows)
        rows = table["data"]
        table["data"] = [[None if cell is pd.NaT else cell for cell in row] for row in rows]
        return table


class DeferredTable(ParquetTable):
    """A Parquet file that takes no memory until it is needed: it loads as a function."""

    def load(self) -> Callable[[], pd.DataFrame]:
        """Return a function that reads the table."""
        return super().load


class OptionalJson(JSONDataset):  # type: ignore[misc]
    """A JSON file that is None as long as it is not there."""

    def load(self) -> Any:
        """Return the document, or None."""
        return super().load() if self.exists() else None


class LatestJson(JSONDataset):  # type: ignore[misc]
    """A JSON file that keeps the document with the latest `moment`, whatever is saved after it."""

    def save(self, data: dict[str, Any]) -> None:
        """Replace the file, unless its document is of a later moment."""
        kept = json_object(Path(self._filepath))
        if kept is None or pd.Timestamp(kept["moment"]) <= pd.Timestamp(data["moment"]):
            super().save(data)


class ReadOnlyDataset(AbstractDataset[Any, Any]):
    """A file or folder that is only read, unless a subclass defines `save`.

    Args:
        filepath: of the file or folder.
        metadata: for Kedro-Viz.
    """

    def __init__(self, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    def save(self, data: Any) -> None:
        """Raise DatasetError."""
        raise DatasetError(f"{self._filepath} is only read")

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}


class ContractDataset(ReadOnlyDataset):
    """Files whose dataset itself needs the contract of the rows.

    Args:
        filepath: of the file or folder.
        contract: path of the class of the contract.
        metadata: for Kedro-Viz.
    """

    def __init__(
        self, filepath: str, contract: str, metadata: dict[str, Any] | None = None
    ) -> None:
        super().__init__(filepath, metadata)
        self._contract = contract

    @property
    def _schema(self) -> Any:
        return load_obj(self._contract)  # late: the class imports the package of the dataset


class Folder(ReadOnlyDataset):
    """A folder, for nodes that read its files themselves."""

    def load(self) -> Path:
        """Return its path."""
        return self._filepath


class StudyStorage(ReadOnlyDataset):
    """The URL of the storage of Optuna's studies.

    Args:
        filepath: of an SQLite file, which Optuna creates.
        url: of a database, such as "postgresql://...", for several machines; it replaces the file.
    """

    def __init__(self, filepath: str, url: str | None = None) -> None:
        super().__init__(filepath)
        self._url = url

    def load(self) -> str:
        """Return the URL."""
        if self._url is None:
            self._filepath.parent.mkdir(parents=True, exist_ok=True)
        return self._url or f"sqlite:///{self._filepath.as_posix()}"


class AllVersions(ReadOnlyDataset):
    """All versions of a JSON dataset on disk, oldest first."""

    def load(self) -> list[dict[str, Any]]:
        """Return the documents; skip, with a warning, a file that holds no JSON object."""
        documents = {path: json_object(path) for path in sorted(self._filepath.glob("*/*.json"))}
        for path in (path for path, document in documents.items() if document is None):
            log.warning("%s is skipped, because it is broken. Restore or delete the file.", path)
        return [document for document in documents.values() if document is not None]
