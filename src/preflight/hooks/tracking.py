"""Parameters, metrics, decision and report for MLflow, if kedro-mlflow is installed."""

import logging
import sys
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.pipeline import Pipeline

from preflight.runs.manifest import flatten


class TrackingHooks:
    """Log to the active run of kedro-mlflow; do nothing without one."""

    @hook_impl(tryfirst=True)
    def after_context_created(self) -> None:
        """Show only errors of MLflow, not its progress."""
        for name in ("kedro_mlflow", "mlflow"):
            logging.getLogger(name).setLevel(logging.ERROR)

    @hook_impl(tryfirst=True)  # kedro-mlflow ends its run here
    def after_pipeline_run(self, pipeline: Pipeline, catalog: Any) -> None:
        """Log each parameter and metric, the decision and the report."""
        mlflow = sys.modules.get("mlflow")
        if mlflow is None or mlflow.active_run() is None:
            return
        made, given = pipeline.all_outputs(), sorted(pipeline.inputs())
        params = {n.removeprefix("params:"): catalog.load(n) for n in given if "params:" in n}
        mlflow.log_params(flatten({name: p.model_dump(mode="json") for name, p in params.items()}))
        if "metrics" in made:
            metrics = flatten(catalog.load("metrics")).items()
            mlflow.log_metrics({name: value for name, value in metrics if value is not None})
        if "verdict" in made:
            verdict = catalog.load("verdict")
            prefix = "what-if: " if verdict["what_if"] else ""
            mlflow.set_tag("decision", f"{prefix}{verdict['decision']}")
        if "report" in made:
            mlflow.log_artifact(catalog["report"]._get_load_path())
