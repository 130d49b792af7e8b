"""The parameters of deployment, the gate's clearance and the measurements of the service."""

from typing import Self

from pydantic import AwareDatetime, Field, RootModel, model_validator

from preflight.contracts.documents import AsOf, Document, DocumentContract, Parameters, Text
from preflight.deployment.champion import ChampionRecord, Override
from preflight.evaluation.contracts import Condition
from preflight.stats.contracts import Interval


class OverrideParameters(Parameters):
    """Who promotes a model against the verdict, and why."""

    by: Text | None
    reason: Text | None

    @model_validator(mode="after")
    def has_a_name_and_a_reason(self) -> Self:
        """Refuse a name without a reason, and a reason without a name."""
        if (self.by is None) != (self.reason is None):
            raise ValueError("an override needs both: by, a name, and reason")
        return self


class Deployment(Parameters):
    """How a candidate becomes the champion."""

    override: OverrideParameters


class Retraining(AsOf):
    """As of which moment the champion's recipe is fitted again, and how it is tried."""

    weeks: int = Field(ge=1, description="of known labels, on which the recipe is tried")


class RefitTrial(Document):
    """The champion's recipe, fitted without the last weeks, next to the champion on these weeks."""

    champion: str = Field(description="its version")
    since: AwareDatetime = Field(description="moments of prediction after this one count")
    until: AwareDatetime = Field(description="labels that were known by then count")
    decisions: int = Field(gt=0)
    gain_per_1000: Interval = Field(description="saving less the champion's, in the currency")
    implausible: list[str] = Field(description="metrics outside their plausible range; not money")


class Clearance(Document):
    """Result of the promotion gate; saved only if every check passed."""

    run: str = Field(description="that evaluated the candidate")
    checks: list[Condition] = Field(min_length=1)
    override: Override | None


class OverHttp(Document):
    """Speed and memory of a candidate as a service: `make bench-service`."""

    sha256: str = Field(description="of its file")
    at: str = Field(description="when it was measured")
    requests_per_second: float = Field(gt=0, description="of one row, at the framed rate")
    p50_ms: float = Field(gt=0, description="median latency of one row")
    p99_ms: float = Field(gt=0, description="99th percentile of the latency of one row")
    rows_per_second: float = Field(gt=0, description="in batches")
    failed: int = Field(ge=0, description="requests with another status than 200")
    ready_seconds: float = Field(gt=0, description="from start to the first answer")
    memory_mb: float = Field(gt=0, description="peak of the process")
    load: float = Field(ge=0, description="of the machine: about 1 on a quiet one")


service_limits = DocumentContract(RootModel[list[OverHttp]])
clearance = DocumentContract(Clearance)
promotion = DocumentContract(ChampionRecord)
refit_trial = DocumentContract(RefitTrial)
