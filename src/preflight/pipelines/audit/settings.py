"""The parameters of the audit, typed."""

from typing import Annotated

from pydantic import Field

from preflight.costs import Strict


class Audit(Strict):
    """How hard the audit looks, and what it lets pass."""

    seed: int
    moments: int = Field(gt=0)
    duplicate_share: float = Field(ge=0, lt=1)
    single_auc: float = Field(gt=0.5, le=1)
    pair_auc: float = Field(gt=0.5, le=1)
    odds_ratio: float = Field(gt=1)
    pair_rows: int = Field(gt=0)
    allowed: dict[str, Annotated[str, Field(min_length=1)]] = Field(
        description="feature: why it may tell more than single_auc"
    )
