"""Conditions rest on the end of an interval, and on more confidence where more is checked."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from preflight.evaluation.comparison import TestComparison
from preflight.evaluation.conditions import equal_opportunity, slices_hold
from preflight.evaluation.contracts import Evaluation
from preflight.problem.framing import Framing

Holds = Callable[[str, pd.DataFrame, Framing], bool]


@pytest.fixture
def holds(
    judge: Callable[..., dict[str, Any]], examples: pd.DataFrame, evaluation: Evaluation
) -> Holds:
    """Does a condition of the verdict hold, by its name?"""

    def check(name: str, predictions: pd.DataFrame, framing: Framing) -> bool:
        many = evaluation.model_copy(update={"replicates": 3000})
        verdict = judge(predictions, examples.loc[predictions.index], framing, many)
        (ok,) = [one["ok"] for one in verdict["checks"] if one["name"] == name]
        return bool(ok)

    return check


def test_a_champion_that_is_worse_on_average_alone_is_not_replaced(
    predictions: pd.DataFrame, framing: Framing, holds: Holds
) -> None:
    champion = {"probability_champion": 0.5, "act_champion": predictions["act"]}
    missed = predictions["label"].eq(1) & ~predictions["act"]
    first = missed & (missed.cumsum() == 1)
    one_more = predictions.assign(**champion, act=predictions["act"] | first)
    assert not holds("champion", one_more, framing)  # on most of the days nothing is better
    all_of_them = predictions.assign(**champion, act=predictions["act"] | missed)
    assert holds("champion", all_of_them, framing)


@pytest.mark.parametrize(("days", "ok"), [(5, True), (24, False)])
def test_of_several_slices_one_has_to_be_worse_with_more_confidence_than_one_alone(
    days: int,
    ok: bool,
    predictions: pd.DataFrame,
    examples: pd.DataFrame,
    framing: Framing,
    holds: Holds,
) -> None:
    """Where five of 40 days are worse, that is worse with 90% confidence for one slice alone.

    It is not with 90% for three places and two months together.
    """
    day = predictions["predict_at"].dt.tz_convert(framing.split.timezone).dt.date
    some = predictions[day.isin(sorted(set(day))[:40])]
    day, label = day.loc[some.index], some["label"] == 1
    north = label & (examples.loc[some.index, "place"] == "north")
    worse = north & day.isin(sorted(set(day[north]))[:days])
    table = some.assign(act=label & ~worse, act_lookup=label)
    rails = framing.guardrails.model_copy(update={"slice_loss": 0})
    strict = framing.model_copy(update={"guardrails": rails})
    assert holds("slices", table, strict) is ok


@pytest.mark.parametrize("name", ["gain_over", "service_gap"])
def test_slices_and_groups_share_the_error_that_the_framing_allows(
    name: str,
    predictions: pd.DataFrame,
    examples: pd.DataFrame,
    framing: Framing,
    evaluation: Evaluation,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each of the three places is tested at a third of the significance level (Bonferroni)."""
    asked: list[float | None] = []
    original = getattr(TestComparison, name)

    def recorded(self: TestComparison, *given: Any, **named: Any) -> Any:
        asked.extend(one for one in given if isinstance(one, float))
        return original(self, *given, **named)

    monkeypatch.setattr(TestComparison, name, recorded)
    table = predictions.assign(label=1)
    test = TestComparison(table, framing, evaluation.bootstrap(table, framing))
    places = examples.loc[predictions.index, ["place"]]
    check = slices_hold if name == "gain_over" else equal_opportunity
    assert "too few" not in check(test, places).message
    shared = 1 - (1 - framing.confidence) / places["place"].nunique()
    assert asked == pytest.approx([shared] * places["place"].nunique())
