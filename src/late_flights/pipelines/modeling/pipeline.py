"""train, validation -> candidate and baselines. The test set never comes here."""

from kedro.pipeline import Node, Pipeline

from preflight import modeling

PARAMS = ["params:framing", "params:modeling"]


def create_pipeline() -> Pipeline:
    """Return the pipeline from train and validation to the candidate."""
    return Pipeline(
        [
            Node(
                modeling.join_development,
                ["train", "validation", "split_summary", "feature_audit", "params:framing"],
                "train_and_validation",
                name="join_development",
            ),
            Node(
                modeling.smoke_test_estimators,
                ["train_and_validation", "trusted_types", *PARAMS, "contracts"],
                "development",
                name="smoke_test_estimators",
            ),
            Node(
                modeling.search_parameters,
                ["development", "study_storage", *PARAMS, "contracts", "cluster"],
                ["best_params", "trials", "parameter_importance"],
                name="search_parameters",
            ),
            Node(
                modeling.predict_validation,
                ["development", "best_params", *PARAMS, "contracts"],
                "validation_predictions",
                name="predict_validation",
            ),
            Node(
                modeling.select_on_validation,
                ["validation_predictions", *PARAMS],
                "selection",
                name="select_on_validation",
            ),
            Node(
                modeling.fit_candidate,
                ["development", "best_params", "selection", "test_keys", *PARAMS, "contracts"],
                "candidate",
                name="fit_candidate",
            ),
            Node(
                modeling.fit_baselines,
                ["development", *PARAMS, "contracts"],
                "baselines",
                name="fit_baselines",
            ),
        ],
        namespace="modeling",
        prefix_datasets_with_namespace=False,
    )
