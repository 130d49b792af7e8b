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


class Decision(Strict):
    """What is decided, on what, in words that the report uses."""

    unit: str = Field(description="what one decision is about, in the singular")
    units: str = Field(description="the same in the plural")
    act: str = Field(description="what acting means")
    label: str = Field(description="what the label 1 means")


class Prediction(Strict):
    """When a prediction is made, and what it predicts."""

    lead_minutes: int = Field(gt=0, description="minutes before the event that the decision is due")
    label_threshold: float = Field(description="the measured outcome above which the label is 1")


class Costs(Strict):
    """The cost of each outcome of one decision, in `unit`.

    tp: acted, and it was needed; fp: acted in vain; fn: not acted, though needed; tn: neither.
    """

    unit: str
    tp: float
    fp: float
    fn: float
    tn: float

    @model_validator(mode="after")
    def acting_pays_when_needed(self) -> Self:
        """Refuse costs under which there is nothing to decide."""
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
        return self

    @property
    def threshold(self) -> float:
        """Return the probability above which acting is cheaper (Elkan 2001, equation 2)."""
        in_vain, needed = self.fp - self.tn, self.fn - self.tp
        return in_vain / (in_vain + needed)

    def saving(self, label: Bools, act: Bools) -> Floats:
        """Return what each decision saves over never acting, in `unit`, shape (n,)."""
        return np.where(act, np.where(label, self.fn - self.tp, self.tn - self.fp), 0.0)


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

    objective: str = Field(description="the goal in one sentence")
    decision: Decision
    prediction: Prediction
    costs: Costs
    split: Split
    slices: list[str] = Field(description="features by which results are also shown")
    confidence: float = Field(gt=0.5, lt=1, description="level of every interval")
