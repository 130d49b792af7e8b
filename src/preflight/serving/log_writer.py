"""Writes answers to the prediction log in the background: no answer waits for the disk."""

import logging
import threading
from itertools import chain, repeat
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from preflight.inference.prediction_log import log_rows
from preflight.problem.framing import Framing
from preflight.serving.gauges import LOGGED, LOST
from preflight.serving.predictor import BatchPredictions
from preflight.serving.requests import Blocks, RequestReader, concatenate_blocks

log = logging.getLogger(__name__)

FLUSH_SECONDS = 5.0  # between two writes: a crash loses no more
MAX_QUEUED_ROWS = 200_000  # of a longer queue the newest rows are lost


class Entry(NamedTuple):
    """Rows with their answers.

    features_run: of rows that were looked up by key, the run that computed each.
    """

    blocks: Blocks
    answers: BatchPredictions
    moment: pd.Timestamp
    features_run: list[str] | None = None

    @property
    def rows(self) -> int:
        """Return the number of rows."""
        return len(next(iter(self.answers.columns.values())))


class LogWriter:
    """A queue in front of the dataset `prediction_log`, emptied by a thread.

    Args:
        dataset: has `save`.
        reader: makes a table of rows.
        framing: has the costs, which are logged if they are columns, and when labels are due.
    """

    def __init__(self, dataset: Any, reader: RequestReader, framing: Framing) -> None:
        self._dataset, self._reader, self._framing = dataset, reader, framing
        self._queue: list[Entry] = []
        self._queued_rows = 0  # those that are being written too
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._write_all, name="log", daemon=True)
        self._thread.start()

    def put(self, entry: Entry) -> None:
        """Queue rows with their answers; return at once."""
        with self._changed:
            if self._queued_rows + entry.rows > MAX_QUEUED_ROWS:
                LOST.inc(entry.rows)
                return
            self._queue.append(entry)
            self._queued_rows += entry.rows
            self._changed.notify()

    def close(self) -> None:
        """Write the queue, and stop the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _is_due(self) -> bool:
        return self._closing or self._queued_rows > MAX_QUEUED_ROWS // 4

    def _write_all(self) -> None:
        """Write the queue every few seconds, a long queue at once, until the service stops."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._closing)
                self._changed.wait_for(self._is_due, FLUSH_SECONDS)  # write later entries together
                entries, self._queue = self._queue, []
            if entries:
                self._write(entries)
            elif self._closing:
                return

    def _write(self, entries: list[Entry]) -> None:
        rows = sum(entry.rows for entry in entries)
        try:
            self._dataset.save(self._table(entries))
            LOGGED.inc(rows)
        except Exception:  # the service goes on, whatever the disk does
            LOST.inc(rows)
            log.exception("The prediction log can't be written.")
        with self._changed:
            self._queued_rows -= rows

    def _table(self, entries: list[Entry]) -> pd.DataFrame:
        table = self._reader.table(concatenate_blocks([entry.blocks for entry in entries]))
        answers = [entry.answers.columns for entry in entries]
        sizes = [entry.rows for entry in entries]
        moments = pd.DatetimeIndex([entry.moment for entry in entries]).as_unit("us")
        answered = table.assign(
            **{name: np.concatenate([some[name] for some in answers]) for name in answers[0]},
            moment=moments.repeat(sizes),
            model=np.repeat([entry.answers.model for entry in entries], sizes),
            **self._framing.costs.cost_columns(table),
        )
        runs = chain.from_iterable(one.features_run or repeat(None, one.rows) for one in entries)
        answered["features_run"] = pd.Series(list(runs), answered.index, dtype="str")
        if any(entry.answers.logged for entry in entries):  # rows of an experiment
            logged = [pd.DataFrame(entry.answers.logged, range(entry.rows)) for entry in entries]
            drawn = pd.concat(logged, ignore_index=True).set_axis(answered.index)
            answered[drawn.columns] = drawn.fillna({"model": answered["model"]})
        return log_rows(answered, self._framing, "service")
