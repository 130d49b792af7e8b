"""What MLflow gets, if kedro-mlflow is installed."""

import logging
import sys
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.pipeline import Pipeline

from preflight.runs.manifest import (
    flatten,
)


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
