"""The chance of fitting: the same step, fitted with another seed, saves a little more or less."""

import math

import numpy as np

from preflight.modeling.model import Floats
from preflight.stats.bootstrap import Interval


def fitting_margin(fits: list[Floats], weights: Floats, confidence: float) -> float:
    """Return half the width of the interval that the chance of fitting gives a weighted sum.

    The sum is of means over fits, its interval Student's t with their pooled variance. A mean of a
    single fit is taken to vary as much as the others. Nothing is known, and 0 returned, if all are
    of a single fit.

    Args:
        fits: for each mean the value of each fit.
        weights: of each mean in the sum, shape (means,).
    """
    from scipy.special import stdtrit

    sizes = np.array([len(values) for values in fits])
    freedom = int((sizes - 1).sum())
    if not freedom:
        return 0.0
    variance = sum(float(((values - values.mean()) ** 2).sum()) for values in fits) / freedom
    error = np.sqrt(variance * (weights**2 / sizes).sum())
    return float(stdtrit(freedom, (1 + confidence) / 2) * error)


def widen(figure: Interval, margin: float) -> Interval:
    """Return an interval over days that covers an independent source of chance as well.

    Margins of independent sources add up as the root of the sum of squares (Howe 1974; Zou and
    Donner 2008). Here this is a little too wide: how each fit does on these very days is in both.
    """
    mean, low, high = figure["mean"], figure["low"], figure["high"]
    if mean is None or low is None or high is None:
        return figure
    below, above = math.hypot(mean - low, margin), math.hypot(high - mean, margin)
    return {"mean": mean, "low": mean - below, "high": mean + above}
