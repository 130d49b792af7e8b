"""Replay of the past: features rebuilt from the tables as of an earlier moment."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from traceback import extract_tb
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from kedro.pipeline import Pipeline

from preflight.contracts.catalog import Contract, Contracts
from preflight.contracts.table import IN_ADVANCE
from preflight.errors import RunError
from preflight.features.point_in_time import as_of, between, run_in_memory

Change = Callable[[pd.DataFrame, Contract, pd.Timestamp], pd.DataFrame]

RECENT = pd.Timedelta(days=1)  # decisions due this long before a moment are compared, too
ROUNDING = 1e-6  # of a feature's spread: sums of fractions may differ in their last bits
DECISION = "the decision itself"  # named where one is there in the run only, or in the replay only


class Difference(NamedTuple):
    """A feature whose replayed value at a moment differs from its value in the run."""

    feature: str
    moment: pd.Timestamp
    decisions: int
    example: str
    in_the_run: Any
    replayed: Any


@dataclass(frozen=True)
class Replay:
    """The feature pipeline, its inputs in the run, and the features that the run made.

    pipeline: makes the dataset `features`, one row per decision with its `predict_at`.
    inputs: what the pipeline reads, by name: tables and `params:`.
    features: what the run made.
    key: the columns that identify a decision.
    reach: how much of the tables features need before and after a moment of prediction.
    contracts: of each table, by its name.
    """

    pipeline: Pipeline
    inputs: dict[str, Any]
    features: pd.DataFrame
    key: list[str]
    reach: tuple[pd.Timedelta, pd.Timedelta]
    contracts: Contracts
    seed: int = 0

    def tables(self) -> dict[str, Contract]:
        """Return the contract of each table; raise RunError if one lacks `known_at`."""
        found = {n: self.contracts.get(n) for n in self.inputs if not n.startswith("params:")}
        if undated := [n for n, one in found.items() if not (one and one.about("known_at"))]:
            raise RunError(
                f"The features are made from {', '.join(undated)}, of which no contract says when "
                "rows became known. Declare it in contracts/primary.py, as in class Name(Table, "
                'known_at="..."), and name the contract in the catalog (see docs/leakage.md).'
            )
        return {name: one for name, one in found.items() if one}

    def changes(self) -> dict[str, Change]:
        """Return the change of each table for each check; cuts come first."""
        back, ahead = self.reach
        return {
            "look_back": lambda t, c, m: between(t, c, start=m - RECENT - back),
            "look_ahead": lambda t, c, m: between(t, c, end=m + ahead),
            "known_at": as_of,
            "row_order": lambda t, _, __: t.sample(frac=1, random_state=self.seed),
        }

    def differences(self, moment: pd.Timestamp, *changes: Change) -> dict[str, Difference]:
        """Return the features that differ at a moment if all tables are changed so, by name."""
        try:
            features = run_in_memory(self.pipeline, self.inputs_at(moment, *changes), "features")
        except Exception as error:  # whatever a feature function may raise
            raise RunError(
                f"The features can't be built from the tables as they stood on {moment}, in "
                f"{_where(error)}: {type(error).__name__}: {error}. Production builds them from "
                "such tables: let the function take missing values and tables without rows."
            ) from error
        return self.compare(features, moment)

    def inputs_at(self, moment: pd.Timestamp, *changes: Change) -> dict[str, Any]:
        """Return what the pipeline reads, with all tables changed so."""
        inputs = {**self.inputs, "contracts": self.contracts}
        for name, contract in self.tables().items():
            for change in changes:
                inputs[name] = change(inputs[name], contract, moment)
        return inputs

    def compare(self, features: pd.DataFrame, moment: pd.Timestamp) -> dict[str, Difference]:
        """Return the features that differ from the run's, of decisions due by then, by name."""
        rebuilt = self.due(features, moment)
        run, then = self.due(self.features, moment).align(rebuilt, axis=0)
        decisions = run.index.to_frame(index=False)
        run, then = run.reset_index(drop=True), then.reset_index(drop=True)  # faster to compare
        found = {}
        for name in map(str, run):
            differs = ~_same(run[name], then[name])
            if differs.any():
                a, b = run[name][differs], then[name][differs]
                key = decisions.loc[a.index[0]].items()
                example = ", ".join(f"{column} {value}" for column, value in key)
                found[name] = Difference(name, moment, len(a), example, a.iloc[0], b.iloc[0])
        return found

    def due(self, features: pd.DataFrame, moment: pd.Timestamp) -> pd.DataFrame:
        """Return the decisions due in the day up to a moment, by key."""
        recent = features["predict_at"].between(moment - RECENT, moment, inclusive="right")
        due = features[recent].assign(**{DECISION: "due"})
        due = due.astype(dict.fromkeys(due.select_dtypes("category"), "str"))
        return due.set_index(self.key).sort_index()

    def causes(self, moment: pd.Timestamp) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
        """Return the features that differ by each check alone, and by each column hidden alone."""
        changes = self.changes()
        checks = {n: set(self.differences(moment, change)) for n, change in changes.items()}
        # Cutting the tables first is faster, and correct unless that alone changes features.
        cut = not checks["look_back"] | checks["look_ahead"]
        cuts = [changes[n] for n in ("look_back", "look_ahead") if cut]
        columns = {
            name: set(self.differences(moment, *cuts, hide))
            for name, hide in (self._hidden_one_at_a_time() if checks["known_at"] else ())
        }
        return checks, columns

    def _hidden_one_at_a_time(self) -> Iterator[tuple[str, Change]]:
        """Yield each column with a `known_at` of its own, and the change that hides it alone."""
        for table, contract in self.tables().items():
            rows, later = contract.about("known_at"), contract.known_later()
            if rows and rows != IN_ADVANCE:
                yield f"the rows of {table}", _mask_until_known(contract, None, rows)
            for column, schema in contract.to_schema().columns.items():
                moment = later.get(column, rows)
                can_be_missing = schema.nullable or str(schema.dtype).startswith("float")
                if moment and moment != IN_ADVANCE and can_be_missing:
                    yield f"{table}.{column}", _mask_until_known(contract, column, moment)

    def assumptions(self) -> Iterator[tuple[str, str, set[str]]]:
        """Yield each column that a contract assumes to be known early, why, and its features.

        The features are those that differ at the last moment without the assumption.
        """
        last = self.features["predict_at"].max()
        for table, contract in self.tables().items():
            for column, about in contract.columns().items():
                if "assumption" in about:
                    known_at = contract.known_later(assume=False).get(column)
                    differ = {}
                    if known_at:
                        hide = _mask_until_known(contract, column, known_at)
                        differ = self.differences(last, self.changes()["look_back"], hide)
                    yield f"{table}.{column}", about["assumption"], {*differ}


def _mask_until_known(of: Contract, column: str | None, known_at: str) -> Change:
    """Return the change that hides rows of one table, or values of a column, until known."""

    def hide(table: pd.DataFrame, contract: Contract, moment: pd.Timestamp) -> pd.DataFrame:
        if contract is not of:
            return table
        is_known = contract.known_by(table, known_at, moment)
        if column is None:
            return table[is_known]
        return table.assign(**{column: table[column].where(is_known)})

    return hide


def _same(run: pd.Series, then: pd.Series) -> pd.Series:
    """Return where two columns are equal but for rounding; missing values are equal."""
    same = (run.isna() & then.isna()) | (run == then).fillna(False)
    if pd.api.types.is_float_dtype(run) and pd.api.types.is_float_dtype(then):
        spread = run.where(np.isfinite(run)).std()
        same |= (run - then).abs() <= ROUNDING * (spread if spread > 0 else 0)
    return same.astype(bool)


def _where(error: BaseException) -> str:
    """Return the function of the project that raised an error, and its line."""
    own = [f for f in extract_tb(error.__traceback__) if "site-packages" not in f.filename]
    return f"{own[-1].name}, line {own[-1].lineno} of {Path(own[-1].filename).name}"
