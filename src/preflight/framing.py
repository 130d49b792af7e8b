"""The problem, typed: what is decided, when, at what cost, and how it is judged."""

from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

Bools = npt.NDArray[Any]  # booleans, or 0 and 1
Floats = npt.NDArray[np.float64]


class Strict(BaseModel):
    """A section of the framing: unknown keys are refused, values can't change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Kpi(Strict):
    """What the owner watches: cases of label 1 that nobody acted on, per 1,000 decisions."""

    name: str
    now: float = Field(ge=0, le=1000)
    wanted: float = Field(ge=0, le=1000)

    @model_validator(mode="after")
    def improves(self) -> Self:
        """Refuse a goal that is reached already."""
        if self.wanted >= self.now:
            raise ValueError(f"it is {self.now:g} now and {self.wanted:g} is wanted: nothing to do")
        return self


class Goal(Strict):
    """What is to be reached, and who answers for it."""

    objective: str
    owner: str
    kpi: Kpi


class Decision(Strict):
    """What is decided, on what, in words that the report uses."""

    unit: str = Field(description="what one decision is about, in the singular")
    units: str = Field(description="the same in the plural")
    per_month: float = Field(gt=0, description="decisions a month")
    actor: str = Field(description="who acts")
    act: str = Field(description="what acting means")
    wait: str = Field(description="what not acting means")
    undo: str = Field(description="whether and how acting can be undone")
    label: str = Field(description="what the label 1 means")


class Prediction(Strict):
    """When a prediction is made, for whom, and what it predicts."""

    population: str = Field(description="of which units a prediction is made")
    lead_minutes: int = Field(gt=0, description="minutes before the event that the decision is due")
    label_threshold: float = Field(description="the measured outcome above which the label is 1")
    label_known_hours: float = Field(gt=0, description="after the prediction every label is known")


class Costs(Strict):
    """The cost of each outcome of one decision, in `unit`.

    tp: acted, and it was needed; fp: acted in vain; fn: not acted, though needed; tn: neither.
    """

    unit: str
    tp: float
    fp: float
    fn: float
    tn: float
    fn_factors: tuple[float, float] = Field((1, 1), description="a miss may cost so many times fn")

    @model_validator(mode="after")
    def acting_pays_when_needed(self) -> Self:
        """Refuse costs under which there is nothing to decide."""
        if self.tp == self.fp == self.fn == self.tn:
            raise ValueError(
                "all four costs are equal: every decision is worth the same, nothing to learn"
            )
        if self.tp >= self.fn:
            raise ValueError(
                f"acting when it is needed costs {self.tp} and not acting {self.fn}: "
                "never acting is always best, there is nothing to learn"
            )
        if self.fp <= self.tn:
            raise ValueError(
                f"acting in vain costs {self.fp} and not acting {self.tn}: "
                "always acting is always best, there is nothing to learn"
            )
        low, high = self.fn_factors
        if not low <= 1 <= high or self.tp >= self.fn * low:
            raise ValueError(
                f"fn_factors ({low:g} to {high:g}) must hold 1, and a miss always cost more than "
                f"acting when it is needed: {self.fn * low:g} is not more than {self.tp:g}"
            )
        return self

    @property
    def threshold(self) -> float:
        """Return the probability above which acting is cheaper (Elkan 2001, equation 2)."""
        in_vain, needed = self.fp - self.tn, self.fn - self.tp
        return in_vain / (in_vain + needed)

    def saving(self, label: Bools, act: Bools) -> Floats:
        """Return what each decision saves over never acting, in `unit`, shape (n,)."""
        return np.where(act, np.where(label, self.fn - self.tp, self.tn - self.fp), 0.0)

    def range(self) -> list["Costs"]:
        """Return the costs with the cheapest and the dearest miss."""
        return [self.model_copy(update={"fn": self.fn * factor}) for factor in self.fn_factors]


class Project(Strict):
    """What it costs to build and to keep, in the unit of the costs."""

    achievable_saving: float = Field(gt=0, description="believed possible, over the best baseline")
    budget: float = Field(ge=0, description="to build it, once")
    upkeep_per_month: float = Field(ge=0, description="to run, watch and retrain it")
    label_source: str = Field(description="where labels come from")
    label_price: float = Field(ge=0, description="of one label")
    label_waiver: str | None = Field(description="why labels cost nothing, if they do")

    @model_validator(mode="after")
    def labels_are_paid_for(self) -> Self:
        """Refuse labels that nobody pays for."""
        if self.label_price == 0 and not self.label_waiver:
            raise ValueError("labels cost nothing? Give label_price, or say why in label_waiver")
        return self


class Serving(Strict):
    """What the model may take when it is used; measured on the candidate, warm, in one process."""

    p99_ms: float = Field(gt=0, description="milliseconds for one row, the slowest of a hundred")
    rows_per_second: float = Field(gt=0, description="in batches, at least")
    model_mb: float = Field(gt=0, description="megabytes of its file")
    machine_per_hour: float = Field(ge=0, description="price of the machine, in the costs' unit")
    cost_per_1000: float = Field(gt=0, description="in the costs' unit, for 1,000 predictions")


class Success(Strict):
    """When it is worth shipping."""

    months: float = Field(gt=0, description="over which saving and upkeep are counted")
    least_net_saving: float = Field(ge=0, description="over them, after upkeep, in the costs' unit")
    power: float = Field(gt=0.5, lt=1, description="chance to see the least saving if it is there")
    test_openings: int = Field(gt=0, description="candidates that may be judged on one test set")


class Guardrails(Strict):
    """What no gain may be bought with."""

    slice_loss: float = Field(ge=0, description="against the baseline per 1,000, in any slice")
    protected: list[str] = Field(description="features whose groups have to be served alike")
    protected_gap: float = Field(gt=0, le=1, description="in the share of label 1 acted on")
    calibration_gap: float = Field(gt=0, le=1, description="mean of observed less predicted")


def _known_timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is not a time zone such as 'America/New_York'") from error
    return name


class Split(Strict):
    """The time-ordered split: everything before `validation_from` is train."""

    timezone: Annotated[str, AfterValidator(_known_timezone)] = Field(
        description="days and months are counted in this time zone"
    )
    validation_from: AwareDatetime
    test_from: AwareDatetime
    groups: list[str] = Field(description="features whose values may be in one part only")
    embargo_hours: float = Field(ge=0)

    @model_validator(mode="after")
    def in_order(self) -> Self:
        """Refuse a test that begins before the validation."""
        if self.test_from <= self.validation_from:
            raise ValueError(
                f"test_from ({self.test_from}) must come after "
                f"validation_from ({self.validation_from})"
            )
        return self

    def day(self, moments: pd.Series) -> pd.Series:
        """Return the local calendar day (midnight, no time zone) of each moment in UTC."""
        return moments.dt.tz_convert(self.timezone).dt.tz_localize(None).dt.normalize()


class Framing(Strict):
    """A framed problem; each field is used by something."""

    goal: Goal
    decision: Decision
    prediction: Prediction
    costs: Costs
    baselines: list[str] = Field(min_length=1, description="that the candidate has to beat")
    project: Project
    serving: Serving
    split: Split
    success: Success
    guardrails: Guardrails
    slices: list[str] = Field(description="features by which results are also shown")
    confidence: float = Field(gt=0.5, lt=1, description="level of every interval")

    def net(self, per_1000: float) -> float:
        """Return what a saving per 1,000 decisions comes to over the months, less upkeep."""
        a_month = per_1000 / 1000 * self.decision.per_month - self.project.upkeep_per_month
        return a_month * self.success.months

    @property
    def least_per_1000(self) -> float:
        """Return the saving over the best baseline from which the least net saving is reached."""
        a_month = self.success.least_net_saving / self.success.months
        return 1000 * (a_month + self.project.upkeep_per_month) / self.decision.per_month

    @model_validator(mode="after")
    def can_pay(self) -> Self:
        """Refuse a project that doesn't pay even if it reaches all that is believed possible."""
        best, months = self.net(self.project.achievable_saving), self.success.months
        needed = max(self.project.budget, self.success.least_net_saving)
        if best < needed:
            raise ValueError(
                f"the project can't pay: the achievable saving of "
                f"{self.project.achievable_saving:g} per 1,000 {self.decision.units} is "
                f"{best:,.0f} over {months:g} months after upkeep, less than the budget "
                f"({self.project.budget:,.0f}) or the least net saving "
                f"({self.success.least_net_saving:,.0f})"
            )
        return self
