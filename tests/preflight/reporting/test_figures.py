"""Each figure shows the numbers of its table, with intervals and names."""

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import plotly.io as pio
import pytest

from preflight.reporting import figures, style
from preflight.reporting.contracts import Figure
from preflight.reporting.diagnosis_panels import waterfall_panels
from preflight.reporting.panels import Panel, Row, scale
from preflight.reporting.plots import (
    plot_calibration,
    plot_checklist,
    plot_cost_curve,
    plot_importance,
    plot_learning_curve,
    plot_parameter_importance,
    plot_robustness,
    plot_score,
    plot_search,
    plot_segments,
    plot_slices,
    plot_value,
    plot_waterfall,
)

FIGURES = {
    "value": (plot_value, ["metrics", "selection", "framing"]),
    "auc": (plot_score, ["metrics", "selection", "framing"]),
    "calibration": (plot_calibration, ["calibration_curve", "framing"]),
    "slices": (plot_slices, ["slices", "framing"]),
    "importance": (plot_importance, ["importance", "framing"]),
    "waterfall": (plot_waterfall, ["waterfall", "framing"]),
    "learning_curve": (plot_learning_curve, ["learning_curve", "framing"]),
    "segments": (plot_segments, ["segments", "framing"]),
    "cost_curve": (plot_cost_curve, ["cost_curve", "framing"]),
    "search": (plot_search, ["trials", "best_params", "framing"]),
    "parameter_importance": (plot_parameter_importance, ["parameter_importance"]),
    "checklist": (plot_checklist, ["checklist"]),
    "robustness": (plot_robustness, ["robustness", "framing"]),
}


def drawn(name: str, results: dict[str, Any]) -> go.Figure:
    node, inputs = FIGURES[name]
    return node(*(results[i] for i in inputs))


def rows(figure: go.Figure, axis: str = "") -> dict[str, tuple[float, float, float]]:
    """What is drawn on one axis: each label's mean, low and high, from top to bottom."""
    labels = figure.layout[f"yaxis{axis}"].ticktext
    found = {
        slot: (x, x - down, x + up)
        for trace in figure.data
        if (trace.yaxis or "y") == f"y{axis}"
        for x, slot, down, up in zip(
            trace.x, trace.y, trace.error_x.arrayminus, trace.error_x.array, strict=True
        )
    }
    return {label: found[slot] for slot, label in enumerate(labels)}


@pytest.mark.parametrize("name", FIGURES)
def test_figure_meets_its_contract_and_survives_json(name: str, results: dict[str, Any]) -> None:
    figure = drawn(name, results)
    assert Figure().validate(figure) is figure
    assert pio.from_json(figure.to_json()) == figure
    assert figure.layout.paper_bgcolor == style.CLEAR
    assert not figure.layout.showlegend
    for trace in figure.data:
        bars = trace.error_y if name in {"calibration", "cost_curve", "search"} else trace.error_x
        assert len(bars.array) == len(bars.arrayminus) == len(trace.x)


@pytest.mark.parametrize(
    ("name", "axis"),
    [
        *((name, "x") for name in ("value", "slices", "waterfall", "segments", "robustness")),
        *((name, "y") for name in ("cost_curve", "search")),
    ],
)
def test_ticks_and_hover_of_an_axis_of_money_have_the_currency(
    name: str, axis: str, results: dict[str, Any]
) -> None:
    figure = drawn(name, results)
    along = figure.layout[f"{axis}axis"]
    assert along.title.text == "€ per 1,000 parcels"
    told = [*along.ticktext, *(str(trace.customdata) for trace in figure.data)]
    assert all("€" in text for text in told)
    for trace in figure.data:
        assert f"%{{{axis}" not in trace.hovertemplate  # by Plotly's own format, without currency


def test_models_are_ordered_by_value_with_their_intervals(results: dict[str, Any]) -> None:
    figure = drawn("value", results)
    shown = rows(figure)
    assert list(shown) == ["candidate", "table of rates", "never act"]
    assert shown["candidate"] == pytest.approx((123.4, 90.1, 160.2))
    assert figure.layout.xaxis.title.text == "€ per 1,000 parcels"
    texts = [note.text.replace("\xa0", " ") for note in figure.layout.annotations]
    assert "€123 (€90 to €160)" in texts
    assert "90%" in figure.layout.title.text


def test_ranking_is_shown_beside_a_coin(results: dict[str, Any]) -> None:
    figure = drawn("auc", results)
    assert rows(figure)["table of rates"] == pytest.approx((0.655, 0.62, 0.69))
    assert any(shape.x0 == shape.x1 == 0.5 for shape in figure.layout.shapes)


def test_a_figure_that_is_not_defined_comes_last_without_an_interval(
    results: dict[str, Any],
) -> None:
    results["metrics"]["candidate"]["roc_auc"] = {"mean": None, "low": None, "high": None}
    figure = drawn("auc", results)
    assert figure.layout.yaxis.ticktext[-1] == "candidate"
    assert Figure().validate(figure) is figure


def test_calibration_shows_intervals_and_the_diagonal(results: dict[str, Any]) -> None:
    figure, curve = drawn("calibration", results), results["calibration_curve"]
    dots, diagonal = figure.data[0], figure.layout.shapes[0]
    assert dots.x == tuple(curve["predicted"])
    assert np.add(dots.y, dots.error_y.array) == pytest.approx(curve["high"].to_numpy())
    assert np.subtract(dots.y, dots.error_y.arrayminus) == pytest.approx(curve["low"].to_numpy())
    assert (diagonal.x0, diagonal.x1) == (diagonal.y0, diagonal.y1)


def test_the_cost_curve_shows_intervals_and_the_threshold_of_the_costs(
    results: dict[str, Any],
) -> None:
    figure, curve = drawn("cost_curve", results), results["cost_curve"]
    assert figure.data[0].y == tuple(curve["value_per_1000"])
    assert np.add(figure.data[0].y, figure.data[0].error_y.array) == pytest.approx(
        curve["high"].to_numpy()
    )
    assert [line.x0 for line in figure.layout.shapes if line.x0 == line.x1] == [0.2]
    results["cost_curve"] = curve.assign(by_costs=False)
    assert [n.text for n in drawn("cost_curve", results).layout.annotations] == ["never acting"]


def test_trials_are_shown_in_their_order_and_by_each_parameter(results: dict[str, Any]) -> None:
    figure = drawn("search", results)
    titles = [axis.title.text for axis in figure.select_xaxes()]
    assert titles == ["trial", "depth", "rate"]
    shown = [[*zip(trace.x, trace.y, strict=True)] for trace in figure.data]
    assert shown == [  # the one that was given up has no value
        [(0, 120.0), (1, 133.3)], [(3, 120.0), (4, 133.3)], [(0.1, 120.0), (0.123456, 133.3)],
    ]  # fmt: skip
    assert {line.y0 for line in figure.layout.shapes} == {120.0}  # as declared
    results["best_params"]["candidate"] = "another"
    titles = [axis.title.text for axis in drawn("search", results).select_xaxes()]
    assert titles == ["trial"]


def test_a_parameter_called_trial_has_a_panel_of_its_own(results: dict[str, Any]) -> None:
    usual = drawn("search", results)
    results["trials"]["params"] = results["trials"]["params"].str.replace("depth", "trial")
    renamed = drawn("search", results)
    assert len(renamed.data) == len(usual.data)
    assert [len(one.x) for one in renamed.data] == [len(one.x) for one in usual.data]


def test_a_search_that_was_not_made_says_so_in_its_figures(results: dict[str, Any]) -> None:
    results["trials"] = results["trials"].iloc[:0]
    results["parameter_importance"] = results["parameter_importance"].iloc[:0]
    figure = drawn("search", results)
    assert figure.layout.annotations[0].text == "no search was made"
    assert Figure().validate(figure) is figure
    nothing = drawn("parameter_importance", results)
    assert list(nothing.layout.yaxis.ticktext) == ["too few trials to tell"]
    assert Figure().validate(nothing) is nothing


def test_slices_keep_a_natural_order_or_are_ordered_by_value(results: dict[str, Any]) -> None:
    figure = drawn("slices", results)
    assert list(rows(figure)) == ["island", "north", "south"]
    assert list(rows(figure, "2")) == ["2", "9", "10"]
    assert list(rows(figure, "3")) == ["2013-04", "2013-05"]
    assert rows(figure)["south"] == pytest.approx((31.6, -5.0, 70.0))
    assert figure.data[0].marker.symbol[0] == "circle-open"  # 9 parcels say little
    assert figure.layout.xaxis.range == figure.layout.xaxis3.range


def test_five_slicing_columns_take_a_second_line(results: dict[str, Any]) -> None:
    parts = [results["slices"].assign(by=name) for name in "abcde"]
    figure = plot_slices(pd.concat(parts), results["framing"])
    assert len({axis.domain for axis in figure.select_yaxes()}) == 2


def test_importance_shows_the_top_with_group_and_range(results: dict[str, Any]) -> None:
    figure = drawn("importance", results)
    assert rows(figure)["weight"] == pytest.approx((0.0301, 0.0281, 0.0322))
    assert [note.text for note in figure.layout.annotations] == ["box", "box", "sender"]
    assert len({trace.marker.color for trace in figure.data}) == 2
    many = pd.concat([results["importance"].assign(feature=f"f{i}") for i in range(10)])
    assert len(plot_importance(many, results["framing"]).layout.yaxis.ticktext) == 20


def test_the_bars_of_the_waterfall_hang_together(results: dict[str, Any]) -> None:
    figure = drawn("waterfall", results)
    bars = [(s.x0, s.x1) for s in figure.layout.shapes if s.type == "rect" and s.yref == "y2"]
    ends = [(0, 101.2), (101.2, 121.2), (121.2, 123.4), (123.4, 80)]
    assert np.array(bars) == pytest.approx(np.array(ends))
    assert rows(figure, "2")["box alone"] == pytest.approx((121.2, 116.2, 126.2))
    colours = {
        row.label: row.colour
        for row in waterfall_panels(results["waterfall"], results["framing"])[1].rows
    }
    assert colours["box alone"] == style.BLUE
    assert colours["sender"] == style.GREY
    assert colours["if it acted above 50%"] == style.ORANGE


def test_a_fault_without_an_answer_is_written_and_comes_first(results: dict[str, Any]) -> None:
    figure = drawn("robustness", results)
    assert figure.layout.yaxis.ticktext[0] == "sender missing"
    assert "no answer" in [note.text for note in figure.layout.annotations]


def test_names_are_not_markup(results: dict[str, Any]) -> None:
    results["metrics"]["<b>"] = results["metrics"].pop("table_of_rates")
    results["selection"]["best_baseline"] = "<b>"
    assert "&lt;b&gt;" in drawn("value", results).layout.yaxis.ticktext


@pytest.mark.parametrize(
    ("values", "ticks", "decimals"),
    [
        ([0, 417], [0, 200, 400], 0),
        ([-29, 1185], [0, 500, 1000], 0),
        ([0.5, 0.82], [0.5, 0.6, 0.7, 0.8], 1),
        ([0, 0.0157], [0, 0.005, 0.01, 0.015], 3),
        ([0, 0, None], [0, 0.5, 1], 1),
        ([-3_000_000, 0], [-3e6, -2e6, -1e6, 0], 0),
    ],
)
def test_axes_have_round_ticks(values: list[Any], ticks: list[float], decimals: int) -> None:
    axis = scale(values)
    assert axis.ticks == pytest.approx(ticks)
    assert axis.places == decimals
    assert (axis.percent(axis.low), axis.percent(axis.high)) == ("0.00%", "100.00%")


def contrast(colour: str, ground: float) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    bright = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return (max(bright, ground) + 0.05) / (min(bright, ground) + 0.05)


@pytest.mark.parametrize("colour", style.PALETTE)
def test_colours_are_seen_on_light_and_on_dark(colour: str) -> None:
    near_black = 0.009  # the ground of the report and of Kedro-Viz
    assert min(contrast(colour, 1.0), contrast(colour, near_black)) >= 3


def test_panels_without_an_interval_are_drawn_as_dots() -> None:
    row = Row("a", 1.0, None, None)
    panel = Panel("", "€", 0, [row], 0, scale([0, 1]))
    assert figures.dots("t", [panel]).data[0].error_x.array == (0.0,)
