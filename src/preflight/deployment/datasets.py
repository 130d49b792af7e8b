"""The champion as datasets: the model in use, and its promotion."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from kedro.io import DatasetError

from preflight.datasets import ReadOnlyDataset
from preflight.deployment import champion
from preflight.errors import DAMAGE
from preflight.modeling.skops_file import load
from preflight.runs.manifest import judged_candidates, read_manifest
from preflight.runs.raw_files import file_problem


class _Models(ReadOnlyDataset):
    """Models on disk.

    Args:
        trusted: types that a model's file may have in addition to those that skops trusts.
    """

    def __init__(
        self, filepath: str, trusted: list[str], metadata: dict[str, Any] | None = None
    ) -> None:
        super().__init__(filepath, metadata)
        self._trusted = trusted

    def _read(self, path: Path) -> Any:
        with path.open("rb") as file:
            return load(file, self._trusted)


class Champion(_Models):
    """The model that a pointer names; None before the first promotion."""

    _loaded: Path | None = None

    def load(self) -> Any:
        """Return the model, with its version in the provenance, or None."""
        promoted = champion.current(self._filepath)
        if promoted is None:
            return None
        self._loaded = champion.file_of(self._filepath, promoted)
        bundle = self._read(self._loaded)
        bundle["provenance"]["version"] = promoted.version
        return bundle

    def save(self, data: Any) -> None:
        """Refuse: only the promotion gate changes the champion."""
        raise DatasetError("the champion is changed by: kedro run --pipelines deployment")

    def _get_load_path(self) -> Path:
        """Return the file that was loaded, for the run's manifest: the pointer may have changed."""
        return self._loaded or Path()

    def _exists(self) -> bool:
        return self._loaded is not None or champion.current(self._filepath) is not None


class Promotion(ReadOnlyDataset):
    """The champion's pointer: saving a record promotes it, unless another promotion came first."""

    def load(self) -> Any:
        """Return the record of the champion; raise DatasetError if there is none."""
        promoted = champion.current(self._filepath)
        if promoted is None:
            raise DatasetError("there is no champion: kedro run --pipelines deployment")
        return promoted.model_dump()

    def save(self, data: dict[str, Any]) -> None:
        """Change the pointer in one step."""
        champion.promote(self._filepath, champion.ChampionRecord.model_validate(data))


class OfChampion(ReadOnlyDataset):
    """A table that the run made or read that evaluated the champion; None if there is none.

    Args:
        filepath: of the champion's pointer.
        table: name of the dataset.
    """

    def __init__(self, filepath: str, table: str, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(filepath, metadata)
        self._table = table

    def load(self) -> pd.DataFrame | None:
        """Return the table as that run left it; raise DatasetError if its file has changed."""
        promoted = champion.current(self._filepath)
        if promoted is None:
            return None
        project = champion.project_of(self._filepath)
        run = read_manifest(project, promoted.recipe_run or promoted.run)
        file = {**run["inputs"], **run["outputs"]}[self._table]
        if problem := file_problem(project / file["path"], file["sha256"]):
            raise DatasetError(
                f"{file['path']}, which the evaluation of the champion made, {problem}. Restore it."
            )
        return pd.read_parquet(project / file["path"])


class ModelVersions(_Models):
    """All versions of a model on disk.

    Args:
        judged: the path of candidates too: those with a verdict are versions as well.
    """

    def __init__(
        self,
        filepath: str,
        trusted: list[str],
        metadata: dict[str, Any] | None = None,
        judged: str | None = None,
    ) -> None:
        super().__init__(filepath, trusted, metadata)
        self._judged = judged and Path(judged)

    def load(self) -> dict[str, Callable[[], Any]]:
        """Return a function for each version that reads the model, oldest first."""
        files = _versions_of(self._filepath)
        if self._judged:
            judged = judged_candidates(champion.project_of(self._judged))
            files |= {v: file for v, file in _versions_of(self._judged).items() if v in judged}
        return {version: partial(self._read_version, files[version]) for version in sorted(files)}

    def _read_version(self, path: Path) -> Any:
        """Return a model; raise DatasetError if its file is damaged."""
        try:
            return self._read(path)
        except DAMAGE as error:
            raise DatasetError(
                f"The file of a model is damaged: {path}. Restore it, or delete the folder "
                f"{path.parent.name}: monitoring then compares with the versions before it."
            ) from error


def _versions_of(filepath: Path) -> dict[str, Path]:
    return {file.parent.name: file for file in filepath.glob(f"*/{filepath.name}")}
