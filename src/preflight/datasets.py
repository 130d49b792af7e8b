"""Datasets that Kedro's own do not quite provide."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
from kedro.io import AbstractDataset, DatasetError
from kedro_datasets._typing import TablePreview
from kedro_datasets.pandas import ParquetDataset


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


class IfThere(AbstractDataset[Any, Any]):
    """Another dataset, and None as long as nothing was saved in it.

    Args:
        dataset: its entry, as the catalog would have it.
        metadata: for Kedro-Viz.
    """

    def __init__(self, dataset: dict[str, Any], metadata: dict[str, Any] | None = None) -> None:
        self._dataset = AbstractDataset.from_config("if_there", dataset)
        self.metadata = metadata

    def load(self) -> Any:
        """Return the data, or None."""
        return self._dataset.load() if self._dataset.exists() else None

    def save(self, data: Any) -> None:
        """Save the data."""
        self._dataset.save(data)

    def _exists(self) -> bool:
        return bool(self._dataset.exists())

    def _describe(self) -> dict[str, Any]:
        return {"dataset": self._dataset}


class StudyStorage(AbstractDataset[str, str]):
    """Where Optuna keeps its studies, as the URL that it wants.

    Args:
        filepath: of an SQLite file, made when it is first used.
        url: of a database, such as "postgresql://...", for several machines; goes before the file.
    """

    def __init__(self, filepath: str, url: str | None = None) -> None:
        self._filepath = Path(filepath)
        self._url = url

    def load(self) -> str:
        """Return the URL."""
        if self._url is None:
            self._filepath.parent.mkdir(parents=True, exist_ok=True)
        return self._url or f"sqlite:///{self._filepath.as_posix()}"

    def save(self, data: str) -> None:
        """Refuse: Optuna writes there itself."""
        raise DatasetError("studies are written by Optuna, trial by trial")

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}


class KeptVersions(AbstractDataset[Any, list[Any]]):
    """All versions of a JSON dataset that are on disk, the oldest first; none if there is none."""

    def __init__(self, filepath: str) -> None:
        self._filepath = Path(filepath)

    def load(self) -> list[Any]:
        """Return the documents."""
        return [json.loads(path.read_text()) for path in sorted(self._filepath.glob("*/*.json"))]

    def save(self, data: Any) -> None:
        """Refuse: a version is written by the dataset itself."""
        raise DatasetError(f"{self._filepath} is read here, and written as a dataset of its own")

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
