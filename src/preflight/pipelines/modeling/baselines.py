"""Models that a person could write by hand: what the candidate has to beat."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted

Floats = npt.NDArray[np.float64]


class LookupTable(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """The rate of label 1 among earlier rows with the same values of a few columns.

    Rates of rare combinations are drawn to the overall rate, as if `prior_rows` more rows had been
    seen at that rate (a beta prior). A combination never seen gets the overall rate.

    Args:
        keys: the columns looked up.
        prior_rows: weight of the overall rate, in rows.
    """

    def __init__(self, keys: list[str], prior_rows: float = 50) -> None:
        self.keys = keys
        self.prior_rows = prior_rows

    def fit(self, X: pd.DataFrame, y: Any) -> Self:
        """Fill the table from examples X of shape (n, features) and labels y of shape (n,)."""
        label = pd.Series(np.asarray(y, dtype=np.float64), index=X.index)
        seen = label.groupby(_key(X, self.keys)).agg(["sum", "count"])
        self.classes_ = np.array([0, 1])
        self.overall_ = float(label.mean())
        rate = (seen["sum"] + self.prior_rows * self.overall_) / (seen["count"] + self.prior_rows)
        self.table_ = {str(key): float(value) for key, value in rate.items()}
        return self

    def predict_proba(self, X: pd.DataFrame) -> Floats:
        """Return the probabilities of 0 and 1, shape (n, 2)."""
        check_is_fitted(self)
        rate = _key(X, self.keys).map(self.table_).fillna(self.overall_)
        return np.column_stack([1 - rate, rate])

    def predict(self, X: pd.DataFrame) -> npt.NDArray[np.int64]:
        """Return the more probable label of each row, shape (n,)."""
        return (self.predict_proba(X)[:, 1] > 0.5).astype(np.int64)


def _key(X: pd.DataFrame, keys: list[str]) -> pd.Series:
    """Return the looked-up values of each row as text: a plain dictionary is safe to load."""
    first, *others = keys
    return X[first].astype(str).str.cat(X[others].astype(str), sep="\x1f", na_rep="missing")


class LookupAmounts(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """A quantile of the amounts of earlier rows with the same values of a few columns.

    Args:
        keys: the columns looked up.
        quantile: of the amounts; 0.5 is their median.
        fewest: rows that a combination needs; with less it gets the quantile of all.
    """

    def __init__(self, keys: list[str], quantile: float = 0.5, fewest: int = 20) -> None:
        self.keys = keys
        self.quantile = quantile
        self.fewest = fewest

    def fit(self, X: pd.DataFrame, y: Any) -> Self:
        """Fill the table from examples X of shape (n, features) and amounts y of shape (n,)."""
        amount = pd.Series(np.asarray(y, dtype=np.float64), index=X.index)
        by = amount.groupby(_key(X, self.keys))
        found = by.quantile(self.quantile)[by.size() >= self.fewest]
        self.overall_ = float(amount.quantile(self.quantile))
        self.table_ = {str(key): float(value) for key, value in found.items()}
        return self

    def predict(self, X: pd.DataFrame) -> Floats:
        """Return the amount of each row, shape (n,)."""
        check_is_fitted(self)
        known = _key(X, self.keys).map(self.table_).fillna(self.overall_)
        return np.asarray(known, dtype=np.float64)


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
