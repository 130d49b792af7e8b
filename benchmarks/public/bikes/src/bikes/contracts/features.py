"""The features, one row per hour, as known a day before."""

from preflight.contracts.table import Utc, column

from bikes.contracts.primary import Key


class Features(Key, look_back="35D", look_ahead="1D"):
    """One row per hour: what was known a day before it."""

    predict_at: Utc = column("moment of prediction: nothing later is used", "UTC")
    hr: int = column("of the day", ge=0, le=23, group="calendar")
    weekday: int = column("0 is Sunday", ge=0, le=6, group="calendar")
    workingday: int = column("1: neither weekend nor holiday", isin=[0, 1], group="calendar")
    last: float = column("hired at this hour, last", "bikes", nullable=True, group="history")
    usual: float = column("mean of four weeks, such days", "bikes", nullable=True, group="history")
