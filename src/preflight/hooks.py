"""What happens around a run: contracts resolved, raw data verified, versions pinned, progress."""

import json
import logging
import os
import sys
import time
from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines
from kedro.io.core import Version
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from kedro.validation import ValidationConfigurationError

from preflight.errors import RunError, explain
from preflight.runs import what_if
from preflight.runs.manifest import (
    describe_code,
    environment,
    evaluated_run,
    evidence_files,
    file_records,
    flatten,
    what_ifs_before,
)
from preflight.runs.raw_files import MANIFEST, verify

log = logging.getLogger(__name__)

RUN_MANIFEST = "run_manifest"
PROVENANCE = "provenance"  # what of it is known while a node works that asks for it
WHAT_IF = "what_if"  # how a run is judged otherwise than conf/base says
JUDGED = "judged_run"  # the manifest of the run that a deployment is about
FILTERS = [
    "tags",
    "from_nodes",
    "to_nodes",
    "node_names",
    "from_inputs",
    "to_outputs",
    "namespaces",
]
QUICK = 5  # seconds of a stage that has no line of its own
CONTRACTS, FEATURE_GRAPH = "contracts", "feature_graph"  # datasets that are filled here


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


class ContractHooks:
    """No run begins with a contract that does not exist, or without saying that none is checked."""

    @hook_impl
    def after_catalog_created(self, catalog: Any) -> None:
        """Load every contract now: a misspelt one would be found at its first use.

        The datasets `contracts` and `feature_graph` are filled: nodes read the contract of each
        table, and the graph that features are made by. A CSV file with a raw contract is read with
        the types of that contract.
        """
        # here, as every kedro command loads this module
        from preflight.contracts.catalog import contracts_of, tables

        found: dict[str, Any] = {}
        faults = ["The catalog names contracts that can't be loaded:"]
        for name, spec in catalog.validator_specs.items():
            try:
                found |= contracts_of({name: spec})
            except ValidationConfigurationError as error:
                faults.append(f"{name}: {error}")
        if faults[1:]:
            raise RunError("\n  - ".join(faults))
        if CONTRACTS in catalog:
            catalog[CONTRACTS].save(tables(found))
        if FEATURE_GRAPH in catalog:
            catalog[FEATURE_GRAPH].save(pipelines["feature_engineering"].to_outputs("features"))
        if catalog._is_validation_enabled():
            # here, as the catalog's contracts load it
            from preflight.contracts.raw_table import read_by_contract

            read_by_contract(catalog)
        else:
            log.warning(
                "KEDRO_DATASET_VALIDATION is off: no contract is enforced. "
                "Do not deploy a model of this run."
            )


class GuardHooks:
    """No run begins with settings, a graph or raw data that it could not go by."""

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: Any
    ) -> None:
        """Refuse before the first node."""
        _know_the_parameters(run_params["runtime_params"])
        _fit_together(pipeline, catalog)
        _keep_test_apart(pipelines["__default__"])
        _verify_raw_data(pipeline, catalog)


def _know_the_parameters(given: dict[str, Any]) -> None:
    """Refuse a misspelt parameter; those below the first level are refused by their types."""
    read = {
        name.removeprefix("params:").split(".")[0]
        for pipeline in pipelines.values()
        for name in pipeline.inputs()
        if name.startswith("params:")
    }
    for name in set(given) - read:
        raise RunError(f"There is no parameter '{name}'. There are: {', '.join(sorted(read))}.")


def _fit_together(pipeline: Pipeline, catalog: Any) -> None:
    """Refuse a framing, and models, that name features that are not there."""
    inputs, faults = pipeline.inputs(), []
    contract = catalog.load(CONTRACTS)["features"]
    if "params:framing" in inputs:
        framing = catalog.load("params:framing")
        faults += framing.unknown_columns(contract.names())
        if "params:modeling" in inputs:
            faults += catalog.load("params:modeling").misfits(framing, contract.groups())
    if faults:
        lines = [f"  - {fault}" for fault in faults]
        features = f"Features are: {', '.join(contract.names())}; slices may have month."
        raise RunError("\n".join(["The settings don't fit together:", *lines, features]))


def _keep_test_apart(graph: Pipeline) -> None:
    """Refuse a graph in which a path leads from `test` to `candidate`."""
    if not {"test", "candidate"} <= graph.datasets():
        return
    before = graph.to_outputs("candidate").nodes
    if readers := [node.name for node in before if "test" in node.inputs]:
        raise RunError(
            f"'test' reaches 'candidate' by way of {', '.join(readers)}: the figures on test "
            "would be worth nothing. Let evaluation alone read it."
        )


def _verify_raw_data(pipeline: Pipeline, catalog: Any) -> None:
    """Refuse a raw file that is not the one in the manifest."""
    raw: dict[Path, list[str]] = {}
    for name in pipeline.inputs():
        path = Path(getattr(catalog.get(name), "_filepath", ""))
        if path.parent.name == "01_raw" and path.name != MANIFEST:
            raw.setdefault(path.parent, []).append(path.name)
    faults = [fault for folder, names in raw.items() for fault in verify(folder, sorted(names))]
    if faults:
        lines = ["The raw data are not what their manifest says:", *faults]
        raise RunError("\n- ".join(lines))


class VersionHooks:
    """A run reads the versions that belong together, whatever else is written at the same time."""

    @hook_impl
    def after_context_created(self, context: Any) -> None:
        """Keep where the manifests are."""
        self._project = context.project_path

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: Any
    ) -> None:
        """Pin what is loaded: of an output what this run saves, in a deployment what was judged."""
        if JUDGED in pipeline.inputs():
            self._pin_to_judged(run_params.get("load_versions") or {}, pipeline, catalog)
        if run_params["only_missing_outputs"]:
            return  # then an output may be that of an earlier run
        for name in pipeline.all_outputs():
            dataset = catalog.get(name)
            version = getattr(dataset, "_version", None)
            if version is not None:
                dataset._version = Version(version.save, version.save)

    def _pin_to_judged(self, asked: dict[str, str], pipeline: Pipeline, catalog: Any) -> None:
        """Pin all that is loaded to the newest run with a verdict, or to the one asked for."""
        run = evaluated_run(self._project, asked.get("verdict"))
        catalog.get(JUDGED)._version = Version(run["run"], None)
        files = {**run["inputs"], **run["outputs"]}
        for name in pipeline.inputs() & files.keys():
            if version := files[name]["version"]:
                catalog.get(name)._version = Version(version, None)


class ManifestHooks:
    """Each run leaves a manifest: what it was made from, what it made, and what that took."""

    @hook_impl
    def after_context_created(self, context: Any) -> None:
        """Keep the settings as they were resolved."""
        self._project, self._loader = context.project_path, context.config_loader
        self._settings = {
            "parameters": context.params,
            "catalog": dict(context.config_loader["catalog"]),
        }

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: Any
    ) -> None:
        """Begin to count; hand on whether the run, or one that it reads from, is a what-if."""
        self._what_if = what_if.find_what_ifs(self._project, self._loader, self._settings)
        if WHAT_IF in pipeline.inputs():
            before = what_ifs_before(self._project, catalog, pipeline.datasets())
            told = [f"{k} (in run {v})" for k, v in before.items() if k not in self._what_if]
            catalog.save(WHAT_IF, self._what_if + told)
        self._run = run_params["run_id"]
        self._began = datetime.now(UTC)
        self._nodes: dict[str, float] = {}

    @hook_impl
    def before_node_run(self, node: Node, catalog: Any) -> dict[str, Any] | None:
        """Begin to count for a node; tell it of run, code, files and evidence, if it asks."""
        self._start = time.perf_counter()
        if PROVENANCE not in node.inputs:
            return None
        known = {
            "run": self._run,
            "code": describe_code(self._project),
            "files": file_records(self._project, catalog, catalog.keys()),
            "kept": evidence_files(self._project),
        }
        return {PROVENANCE: known}

    @hook_impl
    def after_node_run(self, node: Node) -> None:
        """Keep the duration of the node."""
        self._nodes[node.name] = round(time.perf_counter() - self._start, 3)

    @hook_impl
    def on_pipeline_error(
        self, error: Exception, run_params: dict[str, Any], pipeline: Pipeline, catalog: Any
    ) -> None:
        """Save the manifest of a run that failed, with what it had made.

        If that fails too, for example on a full disk, the first error stays the error of the run.
        """
        if self._nodes:
            said = explain(error) or repr(error)
            try:
                self.after_pipeline_run(run_params, pipeline, catalog, said)
            except Exception as another:
                why = str(another).strip().rpartition("\n")[2]
                log.warning("This run has no manifest, as that could not be saved: %s", why)

    @hook_impl
    def after_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: Any, error: str | None = None
    ) -> None:
        """Save the manifest of a run that is done."""
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
    """Return typed parameters as they were written, and anything else, such as a date, as text."""
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else str(value)


class TrackingHooks:
    """If kedro-mlflow is installed, its run gets what runs are compared by."""

    @hook_impl(tryfirst=True)
    def after_context_created(self) -> None:
        """Let it say what is wrong, and not that it begins and ends."""
        for name in ("kedro_mlflow", "mlflow"):
            logging.getLogger(name).setLevel(logging.ERROR)

    @hook_impl(tryfirst=True)  # kedro-mlflow ends its run here
    def after_pipeline_run(self, pipeline: Pipeline, catalog: Any) -> None:
        """Log parameters one by one, figures, the decision and the report."""
        mlflow = sys.modules.get("mlflow")
        if mlflow is None or mlflow.active_run() is None:
            return
        made, given = pipeline.all_outputs(), sorted(pipeline.inputs())
        params = {n.removeprefix("params:"): catalog.load(n) for n in given if "params:" in n}
        mlflow.log_params(flatten({name: p.model_dump(mode="json") for name, p in params.items()}))
        if "metrics" in made:
            known = {n: v for n, v in flatten(catalog.load("metrics")).items() if v is not None}
            mlflow.log_metrics(known)
        if "verdict" in made:
            verdict = catalog.load("verdict")
            unless = "what-if: " if verdict["what_if"] else ""
            mlflow.set_tag("decision", f"{unless}{verdict['decision']}")
        if "report" in made:
            mlflow.log_artifact(catalog["report"]._get_load_path())


class ProgressHooks:
    """Which stages are done while it works, and at the end what was decided and where to look."""

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline) -> None:
        """Say what runs, and count what each stage has to save."""
        self._left = Counter(_stage(node) for node in pipeline.nodes for _ in node.outputs)
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._done: list[str] = []
        self._last = time.monotonic()
        log.info("Version %s: %s", run_params["run_id"], ", ".join(self._left))

    @hook_impl
    def after_dataset_saved(self, node: Node) -> None:
        """Count the time since the last, and say that a stage is done with its last output.

        Quick ones are told together with the next.
        """
        stage, now = _stage(node), time.monotonic()
        self._seconds[stage] += now - self._last
        self._last = now
        self._left[stage] -= 1
        if self._left[stage] == 0:
            self._done.append(f"{stage} {self._seconds[stage]:.1f} s")
            if self._seconds[stage] > QUICK or not any(self._left.values()):
                log.info("Done: %s", ", ".join(self._done))
                self._done.clear()

    @hook_impl
    def on_pipeline_error(self) -> None:
        """Say how to go on after the stages that are done."""
        if any(left == 0 for left in self._left.values()):
            todo = ",".join(stage for stage, left in self._left.items() if left)
            log.warning(
                "\nWhat is done is kept. To go on: kedro run --pipelines %s\n"
                "(and before them each stage that you change)",
                todo,
            )

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline, catalog: Any) -> None:
        """Say the decision, where the report is and what to do next."""
        from preflight.modeling.resources import is_speed, violations

        made = pipeline.all_outputs()
        if "audit" in made and "report" not in made:
            audit = catalog.load("audit")
            told = ", ".join(audit.loc[audit["state"] != "passed", "check"]) or "nothing"
            log.info("\nThe audit has passed. Taken on trust: %s.", told)
        if "verdict" in made:
            verdict = catalog.load("verdict")
            told, reasons = verdict["decision"].upper(), verdict["reasons"]
            if verdict["what_if"]:
                told, reasons = f"{reasons[0]}. It would be {told}", reasons[1:]
            log.info("\n%s: %s.", told, "; ".join(reasons))
            speed = [one for one in verdict["limits"] if is_speed(one)]
            if slow := violations(speed, verdict["value"]["unit"]):
                log.info("Speed:   %s. Deployment measures it again.", "; ".join(slow))
        if "report" in made:
            log.info("Report:  %s", os.path.relpath(catalog["report"]._get_load_path()))
            log.info("Next:    make viz   (walk from any number in it to the raw data)")
        if "promotion" in made:
            promoted = catalog.load("promotion")
            log.info("\nPROMOTED: %s is the champion.", promoted["version"])
            log.info("Back to the one before it:  kedro rollback")


def _stage(node: Node) -> str:
    return node.namespace or node.name


HOOKS = (  # Kedro calls the last one first
    ProgressHooks(),
    ManifestHooks(),
    TrackingHooks(),
    VersionHooks(),
    GuardHooks(),
    ContractHooks(),
    ErrorHooks(),
)
