"""The labels that are known at a moment, by the hash of their key."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from preflight.contracts.catalog import Contracts
from preflight.errors import RunError
from preflight.inference.prediction_log import hash_keys
from preflight.problem.framing import Framing

UNSEEN = "Harm cannot be seen without labels"


def name_key(rows: pd.DataFrame, contracts: Contracts) -> str:
    """Return the key of the first row as text."""
    first = rows.iloc[0]
    return ", ".join(f"{name} {first[name]}" for name in contracts["features"].grain())


class KnownLabels:
    """The labels that are known at a moment, by the hash of their key."""

    def __init__(
        self, labels: pd.DataFrame, framing: Framing, contracts: Contracts, at: pd.Timestamp
    ) -> None:
        self._contracts = contracts
        self._known_within = framing.prediction.label_delay
        given = np.flatnonzero(labels["label"].notna())
        hashes = self.hash(labels)[given]
        order = np.argsort(hashes)
        self._labels, self._order = labels, given[order]  # a copy takes as much memory as the log
        self._hashes = hashes[order]
        self._label = labels["label"].iloc[self._order].to_numpy(np.float64)
        self._known_at = labels["label_known_at"].iloc[self._order].reset_index(drop=True)
        self._later = (self._known_at > at).to_numpy()

    def hash(self, rows: pd.DataFrame) -> npt.NDArray[Any]:
        """Return a hash of each decision, whatever the types of its key."""
        key = self._contracts["features"].grain()
        texts = rows[key].astype(dict.fromkeys(rows[key].select_dtypes("category"), "str"))
        return hash_keys(texts, key)

    def find(self, rows: pd.DataFrame, hashes: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Return the label of each row, NaN if it is not known at the moment, shape (n,).

        hashes: of the rows, from `hash`.

        Raises:
            RunError: a label is dated before its prediction.
        """
        if not len(self._hashes):
            return np.full(len(rows), np.nan)
        place = np.searchsorted(self._hashes, hashes).clip(max=len(self._hashes) - 1)
        found = self._hashes[place] == hashes
        known_at = self._known_at.iloc[place].set_axis(rows.index)
        if len(early := rows[found & (known_at < rows["predict_at"])]):
            raise RunError(
                f"{len(early):,} labels are dated before their predictions. The first is known at "
                f"{known_at[early.index[0]]}, and was predicted at {early['predict_at'].iloc[0]}: "
                f"{name_key(early, self._contracts)}. Correct the function that computes 'labels'."
            )
        return np.where(found & ~self._later[place], self._label[place], np.nan)

    def notes(self, decisions: pd.DataFrame) -> Iterator[str]:
        """Yield what the decisions and the labels lack of each other."""
        due = int(decisions["due"].sum())
        lacks = int((decisions["due"] & decisions["label"].isna()).sum())
        if lacks or not due:
            whole = "None" if lacks == due else f"{due - lacks:,}"
            hint = f"{UNSEEN}. " if lacks == due else "Those without one are left out. "
            yield (
                f"{whole} of {due:,} logged decisions that are due have a label. {hint}If "
                "labels are there, compute them again: kedro run --pipelines "
                "data_engineering,feature_engineering --to-outputs labels"
            )
        logged, known = decisions["predict_at"], self._known_at
        # known so late, its decision was made after the first of the log
        during = (known > logged.min() + self._known_within) & (known <= logged.max())
        strange = during.to_numpy() & ~np.isin(self._hashes, decisions["decision"]) & ~self._later
        if count := int(strange.sum()):
            first = self._labels.iloc[self._order[strange]]
            yield (
                f"{count:,} labels from the time of the log are of decisions that are not in it, "
                f"such as {name_key(first, self._contracts)}. They are left out. If these "
                "decisions were made, restore their files in the log."
            )
