"""What a feature tells, by cells: against scikit-learn, and where rows are few."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from preflight.pipelines.audit.telling import (
    cells,
    odds_ratios,
    roc_auc,
    sums_and_differences,
)

RNG = np.random.default_rng(0)
LABELLED = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 1)), min_size=2).filter(
    lambda rows: {label for _, label in rows} == {0, 1}
)


@given(LABELLED)
def test_the_auc_of_cells_is_that_of_their_rates(rows: list[tuple[int, int]]) -> None:
    table = pd.DataFrame(rows, columns=["cell", "label"])
    rate = table.groupby("cell")["label"].transform("mean")
    found = roc_auc(table["cell"].to_numpy(), table["label"].to_numpy())
    assert found == pytest.approx(roc_auc_score(table["label"], rate))


@pytest.mark.parametrize("number", [12, 64])
def test_numbers_get_cells_in_their_order_and_missing_ones_a_cell_of_their_own(number: int) -> None:
    values = pd.Series(RNG.normal(size=5000)).mask(RNG.random(5000) < 0.1)
    cell = cells(values, number)
    assert (cell == 0).tolist() == values.isna().tolist()
    ranked = pd.Series(cell)[values.sort_values().dropna().index]
    assert ranked.is_monotonic_increasing
    assert ranked.nunique() == number // 2


@pytest.mark.parametrize("mark", [-1.0, 0.0, 7.0])
def test_a_mark_among_numbers_has_a_cell_of_its_own(mark: float) -> None:
    values = pd.Series(RNG.normal(size=5000)).mask(RNG.random(5000) < 0.01, mark)
    marked = values == mark
    cell = cells(values, 64)
    assert set(cell[marked]).isdisjoint(cell[~marked])
    assert len(set(cell[marked])) == 1


def test_rare_categories_share_a_cell_and_common_ones_have_their_own() -> None:
    values = pd.Series(["a"] * 400 + ["b"] * 300 + [f"rare {i}" for i in range(100)] + [None])
    cell = cells(values.astype("category"), 6)
    assert cell[0] != cell[400]
    assert cell[-1] == 0
    assert len(set(cell)) <= 6


def test_few_values_are_their_own_cells() -> None:
    assert cells(pd.Series([3.0, 1.0, np.nan, 3.0]), 4).tolist() == [1, 2, 0, 1]


def test_odds_of_few_rows_prove_little_and_of_many_much() -> None:
    label = np.tile([0, 0, 0, 1], 1000)

    def ratio(rows: int) -> float:
        cell = np.zeros(len(label), dtype=np.int64)
        cell[np.flatnonzero(label)[:rows]] = 1
        return float(odds_ratios(cell, label).max())

    assert ratio(0) == 1
    assert ratio(3) < 2
    assert 20 < ratio(100) < 40
    assert ratio(900) > 200


def test_odds_count_in_both_directions() -> None:
    label = np.tile([0, 1, 1, 1], 1000)
    never = np.where((label == 0) & (np.arange(len(label)) % 8 == 0), 1, 0)
    assert odds_ratios(never, label).max() > 20


def test_an_even_spread_has_a_ratio_of_one() -> None:
    label = np.tile([0, 0, 0, 1], 1000)
    assert odds_ratios(np.arange(4000) // 4 % 7, label) == pytest.approx(np.ones(7))


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
            assert found[f"{one} {word} {other}"] == pytest.approx(max(area, 1 - area))
    assert max(found, key=found.__getitem__) == "a - c"
