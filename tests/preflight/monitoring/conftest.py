"""Parcels that were predicted by a champion, with a challenger and labels."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from preflight.inference.contracts import Override
from preflight.modeling.model import Bundle
from preflight.monitoring.contracts import Monitoring
from preflight.problem.framing import Framing

ALARMS = {
    "alpha": 0.025,
    "history_weeks": 8,
    "money_factor": 1.3,
    "rank_factor": 1.1,
    "rank_tolerance": 0.03,
}
LIMITS = {
    "days": 90,
    "missing_margin": 0.1,
    "few_values": 6,
    "unseen_share": 0.03,
    "rows_share": 0.7,
}


class Chance:
    """An estimator that knows the true chance of a parcel to break."""

    def predict_proba(self, rows: pd.DataFrame) -> np.ndarray:
        odds = 1.5 * rows["signal"] + (rows["place"].astype(str) == "north") - 1.5
        chance = 1 / (1 + np.exp(-odds.to_numpy(dtype=np.float64)))
        return np.column_stack([1 - chance, chance])


def model(framing: Framing, known_until: str, **origin: Any) -> Bundle:
    """A fitted model of parcels."""
    sections = {"task", "prediction", "costs", "split"}
    provenance = {
        "path": "a.Chance",
        "preprocessing": None,
        "params": {},
        "framing": framing.model_dump(mode="json", include=sections),
        "last": known_until,
        "known_until": known_until,
        "version": "v1",
    }
    return {
        "estimator": Chance(),
        "slope": 1.0,
        "intercept": 0.0,
        "threshold": 0.2,
        "features": ["signal", "place"],
        "provenance": provenance | origin,
    }


def settings(
    moment: str | None = None, acknowledged: Any = None, **silenced: Override
) -> Monitoring:
    given = {"moment": moment, "limits": LIMITS, "alarms": ALARMS, "silenced": silenced}
    return Monitoring.model_validate(given | {"acknowledged": acknowledged or {}})


def log_of(parcels: pd.DataFrame, score: Any = None, version: str = "v1") -> pd.DataFrame:
    """Parcels as the log has them: predicted with the true chance, or a score."""
    rows = parcels.drop(columns=["label", "label_known_at", "chance"])
    probability = parcels["chance"] if score is None else score
    return rows.assign(
        moment=rows["predict_at"],
        model=version,
        probability=probability,
        act=probability > 0.2,
        label_due_at=rows["predict_at"] + pd.Timedelta(hours=49),
        untouched=pd.array([False] * len(rows), dtype="boolean"),
    )


def by_day(rows: pd.DataFrame) -> dict[str, Callable[[], pd.DataFrame]]:
    days = rows.groupby(rows["moment"].dt.strftime("%Y-%m-%d"))
    return {str(day): (lambda part=part: part) for day, part in days}


@pytest.fixture
def sent(make_parcels: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    """Forty weeks of parcels from a Monday on, with labels."""
    return make_parcels("2013-01-07T05:00", "2013-10-14T04:00", 12_000)
