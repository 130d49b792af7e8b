"""The units that are resampled: rows of one unit depend on each other, see `framing.resampling`."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from preflight.problem.framing import Framing

Ints = npt.NDArray[np.int64]

# More rows or groups than that are put into so many lots at random: the variance of a mean is
# that between random groups (Wolter 2007, chapter 2), and no product of matrices grows with them.
MAX_UNORDERED = 1000


def number_units(table: pd.DataFrame, framing: Framing) -> tuple[Ints, int]:
    """Return each row's unit as a number from 0, shape (n,), and the number of units.

    Days, weeks (from Monday) and months are numbered by the calendar, in local time: those without
    rows have a number too. Rows and groups have no order.

    table: predictions or examples.
    """
    unit = framing.resampling.unit
    if not framing.resampling.in_order:
        number = np.arange(len(table))
        if unit == "group":
            groups = table if "group" in table else pd.DataFrame(framing.group_column(table))
            number = pd.factorize(groups["group"])[0]
        units = int(number.max(initial=-1)) + 1
        if units > MAX_UNORDERED:
            lot = np.random.default_rng(0).permutation(units) % MAX_UNORDERED
            number, units = lot[number], MAX_UNORDERED
        return number.astype(np.int64), units
    day = framing.split.day(table["predict_at"])
    if unit == "month":
        calendar = 12 * day.dt.year + day.dt.month
    else:  # days since a Monday
        calendar = (day - pd.Timestamp("1970-01-05")).dt.days // (7 if unit == "week" else 1)
    number = (calendar - calendar.min()).to_numpy(dtype=np.int64)
    return number, int(number.max(initial=-1)) + 1
