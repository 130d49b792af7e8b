"""User errors as messages, bugs as tracebacks."""

import logging
import sys
from types import TracebackType

from kedro.framework.hooks import hook_impl
from kedro.pipeline.node import Node

from preflight.errors import RunError, explain

log = logging.getLogger(__name__)


class ErrorHooks:
    """Show user errors as a message and bugs as a traceback."""

    @hook_impl
    def after_context_created(self) -> None:
        """Replace the display of uncaught errors."""
        sys.excepthook = _show

    @hook_impl
    def on_node_error(self, error: Exception, node: Node) -> None:
        """Log the node of a bug; a user error is shown once, at the end.

        The error of a function of the project gets the names of function and node: the message of
        a helper that the function calls, such as `narrow`, can't contain them.
        """
        module = getattr(node.func, "__module__", "")
        if isinstance(error, RunError) and module.partition(".")[0] != "preflight":
            error.add_note(f"Where: {module}.{node.func.__name__}, node {node.name}.")
        if not explain(error):
            log.error("Node %s failed.", node.name)


def _show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if message := explain(error):
        log.error("\n%s", message)
    else:
        sys.__excepthook__(kind, error, trace)
