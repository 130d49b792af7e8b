"""What the champion says, and the log of it: of inference and of the service."""

from pandera.typing import Series

from preflight.contracts.features import Features
from preflight.contracts.primary import Key
from preflight.contracts.results import COST, PROBABILITY
from preflight.contracts.table import Utc, column


class Predictions(Key):
    """One row per decision: what the champion says of it."""

    predict_at: Series[Utc] = column("moment of prediction: nothing later is used", "UTC")
    moment: Series[Utc] = column("when the prediction was made", "UTC")
    probability: Series[float] = column("of label 1", **PROBABILITY)
    act: Series[bool] = column("the decision")
    model: Series[str] = column("version of the champion")
    reasons: Series[str] = column(
        "the three feature groups that move it most: the probability less what it would be if the "
        "group were as in a typical example"
    )
    flags: Series[str] = column("what is missing or was never seen before; empty: nothing")
    cost: Series[float] | None = column(COST, alias="^cost_.+$", regex=True)


class PredictionLog(Predictions, Features):
    """One row per decision, moment and model: what was asked and answered, never changed since."""

    source: Series[str] = column("who asked", isin=["batch", "service"])

    class Config:
        """Answered once."""

        unique = [*Key.grain(), "moment", "model"]
