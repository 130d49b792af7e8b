"""features and their parts -> findings. Modeling waits for the features', evaluation for all."""

from kedro.pipeline import Node, Pipeline

from preflight.pipelines import feature_engineering
from preflight.pipelines.audit import nodes, target

# what features are made from
GIVEN = feature_engineering.create_pipeline().to_outputs("features").inputs() - {"contracts"}


def create_pipeline() -> Pipeline:
    """Return the pipeline that looks for what no score shows."""
    return Pipeline(
        [
            Node(
                nodes.replay_audit,
                {"features": "features", "audit": "params:audit"}
                | {name: name for name in ["contracts", "feature_graph", *sorted(GIVEN)]},
                "replay_audit",
                name="replay_audit",
            ),
            Node(
                target.target_audit,
                ["train", "validation", "features", "params:audit", "contracts"],
                "target_audit",
                name="target_audit",
            ),
            Node(
                nodes.passed,
                ["replay_audit", "target_audit"],
                "feature_audit",
                name="feature_audit",
            ),
            Node(
                nodes.split_audit,
                [
                    "train",
                    "validation",
                    "test",
                    "features",
                    "params:framing",
                    "params:audit",
                    "contracts",
                ],
                "split_audit",
                name="split_audit",
            ),
            Node(nodes.passed, ["feature_audit", "split_audit"], "audit", name="audit"),
        ],
        namespace="audit",
        prefix_datasets_with_namespace=False,
    )
