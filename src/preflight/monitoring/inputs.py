"""How the inputs of a week differ from those of the weeks before, column by column.

No alarm comes from it. A column that moves is where to look first when an alarm is raised.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from preflight.monitoring.weeks import WEEK
from preflight.problem.framing import Framing
from preflight.problem.split import monday_of

BINS = 64  # of the values of a column; one more is for missing values
SAMPLE = 20_000  # rows that the bins are chosen from
BEFORE = 8  # weeks that a week is compared with
PAST = 8  # weeks whose distance shows how much a column usually moves
PRIOR_WEEKS, PRIOR_VARIANCE = 8, 0.1  # of the log distance, as long as few weeks are known
ENOUGH = 0.5  # of the usual rows, or a week is not compared
WARN = 5.0  # standard deviations
MISSING_WARN, MISSING_STEP = 3.0, 0.05  # a share of missing values that never was before


class InputCounts:
    """How often each input has a value in each of its bins, by local week.

    Bins are quantiles of a number, or the most frequent categories.

    They are those of the first rows that are added.

    Args:
        names: of the columns.
    """

    def __init__(self, names: list[str], framing: Framing) -> None:
        self._bins: dict[str, Any] = dict.fromkeys(names)
        self._framing = framing
        self._weeks: dict[pd.Timestamp, npt.NDArray[np.int64]] = {}

    def add(self, rows: pd.DataFrame) -> None:
        """Count rows of the log, in the order of time."""
        if rows.empty:
            return
        if not self._weeks:
            sample = rows.iloc[:: max(1, len(rows) // SAMPLE)]
            self._bins = {name: _choose_bins(sample[name]) for name in self._bins}
        monday = monday_of(self._framing.split.day(rows["predict_at"]))
        number, weeks = pd.factorize(monday)
        size = BINS + 1
        for row, (name, bins) in enumerate(self._bins.items()):
            cell = number * size + _bin_of(rows[name], bins)
            counts = np.bincount(cell, minlength=size * len(weeks)).reshape(-1, size)
            for week, count in zip(weeks, counts, strict=True):
                of_week = self._weeks.setdefault(week, np.zeros((len(self._bins), size), np.int64))
                of_week[row] += count

    def table(self, at: pd.Timestamp) -> pd.DataFrame:
        """Return the counts of whole weeks: one row per week and feature, 64 bins and `missing`."""
        today = at.tz_convert(self._framing.split.timezone).tz_localize(None)
        weeks = sorted(week for week in self._weeks if week + WEEK <= today)
        index = pd.MultiIndex.from_product([weeks, [*self._bins]], names=["week", "feature"])
        counts = [self._weeks[week] for week in weeks]
        cells = np.concatenate([np.empty((0, BINS + 1), np.int64), *counts])
        return pd.DataFrame(cells, index, [*map(str, range(BINS)), "missing"])


def _choose_bins(values: pd.Series) -> npt.NDArray[np.float64] | pd.Index:
    """Return the upper bounds of the bins of numbers, or the categories that have a bin."""
    if _is_number(values):
        numbers = values.dropna().to_numpy(np.float64)
        steps = np.linspace(0, 1, BINS + 1)[1:-1]
        return np.unique(np.quantile(numbers, steps)) if len(numbers) else np.empty(0)
    return pd.Index(values.astype("str").value_counts().index[: BINS - 1])


def _is_number(values: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(values.dtype)


def _bin_of(values: pd.Series, bins: Any) -> npt.NDArray[np.int64]:
    """Return the number of each value's bin, shape (n,); the last bin is of missing values."""
    if isinstance(bins, pd.Index):
        codes, categories = pd.factorize(values)
        found = bins.get_indexer(pd.Index(categories).astype("str"))
        return np.append(np.where(found < 0, BINS - 1, found), BINS)[codes]
    numbers = values.to_numpy(np.float64, na_value=np.nan)
    return np.where(np.isnan(numbers), BINS, np.searchsorted(bins, numbers, side="right"))


def compare_inputs(input_counts: pd.DataFrame) -> pd.DataFrame:
    """Return how far each input of each week is from the 8 weeks before, as `WeeklyInputs`.

    Distance: total variation between the shares of the bins. Its logarithm is standardised by that
    of the earlier weeks, at least 8. A share of missing values above all earlier ones counts too.
    """
    names = input_counts.index.get_level_values("feature").unique()
    rows = input_counts.sum(axis=1).groupby(level="week").first() if len(input_counts) else None
    if rows is None:
        return _table([], names, np.empty((0, len(names), 3)), np.empty(0))
    whole = (rows >= ENOUGH * rows.median()).to_numpy()
    counts = input_counts.to_numpy(np.float64).reshape(len(rows), len(names), -1)[whole]
    shares = counts / counts.sum(axis=2, keepdims=True)
    figures = np.full((len(counts), len(names), 3), np.nan)  # distance, missing, score
    figures[..., 1] = shares[..., -1]
    for week in range(BEFORE, len(counts)):
        before = counts[week - BEFORE : week].sum(axis=0)
        usual = before / before.sum(axis=1, keepdims=True)
        figures[week, :, 0] = np.abs(shares[week] - usual).sum(axis=1) / 2
        if week >= BEFORE + PAST:
            figures[week, :, 2] = _score(figures[: week + 1, :, 0], figures[: week + 1, :, 1])
    return _table(rows.index[whole], names, figures, rows.to_numpy()[whole])


def _score(distance: Any, missing: Any) -> npt.NDArray[np.float64]:
    """Return how unusual the last week is, shape (columns,), from figures by week and column."""
    logs = np.log(np.maximum(distance[BEFORE:], 1e-6))
    past, n = logs[:-1], len(logs) - 1
    squares = ((past - past.mean(axis=0)) ** 2).sum(axis=0)
    variance = (PRIOR_WEEKS * PRIOR_VARIANCE + squares) / (PRIOR_WEEKS + n)
    score = (logs[-1] - past.mean(axis=0)) / np.sqrt(variance)
    excess = missing[-1] - missing[:-1].max(axis=0)
    more = np.where(excess > 0, MISSING_WARN + excess / MISSING_STEP, -np.inf)
    return np.asarray(np.maximum(score, more))


def _table(weeks: Any, names: Any, figures: Any, rows: Any) -> pd.DataFrame:
    """Return figures by week and column as rows."""
    distance, missing, score = (figures[..., i].reshape(-1) for i in range(3))
    return pd.DataFrame(
        {
            "week": np.repeat([f"{week:%Y-%m-%d}" for week in weeks], len(names)).astype(object),
            "feature": np.tile(names.to_numpy(dtype=object), len(weeks)),
            "rows": np.repeat(rows.astype(np.int64), len(names)),
            "distance": distance.clip(max=1),  # a sum of shares may be above it by rounding
            "missing": missing,
            "score": score,
            "warned": score > WARN,
        }
    ).astype({"week": "str", "feature": "str"})
