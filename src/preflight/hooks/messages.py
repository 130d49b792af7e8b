"""User errors as messages, bugs as tracebacks."""

import logging
import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines
from kedro.io import AbstractVersionedDataset, DatasetError
from kedro.pipeline.node import Node
from kedro.validation import DataValidationError

from preflight.errors import FILE_FAULT, NO_VERSION, AlarmError, RunError, explain, is_damage
from preflight.runs.csv_faults import find_fault

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
        function = getattr(node.func, "func", node.func)  # of a partial
        module = getattr(function, "__module__", "")
        if isinstance(error, RunError) and module.partition(".")[0] != "preflight":
            error.add_note(f"Where: {module}.{function.__name__}, node {node.name}.")
        if not explain(error):
            log.error("Node %s failed.", node.name)

    @hook_impl
    def on_pipeline_error(self, error: Exception, catalog: Any) -> None:
        """Add to the error of a dataset what only the catalog knows: the file, and its remedy."""
        is_read = isinstance(error, DataValidationError) and error.mode == "load"
        is_missing = isinstance(error, DatasetError) and NO_VERSION in str(error)
        if not (is_read or is_missing or (isinstance(error, DatasetError) and is_damage(error))):
            return
        name = str(getattr(error, "dataset_name", None) or str(error).partition(":")[0])
        dataset = catalog.get(name)
        if not isinstance(dataset, AbstractVersionedDataset):
            return
        if is_missing:
            error.add_note(_describe_lack(name, os.path.relpath(dataset._filepath)))
            return
        path = os.path.relpath(dataset._get_load_path())
        if not Path(path).is_file():  # in a store elsewhere
            return
        load_args = getattr(dataset, "_load_args", {})
        if ".csv" in Path(path).suffixes and (fault := find_fault(Path(path), load_args)):
            error.add_note(f"{FILE_FAULT}{fault}")
        else:
            error.add_note(f"file {path}" if is_read else _describe_damage(name, dataset, path))


def _describe_lack(name: str, path: str) -> str:
    """Return the message for a file that is not there, with the stage that makes it, if any."""
    stage = stage_of(name)
    remedy = f"Make it: kedro run --pipelines {stage}. " if stage else ""
    return f"There is no '{name}' yet: {path}. {remedy}`make run` makes all from the raw data."


def stage_of(name: str) -> str | None:
    """Return the first stage that makes a dataset."""
    stages = (stage for stage in pipelines if stage != "__default__")
    return next((one for one in stages if name in pipelines[one].all_outputs()), None)


def _describe_damage(name: str, dataset: Any, path: str) -> str:
    """Return the message for a file that can't be read, with the stage that makes it, if any."""
    remedies = []
    folder = Path(path).parent
    if dataset._version and any(other.name < folder.name for other in folder.parent.iterdir()):
        remedies.append(f"Delete the folder {folder}: runs then read the version before it.")
    if stage := stage_of(name):
        remedies.append(f"{'Or make' if remedies else 'Make'} '{name}' again:")
        remedies.append(f"kedro run --pipelines {stage}")
    if not remedies:
        remedies.append("Restore the file from its source or a backup.")
    return f"The file of '{name}' is damaged: {path}. {' '.join(remedies)}"


def _show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if message := explain(error):
        log.error("\n%s", message)
    else:
        sys.__excepthook__(kind, error, trace)
    if isinstance(error, AlarmError):
        sys.exit(error.exit_status)
