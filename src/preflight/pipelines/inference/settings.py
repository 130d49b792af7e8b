"""The parameters of inference, typed."""

from typing import Self

import pandas as pd
from pydantic import AwareDatetime, Field, model_validator

from preflight.costs import Strict


class Inference(Strict):
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
