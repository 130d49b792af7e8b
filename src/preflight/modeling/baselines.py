"""Models that a person could write by hand: what the candidate has to beat."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.linear_model import LinearRegression
from sklearn.utils import assert_all_finite, check_consistent_length, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SPARSE = ["csr", "csc", "coo"]  # matrices that a straight line is fitted on


class _OfTable(BaseEstimator):  # type: ignore[misc]
    """Reads a table as it is: columns of any type, with missing values.

    An array has the columns x0, x1, ..., as scikit-learn names them.
    """

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _read(self, X: Any, y: Any) -> tuple[pd.DataFrame, Any]:
        """Return X and y to fit on, and remember the columns of X."""
        table = self._table(X, y=y, reset=True)
        check_consistent_length(table, y)
        y = column_or_1d(y, warn=True)
        assert_all_finite(y, input_name="y")
        return table, y

    def _table(self, X: Any, **check: Any) -> pd.DataFrame:
        """Return X as a table, with the columns that the model was fitted on."""
        if isinstance(X, pd.DataFrame):
            validate_data(self, X, skip_check_array=True, **check)
            return X
        kept = validate_data(self, X, dtype=None, ensure_all_finite="allow-nan", **check)
        array = kept[0] if isinstance(kept, tuple) else kept
        return pd.DataFrame(array, columns=[f"x{place}" for place in range(array.shape[1])])


class _Rates(ClassifierMixin, _OfTable):  # type: ignore[misc]
    """Gives rates of label 1 as probabilities."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    def _read(self, X: Any, y: Any) -> tuple[pd.DataFrame, Floats]:
        """Return X, and y as 0 and 1; raise ValueError for other labels."""
        table, y = super()._read(X, y)
        check_classification_targets(y)
        self.classes_ = np.unique(y)
        if not np.isin(self.classes_, [0, 1]).all():
            raise ValueError(
                "Only binary classification is supported. Labels have to be 0 and 1, and y has "
                f"the labels {', '.join(map(str, self.classes_[:5]))}."
            )
        if len(self.classes_) < 2:
            raise ValueError(f"y has one class only: all {len(y):,} labels are {self.classes_[0]}.")
        return table, np.asarray(y, dtype=np.float64)

    def _rates(self, X: pd.DataFrame) -> Floats:
        """Return the rate of label 1 of each row, shape (n,)."""
        raise NotImplementedError

    def predict_proba(self, X: pd.DataFrame) -> Floats:
        """Return the probabilities of 0 and 1, shape (n, 2)."""
        check_is_fitted(self)
        rate = self._rates(self._table(X, reset=False))
        return np.column_stack([1 - rate, rate])

    def predict(self, X: pd.DataFrame) -> npt.NDArray[Any]:
        """Return the more probable label of each row, shape (n,)."""
        likely = self.predict_proba(X)[:, 1] > 0.5
        return self.classes_[likely.astype(np.int64)]


class _Lookup(_OfTable):
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


class LookupTable(_Rates, _Lookup):
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
        table, labels = self._read(X, y)
        label = pd.Series(labels)
        seen = label.groupby(self._learn(table)).agg(["sum", "count"])
        self.overall_ = float(label.mean())
        rate = (seen["sum"] + self.prior_rows * self.overall_) / (seen["count"] + self.prior_rows)
        self.rate_ = rate.to_numpy()
        return self

    def _rates(self, X: pd.DataFrame) -> Floats:
        number = self._find(X)
        return np.where(number < 0, self.overall_, self.rate_[number])


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
        table, amounts = self._read(X, y)
        amount = pd.Series(np.asarray(amounts, dtype=np.float64))
        by = amount.groupby(self._learn(table))
        self.overall_ = float(amount.quantile(self.quantile))
        found = by.quantile(self.quantile).where(by.size() >= self.fewest, self.overall_)
        self.amount_ = found.to_numpy()
        return self

    def predict(self, X: pd.DataFrame) -> Floats:
        """Return the amount of each row, shape (n,)."""
        check_is_fitted(self)
        number = self._find(self._table(X, reset=False))
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

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def fit(self, X: Any, y: Any) -> Self:
        """Fit the line on X of shape (n, features) and amounts y of shape (n,)."""
        X, y = validate_data(self, X, y, y_numeric=True, accept_sparse=SPARSE)
        amount = np.asarray(y, dtype=np.float64)
        self.line_ = LinearRegression().fit(X, amount)
        self.shift_ = float(np.quantile(amount - self.line_.predict(X), self.quantile))
        return self

    def predict(self, X: Any) -> Floats:
        """Return the amount of each row, shape (n,)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, accept_sparse=SPARSE)
        return np.asarray(self.line_.predict(X) + self.shift_)


class Rules(_Rates):
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
        table, label = self._read(X, y)
        first = self._first(table)
        outcomes = len(self.conditions) + 1
        count = np.bincount(first, minlength=outcomes)
        total = np.bincount(first, weights=label, minlength=outcomes)
        self.rate_ = np.where(count > 0, total / np.maximum(count, 1), label.mean())
        return self

    def _rates(self, X: pd.DataFrame) -> Floats:
        return self.rate_[self._first(X)]
