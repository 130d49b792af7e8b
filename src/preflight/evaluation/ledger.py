"""Stub until the merge."""

import numpy as np


def one_sided_level(number: int, confidence: float) -> float:
    """Return the level."""
    level = (1 - confidence) / 2
    return level if number == 1 else level * 6 / (np.pi * (number - 1)) ** 2
