"""Evidence, week by week, that a mean is below a line: a mixture e-process with fresh starts.

A test that looks every week alarms far too often at 5%, because it looks 52 times. An e-process may
be looked at as often as one likes: if the mean is on the line or above it, the probability that it
ever reaches 1 / alpha is at most alpha (Ville 1939). Here it is a mixture over how far the mean is
below the line (Robbins 1970). It begins anew every four weeks, so that good months do not hide a
bad one (e-detectors: Shin, Ramdas and Rinaldo 2023).

The proof holds for independent Gaussian weeks with a known scale. For others the rate is simulated
(docs/monitoring.md).
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import log_ndtr

from preflight.stats.autocorrelation import cosine_count, long_run_variance

Floats = npt.NDArray[np.float64]

LIFE = 52  # weeks, over which alpha is spent; then a new life begins
EVERY = 4  # weeks from one start to the next
RECENT = 28  # days that show how much days vary now
LARGEST = 700.0  # log of the largest evidence that is told apart


class Scaling(NamedTuple):
    """How the scale of a week is estimated.

    factor: by which it is enlarged, because it is an estimate. lag: weeks that it is behind. Harm
    makes weeks vary, so the scale of the week before would hide it. But a season does so too, and
    a scale that is behind gives false alarms there.
    """

    factor: float
    lag: int = 0


def weekly_scales(weekly: Floats, daily: Floats, history: int, lag: int = 0) -> Floats:
    """Return the standard deviation of each week's mean, from what was known `lag` weeks before.

    It is the largest of four: that of the weeks before, and those that follow from the days before,
    with and without the dependence of neighbouring days, and from the days of the last four weeks.
    A few weeks may be calm by chance, and after a calm season days may vary ten times as much.

    Args:
        weekly: mean of each week, of the history first, shape (replays, history + weeks).
        daily: mean of each day, shape (replays, history + weeks, 7); NaN, in all replays alike, for
            a day without a value.
        history: weeks before the first one that counts, at least 2. All of them are used.

    Returns:
        Shape (replays, weeks).
    """
    replays, weeks = weekly.shape
    series = daily.reshape(replays, -1).T
    known = ~np.isnan(series[:, 0])
    scales = np.empty((replays, weeks - history))
    for week in range(history, weeks):
        before = series[: 7 * week][known[: 7 * week]]
        variance = weekly[:, :week].var(axis=1, ddof=1)
        if len(before) > 1:  # fewer days have a value if each has a decision or two
            dependent = long_run_variance(before - before.mean(axis=0), cosine_count(len(before)))
            spreads = [days.var(axis=0, ddof=1) for days in (before, before[-RECENT:])]
            of_days = np.max([*spreads, dependent], axis=0) * week / len(before)
            variance = np.maximum(variance, of_days)
        scales[:, week - history] = np.sqrt(variance)
    return scales[:, np.maximum(np.arange(weeks - history) - lag, 0)]


def e_values(shortfall: Floats) -> Floats:
    """Return the evidence after each week that the mean is below the line: an alarm at 1 / alpha.

    Args:
        shortfall: line less the week's mean, in standard deviations, shape (replays, weeks). Each
            52 weeks are a life of their own.

    Returns:
        The mean over the starts of a life, those to come counting 0, shape (replays, weeks).
    """
    weeks = shortfall.shape[1]
    evidence = np.zeros_like(shortfall)
    for start in range(0, weeks, EVERY):
        end = min(weeks, (start // LIFE + 1) * LIFE)
        total, number = shortfall[:, start:end].cumsum(axis=1), np.arange(2, end - start + 2)
        one = np.log(2 / np.sqrt(number)) + log_ndtr(total / np.sqrt(number))
        evidence[:, start:end] += np.exp(np.minimum(LARGEST, one + total**2 / (2 * number)))
    return evidence / (LIFE // EVERY)


def weekly_evidence(
    weekly: Floats, daily: Floats, line: float | Floats, scaling: Scaling, history: int
) -> tuple[Floats, Floats]:
    """Return scale and evidence of each week after the history, each of shape (replays, weeks).

    Args:
        weekly, daily, history: see `weekly_scales`.
        line: the least mean that is no harm, one for all or shape (replays, 1).
    """
    scales = weekly_scales(weekly, daily, history, scaling.lag)
    below = line - weekly[:, history:]
    shortfall = np.zeros_like(below)
    np.divide(below, scaling.factor * scales, out=shortfall, where=scales > 0)
    return scales, e_values(shortfall)
