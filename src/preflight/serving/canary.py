"""Guardrails of a challenger in the service: one that fails or is slow is taken out at once."""

import logging
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

from kedro.io import DatasetError

from preflight.inference.experiment import Design, Stop
from preflight.monitoring.contracts import Alarm, Alarms
from preflight.problem.framing import Framing
from preflight.serving.gauges import CHALLENGER

log = logging.getLogger(__name__)

FAILURES = 3  # where the champion has answered; then the experiment is stopped
RECENT, SLOW = 100, 10  # answers that are remembered, and how many of them may be slow
SLOWER = 3  # than the champion with the same rows, and over the framing's limit: slow


class Canary:
    """Watches the challengers of experiments, and stops an experiment by its file.

    So all processes of the service stop within the half second in which they follow the file, and
    the readout knows why.

    Args:
        designs: the dataset `experiments`; None: the project has none.
        framing: has the limit of the time for an answer (`serving.p99_ms`).
    """

    def __init__(self, designs: Any, framing: Framing) -> None:
        self._designs = designs
        self._limit = framing.serving.p99_ms if framing.serving else 0.0
        self._failures: Counter[str] = Counter()
        self._slow: dict[str, deque[bool]] = {}

    @contextmanager
    def watch(self, design: Design, champion_ms: float) -> Iterator[None]:
        """Time a challenger's answer, and count its failure instead of raising it.

        champion_ms: what the champion took for the same rows, and the others of the request.
        """
        began = time.perf_counter()
        try:
            yield
        except Exception as error:
            CHALLENGER.labels("failed").inc()
            self._failures[design.name] += 1
            if self._failures[design.name] >= FAILURES:
                self._stop(design, f"the challenger failed {FAILURES} times, last with {error!r}")
            return
        CHALLENGER.labels("answered").inc()
        slow = self._slow.setdefault(design.name, deque(maxlen=RECENT))
        took = 1000 * (time.perf_counter() - began)
        slow.append(took > max(self._limit, SLOWER * champion_ms))
        if sum(slow) > SLOW:
            self._stop(design, f"the challenger was slow in {SLOW + 1} answers, last {took:.0f} ms")

    def heed(self, alarms: Alarms, designs: Iterable[Design]) -> None:
        """Stop experiments with a challenger if monitoring has raised an alarm since their start.

        One that is silenced or acknowledged does not count.
        """
        raised = [one for one in alarms.alarms if one.calls and one.since]
        for design in designs:
            new = [one for one in raised if _sunday(one) >= design.start]
            if design.challenger and new and not design.stopped:
                self._stop(design, f"monitoring has raised the alarm {new[0].name}")

    def _stop(self, design: Design, reason: str) -> None:
        """Stop an experiment, unless another process has."""
        self._failures.pop(design.name, None)
        self._slow.pop(design.name, None)
        stop = Stop(by="the service", reason=reason, at=datetime.now(UTC))
        try:
            self._designs.stop(design.name, stop)
        except (DatasetError, OSError):
            log.exception("Experiment %s can't be stopped, although %s", design.name, reason)
        else:
            log.error("Experiment %s is stopped: %s. The champion answers.", design.name, reason)


def _sunday(alarm: Alarm) -> date:
    """Return the last day of the week that raised an alarm."""
    return date.fromisoformat(alarm.since or "") + timedelta(days=6)
