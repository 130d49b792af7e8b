"""Pinned versions: a run reads datasets of the same run."""

from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.io.core import Version
from kedro.pipeline import Pipeline

from preflight.runs.manifest import evaluated_run

EVALUATED_RUN = "judged_run"  # the dataset with the manifest of the run to deploy


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
        """Pin outputs to this run, and inputs of a deployment to the evaluated run."""
        if EVALUATED_RUN in pipeline.inputs():
            version = (run_params.get("load_versions") or {}).get("verdict")
            self._pin_to(evaluated_run(self._project, version), pipeline, catalog)
        if run_params["only_missing_outputs"]:
            return  # an output may be that of an earlier run
        for name in pipeline.all_outputs():
            dataset = catalog.get(name)
            version = getattr(dataset, "_version", None)
            if version is not None:
                dataset._version = Version(version.save, version.save)

    def _pin_to(self, run: dict[str, Any], pipeline: Pipeline, catalog: Any) -> None:
        """Pin the inputs to the files that a run read or wrote."""
        catalog.get(EVALUATED_RUN)._version = Version(run["run"], None)
        files = {**run["inputs"], **run["outputs"]}
        for name in pipeline.inputs() & files.keys():
            if version := files[name]["version"]:
                catalog.get(name)._version = Version(version, None)
