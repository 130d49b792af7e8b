"""Tables as they stood at a moment, and the feature pipeline run on them.

The leakage audit replays the past with it; inference is the same replay with the moment set to now.
"""

from typing import Any

import pandas as pd
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline
from kedro.runner import SequentialRunner

from preflight.contracts.table import IN_ADVANCE, Table

Contract = type[Table]
Moment = pd.Timestamp | pd.Series  # one for all rows, or one for each


def as_of(
    table: pd.DataFrame, contract: Contract, moment: Moment, assume: bool = True
) -> pd.DataFrame:
    """Return the table as it stood: later rows are gone, values that came later are missing.

    Grain, types and index are those of the table; what became known at the moment itself is there.

    Args:
        table: a table that keeps its contract.
        contract: says when rows and values became known.
        moment: in UTC; a series has one for each row, by the table's index.
        assume: take what the contract assumes for known.
    """
    rows = contract.about("known_at")
    if rows != IN_ADVANCE:
        known = table[rows] <= moment
        table = table[known]
        moment = moment[known] if isinstance(moment, pd.Series) else moment
    later = contract.known_later(assume)
    unknown = {at: ~(table[at] <= moment) for at in set(later.values())}
    return table.assign(**{name: table[name].mask(unknown[at]) for name, at in later.items()})


def between(
    table: pd.DataFrame,
    contract: Contract,
    start: pd.Timestamp | None = None,
    end: pd.Timestamp | None = None,
) -> pd.DataFrame:
    """Return the rows whose event lies in [start, end], both optional; all if rows have no time."""
    time = contract.about("event_time")
    if time is None:
        return table
    inside = pd.Series(True, index=table.index)
    if start is not None:
        inside &= table[time] >= start
    if end is not None:
        inside &= table[time] <= end
    return table[inside]


def run_in_memory(pipeline: Pipeline, given: dict[str, Any], output: str) -> pd.DataFrame:
    """Return one output of a Kedro pipeline run on `given`: tables and parameters by their names.

    Tables get a new index, as if they had just been read. Nothing is written.
    """
    catalog = DataCatalog(
        {
            name: MemoryDataset(
                value.reset_index(drop=True) if isinstance(value, pd.DataFrame) else value,
                copy_mode="assign",
            )
            for name, value in given.items()
        }
    )
    part = pipeline.to_outputs(output)
    result: pd.DataFrame = SequentialRunner().run(part, catalog)[output].load()
    return result
