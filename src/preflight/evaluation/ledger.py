"""The ledger of test evaluations: which candidates were evaluated on which test set.

Each further candidate on the same test set is another chance that a model without a gain passes by
luck. The ledger counts the candidates, and `one_sided_level` divides the allowed error among them.
"""

import base64
import logging
import os
import re
from hashlib import sha256
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import pandas as pd
from kedro.io import DatasetError
from pydantic import Field, ValidationError

from preflight.contracts.catalog import Contracts
from preflight.contracts.documents import Document
from preflight.datasets import ReadOnlyDataset
from preflight.problem.framing import Framing
from preflight.runs.manifest import LEDGER

Hashes = npt.NDArray[Any]  # unsigned, of 64 bits

log = logging.getLogger(__name__)

SAMPLE = 256  # hashes of a test set that are kept
WIDTH = 8  # characters of base64 that a hash of 48 bits takes


class TestEvaluation(Document):
    """The evaluation of one candidate on one test set: a line of the ledger.

    A field that is added later needs a default: earlier lines are read too.
    """

    __test__ = False  # not a test class, whatever its name

    run: str = Field(description="version of the run")
    candidate: str = Field(pattern="^[0-9a-f]{16}$", description="hash of all its decisions")
    test: str = Field(
        pattern=f"^([A-Za-z0-9+/]{{{WIDTH}}}){{1,{SAMPLE}}}$",
        description=f"the {SAMPLE} smallest hashes of the keys of the test examples",
    )
    rows: int = Field(gt=0, description="test examples")
    first: str = Field(pattern=r"^\d{4}-\d\d-\d\d$", description="local day of the first event")
    last: str = Field(pattern=r"^\d{4}-\d\d-\d\d$", description="local day of the last event")


def count_test_evaluation(
    test_predictions: pd.DataFrame,
    earlier_evaluations: list[dict[str, Any]],
    what_if: list[str],
    run_version: str,
    framing: Framing,
    contracts: Contracts,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the new lines of the ledger, and how often this test set was used.

    There is no new line if the candidate is counted already, or if the run is a what-if. A what-if
    is tested at the level that its candidate would have.
    """
    key = contracts["features"].grain()
    entry = {"run": run_version} | describe_evaluation(test_predictions, key, framing)
    this, before = entry["candidate"], candidates_before(entry, earlier_evaluations)
    new = [] if what_if or this in before else [entry]
    candidates, number = len(before) + len(new), [*before, this].index(this) + 1
    if new:
        log.info(
            "  This test set has now been used by %d candidate%s. Commit %s: it keeps the count.",
            candidates,
            "s" * (candidates > 1),
            LEDGER,
        )
    level = one_sided_level(number, framing.confidence)
    return new, {"candidate": this, "number": number, "candidates": candidates, "level": level}


def describe_evaluation(
    test_predictions: pd.DataFrame, key: list[str], framing: Framing
) -> dict[str, Any]:
    """Return what tells a candidate, and a test set, from others; see `TestEvaluation`.

    candidate: changes with any decision and any row; not with the order of the rows, with
        probabilities that give the same decisions, or with the last bits of a predicted quantity.
    test: a bottom-k sketch (Broder 1997) of the keys: the smallest hashes of 48 bits.
    first, last: the event is the moment of prediction plus `framing.prediction.lead_minutes`. So
        another lead time does not make another test set.
    """
    ordered = sorted(key)
    exact = test_predictions[[*ordered, framing.decided]].astype({framing.decided: "float32"})
    lead = pd.Timedelta(minutes=framing.prediction.lead_minutes)
    days = framing.split.day(test_predictions["predict_at"] + lead)
    decisions = np.sort(_hash_rows(exact)).astype("<u8")
    return {
        "candidate": sha256(decisions.tobytes()).hexdigest()[:16],
        "test": _sample(_hash_rows(exact[ordered])),
        "rows": len(exact),
        "first": days.min().date().isoformat(),
        "last": days.max().date().isoformat(),
    }


def _hash_rows(rows: pd.DataFrame) -> Hashes:
    """Return a hash of each row, shape (n,)."""
    plain = pd.DataFrame({name: _without_width(column) for name, column in rows.items()})
    return pd.util.hash_pandas_object(plain, index=False).to_numpy()


def _without_width(column: pd.Series) -> pd.Series:
    """Return a column whose hash doesn't depend on the width, unit or categories of its type."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    if pd.api.types.is_datetime64_any_dtype(column):
        return column.dt.as_unit("us")
    if pd.api.types.is_numeric_dtype(column):
        return column.astype("float64") + 0.0  # -0.0 is 0.0
    return column


def _sample(hashes: Hashes) -> str:
    """Return the smallest hashes, in base64."""
    lowest = np.unique(hashes >> np.uint64(16))[:SAMPLE]
    six_bytes = lowest.astype(">u8").view(np.uint8).reshape(-1, 8)[:, 2:]
    return base64.b64encode(six_bytes.tobytes()).decode()


def overlaps(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Return whether two evaluations used test sets with examples in common.

    The smallest hashes of a set are a random sample of it. Of two samples, hashes up to the lower
    of both maxima can be compared; within that range a common example is in both samples. So an
    overlap of a share s of the larger test set is missed with a probability of (1 - s)^256: 8% at
    one percent, 0.6% at two percent.

    The periods have to overlap too: a new test set may have other examples with the same keys, for
    example row numbers that begin again.
    """
    samples = [{*re.findall(f".{{{WIDTH}}}", sketch["test"])} for sketch in (one, other)]
    at_once = one["first"] <= other["last"] and other["first"] <= one["last"]
    return at_once and not samples[0].isdisjoint(samples[1])


def candidates_before(entry: dict[str, Any], earlier: list[dict[str, Any]]) -> list[str]:
    """Return the candidates of earlier evaluations on test sets that overlap with this one.

    Each candidate is there once, in the order of first evaluations.
    """
    return list(dict.fromkeys(one["candidate"] for one in earlier if overlaps(one, entry)))


def one_sided_level(number: int, confidence: float) -> float:
    """Return the one-sided level at which a candidate's gain is tested.

    number: the candidate's place among those evaluated on the test set, from 1.

    The first candidate is tested at the level of its interval, (1 - confidence) / 2. The others
    share the same level once more, with weights of 6 / (pi^2 i^2), whose sum is 1. So all levels
    together are 1 - confidence, however many candidates follow (alpha spending: Foster and Stine
    2008).
    """
    level = (1 - confidence) / 2
    return level if number == 1 else level * 6 / (np.pi * (number - 1)) ** 2


class EvaluationLedger(ReadOnlyDataset):
    """A JSON Lines file with one line per evaluation; lines are added and never changed.

    A line is added by one write to the end of the file, so two runs at the same time lose nothing.
    """

    def load(self) -> list[dict[str, Any]]:
        """Return all evaluations, oldest first; raise DatasetError if a line is damaged."""
        try:
            lines = self._filepath.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        return [self._read(line, n) for n, line in enumerate(lines, 1) if line.strip()]

    def _read(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            return TestEvaluation.model_validate_json(line).model_dump()
        except ValidationError as error:
            fault = error.errors()[0]
            where = "".join(f"{part}: " for part in fault["loc"])
            raise DatasetError(
                f"{self._filepath}, line {number} is no test evaluation: {where}{fault['msg']}. "
                "If it is the last line and half-written, or a conflict marker of Git, delete that "
                f"line alone. Otherwise restore it: git log -p {self._filepath}. The other lines "
                "keep the count of test evaluations."
            ) from error

    def save(self, data: list[dict[str, Any]]) -> None:
        """Add evaluations at the end of the file; raise DatasetError if it can't be written."""
        try:
            for entry in data:
                self._append(TestEvaluation.model_validate(entry).model_dump_json().encode())
        except OSError as error:
            self._refuse(error.strerror)

    def _append(self, line: bytes) -> None:
        self._filepath.parent.mkdir(parents=True, exist_ok=True)
        with self._filepath.open("a+b", buffering=0) as file:
            if size := file.seek(0, os.SEEK_END):
                file.seek(size - 1)
                line = line if file.read(1) == b"\n" else b"\n" + line
            if file.write(line + b"\n") < len(line) + 1:
                self._refuse("the disk is full, and the last line is half-written: delete it")
            os.fsync(file.fileno())

    def _refuse(self, reason: str | None) -> NoReturn:
        raise DatasetError(
            f"The evaluation can't be counted, so there is no verdict: {self._filepath} can't be "
            f"written: {reason}. Make it a writable file, then: kedro run --pipelines evaluation"
        )

    def _exists(self) -> bool:
        return self._filepath.is_file()
