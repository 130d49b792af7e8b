"""What was known of each parcel at its moment of prediction, as columns for a model.

Each column is declared in contracts/features.py.

Each group of features is one function of the primary tables and returns one row per parcel, in
their order. A value may be used only if it was known by the moment of prediction: the audit replays
the past, and finds what was not.
"""

import pandas as pd

from preflight.features.windows import Events, codes
from preflight.problem.framing import Framing

from late_flights.contracts.primary import Key

KEY = Key.grain()
HISTORY = pd.Timedelta(days=14)  # the longest window


def compute_prediction_times(parcels: pd.DataFrame, framing: Framing) -> pd.Series:
    """Return the moment when each parcel's decision is due, in UTC. Grain: as `parcels`."""
    lead = pd.Timedelta(minutes=framing.prediction.lead_minutes)
    return (parcels["ships_at"] - lead).rename("predict_at")


def build_order_features(parcels: pd.DataFrame) -> pd.DataFrame:
    """Return what the order says of a parcel itself. Grain: as `parcels`."""
    return parcels[["place", "weight"]].assign(glass=parcels["glass"].astype("float32"))


def build_history_features(parcels: pd.DataFrame, framing: Framing) -> pd.DataFrame:
    """Return how parcels to the same place did, as far as it was known. Grain: as `parcels`."""
    now, place = compute_prediction_times(parcels, framing), codes(parcels["place"])
    broken = parcels["broken"].fillna(0).to_numpy()
    delivered = Events(parcels["delivered_at"], broken=broken)
    window = delivered.by(place).at(place, now)
    return pd.DataFrame(
        {
            "broken_share": window.mean("broken", HISTORY),
            "delivered": window.count(HISTORY),
        },
        dtype="float32",
    )


def compute_labels(parcels: pd.DataFrame, framing: Framing) -> pd.DataFrame:
    """Return `label` and the moment `label_known_at`, both missing while it is open.

    Grain: as `parcels`.
    """
    bad = (parcels["broken"] > framing.prediction.label_threshold).astype("float64")
    label = bad.where(parcels["delivered_at"].notna())
    return parcels[KEY].assign(label=label, label_known_at=parcels["delivered_at"])
