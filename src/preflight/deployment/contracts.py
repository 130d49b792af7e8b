"""The parameters of deployment, and what the gate found."""

from typing import Self

from pydantic import Field, RootModel, model_validator

from preflight.contracts.documents import Document, DocumentContract, Parameters, Text
from preflight.deployment.champion import ChampionRecord, Override
from preflight.evaluation.contracts import Condition


class OverrideParameters(Parameters):
    """Who promotes a model that the verdict holds back, and why."""

    by: Text | None
    reason: Text | None

    @model_validator(mode="after")
    def has_a_name_and_a_reason(self) -> Self:
        """Refuse one without the other."""
        if (self.by is None) != (self.reason is None):
            raise ValueError("an override needs both: by, a name, and reason")
        return self


class Deployment(Parameters):
    """How a candidate becomes the champion."""

    override: OverrideParameters


class Clearance(Document):
    """What the promotion gate found; if it is there, everything holds."""

    run: str = Field(description="that judged the candidate")
    checks: list[Condition] = Field(min_length=1)
    override: Override | None


class OverHttp(Document):
    """What a candidate took as a service: `make bench-service`."""

    sha256: str = Field(description="of its file")
    at: str = Field(description="when it was measured")
    requests_per_second: float = Field(gt=0, description="of one row, as they came")
    p50_ms: float = Field(gt=0, description="median of their answers' milliseconds")
    p99_ms: float = Field(gt=0, description="99th percentile of them")
    rows_per_second: float = Field(gt=0, description="in batches")
    failed: int = Field(ge=0, description="requests that were not answered with 200")
    ready_seconds: float = Field(gt=0, description="from start to the first answer")
    memory_mb: float = Field(gt=0, description="of the process, at the most")
    load: float = Field(ge=0, description="of the machine meanwhile: about 1 where it was quiet")


service_limits = DocumentContract(RootModel[list[OverHttp]])
clearance = DocumentContract(Clearance)
promotion = DocumentContract(ChampionRecord)
