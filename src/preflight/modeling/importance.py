"""Permutation importance: the rise of the loss when the values of a feature are shuffled."""

from typing import Any

import pandas as pd

from preflight.modeling.model import Floats


def shuffle_features(
    estimator: Any,
    examples: pd.DataFrame,
    features: list[str],
    *,
    binary: bool,
    rows: int,
    shuffles: int,
    seed: int,
) -> Floats:
    """Return the rise of the loss by feature and shuffle, shape (features, shuffles).

    The loss is the log loss in nats a row, or the mean absolute error in the label's unit. It is
    measured on a sample of so many rows at most (Breiman 2001).
    """
    from sklearn.inspection import permutation_importance

    sample = examples.sample(min(rows, len(examples)), random_state=seed)
    rises: Floats = permutation_importance(
        estimator,
        sample[features],
        sample["label"],
        scoring="neg_log_loss" if binary else "neg_mean_absolute_error",
        n_repeats=shuffles,
        random_state=seed,
    ).importances
    return rises
