"""What the promotion gate found, and the champion."""

from pydantic import Field, RootModel

from preflight.champion import Override, Promoted
from preflight.contracts.results import Condition
from preflight.contracts.table import Document, DocumentContract


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
promotion = DocumentContract(Promoted)
