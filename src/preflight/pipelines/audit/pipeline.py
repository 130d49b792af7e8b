"""features and their parts -> findings. Modeling waits for the features', evaluation for all."""

from functools import partial, update_wrapper

from kedro.pipeline import Node, Pipeline

from preflight.pipelines.audit import nodes
from preflight.pipelines.audit.replay import Reach
from preflight.pipelines.feature_engineering.nodes import LOOK_AHEAD, LOOK_BACK
from preflight.pipelines.feature_engineering.pipeline import (
    create_pipeline as feature_engineering,
)


def create_pipeline() -> Pipeline:
    """Return the pipeline that looks for what no score shows."""
    to_features = feature_engineering().to_outputs("features")
    replay = partial(nodes.replay_audit, pipeline=to_features, reach=Reach(LOOK_BACK, LOOK_AHEAD))
    return Pipeline(
        [
            Node(
                update_wrapper(replay, nodes.replay_audit),
                {"features": "features", "audit": "params:audit"}
                | {name: name for name in sorted(to_features.inputs())},
                "replay_audit",
                name="replay_audit",
            ),
            Node(
                nodes.target_audit, ["train", "params:audit"], "target_audit", name="target_audit"
            ),
            Node(
                nodes.passed,
                ["replay_audit", "target_audit"],
                "feature_audit",
                name="feature_audit",
            ),
            Node(
                nodes.split_audit,
                ["train", "validation", "test", "params:framing", "params:audit"],
                "split_audit",
                name="split_audit",
            ),
            Node(nodes.passed, ["feature_audit", "split_audit"], "audit", name="audit"),
        ],
        namespace="audit",
        prefix_datasets_with_namespace=False,
    )
