"""Sums, extremes, spreads and distinct values of many stretches of one array.

A stretch is values[start:upto]; `start` and `upto` are arrays of positions, shape (m,). A result
depends on nothing but the values of its stretch, to the last bit: neither on what comes before, nor
on their order. So a build on part of the history gives the same features as one on all of it.

n values and m stretches take, on two cores, for n = m = 1 million: 0.1 s for sums, 0.1 s for
extremes, 0.8 s for distinct values, 1.5 s and 150 MB for spreads. The length of a stretch does not
matter.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_LIMB = 32  # bits; sums of 2**31 limbs fit into 63
_WIDEST = 510  # bits; the square of a number of so many is still a float


def in_order(numbers: Ints) -> tuple[Ints, Ints]:
    """Return the positions that sort the numbers, and the numbers in that order.

    The position is packed into the lowest bits of the sorted numbers. Sorting numbers is four times
    as fast as sorting their positions, and unpacking them needs no random access to memory.
    """
    row = len(numbers).bit_length()
    largest = max(int(numbers.max(initial=0)), -int(numbers.min(initial=0)))
    if largest.bit_length() + row > 63:
        order = np.argsort(numbers, kind="stable")
        return order, numbers[order]
    packed = (numbers << row) + np.arange(len(numbers))
    packed.sort()
    return packed & ((1 << row) - 1), packed >> row


def running_total(values: npt.NDArray[Any]) -> Ints:
    """Return the totals of the first 0, 1, ... n integers or booleans, shape (n + 1,)."""
    total = np.zeros(len(values) + 1, dtype=np.int64)
    np.cumsum(values, out=total[1:])
    return total


class FloatTotals:
    """Running totals of finite floats, without rounding.

    A float is a sum of integers times powers of 2**32, its limbs. The running totals of each limb
    are integers, and exact. Only the limbs of a stretch's own sum are rounded, when they are added.
    """

    def __init__(self, values: Floats) -> None:
        self._totals: dict[int, Ints] = {}  # by the exponent of the limb, the highest first
        rest = values
        exponent = (int(np.frexp(np.abs(values).max(initial=0))[1]) // _LIMB) * _LIMB
        while rest.any():
            limb = np.trunc(np.ldexp(rest, -exponent))
            rest = rest - np.ldexp(limb, exponent)
            if limb.any():
                self._totals[exponent] = running_total(limb.astype(np.int64))
            exponent -= _LIMB

    def between(self, start: Ints, upto: Ints) -> Floats:
        """Return the sum of each stretch, shape (m,); 0 where it is empty."""
        total = np.zeros(len(start))
        for exponent, limb in self._totals.items():
            total += np.ldexp((limb[upto] - limb[start]).astype(np.float64), exponent)
        return total


class Spread:
    """Standard deviations from exact sums of values and squares: Python's integers, of any size.

    Args:
        name: of the values, for messages.
        values: finite, shape (n,).

    Raises:
        ValueError: the largest value is more than 2**457 (about 1e137) times the smallest.
    """

    def __init__(self, name: str, values: Floats) -> None:
        mantissa, exponent = np.frexp(values)
        exponent = exponent.astype(np.int64) - 53  # the mantissa has so many bits
        some = values != 0
        self._unit = int(exponent.min(where=some, initial=1024))
        if exponent.max(where=some, initial=self._unit) + 53 - self._unit > _WIDEST:
            raise ValueError(
                f"{name} has values from {np.abs(values).min(where=some, initial=np.inf):.0e} to "
                f"{np.abs(values).max():.0e}, too far apart for a standard deviation: set the "
                "smallest to 0"
            )
        whole = np.ldexp(mantissa, 53).astype(np.int64).astype(object)
        whole <<= np.maximum(exponent - self._unit, 0)
        self._sum = np.concatenate([[0], np.cumsum(whole)])
        self._squares = np.concatenate([[0], np.cumsum(whole * whole)])

    def between(self, start: Ints, upto: Ints, count: Ints) -> Floats:
        """Return the sample standard deviation of each stretch, shape (m,).

        It is missing where fewer than two of the values `count`.
        """
        deviation = np.full(len(start), np.nan)
        some = np.flatnonzero(count > 1)
        first, last, n = start[some], upto[some], count[some].astype(object)
        total = self._sum[last] - self._sum[first]
        squares = self._squares[last] - self._squares[first]
        variance = (n * squares - total * total) / (n * (n - 1))
        deviation[some] = np.ldexp(np.sqrt(variance.astype(np.float64)), self._unit)
        return deviation


def extremes(values: Floats, start: Ints, upto: Ints, *, largest: bool) -> Floats:
    """Return the largest or the smallest value of each stretch, shape (m,).

    Missing values are left out; the result is missing where nothing else is left.

    Two parts of a power of two, which may overlap, cover a stretch (a sparse table).
    """
    choose = np.fmax if largest else np.fmin
    found = np.full(len(start), np.nan)
    power = np.frexp((upto - start).astype(np.float64))[1] - 1  # -1: the stretch is empty
    length = 1
    for exponent in range(int(power.max(initial=-1)) + 1):
        rows = np.flatnonzero(power == exponent)
        found[rows] = choose(values[start[rows]], values[upto[rows] - length])
        values = choose(values[:-length], values[length:])
        length *= 2
    return found


def places_before(codes: Ints) -> Ints:
    """Return how many values there are up to the same one's last occurrence, shape (n,).

    It is 0 where a value occurs for the first time. A missing value, of code -1, has n + 1.
    """
    order, ordered = in_order(codes)
    again = np.flatnonzero(ordered[1:] == ordered[:-1])
    before = np.zeros(len(codes), dtype=np.int64)
    before[order[again + 1]] = order[again] + 1
    before[codes < 0] = len(codes) + 1
    return before


def count_new(before: Ints, start: Ints, upto: Ints) -> Ints:
    """Return how many of the first `upto` values do not occur from `start` to before them, (m,).

    Those are the values before `start`, and the different ones of the stretch.

    Args:
        before: as from `places_before`, shape (n,).

    Bit by bit, from the highest, the values are parted by `before`, as in a radix sort. What lies
    below the bound of a stretch is counted on the way (a wavelet matrix).
    """
    bound = start + 1
    found, left, right = np.zeros(len(upto), dtype=np.int64), np.zeros_like(upto), upto
    for bit in reversed(range((len(before) + 1).bit_length())):
        one = (before >> bit & 1).astype(bool)
        zeros = running_total(~one)
        above = (bound >> bit & 1).astype(bool)
        found += np.where(above, zeros[right] - zeros[left], 0)
        left, right = (
            np.where(above, zeros[-1] + at - zeros[at], zeros[at]) for at in (left, right)
        )
        before = np.concatenate([before[~one], before[one]])
    return found
