"""The process of a challenger in the shadow: it answers what the champion has answered."""

import contextlib
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
import pandas as pd

from preflight.contracts.catalog import Contract
from preflight.inference.shadow import Comparison, Times, save_document
from preflight.modeling.model import Bundle, answer, costs_of, require_features
from preflight.problem.framing import Framing
from preflight.serving.requests import Blocks, RequestReader

SAVE_SECONDS = 5.0  # between two writes of what was compared: a kill loses no more
RECENT = 1_000  # times of requests that are kept
LOWEST_PRIORITY = 19  # where cores are few, the champion has them


class Answered(NamedTuple):
    """Rows that the champion has answered, of some requests.

    predicted, decided: by the champion; acted or not, or the quantity. sizes: rows of each request.
    ms: that the champion took for the first one. dropped: rows that were dropped before these.
    """

    blocks: Blocks
    predicted: npt.NDArray[np.float64]
    decided: npt.NDArray[Any]
    sizes: list[int]
    ms: float
    dropped: int

    def part(self, start: int, end: int) -> "Answered":
        """Return some rows as one request."""
        return Answered(
            {kind: values[:, start:end] for kind, values in self.blocks.items()},
            self.predicted[start:end],
            self.decided[start:end],
            [end - start],
            self.ms,
            0,
        )


class Compared(NamedTuple):
    """How many rows were compared, and how many the challenger failed with."""

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

    First it sends None, or why the challenger can't be loaded; then `Compared` for each `Answered`.

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
    """Compares a challenger with the champion."""

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
        """Answer all rows together, and compare them; the first request is timed alone.

        If that fails, each request is answered alone. An error is counted: it is a result too.
        """
        self._changed, self.found.until = True, datetime.now(UTC)
        self.found.dropped += asked.dropped
        try:
            self._time(asked)
            self._add(asked)
        except Exception:
            return self._compare_each(asked)
        return Compared(len(asked.predicted), 0)

    def _compare_each(self, asked: Answered) -> Compared:
        """Return how many rows could be compared, request by request."""
        compared, start = 0, 0
        for size in asked.sizes:
            with contextlib.suppress(Exception):
                self._add(asked.part(start, start + size))
                compared += size
            start += size
        self.found.failed += start - compared
        return Compared(compared, start - compared)

    def _answer(self, asked: Answered) -> tuple[pd.DataFrame, dict[str, Any], float]:
        """Return the rows, the answers to them, and the milliseconds that these took."""
        table = self._reader.table(asked.blocks, self._reads)
        began = time.perf_counter()
        answers = answer(self._bundle, table, self._groups, explain=False)
        return table, answers, 1000 * (time.perf_counter() - began)

    def _time(self, asked: Answered) -> None:
        *_, took = self._answer(asked.part(0, asked.sizes[0]))
        self._times.append((asked.ms, took))

    def _add(self, asked: Answered) -> None:
        """Add the comparison of all rows."""
        table, answers, _ = self._answer(asked)
        predicted = answers[self._framing.predicted]
        decided = answers[self._framing.decided]
        costs, found = self._framing.costs.at(table), self.found
        gains = [
            costs.expected_saving(one, decided) - costs.expected_saving(one, asked.decided)
            for one in (asked.predicted, predicted)
        ]
        found.rows += len(predicted)
        found.same += int(np.count_nonzero(decided == asked.decided))
        found.difference += float(np.abs(predicted - asked.predicted).sum())
        found.saved_if_champion += float(gains[0].sum())
        found.saved_if_challenger += float(gains[1].sum())

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
