"""How much a feature tells of the label, whatever the shape: by cells of its values."""

import numpy as np
import numpy.typing as npt
import pandas as pd

Ints = npt.NDArray[np.int64]

SURE = 3.3  # standard errors that a rate is moved towards the overall one before it is believed


FEWEST = 25  # rows of a cell, on average: of fewer the rates differ by chance


def cells(values: pd.Series, number: int, together: int = 1) -> Ints:
    """Return the cell of each value, shape (n,): about `number` cells, and 0 where it is missing.

    Fewer of a small table, so that a cell has rows enough; together: with the cells of so many.

    Common values have a cell each, as a mark such as -1 hides among numbers. Other numbers have
    cells of about equally many rows, other categories share one.
    """
    code, distinct = pd.factorize(values)
    number = max(2, min(number, int((len(values) / FEWEST) ** (1 / together))))
    if len(distinct) <= number:
        return code + 1
    counts = np.bincount(code[code >= 0])
    common = np.argsort(-counts, kind="stable")[: number // 2]
    common = common[counts[common] > max(len(values) / 1000, FEWEST)]
    own = np.zeros(len(distinct), dtype=np.int64)
    own[common] = np.arange(1, len(common) + 1)
    cell = np.full(len(values), len(common) + 1)
    if pd.api.types.is_numeric_dtype(values):
        edges = np.unique(values.quantile(np.linspace(0, 1, number // 2 + 1)[1:-1]))
        cell += np.searchsorted(edges, values, side="right")
    cell = np.where(own[code] > 0, own[code], cell)
    return np.where(code < 0, 0, cell)


def roc_auc(cell: Ints, label: npt.NDArray[np.int8]) -> float:
    """Return the ROC AUC of the best order of the cells: by their rate of label 1."""
    rows, bad = np.bincount(cell), np.bincount(cell, weights=label).astype(np.int64)
    rows, bad = rows[rows > 0], bad[rows > 0]
    order = np.argsort(bad / rows)
    good, bad = (rows - bad)[order], bad[order]
    pairs = (bad * (np.cumsum(good) - good / 2)).sum()
    return float(pairs / (good.sum() * bad.sum()))


def odds_ratios(cell: Ints, label: npt.NDArray[np.int8]) -> npt.NDArray[np.float64]:
    """Return how many times each cell's odds of the label are those of all rows, or the inverse.

    Shape (largest cell + 1,). A cell's rate is the bound of its Wilson interval that is nearer to
    the overall rate, so few rows prove little; 1 where it doesn't differ for certain, 0 where
    there are no rows.
    """
    rows = np.bincount(cell)
    bad = np.bincount(cell, weights=label)
    rate, overall = bad / np.maximum(rows, 1), bad.sum() / rows.sum()
    centre = (bad + SURE**2 / 2) / (rows + SURE**2)
    width = SURE / (rows + SURE**2) * np.sqrt(rows * rate * (1 - rate) + SURE**2 / 4)
    bound = np.clip(overall, centre - width, centre + width)
    ratio = bound / (1 - bound) / (overall / (1 - overall))
    return np.where(rows > 0, np.maximum(ratio, 1 / ratio), 0.0)


def sums_and_differences(numbers: pd.DataFrame, label: npt.NDArray[np.int8]) -> dict[str, float]:
    """Return the ROC AUC of a + b and of a - b for all pairs of columns, by "a + b" and "a - b"."""
    values, names = numbers.to_numpy(dtype=np.float64), list(numbers)
    positives = label.sum()
    found = {}
    for i, name in enumerate(names[:-1]):
        for sign, word in ((1, "+"), (-1, "-")):
            both = values[:, [i]] + sign * values[:, i + 1 :]
            rank_sum = np.arange(1, len(label) + 1) @ label[np.argsort(both, axis=0)]
            auc = (rank_sum - positives * (positives + 1) / 2) / (
                positives * (len(label) - positives)
            )
            for other, area in zip(names[i + 1 :], np.maximum(auc, 1 - auc), strict=True):
                found[f"{name} {word} {other}"] = float(area)
    return found
