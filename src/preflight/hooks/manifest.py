"""The manifest of each run."""

import json
import logging
import time
from datetime import UTC, datetime
from functools import partial
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from preflight.errors import RunError, explain
from preflight.hooks import interrupts
from preflight.hooks.tasks import Task
from preflight.runs import what_if
from preflight.runs.manifest import (
    describe_code,
    environment,
    evidence_files,
    file_records,
    what_ifs_before,
)
from preflight.runs.parts import requested_run

log = logging.getLogger(__name__)

RUN_MANIFEST = "run_manifest"
PROVENANCE = "provenance"  # the dataset with run, code and files, for nodes that need them
WHAT_IF = "what_if"  # the dataset with the settings that decide and differ from conf/base
RUN_VERSION = "run_version"  # the dataset with the version of the run
FILTERS = ["tags", "namespaces", "node_names"]
FILTERS += ["from_nodes", "to_nodes", "from_inputs", "to_outputs"]


class ManifestHooks:
    """Save a manifest of each run: its inputs, code, settings, outputs and duration."""

    @hook_impl
    def after_context_created(self, context: Any) -> None:
        """Keep the resolved settings."""
        self._project, self._loader = context.project_path, context.config_loader
        self._settings = {
            "parameters": context.params,
            "catalog": dict(context.config_loader["catalog"]),
        }

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: Any
    ) -> None:
        """Start the clock; save the version, and whether the run or an ancestor is a what-if."""
        from preflight.modeling.defaults import complete  # every kedro command loads this module

        self._what_if = what_if.find_what_ifs(self._project, self._loader, self._settings, complete)
        if WHAT_IF in pipeline.inputs():
            before = what_ifs_before(self._project, catalog, pipeline.datasets())
            inherited = [f"{k} (in run {v})" for k, v in before.items() if k not in self._what_if]
            catalog.save(WHAT_IF, self._what_if + inherited)
        self._run = run_params["run_id"]
        if RUN_VERSION in pipeline.inputs():
            catalog.save(RUN_VERSION, self._run)
        self._began = datetime.now(UTC)
        self._nodes: dict[str, float] = {}
        self._saved: set[str] = set()
        self._task: Task | None = None
        if self._run == requested_run():
            common, about = self._describe(catalog)
            self._task = Task(self._project, pipeline, catalog, common, about)
            self._task.begin()
        stopped = RunError("stopped by Ctrl-C")
        given = {"run_params": run_params, "pipeline": pipeline, "catalog": catalog}
        interrupts.during_run(clean_up=partial(self.on_pipeline_error, stopped, **given))

    def _describe(self, catalog: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what all tasks of a run have in common, and what may differ between them."""
        now = environment(self._project)
        about = {"contracts": catalog._is_validation_enabled(), "platform": now.pop("platform")}
        common = {"run": self._run, "what_if": self._what_if, **now, **self._settings}
        return json.loads(json.dumps(common, default=_as_json)), about

    @hook_impl
    def before_node_run(self, node: Node, catalog: Any) -> dict[str, Any] | None:
        """Start the clock of a node; give it run, code, files and evidence if it needs them."""
        self._start = time.perf_counter()
        if PROVENANCE not in node.inputs:
            return None
        files = self._task.files() if self._task else {}  # that other tasks read and made
        provenance = {
            "run": self._run,
            "code": describe_code(self._project),
            "files": files | file_records(self._project, catalog, catalog.keys()),
            "kept": evidence_files(self._project),
        }
        return {PROVENANCE: provenance}

    @hook_impl
    def after_node_run(self, node: Node) -> None:
        """Keep the duration of the node."""
        self._nodes[node.name] = round(time.perf_counter() - self._start, 3)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str) -> None:
        """Keep that the dataset is saved: until then, its node is not done."""
        self._saved.add(dataset_name)

    @hook_impl
    def on_pipeline_error(
        self, error: Exception, run_params: dict[str, Any], pipeline: Pipeline, catalog: Any
    ) -> None:
        """Save the manifest of a failed run, with the outputs that it had saved.

        Kedro calls this from the first node on, even if the node can't read its inputs. If saving
        fails too, for example on a full disk, the first error stays the error of the run.
        """
        try:
            self.after_pipeline_run(run_params, pipeline, catalog, explain(error) or repr(error))
        except Exception as another:
            why = str(another).strip().rpartition("\n")[2]
            log.warning("This run has no manifest, because saving it failed: %s", why)

    @hook_impl
    def after_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: Any, error: str | None = None
    ) -> None:
        """Save the manifest of a run, or a task's part of it."""
        if self._task:
            self._task.end(error, self._nodes, self._saved)
            return
        if RUN_MANIFEST not in catalog:
            return
        seconds = (datetime.now(UTC) - self._began).total_seconds()
        document = {
            "run": run_params["run_id"],
            "status": "failed" if error else "done",
            "error": error,
            "pipelines": run_params["pipeline_names"] or [],
            "filters": {name: run_params[name] for name in FILTERS if run_params[name]},
            "began": self._began.isoformat(timespec="seconds"),
            "seconds": round(seconds, 1),
            "contracts": catalog._is_validation_enabled(),
            "what_if": self._what_if,
            **environment(self._project),
            **self._settings,
            "inputs": file_records(self._project, catalog, pipeline.inputs()),
            "outputs": file_records(self._project, catalog, pipeline.all_outputs()),
            "nodes": self._nodes,
        }
        catalog.save(RUN_MANIFEST, json.loads(json.dumps(document, default=_as_json)))


def _as_json(value: Any) -> Any:
    """Return typed parameters as stated in conf, and other values, such as dates, as text.

    A default is not stated: it stays an assumption when the run is repeated.
    """
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", exclude_unset=True)
    return str(value)
