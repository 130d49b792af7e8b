"""An input that moves is found by name, week and score; one that does not is not."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from preflight.monitoring import compare_inputs
from preflight.monitoring.contracts import WeeklyInputs
from preflight.monitoring.inputs import BEFORE, PAST, WARN, InputCounts
from preflight.problem.framing import Framing

NAMES = ["signal", "noise", "place"]
AT = pd.Timestamp("2013-12-01", tz="UTC")
LAST = "2013-09-30"  # the last whole week


@pytest.fixture
def compare(framing: Framing, sent: pd.DataFrame) -> Callable[..., pd.DataFrame]:
    def compare(rows: pd.DataFrame, parts: int = 1, at: pd.Timestamp = AT) -> pd.DataFrame:
        counts = InputCounts(NAMES, framing)
        counts.add(rows.iloc[:3000])  # the bins are those of the first rows
        for part in np.array_split(rows.index[3000:], parts):
            counts.add(rows.loc[part])
        found: pd.DataFrame = WeeklyInputs.validate(compare_inputs(counts.table(at)))
        return found

    return compare


def last_weeks(sent: pd.DataFrame, framing: Framing) -> pd.Series:
    return framing.split.day(sent["predict_at"]) >= LAST


def test_stable_inputs_are_not_warned_of(compare: Any, sent: pd.DataFrame) -> None:
    found = compare(sent)
    assert not found["warned"].any()
    assert found["score"].notna().sum() == len(NAMES) * (40 - BEFORE - PAST)
    assert found["distance"].dropna().between(0, 0.5).all()


@pytest.mark.parametrize(
    ("column", "value"),
    [("signal", 7.0), ("noise", np.nan), ("place", "east")],
    ids=["frozen", "missing", "a new category"],
)
def test_an_input_that_breaks_is_named(
    compare: Any, sent: pd.DataFrame, framing: Framing, column: str, value: Any
) -> None:
    rows = sent.astype({"place": "str"})
    rows.loc[last_weeks(sent, framing), column] = value
    found = compare(rows.astype({"place": "category"}))
    warned = found[found["warned"]]
    assert {*warned["feature"]} == {column}
    assert warned["week"].iloc[0] == LAST
    assert (warned["score"] > WARN).all()


def test_a_distance_is_never_above_1_by_rounding() -> None:
    """An input without any value of the weeks before; the sum of its shares rounds to above 1."""
    rng = np.random.default_rng(581)
    now, before = np.zeros(66), np.zeros(66)
    now[:30], before[30:60] = rng.integers(1, 50, 30), rng.integers(1, 400, 30)
    assert np.abs(now / now.sum() - before / before.sum()).sum() / 2 > 1
    weeks = pd.date_range("2013-01-07", periods=BEFORE + 1, freq="7D")
    index = pd.MultiIndex.from_product([weeks, ["signal"]], names=["week", "feature"])
    counts = pd.DataFrame([*[before] * BEFORE, 8 * now], index)  # as many rows a week
    found = WeeklyInputs.validate(compare_inputs(counts))
    assert found["distance"].iloc[-1] == 1


def test_counts_in_parts_are_those_of_the_whole(compare: Any, sent: pd.DataFrame) -> None:
    assert compare(sent, parts=7).equals(compare(sent))


def test_only_whole_weeks_are_compared(compare: Any, sent: pd.DataFrame) -> None:
    before_sunday_ends = compare(sent, at=pd.Timestamp("2013-10-07T03:59Z"))
    assert before_sunday_ends["week"].max() == "2013-09-23"
    assert compare(sent, at=pd.Timestamp("2013-10-07T04:00Z"))["week"].max() == "2013-09-30"


def test_a_week_with_few_rows_is_left_out(
    compare: Any, sent: pd.DataFrame, framing: Framing
) -> None:
    day = framing.split.day(sent["predict_at"])
    thin = day.between("2013-08-05", "2013-08-11") & (sent.index % 5 > 0)
    found = compare(sent[~thin])
    assert "2013-08-05" not in {*found["week"]}
    assert not found["warned"].any()


def test_without_rows_there_is_an_empty_table(compare: Any, sent: pd.DataFrame) -> None:
    assert compare(sent.head(0)).empty
