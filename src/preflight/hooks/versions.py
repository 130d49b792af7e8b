"""The versions that belong together."""

from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.io.core import Version
from kedro.pipeline import Pipeline

from preflight.runs.manifest import (
    evaluated_run,
)

EVALUATED_RUN = "judged_run"  # the manifest of the run that a deployment is about


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
        if EVALUATED_RUN in pipeline.inputs():
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
        catalog.get(EVALUATED_RUN)._version = Version(run["run"], None)
        files = {**run["inputs"], **run["outputs"]}
        for name in pipeline.inputs() & files.keys():
            if version := files[name]["version"]:
                catalog.get(name)._version = Version(version, None)
