"""The monitoring page says whether there is harm, and what is not known; its figures show it."""

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from preflight import reporting
from preflight.monitoring.contracts import (
    Alarms,
    Monitoring,
    WeeklyEvidence,
    WeeklyInputs,
    WeeklyResults,
)
from preflight.problem.framing import Framing
from preflight.reporting.contracts import Html
from preflight.reporting.drawing import ORANGE
from preflight.reporting.figure_dataset import Figure, to_svg

WEEKS = pd.date_range("2013-04-01", periods=30, freq="7D").strftime("%Y-%m-%d")
NONE = {"mean": None, "low": None, "high": None}
SOME = {"mean": 1000.0, "low": 500.0, "high": 1500.0}
FIGURES = {
    "harm": ["results", "evidence", "framing", "monitoring"],
    "discrimination": ["evidence", "framing", "monitoring"],
    "cumulative_gain": ["results", "framing"],
    "weekly_saving": ["results", "framing"],
    "predictions": ["results", "framing"],
    "inputs": ["inputs", "checks", "framing"],
}
BLOCKED = "2013-09-03T12:00:00Z"


@pytest.fixture
def given(framing: Framing, conf: Any) -> dict[str, Any]:
    """Thirty weeks; from the twentieth on the champion loses money, and an input has moved."""
    harmed = np.arange(30) >= 20
    results = pd.DataFrame({"week": WEEKS, "model": "v1", "decisions": 500, "labelled": 500})
    results["model"] = np.where(np.arange(30) >= 10, "v2", "v1")
    money = {"saved": 9000.0, "estimated": 9100.0, "gain": np.where(harmed, -700.0, 50.0)}
    shares = {"decided": 0.3, "predicted": 0.2, "low": 0.1, "middle": 0.2, "high": 0.4}
    results = results.assign(**shares, label=0.21, **money, baseline_gain=800.0)
    parts = []
    for name, level in (("challenger", 50.0), ("discrimination", 0.8)):
        part = pd.DataFrame({"alarm": name, "part": "log", "week": WEEKS, "decisions": 500})
        value = {"value": level, "line": level - 1, "scale": 1.0}
        evidence = np.where(harmed & (name == "challenger"), 90.0, 0.1)
        parts.append(part.assign(labelled=500, **value, evidence=evidence, left_out=""))
    inputs = pd.DataFrame({"week": np.repeat(WEEKS, 2), "feature": ["signal", "ground_speed"] * 30})
    score = np.where(np.repeat(harmed, 2) & (inputs["feature"] == "ground_speed"), 7.0, 0.5)
    seen = {"rows": 500, "distance": 0.1, "missing": 0.0, "score": score, "warned": score > 5}
    return {
        "results": WeeklyResults.validate(results),
        "evidence": WeeklyEvidence.validate(pd.concat(parts, ignore_index=True)),
        "inputs": WeeklyInputs.validate(inputs.assign(**seen)),
        "checks": [{"moment": BLOCKED, "blocked": True}, {"moment": BLOCKED, "blocked": False}],
        "framing": framing,
        "monitoring": Monitoring.model_validate(conf["parameters"]["monitoring"]),
    }


def drawn(name: str, given: dict[str, Any]) -> Any:
    return getattr(reporting, f"plot_{name}")(*(given[one] for one in FIGURES[name]))


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_meets_its_contract_full_and_empty(name: str, given: dict[str, Any]) -> None:
    figure = drawn(name, given)
    assert Figure().validate(figure) is figure
    figure.draw_without_rendering()
    box = figure.get_tightbbox()
    assert box.x0 >= 0
    assert box.x1 <= reporting.drawing.WIDTH + 0.05
    for rows in (1, 0):
        few = {k: v.head(rows) if isinstance(v, pd.DataFrame) else v for k, v in given.items()}
        figure = drawn(name, few | {"checks": []})
        assert Figure().validate(figure) is figure
        figure.draw_without_rendering()
    assert ":" in figure.get_suptitle() or name == "predictions"  # it says what is missing


def test_harm_shows_what_was_lost_with_limit_and_promotion(given: dict[str, Any]) -> None:
    above, below = drawn("harm", given).get_axes()
    assert [bar.get_height() for bar in above.patches] == [-50.0] * 20 + [700.0] * 10
    assert [to_hex(bar.get_facecolor()) for bar in above.patches][-1].lower() == ORANGE.lower()
    (evidence,) = (one for one in below.lines if len(one.get_ydata()) == 30)
    assert [*evidence.get_ydata()] == pytest.approx([0.1] * 20 + [90.0] * 10)
    levels = {float(line.get_ydata()[0]) for line in below.lines}
    assert 40.0 in levels
    dashed = [line for line in above.lines if line.get_linestyle() == "--"]
    assert len(dashed) == 1  # v2 in the eleventh week
    assert "promoted" in above.get_title(loc="left")
    same = given["results"].assign(model="v1")
    above, _ = drawn("harm", given | {"results": same}).get_axes()
    assert not [line for line in above.lines if line.get_linestyle() == "--"]


def test_money_adds_up_over_the_weeks(given: dict[str, Any]) -> None:
    (axes,) = drawn("cumulative_gain", given).get_axes()
    mine, refit = (line.get_ydata() for line in axes.lines if len(line.get_ydata()) == 30)
    assert mine[-1] == 30 * 800
    assert refit[-1] == 30 * 800 - 20 * 50 + 10 * 700


def test_inputs_that_moved_come_first_and_blocked_days_are_marked(given: dict[str, Any]) -> None:
    axes = drawn("inputs", given).get_axes()[0]
    names = [tick.get_text() for tick in axes.get_yticklabels()]
    assert names == ["ground speed", "signal"]
    cells = axes.collections[0].get_array().reshape(2, 30)
    assert cells[0].tolist() == [0.5] * 20 + [7.0] * 10
    (crosses,) = (line for line in axes.lines if line.get_marker() == "x")
    assert [f"{day:%Y-%m-%d}" for day in pd.to_datetime(crosses.get_xdata())] == ["2013-09-03"]


def documents(raised: bool = False, known: bool = True, champion: str | None = "v1") -> Any:
    alarm = {"tier": 2, "raised": False, "message": "Since 2013 it saved less.", "limit": 40.0}
    alarm |= {
        "weeks": 30,
        "since": None,
        "action": "Promote.",
        "command": "kedro run --pipelines x",
    }
    alarm |= {"silenced": None, "acknowledged": None, "evidence": 0.3 if known else None}
    harm = alarm | ({"raised": True, "since": "2013-08-19", "evidence": 90.0} if raised else {})
    alarms = {
        "moment": "2013-12-01T00:00:00Z",
        "champion": champion,
        "notes": [] if known else ["Harm cannot be seen"],
        "alarms": [harm | {"name": "challenger"}, alarm | {"name": "discrimination"}],
    }
    money = SOME if known else NONE
    results = {
        "champion": champion, "since": "2013-04-01", "decisions": 15_000,
        "labelled": 15_000 if known else 0, "saved": money, "promised": 1100.0,
        "estimated": money, "over_challenger": NONE, "baseline": "lookup_table",
        "over_baseline": money, "calibration": money, "rank_quality": 0.77 if known else None,
        "slices": [],
    }  # fmt: skip
    Alarms.model_validate(alarms)
    return alarms, results


def page(given: dict[str, Any], alarms: Any, results: Any, replay: Any = None) -> str:
    weeks = 30
    rate = {"weeks": weeks, "autocorrelation": 0.2, "rate": 0.026}
    none = {"weeks": 12, "autocorrelation": None, "rate": None}
    figures = {f"{name}_figure": to_svg(drawn(name, given)) for name in FIGURES}
    text: str = reporting.render_monitoring_page(
        alarms, results, given["inputs"], {"challenger": rate, "discrimination": none},
        replay, given["framing"], **figures,
    )  # fmt: skip
    return Html().validate(text)


def test_the_page_says_whether_there_is_harm(given: dict[str, Any]) -> None:
    calm = page(given, *documents())
    assert "There is no evidence that the champion does harm." in calm
    assert 'class="badge ship"' in calm
    assert "kedro run --pipelines x" not in calm
    harm = page(given, *documents(raised=True))
    assert "The champion does harm: money against the challenger." in harm
    assert "Alarm since the week of 2013-08-19." in harm
    assert "kedro run --pipelines x" in harm
    assert 'class="badge hold"' in harm


def test_the_page_shows_no_figure_without_a_challenger(given: dict[str, Any]) -> None:
    alarms, results = documents()
    alone = page(given, alarms, results)
    assert "Lost against the challenger, by week" not in alone
    assert "There is no newer challenger" in alone
    compared = page(given, alarms, results | {"over_challenger": SOME})
    assert "Lost against the challenger, by week" in compared
    assert "There is no newer challenger" not in compared


def test_the_page_prints_the_measured_rate_or_that_there_is_none(given: dict[str, Any]) -> None:
    text = page(given, *documents())
    assert "2.6% of years, in a replay of 30 weeks of the log" in text
    assert "correlation of a week with the next: 0.20" in text
    assert "not known: 12 weeks of the log count, and 20 are needed" in text


def test_the_page_shows_the_policies_of_the_replay_if_there_is_one(
    given: dict[str, Any], replayed: dict[str, Any]
) -> None:
    without = page(given, *documents())
    assert "kedro run --pipelines production_replay" in without
    text = page(given, *documents(), replayed)
    assert "the alarm would have come with the week of 2013-06-24" in text
    assert re.search(r"\W32,000", text)
    assert "2.8% of years, in a replay of 35 weeks of the replayed history" in text
    (axes,) = reporting.plot_policies(replayed, given["framing"]).get_axes()
    totals = {line.get_label(): [*line.get_ydata()] for line in axes.lines}
    assert totals["never"][-1] == 0
    assert totals["calendar"][-1] == pytest.approx(300.0)
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert [len(line.get_xdata()) for line in dots] == [0, 1]
    empty = reporting.plot_policies(None, given["framing"])
    assert Figure().validate(empty) is empty


def test_the_page_without_labels_says_that_harm_cannot_be_seen(given: dict[str, Any]) -> None:
    text = page(given, *documents(known=False))
    assert "Harm cannot be seen without labels." in text
    assert "Whether the champion does harm is not known." in text
    assert "Saving by week" not in text
    assert "Inputs that differ" in text


def test_the_page_without_a_champion_says_so(given: dict[str, Any]) -> None:
    text = page(given, *documents(known=False, champion=None))
    assert "No model is in use yet" in text
    assert "Harm cannot be seen without labels" not in text


def test_the_page_has_no_raw_names_and_no_missing_numbers(given: dict[str, Any]) -> None:
    text = page(given, *documents())
    assert "ground speed" in text
    assert "ground_speed" not in text
    assert "lookup table" in text
    assert "nan" not in text.lower().replace("finance", "")
    assert "None" not in text
