"""The parameters of inference, and the columns of predictions and of their log."""

from typing import Self

import pandas as pd
from pydantic import AwareDatetime, Field, model_validator

from preflight.contracts.documents import Parameters
from preflight.contracts.table import Table, Utc, column
from preflight.modeling.contracts import DecisionValues
from preflight.stats.contracts import COST


class Inference(Parameters):
    """The moments of batch prediction: one, or several for a backfill."""

    moment: AwareDatetime | None
    until: AwareDatetime | None
    every_minutes: int = Field(gt=0)

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
    cost: float | None = column(COST, alias="^cost_.+$", regex=True)


class LogColumns(PredictionColumns):
    """Columns of each logged prediction, in addition to key and features."""

    source: str = column("batch inference or the service", isin=["batch", "service"])
