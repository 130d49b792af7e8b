"""train, validation -> candidate and baselines. The test set never comes here."""

from kedro.pipeline import Node, Pipeline

from preflight.pipelines.modeling import checks, nodes, search

PARAMS = ["params:framing", "params:modeling"]


def create_pipeline() -> Pipeline:
    """Return the pipeline from train and validation to the candidate."""
    return Pipeline(
        [
            Node(
                nodes.development,
                ["train", "validation", "feature_audit", "params:framing"],
                "train_and_validation",
                name="development",
            ),
            Node(
                checks.smoke_test_estimators,
                ["train_and_validation", "trusted_types", *PARAMS, "contracts"],
                "development",
                name="smoke_test",
            ),
            Node(
                search.search,
                ["development", "study_storage", *PARAMS, "contracts"],
                ["best_params", "trials", "parameter_importance"],
                name="search",
            ),
            Node(
                nodes.validation_predictions,
                ["development", "best_params", *PARAMS, "contracts"],
                "validation_predictions",
                name="validation_predictions",
            ),
            Node(
                nodes.selection,
                ["validation_predictions", *PARAMS],
                "selection",
                name="selection",
            ),
            Node(
                nodes.candidate,
                ["development", "best_params", "selection", *PARAMS, "contracts"],
                "candidate",
                name="candidate",
            ),
            Node(
                nodes.baselines,
                ["development", *PARAMS, "contracts"],
                "baselines",
                name="baselines",
            ),
        ],
        namespace="modeling",
        prefix_datasets_with_namespace=False,
    )
