"""Counts, sums, extremes and other aggregates over trailing time windows, per key.

    events = Events(known_at, delay=delay)      # values, and when they became available
    window = events.by(codes(place)).at(codes(place), now)      # by any key, at any moments
    window.mean("delay", pd.Timedelta(hours=1)), window.count(pd.Timedelta(days=28))

| of the values in a window | returns | where there is no value |
|---|---|---|
| `sum(name, window)` | the sum | 0 |
| `mean(name, window)` | the mean | missing |
| `std(name, window)` | the sample standard deviation | missing, and also for one value |
| `min(name, window)`, `max(name, window)` | the smallest or largest value | missing |
| `last(name, window)` | the last value; of several at one moment, the largest | missing |
| `distinct(name, window)` | the number of different values | 0 |

Values are integers, floats or booleans; `distinct` takes texts and categories, too. Missing values
are left out, as in pandas. `count(window)` counts events, with or without a value.

An event counts if and only if t - w < event <= t, to the microsecond. The tick is the largest unit
of time in which all events are whole numbers. The time of a query is rounded down to a tick: no
event can lie between the two.

A key and a tick become one integer, and running totals are accumulated once. A window (t - w, t] of
a key is then two binary searches and a difference of two totals, whatever its length. Totals are
exact, those of floats too (`aggregates`). So a build on part of the history gives the same bits as
one on all of it, and the order of rows doesn't matter.
"""

from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from preflight.features.aggregates import Floats, Ints, in_order
from preflight.features.window_values import Values

__all__ = ["Events", "Floats", "Ints", "Log", "Window", "codes"]

_BITS = 62  # of an integer, for the key and the time
_KEYS = 1 << 22  # more combinations are numbered as they occur, so that times find room


def codes(*columns: pd.Series) -> Ints:
    """Return one integer per distinct combination of values, shape (n,), missing values included.

    The integers are at least 0. They are below the number of rows, or below 2**22. They number the
    values of this call only: of two tables, number both at once, `codes(pd.concat([one, other]))`.
    """
    key, keys = np.zeros(len(columns[0]), dtype=np.int64), 1
    for values in columns:
        code, distinct = pd.factorize(values, use_na_sentinel=False)
        key, keys = key * len(distinct) + code, keys * len(distinct)
        if keys > _KEYS:  # number only the combinations that occur
            key, combinations = pd.factorize(key)
            keys = len(combinations)
    return key


def _moments(moments: pd.Series) -> npt.NDArray[np.datetime64]:
    """Return moments in UTC as NumPy's, in their own resolution, shape (n,)."""
    naive: npt.NDArray[np.datetime64] = moments.dt.tz_convert(None).to_numpy()
    return naive


def _checked_key(key: Any, rows: int, call: str) -> Ints:
    """Return a key of integers, one for each of the rows, shape (rows,).

    Raises:
        TypeError: the key has texts or other values that are no integers.
        ValueError: the key has another number of rows.
    """
    checked = np.asarray(key)
    if checked.dtype.kind not in "iu":
        raise TypeError(
            f"The key in {call}() is of type {getattr(key, 'dtype', checked.dtype)}, not integers: "
            f"number its values with codes(), as in {call}(codes(table['place']))"
        )
    if len(checked) != rows:
        raise ValueError(f"The key in {call}() has {len(checked)} rows, the times have {rows}")
    return checked.astype(np.int64, copy=False)


class Events:
    """Events with the time they became available and their values, for queries by any key.

    Args:
        known_at: when the event became available, in UTC, shape (n,); an event without a time is
            left out.
        values: numbers, or texts to count the distinct ones of, each of shape (n,), in the order
            of `known_at`, whatever its index. A value may be missing.

    Raises:
        ValueError: a value has another number of rows than `known_at`.

    Examples:
        >>> import pandas as pd
        >>> from preflight import Events, codes
        >>> day = pd.Timestamp("2024-05-01", tz="UTC")
        >>> visits = pd.DataFrame({
        ...     "shop": ["north", "north", "south"],
        ...     "known_at": day + pd.to_timedelta([1, 9, 2], unit="D"),
        ...     "spent": [20.0, 40.0, 5.0],
        ... })
        >>> shop, now = codes(visits["shop"]), pd.Series([day + pd.Timedelta(days=10)] * 3)
        >>> window = Events(visits["known_at"], spent=visits["spent"]).by(shop).at(shop, now)
        >>> window.sum("spent", pd.Timedelta(days=7)).tolist()
        [40.0, 40.0, 0.0]
        >>> window.count(pd.Timedelta(days=28)).tolist()
        [2, 2, 1]
    """

    def __init__(self, known_at: pd.Series, **values: Any) -> None:
        moments = _moments(known_at)
        self.rows = np.flatnonzero(~np.isnat(moments))
        moments = moments[self.rows]
        self.first = moments.min() if len(moments) else np.datetime64(0, "s")
        since = moments - self.first
        common = int(np.gcd.reduce(since.astype(np.int64), initial=0))  # a minute, say, or 1 us
        self.tick: np.timedelta64 = np.int64(max(common, 1)).astype(since.dtype)
        self.ticks: Ints = since // self.tick + 1
        self.given = {name: pd.Series(given).array for name, given in values.items()}
        self._rows_given = len(known_at)
        for name, given in self.given.items():
            if len(given) != len(known_at):
                raise ValueError(f"{name} has {len(given)} values for {len(known_at)} events")

    def by(self, key: Ints) -> "Log":
        """Return the events in the order of a key, integers as from `codes`, shape (n,)."""
        return Log(self, _checked_key(key, self._rows_given, "by")[self.rows])


class Log:
    """Events by key and time, for queries about trailing windows."""

    def __init__(self, events: Events, key: Ints) -> None:
        self.events = events
        self._last = int(events.ticks.max(initial=0))
        self._unknown = int(key.max(initial=-1)) + 1  # stands for all keys without an event
        room = _BITS - self._unknown.bit_length()
        self._distinct = np.unique(events.ticks) if self._last.bit_length() > room else None
        places = self._last if self._distinct is None else len(self._distinct)
        self._bits = places.bit_length()
        if self._bits > room or key.min(initial=0) < -1:
            raise ValueError("Keys of trailing windows are too large, or below -1: use codes()")
        order, self.stamp = in_order(self.stamps(key, events.ticks))
        self._rows = events.rows[order]
        self._values: dict[str, Values] = {}

    def place(self, ticks: Ints) -> Ints:
        """Return integers in the order of ticks: themselves, or if too large their ranks."""
        if self._distinct is None:
            return np.clip(ticks, 0, self._last)
        return np.searchsorted(self._distinct, ticks, side="right")

    def stamps(self, key: Ints, ticks: Ints) -> Ints:
        """Return one integer for each key and tick, in the order of both."""
        return (np.clip(key, -1, self._unknown) << self._bits) + self.place(ticks)

    def start_of_key(self, stamp: Ints) -> Ints:
        """Return the stamp that lies before all events of each stamp's key."""
        return (stamp >> self._bits) << self._bits

    def at(self, key: Ints, moments: pd.Series) -> "Window":
        """Return the windows of `key` that end at `moments` in UTC, both of shape (m,)."""
        return Window(self, key, moments)

    def values(self, name: str) -> Values:
        """Return the values of a name, in the order of the events."""
        if name not in self._values:
            if name not in self.events.given:
                raise ValueError(
                    f"Events have no value {name!r}: give it, as in Events(known_at, {name}=...)"
                )
            last = np.flatnonzero(np.diff(self.stamp, append=self.stamp[-1:] + 1))
            self._values[name] = Values(name, self.events.given[name], self._rows, last)
        return self._values[name]


class Window:
    """Queries about the events of a key up to and including a moment; results have shape (m,).

    At a missing moment there are no events.
    """

    def __init__(self, log: Log, key: Ints, moments: pd.Series) -> None:
        since = _moments(moments) - log.events.first
        since[np.isnat(since)] = -log.events.tick
        ticks = since // log.events.tick + 1
        key = _checked_key(key, len(ticks), "at")
        # In the order of the events the searches hit the processor's cache: nine times as fast.
        self._order, self._question = in_order(log.stamps(key, ticks))
        self._log = log
        self._upto = np.searchsorted(log.stamp, self._question, side="right")
        self._ticks, self._elapsed = ticks[self._order], since
        self._since: dict[timedelta | None, Ints] = {}

    def _answer(self, in_order: npt.NDArray[Any]) -> npt.NDArray[Any]:
        answer = np.empty_like(in_order)
        answer[self._order] = in_order
        return answer

    def _start(self, window: timedelta | None) -> Ints:
        if window not in self._since:
            since = self._log.start_of_key(self._question)
            if window is not None:
                since += self._log.place(self._ticks_before(window))
            self._since[window] = np.searchsorted(self._log.stamp, since, side="right")
        return self._since[window]

    def _ticks_before(self, window: timedelta) -> Ints:
        """Return the last tick that lies before each window or at its start."""
        if not isinstance(window, timedelta):
            raise TypeError(
                f"A window is a pd.Timedelta, such as pd.Timedelta(hours=3): not {window!r}"
            )
        length, tick = pd.Timedelta(window).to_timedelta64(), self._log.events.tick
        before = self._ticks - length // tick
        if part := length % tick:  # a window that is no whole number of ticks
            before -= self._elapsed[self._order] % tick < part
        return before

    def count(self, window: timedelta | None = None) -> Ints:
        """Return the number of events in (t - window, t]; without a window, of all up to t."""
        return self._answer(self._upto - self._start(window))

    def sum(self, name: str, window: timedelta) -> Ints | Floats:
        """Return the sum of a value over (t - window, t]; 0 where there was none."""
        return self._answer(self._log.values(name).sum(self._start(window), self._upto))

    def mean(self, name: str, window: timedelta) -> Floats:
        """Return the mean of a value over (t - window, t]; missing where there was none."""
        return self._answer(self._log.values(name).mean(self._start(window), self._upto))

    def std(self, name: str, window: timedelta) -> Floats:
        """Return the sample standard deviation over (t - window, t]; missing below two values."""
        return self._answer(self._log.values(name).std(self._start(window), self._upto))

    def min(self, name: str, window: timedelta) -> Floats:
        """Return the smallest value in (t - window, t]; missing where there was none."""
        least = self._log.values(name).extreme(self._start(window), self._upto, largest=False)
        return self._answer(least)

    def max(self, name: str, window: timedelta) -> Floats:
        """Return the largest value in (t - window, t]; missing where there was none."""
        most = self._log.values(name).extreme(self._start(window), self._upto, largest=True)
        return self._answer(most)

    def last(self, name: str, window: timedelta) -> Floats:
        """Return the last value in (t - window, t]; missing where there was none."""
        return self._answer(self._log.values(name).last(self._start(window), self._upto))

    def distinct(self, name: str, window: timedelta) -> Ints:
        """Return the number of different values in (t - window, t]."""
        return self._answer(self._log.values(name).distinct(self._start(window), self._upto))
