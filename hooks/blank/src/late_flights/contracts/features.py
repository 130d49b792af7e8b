"""The features, one row per parcel, as known at its moment of prediction.

They are computed in pipelines/feature_engineering/nodes.py.
"""

import pandas as pd
from pandera.dtypes import Float32

from preflight.contracts.table import Utc, column

from late_flights.contracts.primary import Key
from late_flights.contracts.raw import PLACES


# look_back: windows of 14 days, and 10 more until a parcel has arrived. look_ahead: of what ships
# later features need nothing, but the lead.
class Features(Key, look_back="24D", look_ahead="1D"):
    """One row per parcel: what was known two hours before it ships.

    A feature has a description, a unit, a range that it can't leave, and the group that it is in.
    """

    predict_at: Utc = column("moment of prediction: nothing later is used", "UTC")

    place: pd.CategoricalDtype = column("where it goes", isin=PLACES, group="order")
    weight: Float32 = column("with its packing", "kg", gt=0, le=100, group="order")
    glass: Float32 = column("1: there is glass in it", isin=[0, 1], group="order")

    broken_share: Float32 = column(
        "of parcels to the place that were delivered in 14 days",
        "share",
        nullable=True,
        ge=0,
        le=1,
        group="history",
    )
    delivered: Float32 = column(
        "parcels to the place in 14 days", "parcels", ge=0, le=100_000, group="history"
    )
