"""The page of an experiment says what was found, at which look, and what it rests on."""

import re
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

import pytest

from preflight.inference.experiment import Design, Stop
from preflight.problem.framing import Framing
from preflight.reporting import plot_effect, render_experiment_page
from preflight.reporting.contracts import Html
from preflight.reporting.figure_dataset import to_svg
from preflight.reporting.formatting import MINUS


def effect(mean: float) -> dict[str, float]:
    return {"mean": mean, "low": mean - 250.0, "high": mean + 250.0}


def group(variant: str, policy: str) -> dict[str, Any]:
    about = {"units": 42, "decisions": 4200, "acted_share": 0.2, "missed_per_1000": None}
    return {"variant": variant, "policy": policy, "money_per_1000": -900.0, **about}


FOUND: dict[str, Any] = {
    "name": "act_or_not",
    "design": "a hash",
    "until": "2013-04-29",
    "look": 2,
    "looks": 2,
    "verdict": "take the treatment",
    "sentence": "It is worth it: the treatment saves",
    "groups": [group("control", "untouched"), group("treatment", "champion")],
    "history": [
        {"until": "2013-04-01", "effect": effect(200.0)},
        {"until": "2013-04-29", "effect": effect(300.0)},
    ],
    "sample_ratio_p": 0.6,
    "slices": [{"feature": "place", "value": "west", "units": 80, "effect": effect(-10.0)}],
    "harmed": [],
    "notes": [],
}


Page = Callable[..., str]


@pytest.fixture
def design(seal_design: Callable[..., Design]) -> Callable[..., Design]:
    return partial(seal_design, unit=[], period_hours=12)


@pytest.fixture
def page(framing: Framing, design: Callable[..., Design]) -> Page:
    """The text of a page."""

    def page(made: Design | None = None, **changed: Any) -> str:
        made = made or design()
        found = deepcopy(FOUND) | {"design": made.sha256} | changed
        html = render_experiment_page(found, [made], plot_effect(found, framing), framing)
        Html().validate(html)
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html.replace("\N{WORD JOINER}", "")))

    return page


def test_the_page_shows_verdict_effect_groups_and_design(page: Page) -> None:
    text = page()
    for words in (
        "Treatment",
        "It is worth it",
        "Look 2 of 2",
        "€300 (€50 to €550)",
        "all parcels, anew every 12 hours",
        "not known",  # missed, of a quantity
        f"{MINUS}€900",
        "In no slice",
        "4.5% of draws showed a difference; 5% are expected",
    ):
        assert words in text, words
    assert "nan" not in text
    assert "None" not in text


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"verdict": "go on", "look": 1, "history": FOUND["history"][:1]}, "The next look"),
        ({"verdict": "no difference shown"}, "No difference shown"),
        ({"verdict": "keep the control", "harmed": ["place west"]}, "The treatment harms: place"),
        ({"notes": ["5 decisions have no label: left out."]}, "Read with care: 5 decisions"),
        ({"slices": []}, "No slice has ten units in each group"),
    ],
)
def test_what_is_special_is_said(page: Page, changed: dict[str, Any], words: str) -> None:
    assert words in page(**changed)
    assert words not in page()


def test_a_stop_is_shown(design: Callable[..., Design], page: Page) -> None:
    stop = Stop(by="ops", reason="complaints", at=datetime(2013, 4, 30, tzinfo=UTC))
    stopped = design().model_copy(update={"stopped": stop})
    assert "Stopped by ops on 2013-04-30: complaints" in page(stopped)
    assert "Stopped" not in page()


def test_one_look_has_no_wide_interval_to_explain(
    design: Callable[..., Design], page: Page
) -> None:
    made = design(looks=[date(2013, 4, 29)])
    once = {"look": 1, "looks": 1, "history": FOUND["history"][1:]}
    assert "looks share" in page()
    assert "looks share" not in page(made, **once)


def test_the_figure_has_a_dot_for_each_look_so_far_and_room_for_the_others(
    framing: Framing,
) -> None:
    drawn = [
        plot_effect(FOUND | {"history": FOUND["history"][:looks]}, framing) for looks in (1, 2)
    ]
    for figure in drawn:
        assert "<svg" in to_svg(figure)
    assert [len(figure.axes[0].get_yticks()) for figure in drawn] == [1, 2]
    assert drawn[0].axes[0].get_ylim() == drawn[1].axes[0].get_ylim()
