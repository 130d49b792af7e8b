"""The slices of a table: the rows that have the same value of a column."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd


def slices_of(columns: pd.DataFrame) -> Iterator[tuple[str, str, npt.NDArray[np.intp]]]:
    """Yield each slice: the column, the value as text, the positions of its rows.

    Slices come in the order of the values, a missing value last. No two values of a column have the
    same text.
    """
    for by in map(str, columns):
        number, values = pd.factorize(columns[by], sort=True, use_na_sentinel=False)
        rows = np.split(np.argsort(number, kind="stable"), np.cumsum(np.bincount(number))[:-1])
        for name, here in zip(_texts(values), rows, strict=True):
            yield by, name, here


def _texts(values: Iterable[Any]) -> list[str]:
    """Return each value as the report writes it; as Python does where two would look the same."""
    every = list(values)
    texts = ["missing" if pd.isna(value) else str(value) for value in every]
    texts = [  # hour 5, not 5.0
        text.removesuffix(".0") if isinstance(value, float | np.floating) else text
        for text, value in zip(texts, every, strict=True)
    ]
    return texts if len({*texts}) == len(texts) else [*map(repr, every)]
