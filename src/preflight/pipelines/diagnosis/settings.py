"""The parameters of diagnosis, typed."""

from pydantic import Field

from preflight.costs import Strict


class Diagnosis(Strict):
    """How deep to look into what was built."""

    seed: int
    step_rows: int = Field(gt=0, description="examples of train that a step is fitted on, at most")
    train_shares: list[float] = Field(min_length=1, description="of train, its latest part")
    next_share: float = Field(gt=0, le=1, description="of train: so many labels more")
    segment_depth: int = Field(ge=1)
    segment_share: float = Field(gt=0, le=0.5, description="of validation, at least")
    examples: int = Field(gt=0, description="to look at, in each of the worst segments")
    labels_to_review: int = Field(gt=0)
    noise: float = Field(gt=0, description="in standard deviations of a feature")
