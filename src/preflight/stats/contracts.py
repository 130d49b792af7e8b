"""Columns and documents that the results of all stages share."""

from typing import Any, Self

from pydantic import model_validator

from preflight.contracts.documents import Document

PROBABILITY: dict[str, Any] = {"ge": 0, "le": 1}
MONEY = "currency of the costs, per 1,000 decisions"
GROUP = "number of the group that the row belongs to, if groups are resampled"
COST = "of each outcome (tp, fp, fn, tn) whose cost is no constant"


class Interval(Document):
    """A metric on all rows with the bounds of its interval; null where it is not defined."""

    mean: float | None
    low: float | None
    high: float | None

    @model_validator(mode="after")
    def in_order(self) -> Self:
        if (self.low is None) != (self.high is None):
            raise ValueError("an interval needs both bounds or none")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"low {self.low} is above high {self.high}")
        return self
