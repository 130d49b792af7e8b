"""Estimators as declared in conf: path, parameters, and what is searched."""

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from inspect import signature
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field

from preflight.contracts.documents import Parameters


def load(path: str) -> Any:
    """Return the class or function at a dotted path; raise ValueError that names the path."""
    module, _, name = path.rpartition(".")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"{path!r} can't be imported: {error}") from error


PREPROCESSING = "preprocessing"  # searched like a parameter, though it isn't the estimator's


def require_importable(path: str) -> str:
    """Return the path unchanged if it can most likely be imported, without importing anything.

    Importing scikit-learn takes longer than everything else before the first node of a run.

    Raises:
        ValueError: there is no such module, or its source does not contain the name.
    """
    module, _, name = path.rpartition(".")
    if not module or module in sys.modules:
        load(path)
        return path
    spec = _find_module(module)
    if spec is None:
        raise ValueError(f"{path!r} can't be imported: there is no module {module!r}")
    if spec.origin and spec.origin.endswith(".py"):
        source = FilePath(spec.origin).read_text(encoding="utf-8")
        if name not in source and "__getattr__" not in source:
            raise ValueError(f"{path!r} can't be imported: {module!r} has no {name!r}")
    return path


def _find_module(module: str) -> ModuleSpec | None:
    """Return the spec of a module, or None; unlike `find_spec`, without importing its packages."""
    top, *parts = module.split(".")
    spec = find_spec(top)
    for part in parts:
        if spec is None or spec.submodule_search_locations is None:
            return None
        spec = PathFinder.find_spec(f"{spec.name}.{part}", spec.submodule_search_locations)
    return spec


Path = Annotated[str, AfterValidator(require_importable)]


class Estimator(Parameters):
    """An estimator by the path of its class (or of a function that builds it)."""

    path: Path
    preprocessing: Path | None = Field(None, description="of what is fitted before it, if anything")
    params: dict[str, Any] = Field(default_factory=dict)
    exclude_groups: list[str] = Field(default_factory=list, description="feature groups to exclude")

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

    def seeded(self, seed: int) -> Self:
        """Return the same estimator with another `random_state`, if it takes one."""
        if "random_state" not in {*self.params, *signature(load(self.path)).parameters}:
            return self
        return self.tuned({"random_state": seed})

    def features(self, groups: dict[str, list[str]]) -> list[str]:
        """Return the features that it reads, in order."""
        return [
            name for group in groups if group not in self.exclude_groups for name in groups[group]
        ]


class Baseline(Estimator):
    """An estimator that may have its own threshold; without one, the costs give it."""

    threshold: float | None = Field(None, description="act above it")


class Float(Parameters):
    """Any number between low and high."""

    type: Literal["float"]
    low: float
    high: float
    log: bool = False


class Int(Parameters):
    """Any whole number between low and high."""

    type: Literal["int"]
    low: int
    high: int
    log: bool = False


class Choice(Parameters):
    """One of several values."""

    type: Literal["choice"]
    choices: list[Any] = Field(min_length=2)


Range = Annotated[Float | Int | Choice, Field(discriminator="type")]


class Candidate(Estimator):
    """An estimator that may ship: where its search begins, and what is searched."""

    warm_start_param: str | None = Field(
        None, description="the parameter that counts its trees or steps"
    )
    space: dict[str, Range] = Field(default_factory=dict)

    @property
    def defaults(self) -> dict[str, Any]:
        """Return the declared value of each searched parameter, where the search begins."""
        declared = {**self.params, PREPROCESSING: self.preprocessing}
        return {name: declared[name] for name in self.space if name in declared}

    def space_errors(self) -> list[str]:
        """Return a message for each fault of the space."""
        errors = (_range_error(name, among, self.defaults) for name, among in self.space.items())
        found = [error for error in errors if error]
        for path in getattr(self.space.get(PREPROCESSING), "choices", []):
            if path is not None:
                require_importable(path)
        if self.warm_start_param and self.warm_start_param not in self.params:
            found.append(f"warm_start_param names {self.warm_start_param}, which is not in params")
        if self.warm_start_param and (self.preprocessing or PREPROCESSING in self.space):
            found.append(
                "warm_start_param can't be used with preprocessing, which would be fitted each time"
            )
        return found


def _range_error(name: str, among: Range, defaults: dict[str, Any]) -> str | None:
    """Return what is wrong with a searched parameter, or None."""
    value = defaults.get(name)
    if isinstance(among, Choice):
        allowed, where = value in among.choices, f"one of {among.choices}"
    elif among.low >= among.high or (among.log and among.low <= 0):
        return f"{name}: {among.low} to {among.high} is no range" + " of logarithms" * among.log
    else:
        allowed = isinstance(value, int | float) and among.low <= value <= among.high
        where = f"between {among.low} and {among.high}"
    if name not in defaults:
        return f"{name} is searched but not in params, where the search begins"
    return None if allowed else f"{name}: params has {value}, which is not {where}"
