"""What was known of each kitchen before the year, as columns for a model."""

import pandas as pd

from preflight.features.windows import Events, codes
from preflight.problem.framing import Framing

from kitchens.contracts.primary import Key

TEN_YEARS = pd.Timedelta("3660D")


def compute_prediction_times(inspections: pd.DataFrame, framing: Framing) -> pd.Series:
    """Return the moment when each kitchen's advice is decided on, in UTC."""
    lead = pd.Timedelta(minutes=framing.prediction.lead_minutes)
    return (inspections["year_begins"] - lead).rename("predict_at")


def build_kitchen_features(inspections: pd.DataFrame) -> pd.DataFrame:
    """Return whose kitchen it is."""
    return inspections[["name"]]


def build_history_features(inspections: pd.DataFrame, framing: Framing) -> pd.DataFrame:
    """Return what earlier inspections of the kitchen found."""
    now, name = compute_prediction_times(inspections, framing), codes(inspections["name"])
    scored = Events(inspections["year_ends"], score=inspections["score"].fillna(0).to_numpy())
    return pd.DataFrame({"mean_score": scored.by(name).at(name, now).mean("score", TEN_YEARS)})


def compute_labels(inspections: pd.DataFrame, framing: Framing) -> pd.DataFrame:
    """Return `label` and the moment `label_known_at`, both missing while it is open."""
    bad = (inspections["score"] < 90).astype(float).where(inspections["score"].notna())
    return inspections[Key.grain()].assign(label=bad, label_known_at=inspections["year_ends"])
