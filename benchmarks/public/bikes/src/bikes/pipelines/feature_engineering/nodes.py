"""What was known a day before each hour, as columns for a model."""

import pandas as pd

from preflight.features.windows import Events, codes
from preflight.problem.framing import Framing

from bikes.contracts.primary import Key


def compute_prediction_times(hours: pd.DataFrame, framing: Framing) -> pd.Series:
    """Return the moment when each hour is planned, in UTC."""
    lead = pd.Timedelta(minutes=framing.prediction.lead_minutes)
    return (hours["hour"] - lead).rename("predict_at")


def build_calendar_features(hours: pd.DataFrame) -> pd.DataFrame:
    """Return what the calendar says."""
    return hours[["hr", "weekday", "workingday"]]


def build_history_features(hours: pd.DataFrame, framing: Framing) -> pd.DataFrame:
    """Return how many bikes were hired at this hour before."""
    now, alike = compute_prediction_times(hours, framing), codes(hours["hr"], hours["workingday"])
    hired = Events(hours["over_at"], bikers=hours["bikers"].fillna(0).to_numpy())
    same_hour = hired.by(codes(hours["hr"])).at(codes(hours["hr"]), now)
    return pd.DataFrame(
        {
            "last": same_hour.last("bikers", pd.Timedelta("2D")),
            "usual": hired.by(alike).at(alike, now).mean("bikers", pd.Timedelta("28D")),
        }
    )


def compute_labels(hours: pd.DataFrame, framing: Framing) -> pd.DataFrame:
    """Return `label` and the moment `label_known_at`, both missing while it is open."""
    known = hours[["bikers", "over_at"]].set_axis(["label", "label_known_at"], axis=1)
    return hours[Key.grain()].join(known)
