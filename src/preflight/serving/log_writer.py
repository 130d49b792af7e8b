"""What was answered, kept in the prediction log by a thread of its own: no answer waits for it."""

import logging
import queue
import threading
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from prometheus_client import Counter

from preflight.problem.framing import Framing
from preflight.serving.predictor import BatchPredictions
from preflight.serving.rows import Blocks, Rows, joined

log = logging.getLogger(__name__)

FLUSH_SECONDS = 5.0  # seconds between two writes: a crash loses no more
MAX_QUEUED_ROWS = 200_000  # rows that wait; beyond, the newest are lost

LOGGED = Counter("preflight_log_rows", "rows written to the prediction log")
LOST = Counter(
    "preflight_log_lost_rows",
    "rows that could not be written: a full disk, say",
)


class Entry(NamedTuple):
    """Rows that were answered."""

    blocks: Blocks
    answers: BatchPredictions
    moment: pd.Timestamp

    @property
    def rows(self) -> int:
        """Return how many."""
        return len(next(iter(self.answers.columns.values())))


class Log:
    """A queue before the dataset `prediction_log`.

    Args:
        dataset: has `save`.
        rows: makes a table of rows.
        framing: says which costs are columns, and are kept.
    """

    def __init__(self, dataset: Any, rows: Rows, framing: Framing) -> None:
        self._dataset, self._rows, self._costs = dataset, rows, framing.costs
        self._queue: queue.SimpleQueue[Entry | None] = queue.SimpleQueue()
        self._waiting = 0
        self._soon = threading.Event()  # much waits, or no more will come
        self._ended = False
        self._thread = threading.Thread(target=self._write_all, name="log", daemon=True)
        self._thread.start()

    async def put(self, entry: Entry) -> None:
        """Keep rows that were answered; return at once."""
        if self._waiting + entry.rows > MAX_QUEUED_ROWS:
            LOST.inc(entry.rows)
            return
        self._waiting += entry.rows
        self._queue.put(entry)
        if self._waiting > MAX_QUEUED_ROWS // 4:
            self._soon.set()

    def close(self) -> None:
        """Write what waits, and end."""
        self._ended = True
        self._soon.set()
        self._queue.put(None)
        self._thread.join()

    def _write_all(self) -> None:
        while True:
            found = [self._queue.get()]
            if not self._ended:
                self._soon.wait(FLUSH_SECONDS)  # others come meanwhile, and are written together
            self._soon.clear()
            while not self._queue.empty():
                found.append(self._queue.get())
            if entries := [one for one in found if one is not None]:
                self._write(entries)
            if self._ended and self._queue.empty():
                return

    def _write(self, entries: list[Entry]) -> None:
        rows = sum(entry.rows for entry in entries)
        try:
            self._dataset.save(self._table(entries))
            LOGGED.inc(rows)
        except Exception:  # the service goes on, whatever the disk does
            LOST.inc(rows)
            log.exception("The prediction log can't be written.")
        self._waiting -= rows

    def _table(self, entries: list[Entry]) -> pd.DataFrame:
        table = self._rows.table(joined([entry.blocks for entry in entries]))
        answers = [entry.answers.columns for entry in entries]
        sizes = [entry.rows for entry in entries]
        moments = pd.DatetimeIndex([entry.moment for entry in entries]).as_unit("us")
        return table.assign(
            **{name: np.concatenate([some[name] for some in answers]) for name in answers[0]},
            moment=moments.repeat(sizes),
            model=np.repeat([entry.answers.model for entry in entries], sizes),
            source="service",
            **self._costs.cost_columns(table),
        )
