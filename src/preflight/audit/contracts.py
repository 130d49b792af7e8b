"""The parameters of the audit, and its findings."""

from typing import Annotated

import pandas as pd
from pydantic import Field

from preflight.contracts.documents import Parameters
from preflight.contracts.table import Table, column, rule

Reasons = dict[str, Annotated[str, Field(min_length=1)]]


class Allowed(Parameters):
    """What may tell more than its check lets pass, each with the reason."""

    one_feature: Reasons = Field(description="feature: why it may tell more than single_auc")
    one_value: Reasons = Field(description="feature: why a value may tell more than odds_ratio")
    two_features: dict[str, Reasons] = Field(
        description="feature: other feature: why the two, their sum or difference may tell more "
        "than pair_auc"
    )

    def features(self) -> set[str]:
        """Return all features that are named."""
        others = {other for pairs in self.two_features.values() for other in pairs}
        return {*self.one_feature, *self.one_value, *self.two_features, *others}


class AuditParameters(Parameters):
    """How hard the audit looks, and what it lets pass."""

    seed: int
    moments: int = Field(gt=0)
    duplicate_share: float = Field(ge=0, lt=1)
    single_auc: float = Field(gt=0.5, le=1)
    pair_auc: float = Field(gt=0.5, le=1)
    odds_ratio: float = Field(gt=1)
    pair_rows: int = Field(gt=0)
    allowed: Allowed


class AuditFindings(Table, key=["check"]):
    """One row per finding of the audit: that it is saved means that none has failed."""

    check: str = column("what was looked for")
    state: str = column(
        "passed; assumed: taken for true, can't be tested; allowed: by name, with a reason; "
        "untested: too few rows to tell",
        isin=["passed", "assumed", "allowed", "untested"],
    )
    measured: float = column("what was found, in the unit of the limit", nullable=True)
    limit: float = column("the most that passes", nullable=True)
    evidence: str = column("what was found, in words")

    @rule("nothing measured is above its limit", "measured", "limit")
    def within(cls, t: pd.DataFrame) -> pd.Series:
        return ~(t["measured"] > t["limit"])
