"""Contracts of tables in partitions: rows file by file, keys and sums over all files."""

import copy

import numpy as np
import pandas as pd
from kedro.validation import DataValidationError
from kedro.validation.pandera_validator import PanderaValidator

from preflight.contracts.catalog import Contract, Contracts
from preflight.contracts.cleaning import Cleaning
from preflight.contracts.raw_table import RawTable
from preflight.contracts.table import WHOLE_TABLE
from preflight.errors import RunError, explain
from preflight.partitions import Partitions


def validate_part(name: str, part: pd.DataFrame, contracts: Contracts, of: str) -> pd.DataFrame:
    """Return a part of a table, if it keeps its contract; rules of the whole table have to wait.

    Args:
        of: the partition, for messages.

    Raises:
        RunError: names the partition, and what breaks the contract.
    """
    if name not in contracts or issubclass(contracts[name], Cleaning):  # logs are checked as a sum
        return part
    return validate(name, part, contracts[name], of)


def validate(name: str, part: pd.DataFrame, contract: Contract, of: str) -> pd.DataFrame:
    """Return a part of a table, if it keeps its contract: see `validate_part`."""
    schema = copy.copy(contract.to_schema())
    schema.checks = [check for check in schema.checks if check.title != WHOLE_TABLE]
    try:
        return PanderaValidator(schema).validate(part)
    except DataValidationError as error:
        error.dataset_name = name
        error.mode = "load" if issubclass(contract, RawTable) else None
        error.validator = f"{contract.__module__}.{contract.__qualname__}"
        raise RunError(f"Partition '{of}': {explain(error)}") from None


def check_across(name: str, table: Partitions, contract: Contract) -> None:
    """Hold what no file shows alone: periods, keys, and rules of the whole table.

    Raises:
        RunError: names the partitions and what is wrong.
    """
    time, key = contract.about("event_time"), contract.grain()
    overlap = _overlap(table, time) if time else None
    if key and (overlap or time not in key) and (twice := _duplicate(table, key)):
        raise RunError(
            f"'{name}' has a key twice: {twice}. Remove one of the rows from its source."
        )
    if overlap:
        raise RunError(
            f"Partitions of '{name}' overlap in time: {overlap}. Put each row into the file of its "
            f"period, by {time}."
        )
    for check in contract.to_schema().checks:
        if check.title == WHOLE_TABLE:
            columns = check.description.split(",")
            try:
                passed = check(table.read(columns=columns)).check_passed
            except Exception as error:  # whatever a rule raises
                raise RunError(f"'{name}': the rule '{check.error}' fails: {error}") from error
            if not passed:
                raise RunError(f"'{name}', all partitions together, breaks: {check.error}.")


def _overlap(table: Partitions, time: str) -> str | None:
    """Return a message for the first partition that does not begin after the one before it."""
    before: tuple[str, pd.Timestamp] | None = None
    for name, (first, last) in table.spans(time).items():
        if before and first <= before[1]:
            return f"'{before[0]}' ends at {before[1]}, and '{name}' begins at {first}"
        before = name, last
    return None


def _duplicate(table: Partitions, key: list[str]) -> str | None:
    """Return a key that is in two partitions, and these; None if there is none.

    Eight bytes a row are in memory: rows with the same hash are then compared exactly.
    """
    hashes = [
        pd.util.hash_pandas_object(table.read_one(name, columns=key), index=False).to_numpy()
        for name in table.files
    ]
    together = np.sort(np.concatenate(hashes))
    doubtful = np.unique(together[1:][together[1:] == together[:-1]])
    if not len(doubtful):
        return None
    parts = []
    for name, hashed in zip(table.files, hashes, strict=True):
        some = table.read_one(name, columns=key)[np.isin(hashed, doubtful)]
        parts.append(some.astype("str").assign(partition=name))
    rows = pd.concat(parts, ignore_index=True)
    twice = rows[rows.duplicated(key, keep=False)].sort_values(key)
    if twice.empty:
        return None
    one, other = twice.iloc[0], twice.iloc[1]
    described = ", ".join(f"{column} {one[column]}" for column in key)
    return f"{described}, in partitions '{one['partition']}' and '{other['partition']}'"
