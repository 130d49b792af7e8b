"""The parameters of modeling, typed: candidates, baselines, search and its budget."""

from collections.abc import Iterable
from importlib import import_module
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, AwareDatetime, Field, field_validator, model_validator

from preflight.costs import Strict
from preflight.framing import Framing


def load(path: str) -> Any:
    """Return the class or function at a dotted path; raise ValueError that names the path."""
    module, _, name = path.rpartition(".")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"{path!r} can't be imported: {error}") from error


QUANTILES_APART = 0.005  # as near is near enough
NOT_BASELINES = {"candidate", "champion"}  # models that results have beside the baselines
PREPROCESSING = "preprocessing"  # searched like a parameter, though it isn't the estimator's


def _importable(path: str) -> str:
    load(path)
    return path


Path = Annotated[str, AfterValidator(_importable)]


class Estimator(Strict):
    """An estimator by the path of its class (or of a function that builds it)."""

    path: Path
    preprocessing: Path | None = Field(None, description="of what is fitted before it, if anything")
    params: dict[str, Any] = Field(default_factory=dict)
    without: list[str] = Field(default_factory=list, description="feature groups it doesn't see")

    def build(self) -> Any:
        """Return a new estimator; with preprocessing it is the last step of a pipeline."""
        estimator = load(self.path)(**self.params)
        if self.preprocessing is None:
            return estimator
        from sklearn.pipeline import make_pipeline

        return make_pipeline(load(self.preprocessing)(), estimator)

    def tuned(self, params: dict[str, Any]) -> Self:
        """Return the same estimator with these parameters in place of those declared."""
        own = {"preprocessing": params[PREPROCESSING]} if PREPROCESSING in params else {}
        others = {name: value for name, value in params.items() if name != PREPROCESSING}
        return self.model_copy(update={"params": {**self.params, **others}, **own})

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


class Candidate(Estimator):
    """An estimator that may ship: where its search begins, and what is searched."""

    grows: str | None = Field(None, description="the parameter that counts what it is made of")
    space: dict[str, Range] = Field(default_factory=dict)

    @property
    def declared(self) -> dict[str, Any]:
        """Return the declared value of each searched parameter."""
        given = self._given()
        return {name: given[name] for name in self.space}

    def _given(self) -> dict[str, Any]:
        return {**self.params, PREPROCESSING: self.preprocessing}

    def faults(self) -> list[str]:
        """Return what is wrong with the space; nothing is good."""
        given = self._given()
        found = [fault for name, r in self.space.items() if (fault := _fault(name, r, given))]
        for path in getattr(self.space.get(PREPROCESSING), "choices", []):
            if path is not None:
                load(path)
        if self.grows and self.grows not in self.params:
            found.append(f"grows names {self.grows}, which is not in params")
        if self.grows and (self.preprocessing or PREPROCESSING in self.space):
            found.append("grows can't be used with preprocessing, which would be fitted each time")
        return found


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
    trials: int = Field(ge=0)
    workers: int = Field(1, ge=1, description="processes; another number makes other trials")
    seconds: float | None = Field(None, gt=0, description="no batch begins later")
    prune: bool = Field(True, description="hopeless trials are given up")
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
        return f"{name} is searched but not in params, where the search begins"
    return None if allowed else f"{name}: params has {declared[name]}, which is not {where}"


class Modeling(Strict):
    """All parameters of the pipeline."""

    seed: int
    candidates: dict[str, Candidate] = Field(min_length=1, description="the first is the declared")
    search: Search
    baselines: dict[str, Baseline] = Field(min_length=1)
    calibration_gain: float = Field(ge=0)

    @field_validator("baselines")
    @classmethod
    def have_names_of_their_own(cls, baselines: dict[str, Baseline]) -> dict[str, Baseline]:
        """Refuse a baseline that results would take for another model."""
        if taken := sorted(baselines.keys() & NOT_BASELINES):
            raise ValueError(
                f"{', '.join(taken)} can't be the name of a baseline: results have another model "
                "of that name. Give it another one, here and in framing.baselines"
            )
        return baselines

    @property
    def declared(self) -> str:
        """Return the name of the candidate that ships unless the search finds a better one."""
        return next(iter(self.candidates))

    @property
    def thresholds(self) -> dict[str, float | None]:
        """Return each baseline's own threshold; None: derived from the costs."""
        return {name: baseline.threshold for name, baseline in self.baselines.items()}

    def chosen(self, best_params: dict[str, Any]) -> Candidate:
        """Return the candidate that the search has chosen, with its parameters."""
        return self.candidates[best_params["candidate"]].tuned(best_params["params"])

    def estimators(self) -> dict[str, Estimator]:
        """Return all estimators by where they stand in the parameters."""
        return {
            **{f"candidates.{name}": spec for name, spec in self.candidates.items()},
            **{f"baselines.{name}": spec for name, spec in self.baselines.items()},
        }

    def misfits(self, framing: Framing, groups: Iterable[str]) -> list[str]:
        """Return a fault for each setting that does not fit the framing or the feature groups."""
        faults = []
        for name, spec in self.estimators().items():
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
        for name, spec in self.estimators().items():
            asked = getattr(framing.costs, "quantile", None)
            given = spec.params.get("quantile", asked)
            if asked is not None and abs(given - asked) > QUANTILES_APART:
                faults.append(
                    f"modeling.{name}.params.quantile is {given:g}, but by framing.costs too "
                    f"little is to be decided on in {1 - asked:.1%} of cases: {asked:.4g}"
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
        spaces = self.candidates if self.search.trials else {}
        faults = [f"{name}: {fault}" for name, c in spaces.items() for fault in c.faults()]
        if faults:
            raise ValueError("the search space is not usable: " + "; ".join(faults))
        return self
