"""Rows of tables in partitions that fit into memory: a random sample, or the newest periods."""

from collections.abc import Mapping, Sequence
from enum import Enum, auto

import pandas as pd
from kedro.pipeline import Node

from preflight.contracts.catalog import Contracts
from preflight.contracts.cleaning import Cleaning
from preflight.contracts.raw_table import RawTable
from preflight.features.point_in_time import reach
from preflight.features.split import SHARE
from preflight.partitions import Partitions, concatenate
from preflight.scale.checks import validate_part

PARTS = {"train", "validation", "test"}
SAMPLED = {"retraining", "production_replay"}  # stages that fit models on features and labels
LAZY = {"inference"}  # stages that cut what they need out of the partitions themselves


class Reading(Enum):
    """How a node reads tables in partitions."""

    SAMPLE = auto()  # decisions at random: for what is fitted or measured on examples
    NEWEST = auto()  # whole periods: for what replays the past
    LAZY = auto()


def reading_of(node: Node) -> Reading:
    """Return how a node reads tables in partitions."""
    if node.namespace in LAZY:
        return Reading.LAZY
    if node.namespace in SAMPLED or PARTS & {*node.inputs, *node.outputs}:
        return Reading.SAMPLE
    return Reading.NEWEST


def take(
    tables: Mapping[str, Partitions], reading: Reading, contracts: Contracts, partitioned: set[str]
) -> dict[str, pd.DataFrame]:
    """Return the rows that a node gets of each table.

    SAMPLE: rows by a hash of their key, the same decisions of each table; `attrs` has their share.
    NEWEST: the newest partitions, the same of each table. If features are among the tables, those
    that they are made from begin and end as much earlier and later as features look.
    """
    logs = {name for name in tables if issubclass(contracts[name], Cleaning)}
    found: dict[str, pd.DataFrame] = {}
    others = {name: one for name, one in tables.items() if name not in logs}
    if reading is Reading.SAMPLE:
        for name, one in others.items():
            found[name], share = one.sample(contracts[name].grain())
            found[name].attrs[SHARE] = share
        names = None
    else:
        names = _newest(others) if others else None
        if "features" in others and (decisions := find_decisions(others, contracts)):
            found = read_with_reach(others, decisions, names or [], contracts)
        for name, one in others.items():
            if name not in found:
                found[name] = _read(name, one, names or [], contracts)
    for name in logs:
        chosen = tables[name].pick(names) if names else tables[name]
        found[name] = sum_logs([chosen.read_one(one) for one in chosen.files], partitioned)
    return found


def _newest(tables: Mapping[str, Partitions]) -> list[str]:
    """Return the newest partitions that fit, by the table that has most rows in them."""
    return min((one.newest() for one in tables.values()), key=len)


def _read(name: str, table: Partitions, names: list[str], contracts: Contracts) -> pd.DataFrame:
    if not issubclass(contracts[name], RawTable):
        return table.pick(names).read()
    return concatenate(
        [validate_part(name, table.read_one(one), contracts, one) for one in names]
    )  # types are those of the contract, whatever the file has


def find_decisions(tables: Mapping[str, Partitions], contracts: Contracts) -> str | None:
    """Return the table that has a row for each row of the features; None if there is none."""
    key = contracts["features"].grain()
    alike = (name for name in tables if contracts[name].grain() == key)
    return next((name for name in alike if contracts[name].about("event_time")), None)


def read_with_reach(
    tables: Mapping[str, Partitions], decisions: str, names: list[str], contracts: Contracts
) -> dict[str, pd.DataFrame]:
    """Return the dated tables from and to where the features of some partitions look.

    decisions: the table whose partitions these are; they have rows.
    """
    dated = {name: at for name in tables if (at := contracts[name].about("event_time"))}
    spans = tables[decisions].pick(names).spans(dated[decisions]).values()
    back, ahead = reach(contracts["features"])
    # a row lies at most `ahead` behind its moment of prediction
    start, end = min(s for s, _ in spans) - ahead - back, max(e for _, e in spans) + ahead
    return {name: tables[name].between(at, start, end) for name, at in dated.items()}


def sum_logs(parts: Sequence[pd.DataFrame], partitioned: set[str]) -> pd.DataFrame:
    """Return the cleaning log of all partitions.

    Rows of a table in partitions are summed; a table that is whole is in each log, and counts once.
    """
    together = pd.concat(parts, ignore_index=True)
    key = ["table", "finding", "action"]
    groups = together.groupby(key, sort=False, observed=True, as_index=False)
    summed, first = groups.sum(), groups.first()
    return summed.where(summed["table"].isin(partitioned), first)[[*parts[0]]].astype(
        parts[0].dtypes.to_dict()
    )
