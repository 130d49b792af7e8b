"""The limits of inputs that inference checks before scoring, from the days of a history."""

from bisect import bisect_right
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from preflight.contracts.catalog import Contract, Contracts
from preflight.errors import RunError
from preflight.inference.contracts import FeatureLimits, InputLimits
from preflight.inference.prediction_log import Days, hash_keys
from preflight.monitoring.contracts import Limits, Monitoring
from preflight.problem.framing import Framing

MIN_DAYS = 28  # four of each weekday, whose median is the usual number of decisions
IDLE_FACTOR = 1.5  # of the longest time without a decision, as a longer one will come


def compute_input_limits(
    feature_history: Callable[[], pd.DataFrame],
    labels: pd.DataFrame,
    logged_days: Days,
    framing: Framing,
    monitoring: Monitoring,
    contracts: Contracts,
) -> dict[str, Any]:
    """Return the limits of inputs, as an `InputLimits`.

    The history is what batch inference has logged, as soon as that is 28 days, because it has no
    blocked days. Before, it is the features of decisions whose label is known: later ones were
    built before their time. Days with few decisions count for nothing but their usual number.

    feature_history: reads the features.

    Raises:
        RunError: the history is shorter than 28 days.
    """
    settings, contract = monitoring.limits, contracts["features"]
    moment = monitoring.at
    histories: dict[str, Callable[[], pd.DataFrame]] = {
        "prediction_log": lambda: _logged(logged_days, monitoring, contract),
        "features": lambda: _with_label(feature_history(), labels, contract),
    }
    for source, read in histories.items():  # noqa: B007
        rows = _recent(read(), moment, settings.days, framing, contract)
        if (n := rows["day"].nunique()) >= MIN_DAYS:
            break
    else:
        raise RunError(
            f"Limits of inputs need a history of {MIN_DAYS} days. 'features' has {n} days until "
            f"{moment:%Y-%m-%d %H:%M %Z}. Until there are limits, inputs are not checked."
        )
    days_of_hour = rows.groupby(rows["at"].dt.hour)["day"].nunique()
    idle = rows["at"].sort_values().diff().max() / pd.Timedelta(hours=1)
    return InputLimits(
        until=f"{rows['day'].max():%Y-%m-%d}",
        source=source,
        features=_feature_limits(rows, contract.names(), settings),
        unseen=settings.unseen_share,
        rows=_row_limits(rows["at"], settings.rows_share),
        hours=sorted(days_of_hour.index) if days_of_hour.min() > 1 else None,  # none by chance
        idle_hours=IDLE_FACTOR * idle,
    ).model_dump(mode="json")


def _logged(logged_days: Days, monitoring: Monitoring, contract: Contract) -> pd.DataFrame:
    """Return the features that batch inference has logged, of the parts with the last days."""
    columns = [*contract.to_schema().columns]
    parts = (logged_days[first_day]() for first_day in _latest(logged_days, monitoring))
    batch = [part.loc[part["source"] == "batch", columns] for part in parts]
    return pd.concat(batch or [contract.empty()])


def _with_label(features: pd.DataFrame, labels: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    """Return the features of decisions whose label is known, by key: labels may be newer."""
    key = contract.grain()
    known = hash_keys(labels[labels["label"].notna()], key)
    return features[np.isin(hash_keys(features, key), known)]


def _latest(logged_days: Days, monitoring: Monitoring) -> list[str]:
    """Return the parts of the log that may have the last days until the moment."""
    until = f"{monitoring.at.tz_convert('UTC'):%Y-%m-%d}"
    parts = [first for first in logged_days if first <= until]
    if not parts:
        return []
    start = pd.Timestamp(parts[-1]) - pd.Timedelta(days=monitoring.limits.days)
    return parts[max(0, bisect_right(parts, f"{start:%Y-%m-%d}") - 1) :]


def _recent(
    rows: pd.DataFrame, moment: pd.Timestamp, days: int, framing: Framing, contract: Contract
) -> pd.DataFrame:
    """Return the rows of the last days until a moment, with `at`, the local time, and `day`.

    Each decision is there once.
    """
    at = rows["predict_at"].dt.tz_convert(framing.split.timezone).dt.tz_localize(None)
    day = at.dt.normalize()
    past = rows["predict_at"] <= moment
    recent = past & (day > day[past].max() - pd.Timedelta(days=days))
    return rows.assign(at=at, day=day)[recent & ~rows.duplicated(contract.grain())]


def _feature_limits(
    rows: pd.DataFrame, names: list[str], settings: Limits
) -> dict[str, FeatureLimits]:
    """Return the limits of each feature, from its worst day of those with enough rows."""
    per_day = rows["day"].value_counts()
    usual = per_day.groupby(pd.DatetimeIndex(per_day.index).day_of_week).transform("median")
    enough = rows["day"].isin(per_day.index[per_day >= settings.rows_share * usual])
    day = rows["day"].where(enough)  # others are in no group
    missing = rows[names].isna().groupby(day).mean().max()
    distinct = rows[names].groupby(day).nunique().min()
    limits = {}
    for name in names:
        # it freezes: it takes few values, and at most half of those of its poorest day
        varies = distinct[name] > settings.few_values
        is_text = rows[name].dtype.kind == "O"
        texts = rows.loc[enough, name].dropna().unique() if is_text else None
        limits[name] = FeatureLimits(
            missing=min(1.0, missing[name] + settings.missing_margin),
            distinct=min(settings.few_values, distinct[name] // 2) + 1 if varies else 0,
            categories=None if texts is None else sorted(texts),
        )
    return limits


def _row_limits(at: pd.Series, share: float) -> list[float]:
    """Return the least number of rows in the 24 hours until each hour of a week, shape (168,).

    It is a share of the median over the last four weeks. The first is that of Monday 0:00.
    """
    hours = at.dt.ceil("h").value_counts().sort_index().resample("h").sum()
    rows = hours.rolling(24, min_periods=1).sum().iloc[-24 * MIN_DAYS :]
    index = pd.DatetimeIndex(rows.index)
    usual = rows.groupby(index.day_of_week * 24 + index.hour).median()
    return [share * float(one) for one in usual.reindex(range(168), fill_value=0)]
