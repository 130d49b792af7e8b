"""Models that a person could write by hand: what the candidate has to beat."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.linear_model import LinearRegression
from sklearn.utils.validation import check_is_fitted

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class _Lookup(BaseEstimator):  # type: ignore[misc]
    """Finds the combination of values that a row has, by the values and not by their text.

    Kept are arrays and lists, which are safe to load: `values_`, the different values of each key,
    and `pairs_`, for each key which of its values came with which combination of the keys before.
    """

    keys: list[str]

    def _learn(self, X: pd.DataFrame) -> Ints:
        """Return the number of each row's combination, from 0, shape (n,)."""
        number = np.zeros(len(X), dtype=np.int64)
        self.values_, self.pairs_ = [], []
        for key in self.keys:
            values = pd.Index(X[key].dropna().unique())
            is_number = pd.api.types.is_numeric_dtype(values)  # True of booleans
            self.values_.append(values.to_numpy() if is_number else values.tolist())
            pair = _pairs(number, X[key], self.values_[-1])
            seen, number = np.unique(pair, return_inverse=True)
            self.pairs_.append(seen)
        return number

    def _find(self, X: pd.DataFrame) -> Ints:
        """Return the number of each row's combination, shape (n,); -1: it was never seen."""
        check_is_fitted(self)
        number = np.zeros(len(X), dtype=np.int64)
        for key, values, seen in zip(self.keys, self.values_, self.pairs_, strict=True):
            number = pd.Index(seen).get_indexer(pd.Index(_pairs(number, X[key], values)))
        return number


def _pairs(number: Ints, column: pd.Series, values: Any) -> Ints:
    """Return a number for each pair of a combination and a value; -1 if one of them is new."""
    known = pd.Index(values)
    if column.dtype.kind == known.dtype.kind == "f":  # 0.1 in 64 bits is 0.1 in 32 bits
        column = column.astype(known.dtype)
    place = known.get_indexer(pd.Index(column))
    place = np.where(column.isna(), len(known), place)
    return np.where((number < 0) | (place < 0), -1, number * (len(known) + 1) + place)


class LookupTable(ClassifierMixin, _Lookup):  # type: ignore[misc]
    """The rate of label 1 among earlier rows with the same values of a few columns.

    Rates of rare combinations are drawn to the overall rate, as if `prior_rows` more rows had been
    seen at that rate (a beta prior). A combination never seen gets the overall rate. A missing
    value is a value like any other.

    Args:
        keys: the columns looked up.
        prior_rows: weight of the overall rate, in rows. It depends on how much rates differ, and
            not on how many rows there are: 50 fit rates that differ by some 5 percentage points.
    """

    def __init__(self, keys: list[str], prior_rows: float = 50) -> None:
        self.keys = keys
        self.prior_rows = prior_rows

    def fit(self, X: pd.DataFrame, y: Any) -> Self:
        """Fill the table from examples X of shape (n, features) and labels y of shape (n,)."""
        label = pd.Series(np.asarray(y, dtype=np.float64))
        seen = label.groupby(self._learn(X)).agg(["sum", "count"])
        self.classes_ = np.array([0, 1])
        self.overall_ = float(label.mean())
        rate = (seen["sum"] + self.prior_rows * self.overall_) / (seen["count"] + self.prior_rows)
        self.rate_ = rate.to_numpy()
        return self

    def predict_proba(self, X: pd.DataFrame) -> Floats:
        """Return the probabilities of 0 and 1, shape (n, 2)."""
        number = self._find(X)
        rate = np.where(number < 0, self.overall_, self.rate_[number])
        return np.column_stack([1 - rate, rate])

    def predict(self, X: pd.DataFrame) -> npt.NDArray[np.int64]:
        """Return the more probable label of each row, shape (n,)."""
        return (self.predict_proba(X)[:, 1] > 0.5).astype(np.int64)


class LookupAmounts(RegressorMixin, _Lookup):  # type: ignore[misc]
    """A quantile of the amounts of earlier rows with the same values of a few columns.

    Args:
        keys: the columns looked up.
        quantile: of the amounts; 0.5 is their median.
        fewest: rows that a combination needs; with less it gets the quantile of all. It depends on
            the quantile, and not on how many rows there are: 20 have one beyond a quantile of 0.95.
    """

    def __init__(self, keys: list[str], quantile: float = 0.5, fewest: int = 20) -> None:
        self.keys = keys
        self.quantile = quantile
        self.fewest = fewest

    def fit(self, X: pd.DataFrame, y: Any) -> Self:
        """Fill the table from examples X of shape (n, features) and amounts y of shape (n,)."""
        amount = pd.Series(np.asarray(y, dtype=np.float64))
        by = amount.groupby(self._learn(X))
        self.overall_ = float(amount.quantile(self.quantile))
        found = by.quantile(self.quantile).where(by.size() >= self.fewest, self.overall_)
        self.amount_ = found.to_numpy()
        return self

    def predict(self, X: pd.DataFrame) -> Floats:
        """Return the amount of each row, shape (n,)."""
        number = self._find(X)
        return np.where(number < 0, self.overall_, self.amount_[number])


class LinearAmounts(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """A straight line, moved to a quantile of what it misses.

    Least squares, then a constant: exact and fast on any number of rows, where a quantile
    regression by linear programming takes minutes.

    Args:
        quantile: of the amounts around the line; 0.5 is their median.
    """

    def __init__(self, quantile: float = 0.5) -> None:
        self.quantile = quantile

    def fit(self, X: Any, y: Any) -> Self:
        """Fit the line on X of shape (n, features) and amounts y of shape (n,)."""
        amount = np.asarray(y, dtype=np.float64)
        self.line_ = LinearRegression().fit(X, amount)
        self.shift_ = float(np.quantile(amount - self.line_.predict(X), self.quantile))
        return self

    def predict(self, X: Any) -> Floats:
        """Return the amount of each row, shape (n,)."""
        check_is_fitted(self)
        return np.asarray(self.line_.predict(X) + self.shift_)


class Rules(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """If-statements in pandas' query language; the first that holds gives the rate seen with it.

    Args:
        conditions: expressions over the columns, such as "slack < 0"; a missing
            value is neither above nor below nor equal to anything.
    """

    def __init__(self, conditions: list[str]) -> None:
        self.conditions = conditions

    def _first(self, X: pd.DataFrame) -> npt.NDArray[np.int64]:
        """Return which condition holds first, and their number where none does, shape (n,)."""
        holds = [np.asarray(X.eval(condition), dtype=bool) for condition in self.conditions]
        return np.select(holds, np.arange(len(holds)), default=len(holds))

    def fit(self, X: pd.DataFrame, y: Any) -> Self:
        """Learn the rate of label 1 for each condition from X (n, features) and y (n,)."""
        first, label = self._first(X), np.asarray(y, dtype=np.float64)
        outcomes = len(self.conditions) + 1
        count = np.bincount(first, minlength=outcomes)
        total = np.bincount(first, weights=label, minlength=outcomes)
        self.classes_ = np.array([0, 1])
        self.rate_ = np.where(count > 0, total / np.maximum(count, 1), label.mean())
        return self

    def predict_proba(self, X: pd.DataFrame) -> Floats:
        """Return the probabilities of 0 and 1, shape (n, 2)."""
        check_is_fitted(self)
        rate = self.rate_[self._first(X)]
        return np.column_stack([1 - rate, rate])

    def predict(self, X: pd.DataFrame) -> npt.NDArray[np.int64]:
        """Return the more probable label of each row, shape (n,)."""
        return (self.predict_proba(X)[:, 1] > 0.5).astype(np.int64)
