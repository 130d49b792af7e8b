"""What a feature tells, by cells: against scikit-learn, and where rows are few."""

from itertools import combinations
from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from preflight.audit.univariate import (
    bins,
    bins_for,
    margin,
    needed_for_auc,
    needed_for_odds,
    odds_ratios,
    rank_auc,
    roc_auc,
    share_proved,
    sums_and_differences,
)

RNG = np.random.default_rng(0)
LABELLED = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 1)), min_size=4).filter(
    lambda rows: 2 <= sum(label for _, label in rows) <= len(rows) - 2  # one in each half
)


def rates(table: pd.DataFrame) -> pd.Series:
    """Of each cell, with one row of label 1 more among as many as there are to one."""
    per_one = len(table) / table["label"].sum()
    counts = table.groupby("cell")["label"].agg(["sum", "count"])
    return (counts["sum"] + 1) / (counts["count"] + per_one)


@given(LABELLED)
def test_the_auc_of_cells_is_that_of_the_rates_of_the_other_half(
    rows: list[tuple[int, int]],
) -> None:
    table = pd.DataFrame(rows, columns=["cell", "label"])
    half = table.groupby("label").cumcount() % 2
    parts = [table[half == 0], table[half == 1]]
    expected = []
    for known, scored in (parts, parts[::-1]):
        neutral = known["label"].mean()  # of a cell that no row was seen of
        score = scored["cell"].map(rates(known)).fillna(neutral).round(12)
        expected.append(roc_auc_score(scored["label"], score))
    found = roc_auc(table["cell"].to_numpy(), table["label"].to_numpy())
    assert found == pytest.approx(np.mean(expected))


def test_noise_has_an_auc_of_a_half_on_average_however_few_the_positives() -> None:
    label = np.zeros(2000, dtype=np.int8)
    label[::150] = 1  # 14 of them
    areas = [roc_auc(RNG.integers(0, 64, 2000), label) for _ in range(400)]
    assert np.mean(areas) == pytest.approx(0.5, abs=0.02)


def test_the_margin_is_what_chance_adds_to_an_area_at_its_limit() -> None:
    """Two normal distributions whose ROC AUC is 0.8, drawn 4,000 times."""
    rng = np.random.default_rng(4)
    apart = NormalDist().inv_cdf(0.8) * 2**0.5
    scores = rng.normal(size=(1020, 4000))
    scores[:20] += apart
    areas = rank_auc(scores, np.repeat([1, 0], [20, 1000]).astype(np.int8))
    above = (areas > 0.8 + margin(0.8, 20, 1000)).mean()
    assert 0 < above < 0.02  # CHANCE is 0.01


def test_what_is_needed_is_the_least_that_can_be_told() -> None:
    for limit in (0.8, 0.9, 0.95):
        needed = needed_for_auc(limit, 2000)
        assert limit + margin(limit, needed, 2000) <= 1 < limit + margin(limit, needed - 1, 2000)
    assert needed_for_auc(0.9, 2000) <= 30
    assert margin(0.8, 0, 2000) == np.inf


@pytest.mark.parametrize("rare", [13, 100])
def test_what_is_needed_for_odds_is_the_least_that_proves_them(rare: int) -> None:
    label = np.repeat([1, 0], [rare, 2000 - rare]).astype(np.int8)
    needed = needed_for_odds(50, rare / 2000, 400)

    def ratio(rows: int) -> float:
        return float(odds_ratios((np.arange(2000) < rows).astype(np.int64), label, 400)[1])

    assert ratio(needed - 1) < 50 <= ratio(needed)


def test_a_share_of_few_rows_proves_little() -> None:
    assert share_proved(0, 500) == 0
    assert share_proved(1, 500) < 0.001 < share_proved(4, 500)
    assert share_proved(500, 500) == pytest.approx(0.01 ** (1 / 500))


@pytest.mark.parametrize(("rare", "together", "number"), [(13, 1, 2), (100, 1, 14), (100, 2, 3)])
def test_cells_have_rows_enough_of_the_rarer_label(rare: int, together: int, number: int) -> None:
    assert bins_for(rare, 64, together) == number
    assert bins_for(10**6, 64, together) == 64


@pytest.mark.parametrize("number", [12, 64])
def test_numbers_get_cells_in_their_order_and_missing_ones_a_cell_of_their_own(number: int) -> None:
    values = pd.Series(RNG.normal(size=5000)).mask(RNG.random(5000) < 0.1)
    cell = bins(values, number)
    assert (cell == 0).tolist() == values.isna().tolist()
    ranked = pd.Series(cell)[values.sort_values().dropna().index]
    assert ranked.is_monotonic_increasing
    assert ranked.nunique() == number


@pytest.mark.parametrize("mark", [-1.0, 0.0, 7.0])
def test_a_mark_among_numbers_has_a_cell_of_its_own(mark: float) -> None:
    values = pd.Series(RNG.normal(size=5000)).mask(RNG.random(5000) < 0.01, mark)
    marked = values == mark
    cell = bins(values, 64)
    assert set(cell[marked]).isdisjoint(cell[~marked])
    assert len(set(cell[marked])) == 1


def test_rare_categories_share_a_cell_and_common_ones_have_their_own() -> None:
    values = pd.Series(["a"] * 400 + ["b"] * 300 + [f"rare {i}" for i in range(100)] + [None])
    cell = bins(values.astype("category"), 6)
    assert cell[0] != cell[400]
    assert cell[-1] == 0
    assert len(set(cell)) <= 6


def test_few_values_are_their_own_cells() -> None:
    assert bins(pd.Series([3.0, 1.0, np.nan, 3.0]), 4).tolist() == [1, 2, 0, 1]


def test_odds_of_few_rows_prove_little_and_of_many_much() -> None:
    label = np.tile([0, 0, 0, 1], 1000)

    def ratio(rows: int) -> float:
        cell = np.zeros(len(label), dtype=np.int64)
        cell[np.flatnonzero(label)[:rows]] = 1
        return float(odds_ratios(cell, label, 200).max())

    assert ratio(0) == 1
    assert ratio(3) < 2
    assert 20 < ratio(100) < 40
    assert ratio(900) > 200


def test_odds_count_in_both_directions() -> None:
    label = np.tile([0, 1, 1, 1], 1000)
    never = np.where((label == 0) & (np.arange(len(label)) % 8 == 0), 1, 0)
    assert odds_ratios(never, label, 200).max() > 20


def test_an_even_spread_has_a_ratio_of_one() -> None:
    label = np.tile([0, 0, 0, 1], 1000)
    assert odds_ratios(np.arange(4000) // 4 % 7, label, 200) == pytest.approx(np.ones(7))


def test_sums_and_differences_are_those_of_all_pairs() -> None:
    numbers = pd.DataFrame(RNG.normal(size=(500, 4)), columns=list("abcd"))
    label = (numbers["a"] - numbers["c"] + RNG.normal(size=500) > 0).astype("int8").to_numpy()
    found = sums_and_differences(numbers, label)
    assert len(found) == 12
    for one, other in combinations("abcd", 2):
        for word, both in (
            ("+", numbers[one] + numbers[other]),
            ("-", numbers[one] - numbers[other]),
        ):
            area = roc_auc_score(label, both)
            assert found[one, word, other] == pytest.approx(max(area, 1 - area))
    assert max(found, key=found.__getitem__) == ("a", "-", "c")
