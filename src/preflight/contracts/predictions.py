"""What the champion says, and the log of it: of inference and of the service."""

from preflight.contracts.features import Features
from preflight.contracts.primary import Key
from preflight.contracts.results import COST, Answer
from preflight.contracts.table import Utc, column


class Predictions(Answer, Key):
    """One row per decision: what the champion says of it."""

    predict_at: Utc = column("moment of prediction: nothing later is used", "UTC")
    moment: Utc = column("when the prediction was made", "UTC")
    model: str = column("version of the champion")
    reasons: str = column(
        "the three feature groups that move it most: the prediction less what it would be if the "
        "group were as in a typical example"
    )
    flags: str = column("what is missing or was never seen before; empty: nothing")
    cost: float | None = column(COST, alias="^cost_.+$", regex=True)


class PredictionLog(Predictions, Features, key=[*Key.grain(), "moment", "model"]):
    """One row per decision, moment and model: what was asked and answered, never changed since."""

    source: str = column("who asked", isin=["batch", "service"])
