"""Pinned versions: a run reads datasets of the same run."""

from pathlib import Path
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines
from kedro.io.core import Version
from kedro.pipeline import Pipeline

from preflight.errors import RunError
from preflight.hooks.messages import stage_of
from preflight.runs.manifest import Document, evaluated_run
from preflight.runs.parts import VARIABLE, describe, files_made, read_parts, requested_run

EVALUATED_RUN = "judged_run"  # the dataset with the manifest of the run to deploy
PROVENANCE = "provenance"  # the dataset with the records of all files
DEFAULT = "__default__"


class VersionHooks:
    """Pin the versions that a run reads, whatever another run writes at the same time."""

    @hook_impl
    def after_context_created(self, context: Any) -> None:
        """Keep the project's path, below which manifests are."""
        self._project = context.project_path

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: Any
    ) -> None:
        """Pin outputs to this run, and inputs of a deployment to the evaluated run.

        With a run identifier, stages of the default pipeline join its run, and others read from it.
        """
        given = run_params.get("load_versions") or {}
        run = requested_run()
        if run and EVALUATED_RUN not in pipeline.inputs():
            joins = _joins(pipeline, run, run_params)
            _pin_inputs(self._project, run, pipeline, catalog, joins, {*given})
            if joins:
                run_params["run_id"] = run  # Kedro hands the same dictionary to the other hooks
                _pin_run(run, pipeline, catalog, {*given})
        if EVALUATED_RUN in pipeline.inputs():
            self._pin_to(
                evaluated_run(self._project, given.get("verdict") or run), pipeline, catalog
            )
        if run_params["only_missing_outputs"]:
            return  # an output may be that of an earlier run
        for name in pipeline.all_outputs():
            if version := _version_of(catalog, name):
                catalog.get(name)._version = Version(version.save, version.save)

    def _pin_to(self, run: Document, pipeline: Pipeline, catalog: Any) -> None:
        """Pin the inputs to the files that a run read or wrote."""
        catalog.get(EVALUATED_RUN)._version = Version(run["run"], None)
        files = {**run["inputs"], **run["outputs"]}
        for name in pipeline.inputs() & files.keys():
            if version := files[name]["version"]:
                catalog.get(name)._version = Version(version, None)


def _version_of(catalog: Any, name: str) -> Version | None:
    """Return the version to load and to save of a dataset; None if it is not versioned."""
    version: Version | None = getattr(catalog.get(name), "_version", None)
    return version


def _joins(pipeline: Pipeline, run: str, run_params: dict[str, Any]) -> bool:
    """Return whether all nodes are of the default pipeline, so that they join the run.

    Others, such as inference, only read from it, and are runs of their own.
    """
    inside = {*pipeline.nodes} & {*pipelines[DEFAULT].nodes}
    if inside and run_params["only_missing_outputs"]:
        raise RunError(
            f"--only-missing-outputs would leave results of other runs in run {run}. Repeat the "
            f"stages that are missing, or unset {VARIABLE}."
        )
    if inside and len(inside) < len(pipeline.nodes):
        raise RunError(
            f"Stages of `kedro run` join run {run}, and others are runs of their own: run them in "
            f"two tasks, or unset {VARIABLE}."
        )
    return bool(inside)


def _pin_run(run: str, pipeline: Pipeline, catalog: Any, given: set[str]) -> None:
    """Let all results of the default pipeline be read from a run, and saved to it."""
    made = pipelines[DEFAULT].all_outputs()
    # records of files are of all datasets; otherwise only what is needed is imported
    names = made if PROVENANCE in pipeline.inputs() else made & pipeline.datasets()
    for name in names - (given - pipeline.all_outputs()):
        if _version_of(catalog, name):
            catalog.get(name)._version = Version(run, run)


def _pin_inputs(
    project: Path, run: str, pipeline: Pipeline, catalog: Any, joins: bool, given: set[str]
) -> None:
    """Pin inputs to what the run made, or else to what its earlier tasks read.

    Raises:
        RunError: the run has not made an input. A stage outside the default pipeline may read a
            dataset whose stage the run did not begin: the newest version.
    """
    manifest = read_parts(project, run)
    parts = manifest["parts"] if manifest else []
    made = files_made(parts)
    read = manifest["inputs"] if manifest and joins else {}
    begun = {name for part in parts for name in part["nodes"]}
    results, missing = pipelines[DEFAULT].all_outputs(), set()
    for name in pipeline.inputs() - given:
        version = _version_of(catalog, name)
        if version is None:
            continue
        if file := made.get(name) or read.get(name):
            catalog.get(name)._version = Version(file["version"], version.save)
        elif name in results and (joins or not parts or _maker(name) in begun):
            missing.add(name)
    if missing:
        raise RunError(_describe_missing(run, missing, parts))


def _maker(dataset: str) -> str:
    """Return the node of the default pipeline that makes a dataset."""
    return next(node.name for node in pipelines[DEFAULT].nodes if dataset in node.outputs)


def _describe_missing(run: str, missing: set[str], parts: list[Document]) -> str:
    """Return the message for inputs that a run has not made, with the stage to run first."""
    by_node = {name: part for part in parts for name in part["nodes"]}
    done = {name for name, part in by_node.items() if part["status"] == "done"}
    before = pipelines[DEFAULT].to_outputs(*missing).nodes
    makers = {stage_of(node.outputs[0]): node.name for node in before if node.name not in done}
    stage = next(stage for stage in pipelines if stage in makers)
    part = by_node.get(makers[stage])
    why = describe(part) if part else f"{stage} has not run"
    names = ", ".join(f"'{name}'" for name in sorted(missing))
    return (
        f"Run {run} ({VARIABLE}) has not made {names} yet: {why}. Run that stage first, as a task "
        f"of the same run: {VARIABLE}={run} kedro run --pipelines {stage}. To read the results of "
        f"another run, name its version: --load-versions={min(missing)}:<version>"
    )
