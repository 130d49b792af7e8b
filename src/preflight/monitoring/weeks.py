"""Values by week, with their days: money per 1,000 decisions, and how well predictions rank."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from preflight.problem.framing import Task
from preflight.problem.split import monday_of
from preflight.stats.metrics import roc_auc

Floats = npt.NDArray[np.float64]
DAY, WEEK = pd.Timedelta(days=1), pd.Timedelta(weeks=1)


class Weeks(NamedTuple):
    """A value by local week, Monday to Sunday; all weeks from the first to the last.

    monday: shape (weeks,). decisions, labelled: their number. weekly: NaN where there is no value.
    daily: shape (weeks, 7).
    """

    monday: pd.DatetimeIndex
    decisions: npt.NDArray[np.int64]
    labelled: npt.NDArray[np.int64]
    weekly: Floats
    daily: Floats


def by_week(rows: pd.DataFrame, measure: Callable[[pd.DataFrame], float], used: Any) -> Weeks:
    """Return a value of the used rows of each week and of each day.

    Args:
        rows: decisions, with their local `day`.
        measure: returns the value of some rows.
        used: which rows have all that it needs, shape (n,).
    """
    monday = monday_of(rows["day"])
    weeks = pd.date_range(monday.min(), monday.max(), freq=WEEK) if len(rows) else monday
    days = pd.date_range(weeks[0], periods=7 * len(weeks), freq=DAY) if len(rows) else monday
    some = rows[used]

    def measured(by: pd.Series, index: Any) -> Floats:
        values = {key: measure(part) for key, part in some.groupby(by[used])}
        return pd.Series(values, dtype=np.float64).reindex(index).to_numpy()

    decisions, labelled = (
        np.asarray(one.value_counts().reindex(weeks, fill_value=0), dtype=np.int64)
        for one in (monday, monday[used])
    )
    return Weeks(
        pd.DatetimeIndex(weeks),
        decisions,
        labelled,
        measured(monday, weeks),
        measured(rows["day"], days).reshape(-1, 7),
    )


def rank_quality(label: Any, predicted: Any, task: Task) -> float:
    """Return how well predictions rank: ROC AUC, or Spearman's rank correlation of a regression.

    NaN where it is not defined: a single label, or in a regression a single prediction.
    """
    labels, values = (np.asarray(some, dtype=np.float64) for some in (label, predicted))
    if not len(labels) or not np.ptp(labels) or (task == "regression" and not np.ptp(values)):
        return float("nan")
    if task == "binary":
        one_unit = np.zeros(len(labels), dtype=np.int64)
        return float(roc_auc(labels.astype(np.int64), values, one_unit, np.ones((1, 1)))[0])
    from scipy.stats import spearmanr

    return float(spearmanr(values, labels).statistic)
