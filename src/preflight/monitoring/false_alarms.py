"""How often an alarm is false: a replay of the project's own weeks, with the truth on the line."""

from typing import Any

import numpy as np

from preflight.monitoring.contracts import AlarmSettings, FalseAlarms
from preflight.monitoring.sequential import LIFE, Floats, Scaling, weekly_evidence

FEWEST_WEEKS = 20  # with fewer, no rate is claimed
REPLAYS = 1000
SEED = 0


def replay_weeks(weekly: Floats, daily: Floats, scaling: Scaling, settings: AlarmSettings) -> Any:
    """Return the share of replays of 52 weeks in which weeks like these raise an alarm.

    The mean of a replay is on the line: as bad as is still no harm. Weeks are drawn in pairs that
    follow each other, and the sign of a pair's difference to the mean is drawn.

    Args:
        weekly: of each week that counts, shape (weeks,).
        daily: of its days, shape (weeks, 7); a day without a value counts as its week.
    """
    weeks = len(weekly)
    if weeks < FEWEST_WEEKS or not np.ptp(weekly):
        return FalseAlarms(weeks=weeks, autocorrelation=None, rate=None)
    below = weekly - weekly.mean()
    days = np.where(np.isnan(daily), weekly[:, None], daily) - weekly.mean()
    rng = np.random.default_rng(SEED)
    history = settings.history_weeks
    pairs = -(-(history + LIFE) // 2)
    first = rng.integers(0, weeks - 1, (REPLAYS, pairs, 1))
    drawn = (first + np.arange(2)).reshape(REPLAYS, -1)[:, : history + LIFE]
    sign = rng.choice([-1.0, 1.0], (REPLAYS, pairs)).repeat(2, axis=1)[:, : history + LIFE]
    replayed = sign * below[drawn], sign[..., None] * days[drawn]
    _, evidence = weekly_evidence(*replayed, 0.0, scaling, history)
    return FalseAlarms(
        weeks=weeks,
        autocorrelation=float(below[1:] @ below[:-1] / (below @ below)),
        rate=float((evidence >= 1 / settings.alpha).any(axis=1).mean()),
    )
