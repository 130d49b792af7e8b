"""What inference returns: the rows that are due, what the champion says of them, and the log."""

from pandera.typing import Series

from preflight.contracts.features import Features
from preflight.contracts.primary import Key
from preflight.contracts.results import COST, Answer
from preflight.contracts.table import Utc, column


class Upcoming(Features):
    """Features with the moment at which they were built: one row per decision that is due."""

    moment: Series[Utc] = column("when the prediction is made", "UTC")
    lacks: Series[str] = column("what should be known in advance and is missing; empty: nothing")


class Predictions(Answer, Key):
    """One row per decision: what the champion says of it."""

    predict_at: Series[Utc] = column("moment of prediction: nothing later is used", "UTC")
    moment: Series[Utc] = column("when the prediction was made", "UTC")
    model: Series[str] = column("version of the champion")
    reasons: Series[str] = column(
        "the three feature groups that move it most: the prediction less what it would be if the "
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
