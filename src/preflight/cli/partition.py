"""Raw tables cut into one Parquet file for each period, as `kedro run --env large` reads them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from kedro.framework.session import KedroSession

from preflight.contracts.raw_table import RawTable
from preflight.errors import RunError
from preflight.files import remove, replacing
from preflight.partitions import SUFFIX
from preflight.runs.raw_files import accept, read
from preflight.scale.datasets import PartitionedTable

ENV = "large"  # its catalog says where the files are
FORMATS = {"year": "%Y", "month": "%Y-%m"}


def cut_raw_tables(project: Path, by: str) -> Iterator[str]:
    """Write the partitions of each raw table, and yield a line about each.

    A period is that of the split's time zone. New files have source and licence of the raw file.

    Args:
        by: "year" or "month".

    Raises:
        RunError: no raw table is a PartitionedTable in conf/large, or one has no event_time.
    """
    large: Any
    context: Any
    with KedroSession.create(project, env=ENV) as session:
        large = session.load_context().catalog  # type: ignore[attr-defined]
    with KedroSession.create(project) as session:
        context = session.load_context()  # type: ignore[attr-defined]
    catalog, contracts = context.catalog, context.catalog.load("contracts")
    zone = catalog.load("params:framing").split.timezone
    targets = {
        name: dataset
        for name in contracts
        if issubclass(contracts[name], RawTable)
        and isinstance(dataset := large.get(name), PartitionedTable)
    }
    if not targets:
        raise RunError(
            "conf/large/catalog.yml names no raw table. Add one with type: "
            "preflight.scale.datasets.PartitionedTable, a filepath in data/01_raw, and rows."
        )
    for name, dataset in targets.items():
        time = contracts[name].about("event_time")
        if time is None:
            raise RunError(
                f"The contract of '{name}' states no event_time, so no period can be cut out of it."
                f' Declare it, as in class {contracts[name].__name__}(RawTable, event_time="...").'
            )
        table: pd.DataFrame = catalog.load(name)
        folder = project / dataset._filepath
        source = Path(catalog.get(name)._filepath)
        like = read(source.parent).get(source.name)
        count = _write(table, table[time].dt.tz_convert(zone).dt.strftime(FORMATS[by]), folder)
        accept(folder, like=like)
        where = folder.relative_to(project).as_posix()
        yield f"{name}: {len(table):,} rows in {count} files in {where}"


def _write(table: pd.DataFrame, period: pd.Series, folder: Path) -> int:
    """Write a file for each period in place of those that are there; return their number."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f"*{SUFFIX}"):
        remove(old)
    groups = table.groupby(period)
    for name, part in groups:
        with replacing(folder / f"{name}{SUFFIX}", "wb") as file:
            part.to_parquet(file, compression="zstd", index=False)
    return len(groups)
