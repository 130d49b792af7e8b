"""The values of events in the order of key and time, and what they are in parts of that order."""

from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from preflight.features.aggregates import (
    Floats,
    FloatTotals,
    Ints,
    Spread,
    count_new,
    extremes,
    places_before,
    running_total,
)


class Values:
    """Aggregates of the values from position `start` to before `upto`, arrays of shape (m,).

    Missing values are left out.

    Args:
        name: of the values, for messages.
        given: one value for each event, a pandas array.
        rows: of the events in the order of key and time, shape (n,).
        last: positions in that order of the last event of each key and moment.

    Raises:
        TypeError: the values are texts or the like, and numbers are needed.
        ValueError: a value is infinite, or values are too far apart for `std`.
    """

    def __init__(self, name: str, given: Any, rows: Ints, last: Ints) -> None:
        self._name, self._given, self._rows, self._last = name, given, rows, last

    @cached_property
    def _known(self) -> Ints | None:
        """Numbers of known values before each position, shape (n + 1,); None: all are known."""
        missing = self._given.isna()
        return running_total(~missing[self._rows]) if missing.any() else None

    @cached_property
    def _numbers(self) -> Ints | Floats:
        """Integers (for booleans too) or floats, shape (n,)."""
        kind = self._given.dtype.kind
        if kind not in "biuf":
            raise TypeError(
                f"{self._name} has values of type {self._given.dtype}, and numbers are needed: "
                "convert them, for example with pd.to_numeric. Texts can only be counted: "
                "distinct()"
            )
        if kind in "bi" and self._known is None:
            return self._given.to_numpy(dtype=np.int64)[self._rows]
        numbers = self._given.to_numpy(dtype=np.float64, na_value=np.nan)[self._rows]
        if np.isinf(numbers).any():
            raise ValueError(
                f"{self._name} has infinite values: make them missing (NaN), or cap them"
            )
        return numbers + 0.0  # no -0.0: which of two zeros is larger would depend on their order

    @cached_property
    def _totals(self) -> Ints | FloatTotals:
        numbers = self._numbers
        if numbers.dtype == np.int64:
            return running_total(numbers)
        return FloatTotals(np.nan_to_num(numbers))

    @cached_property
    def _spread(self) -> Spread:
        return Spread(self._name, np.nan_to_num(self._numbers.astype(np.float64)))

    @cached_property
    def _latest(self) -> tuple[Floats, Ints]:
        """The values, shape (n,), and the position of the last known one of the first 0, 1, ... n.

        It is -1 where none is known.

        Of the values of one moment the largest comes last: the order of rows doesn't matter.
        """
        latest = self._numbers.astype(np.float64)
        if len(latest):
            first = np.append(0, self._last[:-1] + 1)
            latest[self._last] = np.fmax.reduceat(latest, first)
        place = np.append(-1, np.where(np.isnan(latest), -1, np.arange(len(latest))))
        return latest, np.maximum.accumulate(place)

    @cached_property
    def _places_before(self) -> Ints:
        return places_before(pd.factorize(self._given)[0][self._rows])

    def count(self, start: Ints, upto: Ints) -> Ints:
        """Return the number of known values."""
        return upto - start if self._known is None else self._known[upto] - self._known[start]

    def sum(self, start: Ints, upto: Ints) -> Ints | Floats:
        """Return the sum, of integers or booleans an integer; 0 where there is no value."""
        totals = self._totals
        if isinstance(totals, FloatTotals):
            return totals.between(start, upto)
        return totals[upto] - totals[start]

    def mean(self, start: Ints, upto: Ints) -> Floats:
        """Return the mean; missing where there is no value."""
        count = self.count(start, upto)
        mean = np.full(len(count), np.nan)
        np.divide(self.sum(start, upto), count, out=mean, where=count > 0)
        return mean

    def std(self, start: Ints, upto: Ints) -> Floats:
        """Return the sample standard deviation; missing where there are fewer than two values."""
        return self._spread.between(start, upto, self.count(start, upto))

    def extreme(self, start: Ints, upto: Ints, *, largest: bool) -> Floats:
        """Return the largest or the smallest value; missing where there is no value."""
        numbers = self._numbers.astype(np.float64, copy=False)
        return extremes(numbers, start, upto, largest=largest)

    def last(self, start: Ints, upto: Ints) -> Floats:
        """Return the last value; missing where there is no value."""
        latest, place = self._latest
        at = place[upto]
        value = np.full(len(at), np.nan)
        found = np.flatnonzero(at >= start)
        value[found] = latest[at[found]]
        return value

    def distinct(self, start: Ints, upto: Ints) -> Ints:
        """Return the number of different values."""
        before = self.count(np.zeros_like(start), start)
        return count_new(self._places_before, start, upto) - before
