"""Counts, sums and last values over trailing time windows, per key.

    events = Events(known_at, delay=delay)      # what happened, and when it was known
    window = events.by(place).at(place, now)    # by any key, asked at any moment
    window.mean("delay", 60), window.count(60)

A key and a time become one integer, `key * 2**40 + time`, and what is summed is accumulated once. A
window (t - w, t] of a key is then two binary searches and a difference of two running totals,
whatever its length. Totals are integers, so a build on part of the history gives the same bits as
one on all of it.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

NEVER = np.iinfo(np.int64).min  # what pandas' missing moment is as an integer
_TIME_BITS = 40  # minutes or seconds, before or after 1970
_KEYS = (1 << (62 - _TIME_BITS)) - 1  # there is room for
_EARLIEST = -(1 << (_TIME_BITS - 1))


def minutes(moments: pd.Series) -> Ints:
    """Return whole minutes since 1970 of moments in UTC, shape (n,); NEVER where missing."""
    naive: npt.NDArray[np.datetime64] = moments.dt.tz_convert(None).to_numpy()
    return naive.astype("datetime64[m]").astype(np.int64)


def codes(*columns: pd.Series) -> Ints:
    """Return one integer per distinct combination of values, shape (n,), missing values included.

    The integers are at least 0 and below the number of keys that there is room for.
    """
    key, keys = np.zeros(len(columns[0]), dtype=np.int64), 1
    for values in columns:
        code, distinct = pd.factorize(values, use_na_sentinel=False)
        key, keys = key * len(distinct) + code, keys * len(distinct)
        if keys > _KEYS:  # number only the combinations that occur
            key, combinations = pd.factorize(key)
            keys = len(combinations)
        if keys > _KEYS:
            raise ValueError(
                f"{keys:,} distinct keys of {[c.name for c in columns]} are too many "
                f"for trailing windows (at most {_KEYS:,}); use a coarser key"
            )
    return key


def _in_order(key: Ints, time: Ints) -> tuple[Ints, Ints]:
    """Return the positions by key, then time, and the stamps `key * 2**40 + time` in that order.

    The position is packed into the lowest bits of what is sorted: to sort numbers is four times as
    fast as to sort their positions, and to unpack them needs no walk through memory at random.
    """
    first, last = (int(time.min()), int(time.max())) if len(time) else (0, 0)
    span, row = (last - first).bit_length(), len(time).bit_length()
    if int(key.max(initial=0)).bit_length() + span + row > 63:
        order = np.lexsort((time, key))
        return order, ((key << _TIME_BITS) + time)[order]
    packed = (((key << span) + (time - first)) << row) + np.arange(len(time))
    packed.sort()
    order = packed & ((1 << row) - 1)
    packed >>= row
    return order, ((packed >> span) << _TIME_BITS) + (packed & ((1 << span) - 1)) + first


class Events:
    """What happened and when, to be looked at by any key.

    Args:
        time: whole minutes (or seconds) since 1970 when the event was known, shape (n,);
            an event at NEVER has not happened and is left out.
        values: integers to be summed or looked up, each of shape (n,).
    """

    def __init__(self, time: Ints, **values: npt.NDArray[Any]) -> None:
        self._happened = np.flatnonzero(time != NEVER)
        self._time = time[self._happened]
        self._values = values

    def by(self, key: Ints) -> "Log":
        """Return the events in the order of a key, integers as from `codes`, shape (n,)."""
        order, stamp = _in_order(key[self._happened], self._time)
        return Log(stamp, self._happened[order], self._values)


class Log:
    """Events by key and time, ready for questions about trailing windows."""

    def __init__(self, stamp: Ints, rows: Ints, values: dict[str, npt.NDArray[Any]]) -> None:
        self.stamp = stamp
        self._rows = rows
        self._values = values
        self._totals: dict[str, Ints] = {}

    def at(self, key: Ints, time: Ints) -> "Window":
        """Return what can be asked about `key` at `time`, both of shape (m,)."""
        return Window(self, key, time)

    def total(self, name: str) -> Ints:
        """Return the running total of a value, with a zero before it, shape (n + 1,)."""
        if name not in self._totals:
            value = self._values[name][self._rows]
            whole = value.astype(np.int64)
            if not np.array_equal(whole, value):
                raise ValueError(f"{name} has fractions: sums are of integers, choose a finer unit")
            self._totals[name] = np.zeros(len(whole) + 1, dtype=np.int64)
            np.cumsum(whole, out=self._totals[name][1:])
        return self._totals[name]

    def latest(self, name: str) -> npt.NDArray[Any]:
        """Return the values in the order of time; of those at one moment the largest comes last.

        So that an answer doesn't depend on the order in which rows were given.
        """
        moments = np.flatnonzero(np.diff(self.stamp, prepend=NEVER))
        latest = self._values[name][self._rows]
        if len(moments):
            latest[np.append(moments[1:], len(latest)) - 1] = np.maximum.reduceat(latest, moments)
        return latest


class Window:
    """Questions about the events of a key up to and with a moment; every answer has shape (m,)."""

    def __init__(self, log: Log, key: Ints, time: Ints) -> None:
        time = np.maximum(time, _EARLIEST)  # at NEVER nothing has happened yet
        # In the order of the events the searches hit the processor's cache: nine times as fast.
        self._order, self._question = _in_order(key, time)
        self._log = log
        self._upto = np.searchsorted(log.stamp, self._question, side="right")
        self._since: dict[int | None, Ints] = {}

    def _answer(self, in_order: npt.NDArray[Any]) -> npt.NDArray[Any]:
        answer = np.empty_like(in_order)
        answer[self._order] = in_order
        return answer

    def _start(self, window: int | None) -> Ints:
        if window not in self._since:
            since = (self._question - _EARLIEST) & -(1 << _TIME_BITS)  # its key's first ...
            since += _EARLIEST  # ... possible moment: not into the key before
            if window is not None:
                np.maximum(since, self._question - window, out=since)
            self._since[window] = np.searchsorted(self._log.stamp, since, side="right")
        return self._since[window]

    def count(self, window: int | None = None) -> Ints:
        """Return the number of events in (t - window, t]; without a window, of all up to t."""
        return self._answer(self._upto - self._start(window))

    def sum(self, name: str, window: int) -> Ints:
        """Return the sum of a value over (t - window, t]; 0 where there was no event."""
        total = self._log.total(name)
        return self._answer(total[self._upto] - total[self._start(window)])

    def mean(self, name: str, window: int) -> Floats:
        """Return the mean of a value over (t - window, t]; missing where there was no event."""
        count = self.count(window)
        mean = np.full(len(count), np.nan)
        np.divide(self.sum(name, window), count, out=mean, where=count > 0)
        return mean

    def last(self, name: str, window: int) -> Floats:
        """Return the last value in (t - window, t]; missing where there was no event."""
        found = self._upto > self._start(window)
        value = np.full(len(found), np.nan)
        value[found] = self._log.latest(name)[self._upto[found] - 1]
        return self._answer(value)
