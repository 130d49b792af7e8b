"""Standard errors and blocks for units in the order of time that depend on each other.

A storm lasts longer than a day, so the sum over days varies more than independent days would let
it. Its variance is estimated with equal-weighted cosines and judged by Student's t, which keeps its
promise for short series too (Lazarus, Lewis, Stock and Watson 2018).
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def cosine_count(active: int) -> int:
    """Return how many cosines to use: the degrees of freedom of the t distribution.

    active: units that have rows.
    """
    return max(1, int(0.41 * active ** (2 / 3)))


def long_run_variance(contribution: Floats, cosines: int) -> Floats:
    """Return the variance of the sum of the contributions, divided by their number.

    contribution: of each unit in the order of time, shape (units,), with a mean of about 0; or of
        several series at once, shape (units, series).

    Returns:
        Shape () or (series,).
    """
    units = len(contribution)
    number, middle = np.arange(1, cosines + 1)[:, None], np.arange(units) + 0.5
    weights = np.sqrt(2 / units) * np.cos(np.pi * number * middle / units)
    return np.asarray(((weights @ contribution) ** 2).mean(axis=0))


def choose_block(series: Floats) -> int:
    """Return the block length for a circular block bootstrap of a series, from 1.

    The rule of Politis and White (2004), as corrected by Patton, Politis and White (2009).
    """
    n = len(series)
    if n < 4 or not np.ptp(series):
        return 1
    centred = series - series.mean()
    covariance = np.correlate(centred, centred, "full")[n - 1 :] / n
    run = max(5, int(np.sqrt(np.log10(n))))
    limit = 2 * np.sqrt(np.log10(n) / n)
    small = np.abs(covariance[1:] / covariance[0]) < limit
    runs = np.lib.stride_tricks.sliding_window_view(small, min(run, len(small))).all(axis=1)
    last = int(runs.argmax()) if runs.any() else len(small) // 2
    bandwidth = min(max(1, 2 * last), n - 1)
    lags = np.arange(1, bandwidth + 1)
    flat_top = np.clip(2 * (1 - lags / bandwidth), 0, 1) * covariance[lags]
    spectrum = covariance[0] + 2 * flat_top.sum()
    slope = 2 * (lags * flat_top).sum()
    if spectrum <= 0:
        return 1
    return max(1, min(n // 3, round((1.5 * slope**2 / spectrum**2 * n) ** (1 / 3))))
