"""What the champion says, and the log of it: of inference and of the service."""

from preflight.contracts.results import COST, Answer
from preflight.contracts.table import Table, Utc, column


class UpcomingColumns(Table):
    """Of each decision that is due, besides its features: when they were built."""

    moment: Utc = column("when the prediction is made", "UTC")
    lacks: str = column("what should be known in advance and is missing; empty: nothing")


class PredictionColumns(Answer):
    """Of each decision, besides its key: what the champion says of it."""

    predict_at: Utc = column("moment of prediction: nothing later is used", "UTC")
    moment: Utc = column("when the prediction was made", "UTC")
    model: str = column("version of the champion")
    reasons: str = column(
        "the three feature groups that move it most: the prediction less what it would be if the "
        "group were as in a typical example"
    )
    flags: str = column("what is missing or was never seen before; empty: nothing")
    cost: float | None = column(COST, alias="^cost_.+$", regex=True)


class LogColumns(PredictionColumns):
    """Of each decision, moment and model, besides key and features; never changed since."""

    source: str = column("who asked", isin=["batch", "service"])
