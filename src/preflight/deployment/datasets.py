"""The champion as datasets: the model that is in use, and the change of it."""

from pathlib import Path
from typing import Any

from kedro.io import DatasetError

from preflight.datasets import ReadOnlyDataset
from preflight.deployment import champion
from preflight.modeling.skops_file import load


class Champion(ReadOnlyDataset):
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
            bundle = load(file, self._trusted)
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


class Promotion(ReadOnlyDataset):
    """The champion's pointer: what is saved becomes the champion, unless another came first."""

    def load(self) -> Any:
        """Return the champion as it was promoted; raise DatasetError if there is none."""
        promoted = champion.current(self._filepath)
        if promoted is None:
            raise DatasetError("there is no champion yet: kedro run --pipelines deployment")
        return promoted.model_dump()

    def save(self, data: dict[str, Any]) -> None:
        """Change the pointer in one step."""
        champion.promote(self._filepath, champion.ChampionRecord.model_validate(data))
