"""The pipelines, in reading order. `kedro run` runs those of RUN, one after the other.

To leave out a stage, see docs/recipes.md (Leave out a stage).
"""

from kedro.pipeline import Pipeline

from preflight.contracts.catalog import preview_contracts

from late_flights.pipelines import (
    audit,
    data_engineering,
    deployment,
    diagnosis,
    evaluation,
    experiment_design,
    experiment_readout,
    feature_engineering,
    inference,
    modeling,
    monitoring,
    preview,
    production_replay,
    refit,
    reporting,
    retraining,
)

RUN = [
    data_engineering,
    feature_engineering,
    audit,
    modeling,
    evaluation,
    diagnosis,
    reporting,
]
# a quick look; decisions, and what is done with the champion
ON_DEMAND = [
    preview,
    deployment,
    inference,
    monitoring,
    retraining,
    refit,
    production_replay,
    experiment_design,
    experiment_readout,
]


def register_pipelines() -> dict[str, Pipeline]:
    """Return each stage's pipeline by name, and the default: from raw files to the report."""
    stages = {stage.__name__.split(".")[-1]: stage.create_pipeline() for stage in RUN + ON_DEMAND}
    default = sum((stages[stage.__name__.split(".")[-1]] for stage in RUN), start=Pipeline([]))
    return preview_contracts({**stages, "__default__": default})
