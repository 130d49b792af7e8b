"""Datasets of runs on partitions: a table in parts, and files that are not complete."""

import contextlib
from pathlib import Path, PurePosixPath
from typing import Any

from kedro.io import AbstractVersionedDataset, DatasetError, Version

from preflight.datasets import ReadOnlyDataset
from preflight.partitions import Partitions


class PartitionedTable(AbstractVersionedDataset[Partitions, Any]):
    """A folder with a Parquet file for each period; it loads as `Partitions`.

    A version that a run without partitions made is one file: a table of one period.

    Args:
        filepath: of the folder.
        rows: that fit into memory. Training gets a random sample of so many rows, the audit the
            newest partitions with so many.
        deferred: load as a function that reads the newest partitions.
        version: of a versioned dataset.
        metadata: for Kedro-Viz.
        load_args, save_args: of the dataset in conf/base, which are not used.
    """

    def __init__(
        self,
        filepath: str,
        rows: int,
        deferred: bool = False,
        version: Version | None = None,
        metadata: dict[str, Any] | None = None,
        load_args: dict[str, Any] | None = None,
        save_args: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(PurePosixPath(filepath), version, _exists, _glob)
        self._rows, self._deferred = rows, deferred
        self.metadata = metadata

    def load(self) -> Any:
        """Return the partitions, or a function that reads the newest of them."""
        table = Partitions.at(Path(self._get_load_path()), self._rows)
        return (lambda: table.pick(table.newest()).read()) if self._deferred else table

    def save(self, data: Partitions) -> None:
        """Move complete files to their place, all at once."""
        if not self._version:
            raise DatasetError(f"{self._filepath} is only read: partitions are saved as a version")
        target = Path(self._get_save_path())
        target.parent.mkdir(parents=True, exist_ok=True)
        source = Path(str(data))
        source.replace(target)
        with contextlib.suppress(OSError):  # other tables of the same build are still there
            source.parent.rmdir()

    def _exists(self) -> bool:
        try:
            return Path(self._get_load_path()).exists()
        except DatasetError:
            return False

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath), "rows": self._rows}


def _exists(path: str) -> bool:
    return Path(path).exists()


def _glob(pattern: str) -> list[str]:
    path = Path(pattern)
    root = Path(path.anchor) if path.is_absolute() else Path()
    return [str(found) for found in root.glob(str(path.relative_to(path.anchor)))]


class Scratch(ReadOnlyDataset):
    """A folder for files that are not complete; it is on the same disk as the tables."""

    def load(self) -> Path:
        """Return its path."""
        self._filepath.mkdir(parents=True, exist_ok=True)
        return self._filepath
