"""The parameters of evaluation, typed."""

from pydantic import Field

from preflight.costs import Strict


class Evaluation(Strict):
    """How test is measured."""

    replicates: int = Field(ge=100, description="of the bootstrap over days")
    seed: int
    calibration_bins: int = Field(ge=2)
    thresholds: int = Field(ge=2, description="steps from 0 to 1 that the cost curve has")
    importance_rows: int = Field(gt=0)
    importance_shuffles: int = Field(ge=2)
    end_to_end_rows: int = Field(gt=0)
