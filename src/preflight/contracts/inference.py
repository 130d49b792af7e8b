"""The rows that inference asks the champion about."""

from preflight.contracts.features import Features
from preflight.contracts.table import Utc, column


class Upcoming(Features):
    """Features with the moment at which they were built: one row per decision that is due."""

    moment: Utc = column("when the prediction is made", "UTC")
    lacks: str = column("what should be known in advance and is missing; empty: nothing")
