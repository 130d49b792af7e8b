"""How far the work of a node is: shown in the progress bar of a run, or logged without one."""

import logging
from collections.abc import Callable

log = logging.getLogger(__name__)

Show = Callable[[float, str], None]  # the share that is done, and what that is in words

_bar: list[Show] = []  # of the run in this process, if it has one


def show_with(show: Show | None) -> None:
    """Let `report_progress` update a bar; None: let it log again."""
    _bar[:] = [show] if show else []


def report_progress(done: int, total: int, what: str, line: str | None = None) -> None:
    """Update the bar of the run, or log a line if there is none.

    Args:
        what: is counted, such as "trials".
        line: to log; None: nothing.
    """
    if _bar:
        _bar[0](done / total, f"{done} of {total} {what}")
    elif line:
        log.info("  %s", line)
