"""Of inference: parameters, limits and check of inputs, predictions and their log."""

from typing import Any, Self

import pandas as pd
from pydantic import AwareDatetime, Field, RootModel, model_validator

from preflight.contracts.documents import Document, DocumentContract, Parameters, Text
from preflight.contracts.table import Table, Utc, column
from preflight.modeling.contracts import DecisionValues
from preflight.stats.contracts import COST

LOG_VERSION = 3  # of LogColumns; rows of the first version have none
UNTOUCHED = "nobody acts on it, at random, to see its label"


class Override(Parameters):
    """Who accepts inputs that break their limits, why, and for moments until when."""

    by: Text
    reason: Text
    until: AwareDatetime


class Inference(Parameters):
    """The moments of batch prediction: one, or several for a backfill."""

    moment: AwareDatetime | None
    until: AwareDatetime | None
    every_minutes: int = Field(gt=0)
    override: Override | None = None

    @model_validator(mode="after")
    def in_order(self) -> Self:
        """Refuse a backfill without a start, or with a start after its end."""
        if self.until and (self.moment is None or self.moment > self.until):
            raise ValueError(f"until ({self.until}) needs a moment before it: it is {self.moment}")
        return self

    @property
    def moments(self) -> pd.DatetimeIndex:
        """Return the moments, in UTC."""
        first = pd.Timestamp.now("UTC") if self.moment is None else pd.Timestamp(self.moment)
        last = first if self.until is None else pd.Timestamp(self.until)
        return pd.date_range(
            first.tz_convert("UTC"),
            last.tz_convert("UTC"),
            freq=pd.Timedelta(minutes=self.every_minutes),
            unit="us",
        )


class UpcomingColumns(Table):
    """Columns of each decision that is due, in addition to its features."""

    moment: Utc = column("when the prediction is made", "UTC")
    lacks: str = column("values published in advance that are missing; empty: none")


class KeyedColumns(UpcomingColumns):
    """Columns of the features that are looked up by key, in addition to key and features."""

    run: str = column("version of the run that computed the features")
    kept_until: Utc = column("from then on the next run deletes the row", "UTC")


class PredictionColumns(DecisionValues):
    """Columns of the champion's answer to each decision, in addition to its key."""

    predict_at: Utc = column("moment of prediction: nothing later is used", "UTC")
    moment: Utc = column("when the prediction was made", "UTC")
    model: str = column("version of the champion")
    reasons: str = column(
        "the three feature groups with the largest effect: the prediction minus the prediction "
        "with the group's reference values"
    )
    flags: str = column("missing inputs and categories not seen in training; empty: none")
    untouched: bool | None = column(UNTOUCHED)
    cost: float | None = column(COST, alias="^cost_.+$", regex=True)


class LogColumns(PredictionColumns):
    """Columns of each logged prediction, in addition to key and features.

    A row that is older than a column has null there; so a feature may be missing in the log.
    """

    source: str = column("batch inference or the service", isin=["batch", "service"])
    label_due_at: Utc = column("when the label is known at the latest", "UTC", nullable=True)
    unit: str = column("unit of randomisation; null: no experiment", nullable=True)
    variant: str = column("of the experiment that the unit has; null: none", nullable=True)
    features_run: str = column(
        "version of the run whose features were looked up by key; null: they were not looked up",
        nullable=True,
    )
    untouched: pd.BooleanDtype = column(UNTOUCHED, nullable=True)  # type: ignore[assignment]
    log_version: pd.Int16Dtype = column("of these columns; null: the first", nullable=True)

    @classmethod
    def to_schema(cls) -> Any:
        """Return the schema, in which each feature outside the key may be missing."""
        schema = super().to_schema()
        for name, declared in schema.columns.items():
            declared.nullable |= "group" in (declared.metadata or {}) and name not in schema.unique
        return schema


class FeatureLimits(Document):
    """The limits of one feature in the rows of 24 hours."""

    missing: float = Field(ge=0, description="share of missing values, at the most")
    distinct: int = Field(ge=0, description="different values, at least")
    categories: list[str] | None = Field(description="seen in the history; null: it is a number")


class InputLimits(Document):
    """The limits of the inputs of inference, from the days of a history."""

    until: str = Field(description="last local day of the history")
    source: str = Field(description="dataset of the history: features or prediction_log")
    features: dict[str, FeatureLimits] = Field(min_length=1)
    unseen: float = Field(ge=0, le=1, description="share of rows with a new category, at the most")
    rows: list[float] = Field(min_length=168, description="of 24 hours, until each hour of a week")
    hours: list[int] | None = Field(description="local hours of prediction; null: not checked")
    idle_hours: float = Field(gt=0, description="without a decision, at the most")


class InputFault(Document):
    """Inputs of 24 hours that break a limit."""

    day: str = Field(description="local day of the last hour")
    feed: str = Field(description="group of the feature; decisions: not of one feature")
    column: str = Field(description="feature, or predict_at")
    problem: str = Field(description="what was found, and its limit")
    remedy: str

    def __str__(self) -> str:
        """Return the fault in one line."""
        return f"{self.day}, feed {self.feed}, column {self.column}: {self.problem}. {self.remedy}"


class InputCheck(Document):
    """The check of the inputs of a run of inference."""

    moment: AwareDatetime = Field(description="the last one that was checked")
    limits: str | None = Field(description="last day of their history; null: there are none yet")
    faults: list[InputFault]
    blocked: bool = Field(description="nothing is scored: there are faults, and no override")
    override: Override | None


input_limits = DocumentContract(RootModel[InputLimits | None])
input_check = DocumentContract(InputCheck)
