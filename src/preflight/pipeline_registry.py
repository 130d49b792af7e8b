"""The pipelines, in reading order. `kedro run` runs all of them."""

from importlib import import_module

from kedro.pipeline import Pipeline

STAGES = [
    "data_engineering",
    "feature_engineering",
    "audit",
    "modeling",
    "evaluation",
    "diagnosis",
    "reporting",
]


def register_pipelines() -> dict[str, Pipeline]:
    """Return each stage's pipeline by name, and the default: from raw files to the report."""
    stages = {
        name: import_module(f"preflight.pipelines.{name}.pipeline").create_pipeline()
        for name in STAGES
    }
    return {**stages, "__default__": sum(stages.values(), start=Pipeline([]))}
