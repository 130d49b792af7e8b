"""The moments at which the past is replayed: spread out, and some where rare leaks show."""

from collections.abc import Iterator
from itertools import islice

import numpy as np
import pandas as pd

from preflight.problem.split import Split

SHARE = 8  # one in so many moments is of each kind where rare leaks show
SPREAD = "spread over the data"
HALF_DAY = pd.Timedelta(hours=12)


def choose_moments(
    examples: pd.DataFrame, split: Split, number: int, seed: int
) -> dict[pd.Timestamp, str]:
    """Return moments at which decisions were due, in the order of time, and why each was chosen.

    One in SHARE is at a change of the clock, as many on the days with the largest sums of labels,
    and as many at the rarest categories. The others are spread over the data.

    Args:
        examples: `predict_at`, `label` (may be missing) and columns of categories, by decision.
        split: has the time zone of days and clock changes.
        number: of moments.
        seed: of the moments that are spread.
    """
    in_order = examples.sort_values("predict_at", kind="stable", ignore_index=True)
    due = pd.DatetimeIndex(in_order["predict_at"].drop_duplicates())
    kinds = {
        "at a change of the clock": _clock_changes(due, split.timezone),
        "on the days with the largest sums of labels": _days_by_labels(in_order, split),
        "at the rarest categories": _rarest_categories(in_order),
    }
    chosen: dict[pd.Timestamp, str] = {}
    for why, found in kinds.items():
        new = (moment for moment in found if moment not in chosen)
        chosen |= dict.fromkeys(islice(new, number // SHARE), why)
    others = due.difference(pd.DatetimeIndex([*chosen], dtype=due.dtype))
    random, left = np.random.default_rng(seed), min(number - len(chosen), len(others))
    if left:
        parts = np.array_split(np.arange(len(others)), left)
        chosen |= {others[random.choice(part)]: SPREAD for part in parts}
    return dict(sorted(chosen.items()))


def _clock_changes(due: pd.DatetimeIndex, timezone: str) -> Iterator[pd.Timestamp]:
    """Yield the first decision after each change, and one half a day later; the last change first.

    Both, as an error of an hour shows while it lasts, and one of a day on all of it.
    """
    offset = due.tz_convert(timezone).tz_localize(None) - due.tz_localize(None)
    for first in due[1:][offset[1:] != offset[:-1]][::-1]:
        yield first
        yield due[due <= first + HALF_DAY][-1]


def _days_by_labels(in_order: pd.DataFrame, split: Split) -> Iterator[pd.Timestamp]:
    """Yield the moment in the middle of each local day's decisions, by the day's sum of labels."""
    day = split.day(in_order["predict_at"])
    sums = in_order["label"].groupby(day).sum(min_count=1).dropna()
    for one in sums.sort_values(ascending=False, kind="stable").index:
        yield _middle(in_order.loc[day == one, "predict_at"])


def _rarest_categories(in_order: pd.DataFrame) -> Iterator[pd.Timestamp]:
    """Yield a moment of each value of the columns of categories, the rarest value first."""
    rarest = [
        (rows, name, code)
        for name, values in in_order.select_dtypes("category").items()
        for code, rows in values.cat.codes.value_counts().items()
    ]
    for _, name, code in sorted(rarest):
        yield _middle(in_order.loc[in_order[name].cat.codes == code, "predict_at"])


def _middle(moments: pd.Series) -> pd.Timestamp:
    return moments.iloc[len(moments) // 2]
