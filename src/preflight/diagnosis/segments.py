"""Segments: where the decisions have the most regret, with examples."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from preflight.contracts.catalog import Contracts
from preflight.contracts.table import short
from preflight.diagnosis.contracts import Diagnosis
from preflight.evaluation.contracts import Evaluation
from preflight.evaluation.predictions import last_fold, require_same
from preflight.modeling.model import Bundle, Floats, apply_calibration
from preflight.modeling.training import saving
from preflight.problem.framing import Framing
from preflight.stats.bootstrap import Bootstrap, interval_columns

TOP_SEGMENTS = 3  # segments of which examples are shown
MAX_CATEGORIES_NAMED = 6  # categories of a condition that are named
MIN_SEGMENT_ROWS = 30  # of a segment, however small the table: the mean of fewer is chance


class Bound(NamedTuple):
    """The condition of a leaf on one feature: low < value <= high, or it is missing."""

    low: float
    high: float
    missing: bool


def find_segments(
    validation: pd.DataFrame,
    test: pd.DataFrame,
    validation_predictions: pd.DataFrame,
    test_predictions: pd.DataFrame,
    candidate: Bundle,
    framing: Framing,
    evaluation: Evaluation,
    diagnosis: Diagnosis,
    contracts: Contracts,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the segments by their regret, and the worst decisions of the worst segments.

    Regret is what the decisions cost more than the best ones in hindsight. The segments are the
    leaves of a shallow tree, fitted to the regret on validation. Their metrics are of test, so that
    a segment that is bad by chance does not stay so.

    Grain: one row per segment, the one with the most regret beyond its share first; one row per
    example.
    """
    last = last_fold(validation, validation_predictions)
    require_same(test, test_predictions, "test")
    features = contracts["features"].names()  # also those that the candidate doesn't see
    predicted = apply_calibration(candidate, last[f"{framing.predicted}_candidate"].to_numpy())
    regret = _regret(validation, predicted, framing)
    order = _category_order(validation[features], regret)
    numbers = _encode(validation[features], order)
    tree = _tree(numbers, regret, diagnosis)
    leaf = tree.apply(_encode(test[features], order).to_numpy())

    regret = _regret(test, test_predictions[framing.predicted].to_numpy(), framing)
    days = evaluation.bootstrap(test, framing)
    rules = {n: rule for n, rule in _rules(tree.tree_, numbers).items() if (leaf == n).any()}
    rows = [
        {"segment": segment, **_measure(leaf == node, test_predictions, regret, days, framing)}
        for node, segment in zip(rules, _describe_rules(list(rules.values()), order), strict=True)
    ]
    segments = pd.DataFrame(rows, index=list(rules))
    beyond = segments["share"] - segments["regret_share"]
    segments = segments.loc[beyond.sort_values(kind="stable").index]
    segments.insert(0, "number", np.arange(1, len(segments) + 1))
    worst = [
        _examples(
            test_predictions[leaf == node],
            regret[leaf == node],
            test.loc[leaf == node, [*rules[node]]],
            framing,
            contracts["features"].grain(),
            diagnosis.examples,
        ).assign(number=number, segment=segment)
        for node, number, segment in segments[["number", "segment"]].head(TOP_SEGMENTS).itertuples()
    ]
    return segments.reset_index(drop=True), pd.concat(worst, ignore_index=True)


def _measure(
    here: npt.NDArray[np.bool_],
    predictions: pd.DataFrame,
    regret: Floats,
    days: Bootstrap,
    framing: Framing,
) -> dict[str, Any]:
    """Return the regret in a segment of test, and how it compares with all of test."""
    columns = ["label", framing.predicted, framing.decided]
    label, predicted, decided = (predictions[name].to_numpy()[here].mean() for name in columns)
    return {
        "rows": int(here.sum()),
        "share": here.mean(),
        **interval_columns(days.per_1000(regret, here), "regret_per_1000", "low", "high"),
        "regret_share": regret[here].sum() / regret.sum() if regret.any() else 0.0,
        "label_mean": label,
        "predicted": predicted,
        "decided": decided,
    }


def _regret(examples: pd.DataFrame, predicted: Floats, framing: Framing) -> Floats:
    """Return what each decision costs more than the best one in hindsight: the label itself."""
    label = examples["label"].to_numpy()
    return framing.costs.at(examples).saving(label, label) - saving(examples, predicted, framing)


def _category_order(table: pd.DataFrame, regret: Floats) -> dict[str, list[Any]]:
    """Return the categories of each feature, in the order of their mean regret.

    In this order the best split of the categories into two sets is a cut (Breiman et al. 1984).
    """
    by_row = pd.Series(regret, index=table.index)
    return {
        str(name): by_row.groupby(table[name], observed=True).mean().sort_values().index.tolist()
        for name in table.select_dtypes("category")
    }


def _encode(table: pd.DataFrame, order: dict[str, list[Any]]) -> pd.DataFrame:
    """Return the features as numbers, a category as its place in the order."""
    codes = {
        name: table[name].cat.set_categories(values).cat.codes for name, values in order.items()
    }
    return table.assign(**{n: code.where(code >= 0) for n, code in codes.items()}).astype("float32")


def _tree(numbers: pd.DataFrame, regret: Floats, diagnosis: Diagnosis) -> Any:
    from sklearn.tree import DecisionTreeRegressor

    share = max(MIN_SEGMENT_ROWS, round(diagnosis.segment_share * len(numbers)))
    tree = DecisionTreeRegressor(
        max_depth=diagnosis.segment_depth,
        min_samples_leaf=min(share, max(1, len(numbers) // 2)),
        random_state=diagnosis.seed,
    )
    return tree.fit(numbers.to_numpy(), regret)


def _rules(tree: Any, numbers: pd.DataFrame) -> dict[int, dict[str, Bound]]:
    """Return for each leaf its condition on each feature along its path."""
    rules: dict[int, dict[str, Bound]] = {}
    paths: list[tuple[int, dict[str, Bound]]] = [(0, {})]
    while paths:
        node, rule = paths.pop()
        if tree.children_left[node] == -1:
            rules[node] = rule
            continue
        name, cut = str(numbers.columns[tree.feature[node]]), float(tree.threshold[node])
        bound = rule.get(name, Bound(-np.inf, np.inf, bool(numbers[name].isna().any())))
        to_left = bound.missing and bool(tree.missing_go_to_left[node])
        left = Bound(bound.low, min(bound.high, cut), to_left)
        right = Bound(max(bound.low, cut), bound.high, bound.missing and not to_left)
        paths.append((tree.children_left[node], {**rule, name: left}))
        paths.append((tree.children_right[node], {**rule, name: right}))
    return rules


def _describe_rules(rules: list[dict[str, Bound]], order: dict[str, list[Any]]) -> list[str]:
    """Return the conditions of each leaf as text, with enough digits to distinguish all bounds."""
    bounds = {end for rule in rules for bound in rule.values() for end in bound[:2]}
    enough = (d for d in range(3, 17) if len({f"{end:.{d}g}" for end in bounds}) == len(bounds))
    digits = next(enough, 17)
    return [
        ", ".join(_describe_bound(name, bound, order, digits) for name, bound in rule.items())
        or "everything"
        for rule in rules
    ]


def _describe_bound(name: str, bound: Bound, order: dict[str, list[Any]], digits: int = 3) -> str:
    low, high, missing = bound
    if name in order:
        inside = sorted(str(v) for i, v in enumerate(order[name]) if low < i <= high)
        more = len(inside) - MAX_CATEGORIES_NAMED
        others = f" or {more} others" if more > 0 else ""
        if not inside:
            return f"{name} missing"
        text = f"{name} {', '.join(inside[:MAX_CATEGORIES_NAMED])}{others}"
    elif np.isinf(low) and np.isinf(high):
        return f"{name} missing" if missing else f"{name} known"
    elif np.isinf(low):
        text = f"{name} up to {high:.{digits}g}"
    elif np.isinf(high):
        text = f"{name} above {low:.{digits}g}"
    else:
        text = f"{name} {low:.{digits}g} to {high:.{digits}g}"
    return f"{text} or missing" if missing else text


def _examples(
    predictions: pd.DataFrame,
    regret: Floats,
    facts: pd.DataFrame,
    framing: Framing,
    key: list[str],
    number: int,
) -> pd.DataFrame:
    """Return the decisions of a segment with the most regret, the least expected label first."""
    error = (predictions["label"] - predictions[framing.predicted]).abs()
    columns = dict.fromkeys([*key, "predict_at", "label", framing.predicted, framing.decided])
    table = predictions[[*columns]].assign(regret=regret, error=error)
    worst = table.sort_values(["regret", "error"], ascending=False, kind="stable").head(number)
    shown = facts.loc[worst.index].to_dict("records")
    texts = [", ".join(f"{name} {short(value)}" for name, value in row.items()) for row in shown]
    return worst.drop(columns="error").assign(facts=texts)
