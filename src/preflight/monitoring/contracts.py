"""The parameters of monitoring, its evidence by week, and its alarms."""

from typing import Literal

import pandas as pd
from pydantic import AwareDatetime, Field

from preflight.contracts.documents import Document, DocumentContract, Parameters
from preflight.contracts.table import Table, column
from preflight.inference.contracts import Override

AlarmName = Literal["challenger", "discrimination"]
ALARMS: tuple[AlarmName, ...] = ("challenger", "discrimination")


class Limits(Parameters):
    """How the limits of inputs follow from the days of a history."""

    days: int = Field(ge=28, description="local days of the history, at the most")
    missing_margin: float = Field(ge=0, le=1, description="added to the worst day's share")
    few_values: int = Field(gt=0, description="a feature that always takes more may freeze")
    unseen_share: float = Field(ge=0, le=1, description="of rows with a category that is new")
    rows_share: float = Field(gt=0, le=1, description="of the usual number of decisions")


class AlarmSettings(Parameters):
    """When the evidence of harm is an alarm."""

    alpha: float = Field(gt=0, lt=0.5, description="false alarms of each kind in 52 weeks, at most")
    history_weeks: int = Field(ge=4, description="weeks before the first one that counts")
    money_factor: float = Field(ge=1, description="by which the scale of money is enlarged")
    rank_factor: float = Field(ge=1, description="by which that of rank quality is enlarged")
    rank_tolerance: float = Field(gt=0, lt=0.5, description="below the mean of the history")


class Monitoring(Parameters):
    """As of which moment monitoring is made, and its settings."""

    moment: AwareDatetime | None
    limits: Limits
    alarms: AlarmSettings
    silenced: dict[AlarmName, Override]

    @property
    def at(self) -> pd.Timestamp:
        """Return the moment: now, if none is given."""
        return pd.Timestamp(self.moment or pd.Timestamp.now("UTC"))


class WeeklyEvidence(Table, key=["alarm", "part", "week"]):
    """One row per alarm and week: what was measured, and the evidence of harm after it."""

    alarm: str = column("challenger: money; discrimination: rank quality", isin=[*ALARMS])
    part: str = column("of the test set of the champion, or of the log", isin=["test", "log"])
    week: str = column("its Monday, as 2013-09-02")
    decisions: int = column("decisions in it that can be used", "rows", ge=0)
    labelled: int = column("those with a label", "rows", ge=0)
    value: float = column(
        "saving less the challenger's (on test the best baseline's) per 1,000 decisions; or ROC "
        "AUC (regression: rank correlation)",
        nullable=True,
    )
    line: float = column("the least value that is no harm; missing: not counted", nullable=True)
    scale: float = column("standard deviation of a week, as known before it", nullable=True)
    evidence: float = column("that the mean is below the line", ge=0, nullable=True)
    left_out: str = column("why the week does not count; empty: it counts")


class Alarm(Document):
    """One alarm: whether it is raised, the evidence, and what to do."""

    name: AlarmName
    tier: Literal[2] = Field(description="1: block, 2: alarm")
    raised: bool
    message: str = Field(description="what was found, or why nothing can be")
    evidence: float | None = Field(description="the largest so far; null: not known")
    limit: float = Field(gt=0, description="of the evidence, from which on it is an alarm")
    weeks: int = Field(ge=0, description="that counted")
    since: str | None = Field(description="Monday of the week that raised it")
    action: str = Field(description="that is proposed")
    command: str
    silenced: Override | None = Field(description="by whom, why and until when; null: it is not")


class Alarms(Document):
    """The alarms about the champion as of a moment."""

    moment: AwareDatetime
    champion: str | None = Field(description="its version")
    notes: list[str] = Field(description="what the figures leave out, and why none can be made")
    alarms: list[Alarm]


alarms = DocumentContract(Alarms)
