"""The parameters of modeling, typed: candidates, baselines, search and its budget."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Self

import pandas as pd
from pydantic import AwareDatetime, Field, field_validator, model_validator

from preflight.contracts.documents import Parameters
from preflight.modeling.estimators import Baseline, Candidate, Estimator
from preflight.problem.framing import Framing
from preflight.problem.shares import format_share

LAST_QUARTER = 0.75  # of the decisions in train lie before it
QUANTILE_TOLERANCE = 0.005
NOT_BASELINES = {"candidate", "champion"}  # other models in the results


class Fold(Parameters):
    """Train on what was known at `start`, evaluate on what comes from then until `until`."""

    start: AwareDatetime
    until: AwareDatetime

    @model_validator(mode="after")
    def in_order(self) -> Self:
        """Refuse a fold without a moment in it."""
        if self.until <= self.start:
            raise ValueError(f"until ({self.until}) must come after start ({self.start})")
        return self


class Search(Parameters):
    """What is searched, and for how long."""

    study: str = Field("main", pattern=r"^[\w.-]+$", description="another name begins anew")
    trials: int = Field(12, ge=0)
    workers: int = Field(1, ge=1, description="processes; another number makes other trials")
    seconds: float | None = Field(None, gt=0, description="no batch begins later")
    prune: bool = Field(True, description="hopeless trials are stopped early")
    earlier_folds: list[Fold] | None = Field(
        None, description="null: one fold, of the last quarter of train"
    )

    def folds_of(self, train: pd.Series) -> list[Fold]:
        """Return the earlier folds, as stated, or one of the last quarter of train.

        train: its moments of prediction.
        """
        if self.earlier_folds is not None:
            return self.earlier_folds
        start: Any = train.quantile(LAST_QUARTER, interpolation="higher")
        return [Fold(start=start, until=train.max() + pd.Timedelta("1us"))]

    def late_folds(self, validation_from: datetime) -> list[str]:
        """Return a message for each earlier fold that reaches into the validation set."""
        return [
            f"modeling.search.earlier_folds: the fold until {fold.until} reaches into the "
            f"validation set, which begins on {validation_from}"
            for fold in self.earlier_folds or []
            if fold.until > validation_from
        ]


class Modeling(Parameters):
    """All parameters of the pipeline."""

    seed: int = 0
    # Left out, both follow from the task (`preflight.modeling.defaults`) before a run: Kedro-Viz,
    # which calls no hook, has to accept them.
    candidates: dict[str, Candidate] = Field(
        {}, min_length=1, description="the first is the declared"
    )
    search: Search = Search()
    baselines: dict[str, Baseline] = Field({}, min_length=1)
    calibration_gain: float = Field(0.0005, ge=0)

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
    def default_candidate(self) -> str:
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

    def configuration_errors(self, framing: Framing, groups: Iterable[str]) -> list[str]:
        """Return a message for each setting that does not fit the framing or the feature groups."""
        errors = []
        for name, spec in self.estimators().items():
            if unknown := set(spec.exclude_groups) - set(groups):
                errors.append(
                    f"modeling.{name}.exclude_groups names {sorted(unknown)}, which are no feature "
                    f"groups; there are {', '.join(groups)}"
                )
        if missing := set(framing.baselines) - set(self.baselines):
            errors.append(
                f"framing.baselines names {sorted(missing)}, which modeling.baselines doesn't "
                f"have; it has {', '.join(self.baselines)}"
            )
        for name, spec in self.estimators().items():
            cheapest = getattr(framing.costs, "quantile", None)
            quantile = spec.params.get("quantile", cheapest)
            if cheapest is not None and abs(quantile - cheapest) > QUANTILE_TOLERANCE:
                errors.append(
                    f"modeling.{name}.params.quantile is {quantile:g}, but by framing.costs the "
                    f"quantity may be too small in {format_share(1 - cheapest, 1)} of cases: set "
                    f"{cheapest:.4g}"
                )
        if begin := framing.split.validation_from:  # counted in weeks, it depends on the data
            errors += self.search.late_folds(begin)
        return errors

    @model_validator(mode="after")
    def search_begins_inside_its_space(self) -> Self:
        """Refuse a space with an empty range, or without the declared parameters.

        Without trials the space is not checked: another estimator has other parameters.
        """
        spaces = self.candidates if self.search.trials else {}
        errors = [f"{name}: {error}" for name, c in spaces.items() for error in c.space_errors()]
        if errors:
            raise ValueError("the search space is not usable: " + "; ".join(errors))
        return self
