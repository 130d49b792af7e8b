"""Drift: how far the features of the test set are from those of train."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from preflight.contracts.catalog import Contracts

BINS = 10  # of a number, equally many rows of train in each
STABLE, LARGE = 0.1, 0.25  # an index below the first is stable, above the second a large change


def compute_drift(train: pd.DataFrame, test: pd.DataFrame, contracts: Contracts) -> pd.DataFrame:
    """Return the population stability index of each feature, from train to test.

    Numbers are compared by the deciles of train, categories by their values; missing is a value,
    too. `STABLE` and `LARGE` are a rule of thumb (Siddiqi 2006).

    Grain: one row per feature, the largest index first.
    """
    rows = []
    for group, names in contracts["features"].groups().items():
        for name in names:
            before, after = _shares(train[name], test[name])
            rows.append(
                {
                    "feature": name,
                    "group": group,
                    "index": float(((after - before) * np.log(after / before)).sum()),
                    "missing_train": train[name].isna().mean(),
                    "missing_test": test[name].isna().mean(),
                }
            )
    table = pd.DataFrame(rows)
    return table.sort_values("index", ascending=False, ignore_index=True, kind="stable")


def _shares(train: pd.Series, test: pd.Series) -> tuple[npt.NDArray[np.float64], ...]:
    """Return the share of each bin in both parts; half a row is added to each, so none is 0."""
    if pd.api.types.is_numeric_dtype(train):
        inner = np.linspace(0, 1, BINS + 1)[1:-1]
        edges = np.unique(train.quantile(inner).dropna().astype(float))
        codes = [
            np.where(part.isna(), len(edges) + 1, np.searchsorted(edges, part.astype(float)))
            for part in (train, test)
        ]
        many = len(edges) + 2
    else:
        both = pd.concat([train.astype(object), test.astype(object)])
        number, values = pd.factorize(both, use_na_sentinel=False)
        codes, many = [number[: len(train)], number[len(train) :]], len(values)
    counts = [np.bincount(code, minlength=many) + 0.5 for code in codes]
    return tuple(count / count.sum() for count in counts)
