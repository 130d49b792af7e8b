"""features and their parts -> findings. Modeling waits for the features', evaluation for all."""

from kedro.pipeline import Node, Pipeline

from preflight import audit

from late_flights.pipelines import data_engineering, feature_engineering

# what features are made from
GIVEN = feature_engineering.create_pipeline().to_outputs("features").inputs() - {"contracts"}
CLEANING = data_engineering.create_pipeline()
RAW, PRIMARY = sorted(CLEANING.inputs()), sorted(CLEANING.all_outputs() & GIVEN)


def create_pipeline() -> Pipeline:
    """Return the pipeline that looks for what no score shows."""
    return Pipeline(
        [
            Node(
                audit.replay_features,
                {"audit": "params:audit", "framing": "params:framing"}
                | {name: name for name in ["features", "labels", "project", "contracts"]}
                | {name: name for name in ["feature_graph", *sorted(GIVEN)]},
                "replay_audit",
                name="replay_features",
            ),
            Node(
                audit.replay_cleaning,
                {"audit": "params:audit"}
                | {name: name for name in ["cleaning", "project", "contracts"]}
                | {name: name for name in ["cleaning_graph", *RAW, *PRIMARY]},
                "cleaning_audit",
                name="replay_cleaning",
            ),
            Node(
                audit.check_tables,
                {"contracts": "contracts", "framing": "params:framing", "audit": "params:audit"}
                | {name: name for name in PRIMARY},
                "table_audit",
                name="check_tables",
            ),
            Node(
                audit.check_target_leakage,
                ["train", "validation", "features", "params:audit", "contracts"],
                "target_audit",
                name="check_target_leakage",
            ),
            Node(
                audit.require_no_failures,
                ["replay_audit", "cleaning_audit", "table_audit", "target_audit"],
                "feature_audit",
                name="require_feature_audit",
            ),
            Node(
                audit.check_split,
                [
                    "train",
                    "validation",
                    "test",
                    "features",
                    "labels",
                    "params:framing",
                    "params:audit",
                    "contracts",
                ],
                "split_audit",
                name="check_split",
            ),
            Node(
                audit.require_no_failures,
                ["feature_audit", "split_audit"],
                "audit",
                name="require_audit",
            ),
        ],
        namespace="audit",
        prefix_datasets_with_namespace=False,
    )
