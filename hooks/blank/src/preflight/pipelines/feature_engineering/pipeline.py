"""primary tables -> features as of the moment of prediction -> train, validation, test."""

from kedro.pipeline import Node, Pipeline

from preflight.pipelines.feature_engineering import examples, nodes

GROUPS = {  # a function of nodes.py each, with what it reads
    "order_features": ["parcels"],
    "history_features": ["parcels", "params:framing"],
}


def create_pipeline() -> Pipeline:
    """Return the pipeline from the primary tables to the split examples."""
    return Pipeline(
        [
            Node(
                nodes.prediction_moments,
                ["parcels", "params:framing"],
                "predict_at",
                name="predict_at",
            ),
            *(Node(getattr(nodes, n), inputs, n, name=n) for n, inputs in GROUPS.items()),
            Node(
                examples.features, ["parcels", "predict_at", *GROUPS], "features", name="features"
            ),
            Node(nodes.labels, ["parcels", "params:framing"], "labels", name="labels"),
            Node(
                examples.split,
                ["features", "labels", "params:framing"],
                ["train", "validation", "test", "split_summary"],
                name="split",
            ),
        ],
        namespace="feature_engineering",
        prefix_datasets_with_namespace=False,
    )
