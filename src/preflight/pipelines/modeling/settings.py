"""The parameters of modeling, typed: candidates, baselines, search and its budget."""

from collections.abc import Iterable
from importlib import import_module
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, AwareDatetime, Field, model_validator

from preflight.framing import Framing, Strict


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
    without: list[str] = Field(default_factory=list, description="feature groups it doesn't see")

    def build(self, **params: Any) -> Any:
        """Return a new estimator; `params` override those declared."""
        return load(self.path)(**{**self.params, **params})

    def tuned(self, params: dict[str, Any]) -> Self:
        """Return the same estimator with these parameters in place of those declared."""
        return self.model_copy(update={"params": {**self.params, **params}})

    def features(self, groups: dict[str, list[str]]) -> list[str]:
        """Return the features that it sees, in order."""
        return [name for group in groups if group not in self.without for name in groups[group]]


class Baseline(Estimator):
    """An estimator that may have a threshold of its own; else it is derived from the costs."""

    threshold: float | None = Field(None, description="act above it")


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
    """Train on what was known at `start`, judge on what comes from then until `until`."""

    start: AwareDatetime
    until: AwareDatetime

    @model_validator(mode="after")
    def in_order(self) -> Self:
        """Refuse a fold without a moment in it."""
        if self.until <= self.start:
            raise ValueError(f"until ({self.until}) must come after start ({self.start})")
        return self


class Search(Strict):
    """What is searched, and for how long."""

    study: str = Field("main", pattern=r"^[\w.-]+$", description="another name begins anew")
    space: dict[str, Range]
    trials: int = Field(ge=0)
    workers: int = Field(1, ge=1, description="processes that make trials side by side")
    seconds: float | None = Field(None, gt=0, description="after which no further trial begins")
    earlier_folds: list[Fold]


def _fault(name: str, among: Range, declared: dict[str, Any]) -> str | None:
    """Return what is wrong with a searched parameter, or None."""
    if isinstance(among, Choice):
        allowed, where = declared.get(name) in among.choices, f"one of {among.choices}"
    elif among.low >= among.high or (among.log and among.low <= 0):
        return f"{name}: {among.low} to {among.high} is no range" + " of logarithms" * among.log
    else:
        value = declared.get(name)
        allowed = isinstance(value, int | float) and among.low <= value <= among.high
        where = f"between {among.low} and {among.high}"
    if name not in declared:
        return f"{name} is searched but not in candidate.params, where the search begins"
    return (
        None if allowed else f"{name}: candidate.params has {declared[name]}, which is not {where}"
    )


class Modeling(Strict):
    """All parameters of the pipeline."""

    seed: int
    candidate: Estimator
    search: Search
    baselines: dict[str, Baseline] = Field(min_length=1)
    calibration_gain: float = Field(ge=0)

    def misfits(self, framing: Framing, groups: Iterable[str]) -> list[str]:
        """Return a fault for each setting that does not fit the framing or the feature groups."""
        faults = []
        specs: dict[str, Estimator] = {"candidate": self.candidate}
        specs |= {f"baselines.{name}": spec for name, spec in self.baselines.items()}
        for name, spec in specs.items():
            if unknown := set(spec.without) - set(groups):
                faults.append(
                    f"modeling.{name}.without names {sorted(unknown)}, which are no feature "
                    f"groups; there are {', '.join(groups)}"
                )
        if missing := set(framing.baselines) - set(self.baselines):
            faults.append(
                f"framing.baselines names {sorted(missing)}, which modeling.baselines doesn't "
                f"have; it has {', '.join(self.baselines)}"
            )
        faults += [
            f"modeling.search.earlier_folds: the fold until {fold.until} reaches into the "
            f"validation set, which begins on {framing.split.validation_from}"
            for fold in self.search.earlier_folds
            if fold.until > framing.split.validation_from
        ]
        return faults

    @model_validator(mode="after")
    def search_begins_inside_its_space(self) -> Self:
        """Refuse a space with an empty range, or one that the declared parameters are not in.

        Without trials it is not looked at: another estimator has other parameters.
        """
        if not self.search.trials:
            return self
        checked = [_fault(n, r, self.candidate.params) for n, r in self.search.space.items()]
        if faults := [fault for fault in checked if fault]:
            raise ValueError("the search space is not usable: " + "; ".join(faults))
        return self
