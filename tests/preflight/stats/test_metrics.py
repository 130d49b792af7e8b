"""Every figure is scikit-learn's, on the data and in each replicate."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn import metrics as sk

from preflight.problem.costs import Outcomes, UnitCosts
from preflight.problem.framing import METRICS, Framing, Resampling, Split
from preflight.stats import bootstrap as intervals
from preflight.stats.bootstrap import Bootstrap, block_weights, mean_over
from preflight.stats.metrics import (
    average_precision,
    coverage,
    log_loss,
    metrics_with_intervals,
    roc_auc,
)

COSTS = Outcomes(tp=1, fp=1, fn=5, tn=0)


class Case(NamedTuple):
    """Labels and probabilities of the rows of a few days."""

    label: np.ndarray
    probability: np.ndarray
    day: np.ndarray


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Many ties, days that hold one label only, certain probabilities that may be wrong."""
    days, rows = draw(st.integers(1, 6)), draw(st.integers(6, 40))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    probability = rng.random(rows).round(draw(st.sampled_from([0, 1, 8])))
    label = (rng.random(rows) < draw(st.sampled_from([0.1, 0.5, 0.9]))).astype(np.int64)
    day = np.concatenate([np.arange(days), rng.integers(0, days, rows - days)])
    return Case(label, probability, day)


def over_days(day: np.ndarray, seed: int = 1, confidence: float = 0.9) -> Bootstrap:
    """The resampling of rows on these days, each of which is drawn alone."""
    noon = pd.Timestamp("2013-04-01T12:00", tz="UTC") + pd.to_timedelta(day, unit="D")
    framing = Framing.model_construct(
        resampling=Resampling(block=1),
        confidence=confidence,
        split=Split.model_construct(timezone="UTC"),
    )
    return Bootstrap(pd.DataFrame({"predict_at": noon}), framing, 120, seed)


def figures_of(case: Case, seed: int = 1, confidence: float = 0.9) -> dict[str, Any]:
    act = case.probability > COSTS.threshold
    return metrics_with_intervals(*case[:2], act, over_days(case.day, seed, confidence), COSTS)


def loss_per_row(case: Case, day: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return mean_over(log_loss(case.label, case.probability), day, weights)


def square_per_row(case: Case, day: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return mean_over((case.probability - case.label) ** 2, day, weights)


def test_the_average_precision_is_the_same_in_small_portions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    case = Case(rng.integers(0, 2, 600), rng.random(600).round(2), np.arange(600) % 5)
    weights = block_weights(5, 1, 120, 1)
    at_once = precision_of(case, case.day, weights)
    monkeypatch.setattr(intervals, "AT_ONCE", 1000)  # a replicate has some 300 numbers
    assert precision_of(case, case.day, weights) == pytest.approx(at_once, rel=1e-12)


def auc_of(case: Case, day: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return roc_auc(case.label, case.probability, day, weights)


def precision_of(case: Case, day: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return average_precision(case.label, case.probability, day, weights)


def sk_log_loss(label: np.ndarray, probability: np.ndarray, **weight: Any) -> float:
    return sk.log_loss(label, probability, labels=[0, 1], **weight)


SAME = [
    (auc_of, sk.roc_auc_score, {0, 1}),
    (precision_of, sk.average_precision_score, {1}),
    (loss_per_row, sk_log_loss, set()),
    (square_per_row, sk.brier_score_loss, set()),
]


@pytest.mark.parametrize(("ours", "theirs", "needs"), SAME)
@given(case=cases())
def test_each_replicate_is_scikit_learns_figure_with_the_days_as_weights(
    ours: Callable[..., np.ndarray], theirs: Callable[..., float], needs: set[int], case: Case
) -> None:
    weights = block_weights(case.day.max() + 1, 1, 4, seed=3)
    found = ours(case, case.day, weights)
    assert found.shape == (5,)
    for value, drawn in zip(found, weights, strict=True):
        weight = drawn[case.day]
        if needs <= set(case.label[weight > 0]):
            expected = theirs(case.label, case.probability, sample_weight=weight)
            assert value == pytest.approx(expected, rel=1e-9, abs=1e-12)
        else:
            assert np.isnan(value)


@given(cases())
def test_the_figures_are_scikit_learns_on_the_data(case: Case) -> None:
    assume({0, 1} <= set(case.label))
    found = {name: value["mean"] for name, value in figures_of(case).items()}
    label, probability, _ = case
    act = probability > 0.2
    paid = np.select([act, label == 1], [1, 5], default=0).sum()
    assert found == pytest.approx(
        {
            "roc_auc": sk.roc_auc_score(label, probability),
            "average_precision": sk.average_precision_score(label, probability),
            "log_loss": sk.log_loss(label, probability),
            "brier": sk.brier_score_loss(label, probability),
            "value_per_1000": 1000 * (5 * label.sum() - paid) / len(label),
        }
    )


@given(cases())
def test_bounds_are_in_order_and_come_together(case: Case) -> None:
    for name, figure in figures_of(case).items():
        assert list(figure) == ["mean", "low", "high"], name
        low, high = figure["low"], figure["high"]
        assert (low is None) == (high is None), name
        assert (
            low is None or low <= figure["mean"] <= high or name in ("roc_auc", "average_precision")
        )


@pytest.mark.parametrize(("only", "undefined"), [(0, {"roc_auc", "average_precision"}),
                                                  (1, {"roc_auc"})])  # fmt: skip
def test_what_one_label_alone_does_not_define_is_none(only: int, undefined: set[str]) -> None:
    case = Case(np.full(8, only), np.linspace(0, 1, 8), np.arange(8) % 3)
    figures = figures_of(case)
    nothing = {"mean": None, "low": None, "high": None}
    assert {name for name, figure in figures.items() if figure == nothing} == undefined


def test_a_seed_reproduces_and_another_gives_other_bounds() -> None:
    rng = np.random.default_rng(0)
    case = Case(rng.integers(0, 2, 200), rng.random(200), np.arange(200) % 20)
    assert figures_of(case, seed=1) == figures_of(case, seed=1)
    other = figures_of(case, seed=2)
    for name, figure in figures_of(case, seed=1).items():
        assert figure["mean"] == other[name]["mean"]
        moved = [figure[end] != other[name][end] for end in ("low", "high")]
        assert any(moved) or name in ("brier", "value_per_1000")  # there Student's t may be wider


def test_the_order_of_rows_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    case = Case(rng.integers(0, 2, 60), rng.random(60).round(1), np.arange(60) % 7)
    order = rng.permutation(60)
    shuffled = figures_of(Case(*(column[order] for column in case)))
    for name, figure in figures_of(case).items():
        assert shuffled[name] == pytest.approx(figure), name


@given(seed=st.integers(0, 1000), days=st.integers(1, 6), digits=st.sampled_from([0, 8]))
def test_the_figures_of_amounts_are_scikit_learns_with_the_days_as_weights(
    seed: int, days: int, digits: int
) -> None:
    rng = np.random.default_rng(seed)
    label = rng.normal(20, 5, 40).round(digits)
    said = (label + rng.normal(1, 3, 40)).round(digits)
    day = np.concatenate([np.arange(days), rng.integers(0, days, 40 - days)])
    bootstrap = over_days(day, seed)
    costs = UnitCosts(overage=1, underage=3, default_amount=18)
    found = metrics_with_intervals(label, said, said, bootstrap, costs)
    assert tuple(found) == METRICS["regression"]

    def theirs(weight: np.ndarray) -> dict[str, float]:
        off = said - label
        cost = np.where(off > 0, off, -3 * off)
        without = np.where(label < 18, 18 - label, 3 * (label - 18))
        return {
            "mae": sk.mean_absolute_error(label, said, sample_weight=weight),
            "rmse": sk.root_mean_squared_error(label, said, sample_weight=weight),
            "r2": sk.r2_score(label, said, sample_weight=weight),
            "coverage": np.average((off > 0) + (off == 0) / 2, weights=weight),
            "value_per_1000": 1000 * np.average(without - cost, weights=weight),
        }

    assert {n: f["mean"] for n, f in found.items()} == pytest.approx(theirs(np.ones(40)))
    drawn = [theirs(weight[day]) for weight in bootstrap.weights[1:]]
    for name, figure in found.items():
        if days == 1:
            assert (figure["low"], figure["high"]) == (None, None)
            continue
        assert figure["low"] is not None
        assert figure["high"] is not None
        low, high = np.quantile([one[name] for one in drawn], [0.05, 0.95])
        near = 1e-6 * (1 + abs(high) + abs(low))
        assert figure["low"] <= low + near, name
        assert figure["high"] >= high - near, name
        if name in ("rmse", "r2"):  # no means: the percentile interval alone
            assert (figure["low"], figure["high"]) == pytest.approx((low, high), rel=1e-6), name


def test_amounts_that_are_all_the_same_have_no_r2() -> None:
    label, said = np.full(8, 7.0), np.full(8, 6.0)
    bootstrap = over_days(np.arange(8) % 4)
    found = metrics_with_intervals(label, said, said, bootstrap, UnitCosts(1, 3, 0))
    assert found["r2"] == {"mean": None, "low": None, "high": None}
    assert found["mae"] == {"mean": 1, "low": 1, "high": 1}
    assert found["coverage"]["mean"] == 0


def test_what_is_equal_is_covered_by_half() -> None:
    assert coverage(np.array([1, 2, 3]), np.array([2.0, 2.0, 2.0])).tolist() == [1, 0.5, 0]
