"""Tables built one period at a time: the project's own functions on a part of its tables."""

from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple
from uuid import uuid4

import numpy as np
import pandas as pd
from kedro.pipeline import Pipeline

from preflight.cluster import Cluster
from preflight.contracts.catalog import Contracts
from preflight.contracts.cleaning import Cleaning
from preflight.errors import RunError
from preflight.features.point_in_time import run_outputs
from preflight.files import UNFINISHED, WholeFiles, remove
from preflight.partitions import SUFFIX, Partitions
from preflight.progress import report_progress
from preflight.scale.checks import check_across, validate, validate_part
from preflight.scale.excerpts import find_decisions, read_with_reach, sum_logs

FEATURES = "features"


class Job(NamedTuple):
    """What is built for each period.

    graph: the nodes, which need tables of one period only.
    outputs: the tables that are kept.
    tables: the inputs in partitions. given: all other inputs.
    folder: for the files, one folder for each output.
    decisions: the table with a row for each row of the features. If there is none, partitions are
        cleaned one by one, and need nothing of others.
    """

    graph: Pipeline
    outputs: list[str]
    tables: dict[str, Partitions]
    given: dict[str, Any]
    contracts: Contracts
    folder: Path
    decisions: str | None


def build_partitions(
    graph: Pipeline,
    outputs: list[str],
    contracts: Contracts,
    scratch: Path,
    cluster: Cluster | None,
    given: Mapping[str, Any],
) -> dict[str, Partitions]:
    """Return tables in partitions, built one period at a time, here or on a cluster.

    The values are those of one build of all rows. Each file is held by its contract, and keys are
    unique over all files (`preflight.scale.checks`). If anything fails, nothing is left.

    Raises:
        RunError: names the partition that is missing, can't be read, or breaks a contract.
    """
    tables = {name: one for name, one in given.items() if isinstance(one, Partitions)}
    others = {name: one for name, one in given.items() if name not in tables}
    decisions = _require_decisions(tables, contracts) if FEATURES in outputs else None
    names = [*tables[decisions or next(iter(tables))].files]
    for name, table in tables.items():
        if decisions is None:
            table.pick(names)
            tables[next(iter(tables))].pick(table.files)
        else:
            check_across(name, table, contracts[name])
    folder = scratch / f"{uuid4().hex}{UNFINISHED}"
    job = Job(graph, outputs, tables, others, contracts, folder, decisions)
    try:
        _build_all(job, names, cluster)
        rows = max(table.rows for table in tables.values())
        made = {name: Partitions.at(folder / name, rows) for name in outputs}
        for name, table in made.items():
            if issubclass(contracts[name], Cleaning):
                logs = sum_logs([table.read_one(one) for one in names], {*outputs})
                validate(name, logs, contracts[name], "all")
            elif decisions is None:
                check_across(name, table, contracts[name])
    except BaseException:
        remove(folder)
        raise
    return made


def _build_all(job: Job, names: list[str], cluster: Cluster | None) -> None:
    what = " and ".join(job.outputs)
    for output in job.outputs:
        (job.folder / output).mkdir(parents=True)
    if cluster is not None:
        cluster.map(build_partition, names, what, job)
        return
    for number, name in enumerate(names, start=1):
        began = perf_counter()
        build_partition(name, job)
        seconds = perf_counter() - began
        line = f"{what}: {name}, {number} of {len(names)}, {seconds:.1f} s"
        report_progress(number, len(names), "periods", line)


def build_partition(name: str, job: Job) -> None:
    """Write the outputs of one period."""
    time = span = None
    if job.decisions is None:
        tables = {table: one.read_one(name) for table, one in job.tables.items()}
    else:
        time = str(job.contracts[job.decisions].about("event_time"))
        span = job.tables[job.decisions].pick([name]).spans(time).get(name)
        if span is None:
            raise RunError(
                f"Partition '{name}' of '{job.decisions}' has no rows. Remove its files."
            )
        tables = read_with_reach(job.tables, job.decisions, [name], job.contracts)
    valid = {
        table: validate_part(table, part, job.contracts, name) for table, part in tables.items()
    }
    inputs = {**job.given, **valid, "contracts": job.contracts}
    made = run_outputs(job.graph, inputs, *job.outputs)
    own = valid[job.decisions][time].between(*span).to_numpy() if span and job.decisions else None
    for output, table in made.items():
        part = table if own is None else _cut(table, own, output)
        part = part.reset_index(drop=True)
        for column in part.select_dtypes("category"):
            part[column] = part[column].cat.remove_unused_categories()
        part = validate_part(output, part, job.contracts, name)
        # the folder is gone if the run was given up while a worker went on
        path = str(job.folder / output / f"{name}{SUFFIX}")
        with WholeFiles(auto_mkdir=False).open(path, "wb") as file:
            part.to_parquet(file, compression="zstd")


def _cut(table: pd.DataFrame, own: np.ndarray[Any, Any], name: str) -> pd.DataFrame:
    """Return the rows of the period itself, without those that its features look at."""
    if len(table) != len(own):
        raise RunError(
            f"'{name}' has {len(table):,} rows for {len(own):,} decisions. In partitions each "
            "decision needs its own row, in the order of the decisions."
        )
    return table[own]


def _require_decisions(tables: Mapping[str, Partitions], contracts: Contracts) -> str:
    """Return the table that has a row for each row of the features, if all tables can be cut."""
    if (decisions := find_decisions(tables, contracts)) is None:
        key = ", ".join(contracts[FEATURES].grain())
        raise RunError(
            f"No partitioned table has the key of the features ({key}) and an event_time. Let the "
            "features have a row for each row of such a table, or run without partitions."
        )
    for name in tables:
        if contracts[name].about("event_time") is None:
            raise RunError(
                f"The contract of '{name}' states no event_time, so no period can be cut out of "
                f'it. Declare it, as in class {contracts[name].__name__}(Table, event_time="...").'
            )
    return decisions
