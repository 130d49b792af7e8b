"""The parameters of the audit, and its findings."""

from typing import Annotated

import pandas as pd
from pydantic import Field

from preflight.contracts.documents import Parameters
from preflight.contracts.table import Table, column, rule

Reasons = dict[str, Annotated[str, Field(min_length=1)]]


class Allowed(Parameters):
    """Features that may predict the label better than a check allows, each with the reason."""

    one_feature: Reasons = Field(description="feature: why its AUC may exceed single_auc")
    one_value: Reasons = Field(description="feature: why one of its values may exceed odds_ratio")
    two_features: dict[str, Reasons] = Field(
        description="feature: other feature: why the AUC of both may exceed pair_auc"
    )
    tables: Reasons = Field({}, description="check of a table, as its message names it: why")

    def features(self) -> set[str]:
        """Return all features that are named."""
        others = {other for pairs in self.two_features.values() for other in pairs}
        return {*self.one_feature, *self.one_value, *self.two_features, *others}


class TableLimits(Parameters):
    """The limits of the checks of each table with an `event_time`."""

    day_rows: int = Field(20, gt=0, description="of a weekday, from which an empty day is found")
    dead_values: int = Field(100, gt=0, description="expected in a month in which there are none")
    categories: int = Field(200, gt=1, description="distinct values that a category may have")
    clock_gain: float = Field(
        0.2, gt=0, description="in the correlation with other groups, by another hour, as a share"
    )
    unit_ratio: float = Field(
        3, gt=1, description="a group's distance from the others, by that among them"
    )
    jump_ratio: float = Field(2, gt=1, description="a month's jump, by the largest of the others")
    mixed_share: float = Field(0.005, gt=0, lt=0.5, description="of rows in another unit")


class AuditParameters(Parameters):
    """The limits of the audit, and the exceptions from them."""

    seed: int
    moments: int = Field(gt=0)
    duplicate_share: float = Field(ge=0, lt=1)
    single_auc: float = Field(gt=0.5, le=1)
    pair_auc: float = Field(gt=0.5, le=1)
    odds_ratio: float = Field(gt=1)
    pair_rows: int = Field(gt=0)
    tables: TableLimits = TableLimits()
    allowed: Allowed


class AuditFindings(Table, key=["check"]):
    """One row per finding of the audit. It is saved only if no check has failed."""

    check: str = column("what was checked")
    state: str = column(
        "passed; warning: may be right, look at it; assumed: can't be tested; "
        "allowed: by name, with a reason; untested: too few rows",
        isin=["passed", "warning", "assumed", "allowed", "untested"],
    )
    measured: float = column("the statistic, in the unit of the limit", nullable=True)
    limit: float = column("the largest value that passes", nullable=True)
    evidence: str = column("message")

    @rule("nothing measured is above its limit", "measured", "limit")
    def within(cls, t: pd.DataFrame) -> pd.Series:
        return (t["measured"] <= t["limit"]) | t["limit"].isna()
