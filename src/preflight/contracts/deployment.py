"""What evaluation leaves for the promotion gate, and what the gate found."""

from pydantic import Field

from preflight.champion import Override, Promoted
from preflight.contracts.features import Features
from preflight.contracts.results import Condition, Said
from preflight.contracts.table import Document, DocumentContract, Utc, column


class EndToEnd(Said, Features):
    """Features with what the candidate said of them, to the last bit: some rows of test."""

    predict_at: Utc = column("moment of prediction", "UTC")


class Clearance(Document):
    """What the promotion gate found; if it is there, everything holds."""

    run: str = Field(description="that judged the candidate")
    checks: list[Condition] = Field(min_length=1)
    override: Override | None


clearance = DocumentContract(Clearance)
promotion = DocumentContract(Promoted)
