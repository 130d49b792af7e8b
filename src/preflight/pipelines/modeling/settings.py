"""The parameters of modeling, typed: candidates, baselines, search and its budget."""

from importlib import import_module
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, Field

from preflight.framing import Strict


def load(path: str) -> Any:
    """Return the class or function at a dotted path; raise ValueError that names the path."""
    module, _, name = path.rpartition(".")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"{path!r} can't be imported: {error}") from error


def _importable(path: str) -> str:
    load(path)
    return path


class Estimator(Strict):
    """An estimator by the path of its class (or of a function that builds it)."""

    path: Annotated[str, AfterValidator(_importable)]
    params: dict[str, Any] = Field(default_factory=dict)
    threshold: float | None = Field(None, description="act above it; None: from the costs")

    def build(self, **params: Any) -> Any:
        """Return a new estimator; `params` override those declared."""
        return load(self.path)(**{**self.params, **params})


class Float(Strict):
    """Any number between low and high."""

    type: Literal["float"]
    low: float
    high: float
    log: bool = False


class Int(Strict):
    """Any whole number between low and high."""

    type: Literal["int"]
    low: int
    high: int
    log: bool = False


class Choice(Strict):
    """One of several values."""

    type: Literal["choice"]
    choices: list[Any] = Field(min_length=2)


Range = Annotated[Float | Int | Choice, Field(discriminator="type")]


class Fold(Strict):
    """Train on everything before `from`, judge on what comes until `until`."""

    start: AwareDatetime
    until: AwareDatetime


class Search(Strict):
    """What is searched, and for how long."""

    space: dict[str, Range]
    trials: int = Field(ge=0)
    earlier_folds: list[Fold]


class Modeling(Strict):
    """All parameters of the pipeline."""

    seed: int
    candidate: Estimator
    search: Search
    baselines: dict[str, Estimator] = Field(min_length=1)
    calibration_gain: float = Field(ge=0)
