"""Ctrl-C ends a run with one sentence that says how to continue, and with exit status 130.

This module is the first that a project imports, so that the imports after it can be stopped too. It
raises SystemExit and no KeyboardInterrupt: Kedro and click would show that one as an error.
"""

import atexit
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

STATUS = 128 + signal.SIGINT
PATIENCE = 5  # seconds until the process ends without what still works, such as threads
COMMANDS = {"run", "reproduce"}

_describe: list[Callable[[], str]] = []  # of the run: how to continue
_clean_up: list[Callable[[], None]] = []  # of the run: what is done after it was stopped
_cleaning = threading.RLock()
_installed: list[Any] = []  # the handler of this module


def during_run(
    describe: Callable[[], str] | None = None, clean_up: Callable[[], None] | None = None
) -> None:
    """Set what a stopped run does: it prints a sentence at once, and cleans up when it ends."""
    if describe:
        _describe[:] = [describe]
    if clean_up:
        _clean_up[:] = [clean_up]
    if (handler := signal.getsignal(signal.SIGINT)) in _installed:
        # Again, because polars has put its own in between, with which a waiting thread waits on.
        signal.signal(signal.SIGINT, handler)


def after_run() -> None:
    """Forget the run: it is over."""
    _describe.clear()
    _clean_up.clear()


def install() -> None:
    """Handle Ctrl-C if this process is a command: not in a notebook, and not in tests."""
    if not _is_command() or threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return  # in the background it is ignored
    process = os.getpid()
    is_worker = multiprocessing.parent_process() is not None

    def stop(_: int, __: FrameType | None) -> None:
        if is_worker or os.getpid() != process:
            os._exit(STATUS)  # the process that started this one prints the sentence
        signal.signal(signal.SIGINT, lambda *_: _end(0))  # a second Ctrl-C does not wait
        threading.Thread(target=_end, args=(PATIENCE,), daemon=True).start()
        sentence = _describe[0]() if _describe else "Stopped: nothing was begun."
        sys.stderr.write(f"\n{sentence}\n")
        raise SystemExit(STATUS)

    signal.signal(signal.SIGINT, stop)
    _installed[:] = [stop]
    atexit.register(_run_clean_up)


def _is_command() -> bool:
    """Return whether this is `kedro run`, or the command of an installed project."""
    script = Path(sys.argv[0])
    if (script.parent / "pipeline_registry.py").exists():
        return True
    is_kedro = script.stem == "kedro" or sys.argv[0] == "python -m kedro"  # as Kedro sets it
    return is_kedro and bool(COMMANDS.intersection(sys.argv[1:2]))


def _run_clean_up() -> None:
    """Clean up once; a thread that comes second waits for the end of it."""
    with _cleaning:
        while _clean_up:
            _clean_up.pop()()


def _end(seconds: float) -> None:
    """End the process if it has not ended by itself: a thread may work on, or a C library."""
    threading.Event().wait(seconds)
    _run_clean_up()
    os._exit(STATUS)


install()
