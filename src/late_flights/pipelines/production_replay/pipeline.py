"""features, labels -> what refits and alarms would have been worth on this history."""

from kedro.pipeline import Node, Pipeline

from preflight import monitoring, reporting
from preflight.reporting import figure

SETTINGS = ["framing", "modeling", "monitoring", "evaluation", "production_replay"]


def create_pipeline() -> Pipeline:
    """Return the pipeline that replays production on the history."""
    return Pipeline(
        [
            Node(
                monitoring.replay_production,
                [
                    "features",
                    "labels",
                    "best_params",
                    "selection",
                    *(f"params:{name}" for name in SETTINGS),
                    "contracts",
                ],
                "production_replay",
                name="replay_production",
            ),
            figure(reporting.plot_policies, "production_replay", "params:framing"),
        ],
        namespace="production_replay",
        prefix_datasets_with_namespace=False,
    )
