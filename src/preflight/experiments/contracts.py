"""The parameters of experiments, and what a look at one finds."""

from datetime import date
from typing import Literal, Self

from pydantic import Field, model_validator

from preflight.contracts.documents import AsOf, Document, DocumentContract, Text
from preflight.inference.experiment import Policy

Verdict = Literal["take the treatment", "keep the control", "go on", "no difference shown"]


class ExperimentSettings(AsOf):
    """What an experiment compares, and how sure its answer has to be."""

    name: str = Field(pattern=r"^[a-z0-9_]+$")
    control: Policy
    treatment: Policy
    challenger: Text | None = Field(description="version; null: no group gets a challenger")
    unit: list[str] = Field(description="columns whose values are randomised together")
    period_hours: int | None = Field(gt=0, description="a unit is drawn again after these")
    share: float = Field(gt=0, lt=1, description="of units that get the treatment")
    salt: Text | None = Field(description="of the draw; null: the name")
    start: date | None = Field(description="first local day; null: next Monday")
    weeks: int | None = Field(ge=1, description="null: as many as the power needs")
    max_weeks: int = Field(ge=1)
    looks: int = Field(ge=1, le=10, description="evenly spread; alpha is shared by them")
    alpha: float = Field(gt=0, lt=0.5)
    power: float = Field(gt=0.5, lt=1)
    effect_per_1000: float = Field(gt=0, description="to be detected, per 1,000 decisions")
    history_weeks: int = Field(ge=2, description="of the log, that show how much units vary")

    @model_validator(mode="after")
    def fits_together(self) -> Self:
        """Refuse equal policies, a challenger without a version, and a draw without a unit."""
        policies = (self.control, self.treatment)
        if self.control == self.treatment:
            raise ValueError(f"control and treatment are both {self.control}: nothing is compared")
        if self.treatment == "untouched":
            raise ValueError(
                "the treatment may not be untouched: what is in use is the control, and what is "
                "tried the treatment"
            )
        if ("challenger" in policies) != (self.challenger is not None):
            raise ValueError(
                "give the version of the challenger if a group gets it, and only then: "
                "kedro versions lists them"
            )
        if not self.unit and self.period_hours is None:
            raise ValueError("give columns in unit, or period_hours, or both")
        if self.weeks is not None and not self.looks <= self.weeks <= self.max_weeks:
            raise ValueError(
                f"weeks is {self.weeks}: give {self.looks} (looks) to {self.max_weeks} (max_weeks)"
            )
        if len({*self.unit}) < len(self.unit):
            raise ValueError(f"unit has a column twice: {', '.join(self.unit)}")
        return self


class ReadoutSettings(AsOf):
    """Which experiment is read, and when."""

    name: Text | None = Field(description="null: the newest")
    look: date | None = Field(description="a planned look; null: the newest that is complete")
    unit: list[str] | None = Field(
        min_length=1, description="to analyse by; null: that of the randomisation"
    )


class Effect(Document):
    """The difference in money between treatment and control, per 1,000 decisions."""

    mean: float
    low: float
    high: float


class Group(Document):
    """One variant until a look."""

    variant: str
    policy: str
    units: int
    decisions: int
    money_per_1000: float = Field(description="minus the cost of its decisions")
    acted_share: float
    missed_per_1000: float | None = Field(description="label 1 that nobody acted on")


class Look(Document):
    """One planned look: the effect, with the interval at the level that all looks share."""

    until: date
    effect: Effect


class SliceEffect(Document):
    """The effect in one slice, with the interval at the level that all slices share."""

    feature: str
    value: str
    units: int
    effect: Effect


class Readout(Document):
    """The answer of an experiment at a planned look."""

    name: str
    design: str = Field(description="SHA-256 of the design")
    until: date = Field(description="first local day that is left out")
    look: int = Field(ge=1)
    looks: int = Field(ge=1)
    verdict: Verdict
    sentence: str
    groups: list[Group] = Field(min_length=2, max_length=2)
    history: list[Look] = Field(min_length=1, description="all looks so far, this one last")
    sample_ratio_p: float = Field(ge=0, le=1, description="of the number of units in each group")
    slices: list[SliceEffect]
    harmed: list[str] = Field(description="slices that lose more than framing allows")
    notes: list[str]


readout = DocumentContract(Readout)
