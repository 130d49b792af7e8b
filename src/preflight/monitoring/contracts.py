"""The parameters of monitoring."""

from pydantic import AwareDatetime, Field

from preflight.contracts.documents import Parameters


class Limits(Parameters):
    """How the limits of inputs follow from the days of a history."""

    days: int = Field(ge=28, description="local days of the history, at the most")
    missing_margin: float = Field(ge=0, le=1, description="added to the worst day's share")
    few_values: int = Field(gt=0, description="a feature that always takes more may freeze")
    unseen_share: float = Field(ge=0, le=1, description="of rows with a category that is new")
    rows_share: float = Field(gt=0, le=1, description="of the usual number of decisions")


class Monitoring(Parameters):
    """As of which moment monitoring is made, and its settings."""

    moment: AwareDatetime | None
    limits: Limits
