"""Segments of the data in which decisions lose most, with examples."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from preflight.contracts.catalog import Contracts
from preflight.contracts.table import short
from preflight.diagnosis.contracts import Diagnosis
from preflight.evaluation.contracts import Evaluation
from preflight.evaluation.metrics import Days
from preflight.evaluation.predictions import last_fold, require_same
from preflight.modeling.model import Bundle, Floats, apply_calibration
from preflight.modeling.training import saving
from preflight.problem.framing import Framing

TOP_SEGMENTS = 3  # segments of which examples are shown
MAX_CATEGORIES_NAMED = 6  # categories of a condition that are named
MIN_SEGMENT_ROWS = 30  # examples of a segment, however small the table: the mean of fewer is chance


class Bound(NamedTuple):
    """What a path down the tree asks of one feature: low < value <= high, or it is missing."""

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
    """Return the segments by what is lost in them, and the worst decisions of the worst ones.

    Lost is what the decisions cost more than those of somebody who knew the labels. The segments
    are the leaves of a shallow tree fitted to it on validation; their figures are of test, so that
    a segment that is bad by chance does not stay so.

    Grain: one row per segment, the one with the most loss beyond its share first; one row per
    example.
    """
    last = last_fold(validation, validation_predictions)
    require_same(test, test_predictions, "test")
    features = contracts["features"].names()  # also those that the candidate doesn't see
    said = apply_calibration(candidate, last[f"{framing.predicted}_candidate"].to_numpy())
    lost = _regret(validation, said, framing)
    known, codes = _encoded(validation[features], lost)
    tree = _tree(known, lost, diagnosis)
    leaf = tree.apply(_codes(test[features], codes).to_numpy(dtype="float32"))

    said = test_predictions[framing.predicted].to_numpy()
    lost = _regret(test, said, framing)
    days = Days(test, framing, evaluation)
    rules = {node: rule for node, rule in _rules(tree.tree_, known).items() if (leaf == node).any()}
    described = _describe_rules(list(rules.values()), codes)
    rows = [
        {"segment": segment, **_figures(leaf == node, test_predictions, lost, days, framing)}
        for node, segment in zip(rules, described, strict=True)
    ]
    order = sorted(range(len(rows)), key=lambda i: rows[i]["share"] - rows[i]["share_lost"])
    nodes = list(rules)
    worst = [
        _examples(
            test_predictions[leaf == nodes[i]],
            lost[leaf == nodes[i]],
            test.loc[leaf == nodes[i], [*rules[nodes[i]]]],
            framing,
            contracts["features"].grain(),
            diagnosis.examples,
        ).assign(number=number, segment=rows[i]["segment"])
        for number, i in enumerate(order[:TOP_SEGMENTS], start=1)
    ]
    found = pd.DataFrame([{"number": n, **rows[i]} for n, i in enumerate(order, start=1)])
    return found, pd.concat(worst, ignore_index=True)


def _figures(
    here: npt.NDArray[np.bool_],
    predictions: pd.DataFrame,
    lost: Floats,
    days: Days,
    framing: Framing,
) -> dict[str, Any]:
    """Return what is lost in a segment of test, and how it compares with all of test."""
    worth = days.per_1000(lost, here)
    return {
        "rows": int(here.sum()),
        "share": here.mean(),
        "lost_per_1000": worth["mean"],
        "low": worth["low"],
        "high": worth["high"],
        "share_lost": lost[here].sum() / lost.sum() if lost.any() else 0.0,
        "label_mean": predictions["label"].to_numpy()[here].mean(),
        "predicted": predictions[framing.predicted].to_numpy()[here].mean(),
        "decided": predictions[framing.decided].to_numpy()[here].mean(),
    }


def _regret(examples: pd.DataFrame, said: Floats, framing: Framing) -> Floats:
    """Return what each decision costs more than the best one in hindsight: the label itself."""
    label = examples["label"].to_numpy()
    return framing.costs.at(examples).saving(label, label) - saving(examples, said, framing)


def _encoded(table: pd.DataFrame, lost: Floats) -> tuple[pd.DataFrame, dict[str, list[Any]]]:
    """Return the features as numbers, and the order of each one's categories, by what is lost.

    In this order the best split of the categories into two sets is a cut (Breiman et al. 1984).
    """
    by_loss = pd.Series(lost, index=table.index)
    codes = {
        str(name): by_loss.groupby(table[name], observed=True).mean().sort_values().index.tolist()
        for name in table.select_dtypes("category")
    }
    return _codes(table, codes), codes


def _codes(table: pd.DataFrame, codes: dict[str, list[Any]]) -> pd.DataFrame:
    number = {name: {v: i for i, v in enumerate(values)} for name, values in codes.items()}
    return table.assign(**{n: table[n].astype(object).map(c) for n, c in number.items()}).astype(
        "float32"
    )


def _tree(known: pd.DataFrame, lost: Floats, diagnosis: Diagnosis) -> Any:
    from sklearn.tree import DecisionTreeRegressor

    tree = DecisionTreeRegressor(
        max_depth=diagnosis.segment_depth,
        min_samples_leaf=min(
            max(MIN_SEGMENT_ROWS, round(diagnosis.segment_share * len(known))),
            max(1, len(known) // 2),
        ),
        random_state=diagnosis.seed,
    )
    return tree.fit(known.to_numpy(dtype="float32"), lost)


def _rules(tree: Any, known: pd.DataFrame) -> dict[int, dict[str, Bound]]:
    """Return for each leaf what it asks of each feature on the way to it."""
    rules: dict[int, dict[str, Bound]] = {}
    paths: list[tuple[int, dict[str, Bound]]] = [(0, {})]
    while paths:
        node, rule = paths.pop()
        if tree.children_left[node] == -1:
            rules[node] = rule
            continue
        name, cut = str(known.columns[tree.feature[node]]), float(tree.threshold[node])
        held = rule.get(name, Bound(-np.inf, np.inf, bool(known[name].isna().any())))
        to_left = held.missing and bool(tree.missing_go_to_left[node])
        to_right = held.missing and not to_left
        left = Bound(held.low, min(held.high, cut), to_left)
        right = Bound(max(held.low, cut), held.high, to_right)
        paths.append((tree.children_left[node], {**rule, name: left}))
        paths.append((tree.children_right[node], {**rule, name: right}))
    return rules


def _describe_rules(rules: list[dict[str, Bound]], codes: dict[str, list[Any]]) -> list[str]:
    """Return the conditions of each leaf in words, with digits that tell one bound from another."""
    bounds = {bound for rule in rules for one in rule.values() for bound in (one.low, one.high)}
    enough = (d for d in range(3, 17) if len({f"{bound:.{d}g}" for bound in bounds}) == len(bounds))
    digits = next(enough, 17)
    return [
        ", ".join(_describe_bound(name, one, codes, digits) for name, one in rule.items())
        or "everything"
        for rule in rules
    ]


def _describe_bound(name: str, asked: Bound, codes: dict[str, list[Any]], digits: int = 3) -> str:
    low, high, missing = asked
    if name in codes:
        inside = sorted(str(v) for i, v in enumerate(codes[name]) if low < i <= high)
        others = (
            f" or {len(inside) - MAX_CATEGORIES_NAMED} others"
            if len(inside) > MAX_CATEGORIES_NAMED
            else ""
        )
        if not inside:
            return f"{name} missing"
        said = f"{name} {', '.join(inside[:MAX_CATEGORIES_NAMED])}{others}"
    elif np.isinf(low) and np.isinf(high):
        return f"{name} missing" if missing else f"{name} known"
    elif np.isinf(low):
        said = f"{name} up to {high:.{digits}g}"
    elif np.isinf(high):
        said = f"{name} above {low:.{digits}g}"
    else:
        said = f"{name} {low:.{digits}g} to {high:.{digits}g}"
    return f"{said} or missing" if missing else said


def _examples(
    predictions: pd.DataFrame,
    lost: Floats,
    facts: pd.DataFrame,
    framing: Framing,
    key: list[str],
    number: int,
) -> pd.DataFrame:
    """Return the decisions of a segment that cost most, the most surprising first."""
    surprise = (predictions["label"] - predictions[framing.predicted]).abs()
    said = dict.fromkeys([framing.predicted, framing.decided])
    table = predictions[[*key, "predict_at", "label", *said]].assign(lost=lost, surprise=surprise)
    in_order = table.sort_values(["lost", "surprise"], ascending=False, kind="stable").head(number)
    shown = facts.loc[in_order.index].to_dict("records")
    told = [", ".join(f"{name} {short(value)}" for name, value in row.items()) for row in shown]
    return in_order.drop(columns="surprise").assign(facts=told)
