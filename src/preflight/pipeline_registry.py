"""The pipelines, in reading order. `kedro run` runs all stages that are there."""

import warnings
from functools import partial
from importlib import import_module
from textwrap import indent

from kedro.pipeline import Pipeline
from kedro.pipeline.preview_contract import TextPreview
from kedro.utils import KedroExperimentalWarning

from preflight.pipelines import there

STAGES = [
    "data_engineering",
    "feature_engineering",
    "audit",
    "modeling",
    "evaluation",
    "diagnosis",
    "reporting",
]
# decisions, and what is done with the champion: never part of a run
ON_DEMAND = ["deployment", "inference"]


def register_pipelines() -> dict[str, Pipeline]:
    """Return each stage's pipeline by name, and the default: from raw files to the report."""
    stages = {
        name: _explained(
            import_module(f".pipelines.{name}.pipeline", __package__).create_pipeline()
        )
        for name in filter(there, STAGES + ON_DEMAND)
    }
    default = sum((stages[name] for name in STAGES if name in stages), start=Pipeline([]))
    return {**stages, "__default__": default}


def _explained(pipeline: Pipeline) -> Pipeline:
    """Return the pipeline with nodes that show, in Kedro-Viz, the contracts of what they return."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KedroExperimentalWarning)  # that previews may change
        return Pipeline(
            [node._copy(preview_fn=partial(contracts_of, node.outputs)) for node in pipeline.nodes]
        )


def contracts_of(datasets: list[str]) -> TextPreview:
    """Return what the contracts of datasets say, as Kedro-Viz previews it."""
    from preflight import contracts  # pandera, which no other command needs

    told = "\n\n".join(filter(None, map(contracts.described, datasets)))
    # the panel cuts off the beginning of a line that is not indented
    return TextPreview(indent(told or "It is handed on in memory, without a contract.", "  "))
