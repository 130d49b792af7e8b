"""New processes for work that must not share the memory of the run."""

import signal
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context


def new_process() -> ProcessPoolExecutor:
    """Return a pool of one new process. It ignores Ctrl-C: the process that started it ends it."""
    return ProcessPoolExecutor(1, get_context("spawn"), signal.signal, _IGNORE)


_IGNORE = (signal.SIGINT, signal.SIG_IGN)
