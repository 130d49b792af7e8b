"""What is fitted before an estimator that can't read categories or missing values by itself."""

from typing import Any

import numpy as np
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler, TargetEncoder

NUMBERS, CATEGORIES = (make_column_selector(dtype_include=kind) for kind in ("number", "category"))
RARE = 0.0005  # share of the rows below which a category is rare


def scaled() -> Any:
    """Return what a linear model needs: numbers scaled, categories one column each.

    A missing number becomes the median and a column that says so. Rare categories share a column.
    """
    fill = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    categories = OneHotEncoder(
        min_frequency=RARE, handle_unknown="infrequent_if_exist", dtype=np.float32
    )  # one kind of number for the whole matrix: half the time
    return make_column_transformer(
        (make_pipeline(fill, StandardScaler()), NUMBERS),
        (categories, CATEGORIES),
        remainder=StandardScaler(),  # yes or no, which an imputer does not take
    )


def numbered() -> Any:
    """Return what trees need: a number for each category, numbers as they are, missing or not."""
    numbers = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan
    )
    return make_column_transformer((numbers, CATEGORIES), remainder="passthrough")


def target_encoded() -> Any:
    """Return what trees need if a feature has hundreds of categories: the mean label of each.

    The mean of a rare category is drawn to that of all. A row is encoded by other rows, so that it
    does not know its own label (Micci-Barreca 2001). Numbers stay as they are, missing or not.
    """
    means = TargetEncoder(cv=KFold(5, shuffle=True, random_state=0))
    return make_column_transformer((means, CATEGORIES), remainder="passthrough")
