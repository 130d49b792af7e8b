"""The progress bar of a run: its stage, percentage and the time left."""

import logging
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from preflight.files import json_object
from preflight.progress import show_with
from preflight.runs.manifest import manifest_path, versions_with_manifest

if TYPE_CHECKING:
    from rich.table import Table

# Seconds of nodes that no earlier run has made: those of the template on two cores. They only
# weight the nodes; the time left follows from how long the nodes before took.
TYPICAL = {
    "replay_features": 14,
    "smoke_test_estimators": 3,
    "search_parameters": 80,
    "predict_validation": 10,
    "fit_candidate": 5,
    "fit_baselines": 3,
    "compute_learning_curve": 8,
    "compute_ablation": 23,
    "compute_backtest": 40,
    "measure_robustness": 4,
    "measure_limits": 4,
    "compute_metrics": 3,
    "compute_preview": 5,
    "replay_production": 120,
}
OTHERWISE = 0.3
MOST_MANIFESTS = 10  # that are looked at for the seconds of nodes
PRIOR = 10  # seconds of work at the expected speed that count before anything is measured
ALMOST = 0.95  # of a node that takes longer than expected
NARROW = 70  # columns; a narrower terminal has no room for a bar


def expected_seconds(project: Path, names: Iterable[str]) -> dict[str, float]:
    """Return how long each node takes, by the newest run that made it, or else by `TYPICAL`."""
    found: dict[str, float] = {}
    names = [*names]
    for version in versions_with_manifest(project)[: -MOST_MANIFESTS - 1 : -1]:
        run = json_object(manifest_path(project, version)) or {}
        found = {name: float(s) for name, s in (run.get("nodes") or {}).items() if s} | found
        if found.keys() >= {*names}:
            break
    return {n: found.get(n, TYPICAL.get(n.rpartition(".")[2], OTHERWISE)) for n in names}


class Estimate:
    """The share of a run that is done, and the seconds left.

    Args:
        expected: seconds of each node.
        now: when the run begins, as are all other moments, in seconds of any clock.
    """

    def __init__(self, expected: Mapping[str, float], now: float) -> None:
        self._to_do = dict(expected)
        self._began, self._done, self._share = now, 0.0, 0.0
        self._node: tuple[float, float] | None = None  # expected seconds, and when it began
        self._reports: list[tuple[float, float]] = []  # of the node: moment and share

    def begin(self, node: str, now: float) -> None:
        """A node begins, and so the one before it is done."""
        if self._node:
            self._done += self._node[0]
        self._node, self._reports = (self._to_do.pop(node, OTHERWISE), now), []

    def report(self, share: float, now: float) -> None:
        """So much of the node is done."""
        self._reports.append((now, share))

    def seconds_left(self, now: float) -> float:
        """Return the seconds until the run ends."""
        before = self._node[1] if self._node else now
        speed = (before - self._began + PRIOR) / (self._done + PRIOR)
        return self._left_in_node(speed, now) + speed * sum(self._to_do.values())

    def _left_in_node(self, speed: float, now: float) -> float:
        if self._node is None:
            return 0.0
        expected = speed * self._node[0]
        if not self._reports:
            return max(expected - (now - self._node[1]), (1 - ALMOST) * expected)
        (first, before), (last, share) = self._reports[0], self._reports[-1]
        if share > before:  # resumed work begins with a share that cost nothing
            expected = (last - first) / (share - before)
        return max((1 - share) * expected - (now - last), 0.0)

    def share(self, now: float) -> float:
        """Return the share of the run that is done; it never falls."""
        spent, left = now - self._began, self.seconds_left(now)
        self._share = max(self._share, spent / (spent + left) if spent > 0 else 0.0)
        return self._share


def format_seconds(seconds: float) -> str:
    """Return a rough time: "3 s", "40 s", "2 min", "1 h 20 min"."""
    if seconds < 57.5:
        return f"{seconds:.0f} s" if seconds < 10 else f"{5 * round(seconds / 5)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


class Bar:
    """A line at the bottom of the terminal, which vanishes at the end."""

    def __init__(self, expected: Mapping[str, float]) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console = Console(stderr=True)
        self._estimate = Estimate(expected, time.monotonic())
        self._node, self._detail = "", ""
        self._live = Live(console=self._console, get_renderable=self.render, transient=True)
        self._redirected: list[tuple[Any, Any]] = []

    @staticmethod
    def fits() -> bool:
        """Return whether there is a terminal that can show it."""
        from rich.console import Console

        return sys.stderr.isatty() and Console(stderr=True).is_interactive

    def start(self) -> None:
        """Show it; what is printed and logged from now on appears above it."""
        terminal = sys.stderr
        self._live.start()
        for logger in [logging.root, *logging.root.manager.loggerDict.values()]:
            for handler in getattr(logger, "handlers", []):
                if getattr(handler, "stream", None) is terminal:
                    handler.setStream(sys.stderr)
                    self._redirected.append((handler, terminal))
        show_with(self._report)

    def stop(self) -> None:
        """Remove it."""
        show_with(None)
        self._live.stop()
        while self._redirected:
            handler, stream = self._redirected.pop()
            handler.setStream(stream)

    def begin(self, node: str) -> None:
        """Show which node runs."""
        self._estimate.begin(node, time.monotonic())
        self._node, self._detail = node.replace(".", ": ").replace("_", " "), ""

    def _report(self, share: float, detail: str) -> None:
        self._estimate.report(share, time.monotonic())
        self._detail = f", {detail}"

    def render(self) -> "Table":
        """Return the line as it is now."""
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        now, width = time.monotonic(), self._console.width
        left, share = self._estimate.seconds_left(now), self._estimate.share(now)
        line = Table.grid(padding=(0, 1))
        line.add_column(no_wrap=True, overflow="ellipsis", max_width=max(10, width - 30))
        cells: list[Any] = [Text(f"{self._node}{self._detail}")]
        if width >= NARROW:
            cells.append(ProgressBar(total=1, completed=share, width=20))
        cells.append(Text(f"{share:4.0%}, about {format_seconds(left)} left", no_wrap=True))
        line.add_row(*cells)
        return line
