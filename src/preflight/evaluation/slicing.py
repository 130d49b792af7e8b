"""The slices of a table: the rows that have the same value of a column."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd


def slices_of(columns: pd.DataFrame) -> Iterator[tuple[str, str, npt.NDArray[np.intp]]]:
    """Yield each value of each column: the column, the value in words, the positions of its rows.

    In the order of the values, a missing one last. No two values of a column have the same words.
    """
    for by in map(str, columns):
        number, values = pd.factorize(columns[by], sort=True, use_na_sentinel=False)
        rows = np.split(np.argsort(number, kind="stable"), np.cumsum(np.bincount(number))[:-1])
        for name, here in zip(_words(values), rows, strict=True):
            yield by, name, here


def _words(values: Iterable[Any]) -> list[str]:
    """Return each value as the report writes it; as Python does where two would look the same."""
    every = list(values)
    told = ["missing" if pd.isna(value) else str(value) for value in every]
    told = [  # hour 5, not 5.0
        name.removesuffix(".0") if isinstance(value, float | np.floating) else name
        for name, value in zip(told, every, strict=True)
    ]
    return told if len({*told}) == len(told) else [*map(repr, every)]
