"""What the promotion gate found, and the champion."""

from pydantic import Field

from preflight.champion import Override, Promoted
from preflight.contracts.results import Condition
from preflight.contracts.table import Document, DocumentContract


class Clearance(Document):
    """What the promotion gate found; if it is there, everything holds."""

    run: str = Field(description="that judged the candidate")
    checks: list[Condition] = Field(min_length=1)
    override: Override | None


clearance = DocumentContract(Clearance)
promotion = DocumentContract(Promoted)
