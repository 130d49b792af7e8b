"""New processes for work that must not share the memory of the run."""

import signal
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import resource_tracker
from multiprocessing.context import SpawnContext, SpawnProcess


class _Process(SpawnProcess):
    """A process that Ctrl-C does not reach, not even while it starts: who started it ends it."""

    def start(self) -> None:
        """Start the process; it inherits that SIGINT is blocked."""
        if not hasattr(signal, "pthread_sigmask"):  # on Windows
            return super().start()
        resource_tracker.ensure_running()  # by itself it would unblock the signal
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Spawn(SpawnContext):
    """A context for pools of such processes; each begins with an interpreter of its own."""

    Process = _Process


def new_process() -> ProcessPoolExecutor:
    """Return a pool of one new process."""
    return ProcessPoolExecutor(1, Spawn())
