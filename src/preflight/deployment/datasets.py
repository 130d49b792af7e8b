"""The champion as datasets: the model in use, and its promotion."""

from pathlib import Path
from typing import Any

from kedro.io import DatasetError

from preflight.datasets import ReadOnlyDataset
from preflight.deployment import champion
from preflight.modeling.skops_file import load


class Champion(ReadOnlyDataset):
    """The model that a pointer names; None before the first promotion.

    Args:
        trusted: types that the model's file may have in addition to those that skops trusts.
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
            bundle = load(file, self._trusted)
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
            raise DatasetError("there is no champion yet: kedro run --pipelines deployment")
        return promoted.model_dump()

    def save(self, data: dict[str, Any]) -> None:
        """Change the pointer in one step."""
        champion.promote(self._filepath, champion.ChampionRecord.model_validate(data))
