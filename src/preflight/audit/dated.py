"""A primary table with an `event_time`, as the checks of tables read it."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from preflight.contracts.catalog import Contract
from preflight.problem.split import Split

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

MOST_GROUPS = 30  # of one column: more have too few rows each
FEWEST_VALUES = 20  # distinct ones of a number with a unit; a count of few is none


class Dated(NamedTuple):
    """A table, and when its rows happened, in the order of its rows."""

    name: str
    table: pd.DataFrame
    contract: Contract
    at: str  # the column of the event's time
    day: pd.Series  # local calendar days
    month: Ints  # numbers of `months`, shape (n,)
    months: pd.PeriodIndex  # all from the first to the last

    def groups(self) -> dict[str, Ints]:
        """Return the numbers of the rows' groups, by each column with some groups.

        These are texts, categories and keys, with 3 to MOST_GROUPS distinct values. With two groups
        nothing says which one is wrong. -1 where the value is missing, shape (n,).
        """
        found = {}
        for column in self.texts() + [name for name in self.contract.grain() if name != self.at]:
            if not isinstance(self.table[column].dtype, pd.DatetimeTZDtype):
                codes, values = pd.factorize(self.table[column], sort=True)
                if 3 <= len(values) <= MOST_GROUPS:
                    found[column] = codes.astype(np.int64)
        return found

    def texts(self) -> list[str]:
        """Return the columns of text or categories."""
        return [*self.table.select_dtypes(["category", "string", "object"])]

    def numbers(self) -> dict[str, Floats]:
        """Return the columns that may have a unit, as floats of shape (n,); keys have none."""
        numbers = self.table.select_dtypes("number").drop(
            columns=self.contract.grain(), errors="ignore"
        )
        floats = {name: one.to_numpy(np.float64, na_value=np.nan) for name, one in numbers.items()}
        return {
            str(name): values
            for name, values in floats.items()
            if len(np.unique(values[:: max(1, len(values) // 10_000)])) > FEWEST_VALUES
        }

    def values(self, column: str) -> pd.Index:
        """Return the distinct values of a column, in the order of `groups`."""
        return pd.Index(pd.factorize(self.table[column], sort=True)[1])

    def span(self, months: Ints) -> str:
        """Return months in words: one, or the first and the last, and how many of all."""
        first, last = (self.months[at].strftime("%B %Y") for at in (months.min(), months.max()))
        if len(months) == 1:
            return first
        return f"{len(months)} of {len(self.months)} months from {first} to {last}"


def dated_tables(
    tables: Mapping[str, pd.DataFrame], contracts: Mapping[str, Contract], split: Split
) -> list[Dated]:
    """Return the tables with rows and an `event_time`, days and months in the split's time zone."""
    found = []
    for name, given in tables.items():
        at = contracts[name].about("event_time") if name in contracts else None
        if at is None or given[at].isna().all():
            continue
        table = given[given[at].notna()]
        day = split.day(table[at])
        month = (day.dt.year * 12 + day.dt.month - 1).to_numpy(np.int64)
        first = pd.Period(day.min(), "M")
        months = pd.period_range(first, pd.Period(day.max(), "M"))
        found.append(Dated(name, table, contracts[name], at, day, month - month.min(), months))
    return found
