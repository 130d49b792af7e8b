"""The parameters of inference, and the columns of predictions and of their log."""

from typing import Self

import pandas as pd
from pydantic import AwareDatetime, Field, model_validator

from preflight.contracts.documents import Parameters
from preflight.contracts.table import Table, Utc, column
from preflight.modeling.contracts import DecisionValues
from preflight.stats.contracts import COST


class Inference(Parameters):
    """At which moments predictions are made."""

    moment: AwareDatetime | None
    until: AwareDatetime | None
    every_minutes: int = Field(gt=0)

    @model_validator(mode="after")
    def in_order(self) -> Self:
        """Refuse a backfill that begins nowhere, or after its end."""
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
    """Of each decision that is due, besides its features: when they were built."""

    moment: Utc = column("when the prediction is made", "UTC")
    lacks: str = column("what should be known in advance and is missing; empty: nothing")


class PredictionColumns(DecisionValues):
    """Of each decision, besides its key: what the champion says of it."""

    predict_at: Utc = column("moment of prediction: nothing later is used", "UTC")
    moment: Utc = column("when the prediction was made", "UTC")
    model: str = column("version of the champion")
    reasons: str = column(
        "the three feature groups that move it most: the prediction less what it would be if the "
        "group were as in a typical example"
    )
    flags: str = column("what is missing or was never seen before; empty: nothing")
    cost: float | None = column(COST, alias="^cost_.+$", regex=True)


class LogColumns(PredictionColumns):
    """Of each decision, moment and model, besides key and features; never changed since."""

    source: str = column("who asked", isin=["batch", "service"])
