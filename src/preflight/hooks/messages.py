"""Errors as messages."""

import logging
import sys
from types import TracebackType

from kedro.framework.hooks import hook_impl
from kedro.pipeline.node import Node

from preflight.errors import explain

log = logging.getLogger(__name__)


class ErrorHooks:
    """Errors that a user can cause are told as a message, faults of the program as a traceback."""

    @hook_impl
    def after_context_created(self) -> None:
        """Take over what is shown of an error that nobody catches."""
        sys.excepthook = _show

    @hook_impl
    def on_node_error(self, error: Exception, node: Node) -> None:
        """Say where a fault of the program is; what a user can cause is told once, at the end."""
        if not explain(error):
            log.error("Node %s failed.", node.name)


def _show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if message := explain(error):
        log.error("\n%s", message)
    else:
        sys.__excepthook__(kind, error, trace)
