"""The features, one row per inspection, as known before the year begins."""

import pandas as pd

from preflight.contracts.table import Utc, column

from kitchens.contracts.primary import Key


class Features(Key, look_back="4100D", look_ahead="1D"):
    """One row per inspection: what was known before its year."""

    predict_at: Utc = column("moment of prediction: nothing later is used", "UTC")
    name: pd.CategoricalDtype = column("of the kitchen", group="kitchen")
    mean_score: float = column("of ten years", "points", nullable=True, group="history")
