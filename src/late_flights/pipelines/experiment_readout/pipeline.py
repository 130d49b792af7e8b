"""designs, prediction log, labels -> the answer of an experiment at a planned look."""

from kedro.pipeline import Node, Pipeline

from preflight import experiments, reporting
from preflight.reporting import figure

FRAMING = "params:framing"


def create_pipeline() -> Pipeline:
    """Return the pipeline that reads an experiment, and its page."""
    effect = figure(reporting.plot_effect, "experiment_readout", FRAMING)
    return Pipeline(
        [
            Node(
                experiments.read_experiment,
                [
                    "experiments",
                    "logged_days",
                    "labels",
                    "challengers",
                    "params:experiment_readout",
                    FRAMING,
                    "contracts",
                ],
                "experiment_readout",
                name="read_experiment",
            ),
            effect,
            Node(
                reporting.render_experiment_page,
                ["experiment_readout", "experiments", effect.outputs[0], FRAMING],
                "experiment_page",
                name="render_experiment_page",
            ),
        ],
        namespace="experiment_readout",
        prefix_datasets_with_namespace=False,
    )
