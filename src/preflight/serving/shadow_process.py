"""The process of a challenger in the shadow: it answers what the champion has answered."""

import os
import signal
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from preflight.contracts.catalog import Contract
from preflight.inference.shadow import Comparison, Times, save_document
from preflight.modeling.model import Bundle, answer, costs_of, require_features
from preflight.problem.framing import Framing
from preflight.serving.requests import Blocks, RequestReader

SAVE_SECONDS = 5.0  # between two writes of what was compared: a kill loses no more
RECENT = 1_000  # requests whose times are kept
LOWEST_PRIORITY = 19  # where cores are few, the champion has them


class Answered(NamedTuple):
    """Rows of one request that the champion has answered.

    decided: acted or not, or the quantity. ms: that the champion took. dropped: rows that were
    dropped since the last request.
    """

    blocks: Blocks
    predicted: npt.NDArray[np.float64]
    decided: npt.NDArray[Any]
    ms: float
    dropped: int


class Compared(NamedTuple):
    """How many rows of a request were compared, and how many the challenger failed with."""

    rows: int
    failed: int


def run_challenger(
    connection: Connection,
    read: Callable[[], Bundle],
    features: Contract,
    max_rows: int,
    framing: Framing,
    versions: tuple[str, str],
    file: Path,
) -> None:
    """Load a challenger, and compare what comes until the connection is closed.

    First it sends None, or why the challenger can't be loaded; then `Compared` for each request.

    Args:
        read: returns the challenger.
        features: the contract of the rows.
        max_rows: of one request.
        versions: of champion and challenger.
        file: of the comparison.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the service ends it
    if hasattr(os, "nice"):  # not on Windows
        os.nice(LOWEST_PRIORITY)
    try:
        bundle = read()
        require_features(bundle, features)
    except Exception as error:  # whatever is wrong with the file
        connection.send(str(error))
        return
    connection.send(None)
    comparer = Comparer(bundle, features, max_rows, framing, versions)
    saved_at = time.monotonic()
    try:
        while True:
            if connection.poll(SAVE_SECONDS):
                connection.send(comparer.compare(connection.recv()))
            if time.monotonic() > saved_at + SAVE_SECONDS:
                comparer.save(file)
                saved_at = time.monotonic()
    except (EOFError, OSError):  # the service has closed it, or is gone
        comparer.save(file)


class Comparer:
    """Compares a challenger with the champion, request by request."""

    def __init__(
        self,
        bundle: Bundle,
        features: Contract,
        max_rows: int,
        framing: Framing,
        versions: tuple[str, str],
    ) -> None:
        self._bundle, self._framing = bundle, framing
        self._reader, self._groups = RequestReader(features, max_rows), features.groups()
        costs = [*costs_of(bundle).columns.values(), *framing.costs.columns.values()]
        self._reads = list(dict.fromkeys([*bundle["features"], *costs]))
        self._times: deque[tuple[float, float]] = deque(maxlen=RECENT)
        self._changed = False
        now = datetime.now(UTC)
        self.found = Comparison(
            champion=versions[0], challenger=versions[1], since=now, until=now,
            rows=0, dropped=0, failed=0, same=0, difference=0.0,
            saved_if_champion=0.0, saved_if_challenger=0.0, champion_ms=None, challenger_ms=None,
        )  # fmt: skip

    def compare(self, asked: Answered) -> Compared:
        """Answer a request and compare; an error is counted, because it is a result too."""
        rows, found = len(asked.predicted), self.found
        self._changed, found.until = True, datetime.now(UTC)
        found.dropped += asked.dropped
        began = time.perf_counter()
        try:
            table = self._reader.table(asked.blocks, self._reads)
            began = time.perf_counter()
            answers = answer(self._bundle, table, self._groups, explain=False)
            took = 1000 * (time.perf_counter() - began)
            predicted = answers[self._framing.predicted]
            decided = answers[self._framing.decided]
            costs = self._framing.costs.at(table)
            gains = [
                costs.expected_saving(one, decided) - costs.expected_saving(one, asked.decided)
                for one in (asked.predicted, predicted)
            ]
        except Exception:
            found.failed += rows
            return Compared(0, rows)
        self._times.append((asked.ms, took))
        found.rows += rows
        found.same += int(np.count_nonzero(decided == asked.decided))
        found.difference += float(np.abs(predicted - asked.predicted).sum())
        found.saved_if_champion += float(gains[0].sum())
        found.saved_if_challenger += float(gains[1].sum())
        return Compared(rows, 0)

    def save(self, file: Path) -> None:
        """Write what was compared so far, if something was since the last time."""
        if not self._changed:
            return
        self._changed = False
        if self._times:
            p50, p99 = np.quantile([*self._times], [0.5, 0.99], axis=0)
            self.found.champion_ms, self.found.challenger_ms = (
                Times(p50=half, p99=most) for half, most in zip(p50, p99, strict=True)
            )
        save_document(self.found, file)
