"""Slices are told in words, in the order of their values."""

import numpy as np
import pandas as pd

from preflight.evaluation.slicing import slices_of


def test_slices_are_told_in_words_and_in_the_order_of_their_values() -> None:
    columns = pd.DataFrame(
        {
            "hour": np.float32([10, 9, np.nan]),
            "size": pd.Categorical(["small", "large", None], ["small", "large", "none"]),
            "glass": [True, False, True],
        }
    )
    assert [(by, name, [*rows]) for by, name, rows in slices_of(columns)] == [
        ("hour", "9", [1]),
        ("hour", "10", [0]),
        ("hour", "missing", [2]),
        ("size", "small", [0]),
        ("size", "large", [1]),
        ("size", "missing", [2]),
        ("glass", "False", [1]),
        ("glass", "True", [0, 2]),
    ]
