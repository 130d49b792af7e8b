"""A table as Parquet files, one for each period, of which a part is read at a time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from preflight.errors import RunError

SUFFIX = ".parquet"


@dataclass(frozen=True)
class Partitions:
    """The files of a table, by the name of their period, in the order of names.

    rows: that fit into memory. Nodes that need a table get no more at once.
    """

    files: dict[str, Path]
    rows: int

    @classmethod
    def at(cls, path: Path, rows: int) -> Self:
        """Return the Parquet files in a folder; a file of its own is a table of one period.

        Raises:
            RunError: there is no Parquet file.
        """
        if path.is_file():
            return cls({"all": path}, rows)
        files = {file.stem: file for file in sorted(path.glob(f"[!.]*{SUFFIX}"))}
        if not files:
            raise RunError(
                f"{path} has no Parquet files. Put a file for each period into it, such as "
                f"2013-02{SUFFIX}. Or cut the files of conf/base: kedro partition"
            )
        return cls(files, rows)

    def __str__(self) -> str:
        """Return the folder."""
        return str(next(iter(self.files.values())).parent)

    @cached_property
    def counts(self) -> dict[str, int]:
        """Return the number of rows of each partition, as its file states it."""
        return {name: self._metadata(name).num_rows for name in self.files}

    def pick(self, names: Iterable[str]) -> Self:
        """Return only some partitions.

        Raises:
            RunError: one of them is missing.
        """
        wanted = list(names)
        if missing := [name for name in wanted if name not in self.files]:
            raise RunError(
                f"{self} has no partition {', '.join(missing)}, which other tables have. Add "
                f"{self}/{missing[0]}{SUFFIX}, or remove that period from the others."
            )
        return replace(self, files={name: self.files[name] for name in wanted})

    def newest(self) -> list[str]:
        """Return the names of the last partitions whose rows fit into memory; at least one."""
        names = list(self.files)
        rows = np.cumsum([self.counts[name] for name in reversed(names)])
        return names[-max(1, int((rows <= self.rows).sum())) :]

    def read(self, filters: list[Any] | None = None, columns: list[str] | None = None) -> Any:
        """Return the rows of all partitions, those that pass `filters` (see `pd.read_parquet`)."""
        return concatenate([self.read_one(name, filters, columns) for name in self.files])

    def read_one(
        self, name: str, filters: list[Any] | None = None, columns: list[str] | None = None
    ) -> pd.DataFrame:
        """Return the rows of one partition.

        Raises:
            RunError: its file can't be read.
        """
        try:
            return pd.read_parquet(self.files[name], columns=columns, filters=filters)
        except (OSError, ValueError, KeyError) as error:
            raise _damaged(name, self.files[name], error) from error

    def sample(self, key: list[str]) -> tuple[pd.DataFrame, float]:
        """Return a random part of the rows that fits into memory, and its share of all rows.

        A hash of the key decides. So tables with the same keys give the same rows, each time.
        """
        share = min(1.0, self.rows / max(1, sum(self.counts.values())))
        parts = []
        for name in self.files:
            part = self.read_one(name)
            drawn = pd.util.hash_pandas_object(part[key], index=False) / 2**64
            parts.append(part[drawn.to_numpy() < share] if share < 1 else part)
        return concatenate(parts), share

    def spans(self, time: str) -> dict[str, tuple[pd.Timestamp, pd.Timestamp]]:
        """Return the first and the last moment of each partition that has rows."""
        return {name: span for name in self.files if (span := self._span(name, time))}

    def between(
        self, time: str, start: pd.Timestamp | None = None, end: pd.Timestamp | None = None
    ) -> pd.DataFrame:
        """Return the rows with a time in [start, end]; a bound that is not given does not restrict.

        Of the other partitions only the metadata are read.
        """
        bounds = [(time, sign, at) for sign, at in ((">=", start), ("<=", end)) if at is not None]
        names = [
            name
            for name, (first, last) in self.spans(time).items()
            if (start is None or last >= start) and (end is None or first <= end)
        ]
        return self.pick(names or [*self.files][:1]).read(bounds or None)

    def _metadata(self, name: str) -> Any:
        from pyarrow.parquet import read_metadata

        try:
            return read_metadata(self.files[name])
        except (OSError, ValueError) as error:
            raise _damaged(name, self.files[name], error) from error

    def _span(self, name: str, time: str) -> tuple[pd.Timestamp, pd.Timestamp] | None:
        metadata = self._metadata(name)
        place = metadata.schema.names.index(time) if time in metadata.schema.names else None
        if place is None:
            raise RunError(
                f"Partition '{name}' has no column '{time}': {self.files[name]}. Write it again."
            )
        groups = [metadata.row_group(i).column(place) for i in range(metadata.num_row_groups)]
        found = [one.statistics for one in groups if one.num_values]
        if not all(one is not None and one.has_min_max for one in found):
            moments = self.read_one(name, columns=[time])[time]
            return None if moments.isna().all() else (moments.min(), moments.max())
        if not found:
            return None
        low, high = min(one.min for one in found), max(one.max for one in found)
        return pd.Timestamp(low).as_unit("us"), pd.Timestamp(high).as_unit("us")


def concatenate(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of tables with the same columns, with a new index.

    A column of categories has those of all parts, sorted, as if it had been made from all rows.
    """
    from pandas.api.types import union_categoricals

    parts = [part for part in parts if len(part)] or [*parts[:1]]  # an empty one has no categories
    first = parts[0]
    if len(parts) == 1:
        return first.reset_index(drop=True)
    united: dict[str, Any] = {}
    for name in map(str, first.select_dtypes("category")):
        if all(isinstance(part[name].dtype, pd.CategoricalDtype) for part in parts):
            united[name] = union_categoricals(
                [part[name] for part in parts], sort_categories=True, ignore_order=True
            )
    plain = [part.drop(columns=[*united]) for part in parts]
    table = pd.concat(plain, ignore_index=True).assign(**united)
    return table[[name for name in first if name in table]]


def _damaged(name: str, path: Path, error: Exception) -> RunError:
    reason = str(error).strip().partition("\n")[0].rstrip(".")
    return RunError(
        f"Partition '{name}' can't be read: {path}: {reason}. Restore the file from its source, "
        "or make it again."
    )
