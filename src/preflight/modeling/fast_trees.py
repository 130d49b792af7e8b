"""Predictions of scikit-learn's boosted trees for a few rows, without what it does for each call.

For one row, scikit-learn takes most of its time for type checks and for the encoding of categories,
and then calls each tree. Here categories are encoded as its own fitted encoder does it, and all
trees are joined to one, which its own compiled function walks. Predictions are equal to the bit.

These are parts of scikit-learn that may change: any other version, estimator or table than those
that were tried gets the estimator's own prediction.
"""

import logging
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import pandas as pd

log = logging.getLogger(__name__)

Floats = npt.NDArray[np.float64]

FEW_ROWS = 64  # more are no faster than with scikit-learn's own
TRIED = "1.9."  # versions of scikit-learn that begin so


class JoinedTrees(NamedTuple):
    """All trees of an estimator as one, with the encoding of its columns.

    names: the columns that the estimator was fitted on. order: of them in the array that the trees
    read, which has categories first. codes: of each category, by the place of the column.
    joined: the predictor; after the features it reads the number of a tree. known: which categories
    are known, as the predictor takes them. baseline: what the trees add to.
    """

    names: list[str]
    order: list[int]
    codes: dict[int, dict[str, float]]
    joined: Any
    known: tuple[Any, Any]
    baseline: float
    trees: int


class Known(NamedTuple):
    """What is known of an estimator.

    own: its trees; another fit has others. trees: joined; None: they can't be. checked: whether
    they were compared with the estimator's own prediction.
    """

    own: tuple[Any, ...]
    trees: JoinedTrees | None
    checked: bool


_known: "WeakKeyDictionary[Any, Known]" = WeakKeyDictionary()


def predict_few(estimator: Any, rows: pd.DataFrame) -> Floats | None:
    """Return the probability of label 1, or the amount, of a few rows, shape (n,).

    None: there are many rows, or this was not tried with such an estimator or such rows.
    """
    if not 0 < len(rows) <= FEW_ROWS or not _is_tried(estimator):
        return None
    own = tuple(tree for (tree,) in estimator._predictors)
    known = _known.get(estimator)
    if known is None or known.own != own:
        known = Known(own, None, False)
    if not known.checked:
        return _predict_checked(estimator, known, rows)
    return known.trees and _predict(estimator, known.trees, rows)


def _is_tried(estimator: Any) -> bool:
    import sklearn
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    return (
        type(estimator) in (HistGradientBoostingClassifier, HistGradientBoostingRegressor)
        and sklearn.__version__.startswith(TRIED)
        and getattr(estimator, "n_trees_per_iteration_", None) == 1
        and hasattr(estimator, "feature_names_in_")
        and hasattr(estimator, "_predictors")
    )


def _predict_checked(estimator: Any, known: Known, rows: pd.DataFrame) -> Floats | None:
    """Return the predictions of joined trees if they are the estimator's own; remember whether."""
    trees, found, fault = known.trees, None, "they predict something else"
    try:
        trees = trees or _join(estimator, known.own)
        found = _predict(estimator, trees, rows)
    except Exception as error:  # whatever is no longer as it was in scikit-learn
        trees, fault = None, repr(error)
    if found is not None and not np.array_equal(found, _predict_own(estimator, rows)):
        trees, found = None, None
    _known[estimator] = Known(known.own, trees, found is not None or trees is None)
    if trees is None:
        log.warning("A few rows take longer: the trees of the model can't be joined: %s", fault)
    return found


def _predict_own(estimator: Any, rows: pd.DataFrame) -> Floats:
    if hasattr(estimator, "predict_proba"):
        return np.asarray(estimator.predict_proba(rows)[:, 1])
    return np.asarray(estimator.predict(rows))


def _join(estimator: Any, own: tuple[Any, ...]) -> JoinedTrees:
    """Return the trees of an estimator as one.

    At its top, nodes split by the number of the tree, which is a feature after the others.
    """
    from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor

    names: list[str] = estimator.feature_names_in_.tolist()
    is_category = estimator.is_categorical_
    codes: dict[int, dict[str, float]] = {}
    if is_category is None:
        is_category = np.zeros(len(names), dtype=bool)
    else:
        encoder = estimator._preprocessor.named_transformers_["encoder"]
        places = np.flatnonzero(is_category).tolist()
        for place, values in zip(places, encoder.categories_, strict=True):
            seen = enumerate(values.tolist())
            codes[place] = {text: float(n) for n, text in seen if isinstance(text, str)}
    starts = np.cumsum([len(own) - 1, *(len(tree.nodes) for tree in own)])
    bitsets = np.cumsum([0, *(len(tree.raw_left_cat_bitsets) for tree in own)])
    nodes = np.zeros(starts[-1], own[0].nodes.dtype)
    for tree, start, first in zip(own, starts, bitsets, strict=False):
        part = nodes[start : start + len(tree.nodes)]
        part[:] = tree.nodes
        for side in ("left", "right"):
            part[side] += np.uint32(start)
        part["bitset_idx"] += np.uint32(first)
    _split_by_tree(nodes, starts.tolist(), len(names))
    raw, binned = (
        np.concatenate([getattr(tree, f"{kind}_left_cat_bitsets") for tree in own])
        for kind in ("raw", "binned")
    )
    return JoinedTrees(
        names,
        [*np.flatnonzero(is_category).tolist(), *np.flatnonzero(~is_category).tolist()],
        codes,
        TreePredictor(nodes, binned, raw),
        estimator._bin_mapper.make_known_categories_bitsets(),
        estimator._baseline_prediction.item(),
        len(own),
    )


def _split_by_tree(nodes: npt.NDArray[Any], starts: list[int], feature: int) -> None:
    """Fill the first nodes: a search tree of the number of a tree, which is the feature."""
    made = iter(range(starts[0]))

    def split(low: int, high: int) -> int:
        """Return the node that leads to the trees from low until high."""
        if high - low == 1:
            return starts[low]
        node, middle = next(made), (low + high) // 2
        nodes[node]["feature_idx"], nodes[node]["num_threshold"] = feature, middle - 0.5
        nodes[node]["left"], nodes[node]["right"] = split(low, middle), split(middle, high)
        return node

    split(0, len(starts) - 1)


def _predict(estimator: Any, trees: JoinedTrees, rows: pd.DataFrame) -> Floats | None:
    """Return the predictions for rows; None if they are of other types than was tried."""
    if (encoded := _encode(trees, rows)) is None:
        return None
    size, features = encoded.shape
    asked = np.empty((trees.trees, size, features + 1))
    asked[:, :, :features] = encoded
    asked[:, :, features] = np.arange(trees.trees)[:, None]
    values = trees.joined.predict(asked.reshape(-1, features + 1), *trees.known, n_threads=1)
    # added one after the other, as scikit-learn does: another order has other last digits
    terms = [np.full((1, size), trees.baseline), values.reshape(trees.trees, size)]
    raw = np.add.accumulate(np.concatenate(terms))[-1]
    loss = estimator._loss
    if hasattr(estimator, "predict_proba"):
        return np.asarray(loss.predict_proba(raw.reshape(-1, 1))[:, 1])
    return np.asarray(loss.link.inverse(raw))


def _encode(trees: JoinedTrees, rows: pd.DataFrame) -> Floats | None:
    """Return rows as the trees read them, shape (n, features); None if a type was not tried."""
    if rows.columns.tolist() != trees.names:
        return None
    for place, dtype in enumerate(rows.dtypes.tolist()):
        if isinstance(dtype, pd.CategoricalDtype):
            tried = place in trees.codes
        else:
            tried = (
                isinstance(dtype, np.dtype) and dtype.kind in "fiub" and place not in trees.codes
            )
        if not tried:
            return None
    values = rows.to_numpy(object)  # the fastest way to one array from columns of several types
    for place, codes in trees.codes.items():
        texts = values[:, place].tolist()
        if not all(isinstance(text, str) or pd.isna(text) for text in texts):
            return None
        values[:, place] = [codes.get(text, np.nan) for text in texts]  # NaN: missing, or not seen
    return values.astype(np.float64)[:, trees.order]
