"""Hands what the champion has answered to a challenger in a process of its own.

Nothing waits for the challenger: rows queue up to a limit, and more are dropped and counted. If the
process fails, or is killed, another one is started.
"""

import logging
import multiprocessing
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from kedro.io import DataCatalog

from preflight.contracts.catalog import Contract
from preflight.errors import RunError
from preflight.inference.shadow import (
    COMPARISONS,
    SETTING,
    Comparison,
    read_comparisons,
    read_shadow,
)
from preflight.modeling.model import Bundle
from preflight.problem.framing import Framing
from preflight.serving.gauges import SHADOW
from preflight.serving.log_writer import Entry
from preflight.serving.predictor import BatchPredictions
from preflight.serving.requests import concatenate_blocks
from preflight.serving.shadow_process import Answered, run_challenger

log = logging.getLogger(__name__)

SEND_SECONDS = 1.0  # rows are sent together: alone each would take the time of hundreds
MAX_QUEUED_ROWS = 20_000  # of a longer queue the newest rows are dropped
CLOSE_SECONDS = 5.0  # in which a process has to save what it compared
LONGEST_PAUSE = 60.0  # seconds between two starts of a process that never answers

Versions = tuple[str, str]  # of champion and challenger


class Shadow:
    """Follows the setting, and keeps the challenger's process going.

    Args:
        catalog: has the challengers.
        project: the folder with setting and comparisons.
        features: the contract of the rows.
        max_rows: of one request.
    """

    def __init__(
        self,
        catalog: DataCatalog,
        project: Path,
        features: Contract,
        max_rows: int,
        framing: Framing,
    ) -> None:
        self._catalog, self._project = catalog, project
        self._given = (features, max_rows, framing)
        self._worker: _Worker | None = None
        self._starts, self._next_start = 0, 0.0
        self._dropped = 0  # rows that were lost with the last process
        self.problem: str | None = None  # why the challenger is not at work

    @property
    def versions(self) -> Versions | None:
        """Return the versions of champion and challenger, if one is at work."""
        return self._worker.versions if self._worker else None

    def follow(self, champion: str | None) -> None:
        """Start, exchange or end the process, as the setting and the champion's version say.

        Raises:
            RunError: the setting is broken, or its challenger can't be loaded.
        """
        setting = read_shadow(self._project / SETTING)
        wanted = None
        if setting and champion and setting.challenger != champion:
            wanted = (champion, setting.challenger)
        worker = self._worker
        if worker and (worker.versions != wanted or not worker.alive):
            if worker.versions == wanted and not worker.problem:
                log.warning("The challenger %s has ended: it is started again.", wanted[1])
            if worker.versions != wanted or worker.answered:
                self._starts = 0
            self.problem, self._worker = worker.problem, None
            dropped = worker.close()
            self._dropped = dropped if worker.versions == wanted else 0
        if wanted is None:
            self.problem, self._starts, self._next_start = None, 0, 0.0
        elif self._worker is None and time.monotonic() >= self._next_start:
            self._starts += 1
            self._next_start = time.monotonic() + min(2.0 ** (self._starts - 2), LONGEST_PAUSE)
            self._start(wanted)
        if self.problem:
            raise RunError(self.problem)

    def _start(self, versions: Versions) -> None:
        known = self._catalog.load("challengers")
        if versions[1] not in known:
            names = ", ".join(known) or "none"
            self.problem = (
                f"{versions[1]} is to be in the shadow, and is no model on the disk. There are: "
                f"{names}. Choose one: kedro shadow VERSION, or none: kedro shadow --off"
            )
            return
        now = datetime.now(UTC)
        file = self._project / COMPARISONS / f"{now:%Y-%m-%dT%H-%M-%S-%f}.json"
        self._worker = _Worker(versions, known[versions[1]], self._given, file, self._dropped)
        log.info("The challenger %s is in the shadow of %s.", *reversed(versions))

    def newest(self) -> Comparison | None:
        """Return how the challenger at work compares, as it was last saved."""
        if not self.versions:
            return None
        found = read_comparisons(self._project / COMPARISONS)
        return next((o for o in found if (o.champion, o.challenger) == self.versions), None)

    def put(self, entry: Entry) -> None:
        """Queue answered rows, or drop them; return at once."""
        if worker := self._worker:
            worker.put(entry)

    def close(self) -> None:
        """End the process, which saves what it compared."""
        if worker := self._worker:
            worker.close()


class _Worker:
    """A process, and the thread that feeds it."""

    def __init__(
        self,
        versions: Versions,
        read: Callable[[], Bundle],
        given: tuple[Any, ...],
        file: Path,
        dropped: int,
    ) -> None:
        self.versions = versions
        self.problem: str | None = None
        self.answered = False
        self._predicted, self._decided = given[-1].predicted, given[-1].decided
        self._queue: list[Entry] = []
        self._queued_rows, self._dropped = 0, dropped
        self._closing, self._lock = threading.Event(), threading.Lock()
        fresh = multiprocessing.get_context("spawn")  # a fork would copy threads and locks
        self._connection, theirs = fresh.Pipe()
        self._process = fresh.Process(
            target=run_challenger, args=(theirs, read, *given, versions, file), daemon=True
        )
        self._process.start()
        theirs.close()  # so that its end is noticed
        self._thread = threading.Thread(target=self._feed, name="shadow", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Return whether both are at work."""
        return self._thread.is_alive() and self._process.is_alive()

    def put(self, entry: Entry) -> None:
        """Queue rows, or drop them."""
        with self._lock:
            if self._queued_rows + entry.rows > MAX_QUEUED_ROWS:
                self._drop(entry.rows)
                return
            self._queue.append(entry)
            self._queued_rows += entry.rows

    def _drop(self, rows: int) -> None:
        self._dropped += rows
        SHADOW.labels("dropped").inc(rows)

    def close(self) -> int:
        """End both; return how many rows were dropped since the last comparison."""
        self._closing.set()
        self._thread.join(CLOSE_SECONDS)
        if not self._thread.is_alive():
            self._process.join(CLOSE_SECONDS)  # it saves what it compared
        self._process.kill()
        self._process.join()
        self._thread.join()
        self._drop(self._queued_rows)
        return self._dropped

    def _feed(self) -> None:
        """Send what has come, again and again, until the process or the service ends."""
        try:
            with self._connection as connection:
                if problem := connection.recv():
                    self.problem = f"The challenger {self.versions[1]} can't be loaded: {problem}"
                    return
                while not self._closing.wait(SEND_SECONDS):
                    with self._lock:
                        entries, self._queue = self._queue, []
                    if asked := self._answered(entries):
                        connection.send(asked)
                        rows, failed = connection.recv()
                        SHADOW.labels("compared").inc(rows)
                        SHADOW.labels("failed").inc(failed)
                        self.answered = True
                    with self._lock:
                        self._queued_rows -= sum(entry.rows for entry in entries)
        except (EOFError, OSError):  # the process is gone: `follow` starts another one
            return

    def _answered(self, entries: list[Entry]) -> Answered | None:
        """Return the rows that the champion has decided; None if there are none."""
        found = [entry for entry in entries if entry.answers.model == self.versions[0]]
        if not found:
            return None
        answers = [entry.answers for entry in found]
        ours = [self._by_champion(one) for one in answers]
        sizes = [int(some.sum()) for some in ours]
        if not any(sizes):
            return None
        with self._lock:
            dropped, self._dropped = self._dropped, 0
        chosen = np.concatenate(ours)
        blocks = concatenate_blocks([entry.blocks for entry in found])
        predicted, decided = (
            np.concatenate([one.columns[name] for one in answers])[chosen]
            for name in (self._predicted, self._decided)
        )
        first = next(i for i, size in enumerate(sizes) if size)
        return Answered(
            {kind: values[:, chosen] for kind, values in blocks.items()},
            predicted,
            decided,
            [size for size in sizes if size],
            answers[first].ms,
            dropped,
        )

    def _by_champion(self, answers: BatchPredictions) -> npt.NDArray[np.bool_]:
        """Return which rows the champion has decided, shape (n,)."""
        ours = ~answers.columns["untouched"]
        if "model" in answers.logged:
            ours &= answers.logged["model"] == self.versions[0]
        return ours
