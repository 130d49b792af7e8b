"""primary tables -> features as of the moment of prediction -> train, validation, test."""

from kedro.pipeline import Node, Pipeline

from preflight import contracts
from preflight.errors import RunError
from preflight.pipelines.feature_engineering import examples, nodes
from preflight.pipelines.feature_engineering.nodes import GROUPS, LOOK_AHEAD, LOOK_BACK, TABLE
from preflight.point_in_time import Build, year_by_year


def group(name: str) -> Build:
    """Return the function of a group of features, for any number of years of the table."""
    contract = contracts.of(TABLE)
    if contract is None:
        raise RunError(f"nodes.py names the table '{TABLE}', which has no class in primary.py.")
    # A row lies at most LOOK_AHEAD after its moment of prediction, from which it looks back.
    return year_by_year(getattr(nodes, name), contract, LOOK_AHEAD + LOOK_BACK, LOOK_AHEAD)


def create_pipeline() -> Pipeline:
    """Return the pipeline from the primary tables to the split examples."""
    return Pipeline(
        [
            Node(
                nodes.prediction_moments, [TABLE, "params:framing"], "predict_at", name="predict_at"
            ),
            *(Node(group(name), inputs, name, name=name) for name, inputs in GROUPS.items()),
            Node(examples.features, [TABLE, "predict_at", *GROUPS], "features", name="features"),
            Node(nodes.labels, [TABLE, "params:framing"], "labels", name="labels"),
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
