"""Each figure shows the numbers of its table, with intervals and names."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from kedro.io import DatasetError, Version
from kedro_datasets.text import TextDataset
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure as Drawn
from matplotlib.text import Text

from preflight import reporting
from preflight.diagnosis.contracts import Backtest
from preflight.evaluation.contracts import GainByPeriod, Slices
from preflight.reporting import drawing
from preflight.reporting.figure_dataset import Figure, FigureDataset, to_svg

FIGURES = {
    "value": ["metrics", "selection", "framing"],
    "score": ["metrics", "selection", "framing"],
    "gain_by_period": ["gain_by_period", "verdict", "framing"],
    "calibration": ["calibration_curve", "framing"],
    "threshold_curve": ["threshold_curve", "framing"],
    "slices": ["slices", "selection", "framing"],
    "ranking": ["test_predictions", "selection", "framing"],
    "scores": ["test_predictions", "framing"],
    "partial_dependence": ["partial_dependence", "framing"],
    "drift": ["drift"],
    "importance": ["importance", "framing"],
    "ablation": ["ablation", "framing"],
    "learning_curve": ["learning_curve", "framing"],
    "backtest": ["backtest", "framing"],
    "segments": ["segments", "framing"],
    "robustness": ["robustness", "framing"],
    "search": ["trials", "best_params", "framing"],
    "parameter_importance": ["parameter_importance"],
}
MONEY = {"value", "slices", "ablation", "backtest", "segments", "robustness"}


def drawn(name: str, results: dict[str, Any]) -> Drawn:
    plot = getattr(reporting, f"plot_{name}")
    figure: Drawn = plot(*(results[i] for i in FIGURES[name]))
    return figure


def labels(axes: Any) -> list[str]:
    return [tick.get_text() for tick in axes.get_yticklabels()]


def rows(axes: Any) -> dict[str, list[float]]:
    """What is drawn in each row: its mean, low and high, from top to bottom."""
    dots = next(one for one in axes.collections if isinstance(one, PathCollection))
    bars = {}
    for one in axes.collections:
        if one is not dots:
            bars |= {
                round(path[0][1]): [path[0][0], path[1][0]]
                for path in one.get_segments()
                if len(path)
            }
    where = {round(y): x for x, y in dots.get_offsets().filled(np.nan)}
    return {
        label: [where[slot], *bars.get(slot, [np.nan, np.nan])]
        for slot, label in enumerate(labels(axes))
    }


def texts(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.texts]


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_meets_its_contract_and_fits_into_its_width(
    name: str, results: dict[str, Any]
) -> None:
    figure = drawn(name, results)
    assert Figure().validate(figure) is figure
    assert figure.get_figwidth() == drawing.WIDTH
    figure.draw_without_rendering()
    box = figure.get_tightbbox()
    assert box.x0 >= 0
    assert box.x1 <= drawing.WIDTH + 0.05


@pytest.mark.parametrize("name", FIGURES)
def test_every_text_takes_the_colour_of_the_page(name: str, results: dict[str, Any]) -> None:
    """Black text does not show on a dark page."""
    figure = drawn(name, results)
    figure.draw_without_rendering()
    known = {to_hex(colour) for colour in (drawing.INK, drawing.SOFT)}
    shown = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
    assert {to_hex(text.get_color()) for text in shown} <= known


@pytest.mark.parametrize("name", sorted(MONEY))
def test_an_axis_of_money_has_the_currency(name: str, results: dict[str, Any]) -> None:
    figure = drawn(name, results)
    figure.canvas.draw()
    last = figure.axes[-1]
    assert last.get_xlabel() == "€ per 1,000 parcels, with 90% interval"
    assert all("€" in tick.get_text() for tick in last.get_xticklabels())


def test_models_are_ordered_by_value_with_their_intervals(results: dict[str, Any]) -> None:
    axes = drawn("value", results).axes[0]
    shown = rows(axes)
    assert list(shown) == ["candidate", "table of rates (best on validation)", "never act"]
    assert shown["candidate"] == pytest.approx([123.4, 90.1, 160.2])
    assert texts(axes) == ["€123", "€101", "€0"]


def test_a_score_without_a_value_comes_last(results: dict[str, Any]) -> None:
    axes = drawn("score", results).axes[0]
    assert rows(axes)["candidate"] == pytest.approx([0.712, 0.68, 0.74])
    assert [*axes.lines[0].get_xdata()] == [0.5, 0.5]  # chance
    results["metrics"]["candidate"]["roc_auc"] = {"mean": None, "low": None, "high": None}
    figure = drawn("score", results)
    assert labels(figure.axes[0])[-1] == "candidate"
    assert Figure().validate(figure) is figure


def test_calibration_shows_the_groups_their_intervals_and_the_diagonal(
    results: dict[str, Any],
) -> None:
    axes, curve = drawn("calibration", results).axes[0], results["calibration_curve"]
    diagonal, dots = axes.lines
    assert diagonal.get_slope() == 1
    assert [*dots.get_ydata()] == [*curve["observed"]]
    ends = [[path[0][1], path[1][1]] for path in axes.collections[0].get_segments()]
    assert ends == curve[["low", "high"]].to_numpy().tolist()


def test_the_threshold_curve_shows_its_band_and_the_threshold_of_the_costs(
    results: dict[str, Any],
) -> None:
    axes, curve = drawn("threshold_curve", results).axes[0], results["threshold_curve"]
    assert [*axes.lines[0].get_ydata()] == [*curve["value_per_1000"]]
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (curve["low"].min(), curve["high"].max())
    assert [*axes.lines[2].get_xdata()] == [0.2, 0.2]
    results["threshold_curve"] = curve.assign(by_costs=False)
    assert texts(drawn("threshold_curve", results).axes[0]) == []


def test_trials_are_shown_in_their_order_and_by_each_parameter(results: dict[str, Any]) -> None:
    axes = drawn("search", results).axes
    assert [one.get_xlabel() for one in axes] == ["trial", "depth", "rate"]
    shown = [[*zip(*one.lines[0].get_data(), strict=True)] for one in axes]
    assert shown == [  # the pruned trial has no value
        [(0, 120.0), (1, 133.3)], [(3, 120.0), (4, 133.3)], [(0.1, 120.0), (0.123456, 133.3)],
    ]  # fmt: skip
    assert {one.lines[1].get_ydata()[0] for one in axes} == {120.0}  # as declared
    results["best_params"]["candidate"] = "another"
    assert [one.get_xlabel() for one in drawn("search", results).axes] == ["trial"]


def test_a_parameter_called_trial_has_a_plot_of_its_own(results: dict[str, Any]) -> None:
    results["trials"]["params"] = results["trials"]["params"].str.replace("depth", "trial")
    assert [one.get_xlabel() for one in drawn("search", results).axes] == ["trial"] * 2 + ["rate"]


def test_a_search_that_was_not_made_says_so(results: dict[str, Any]) -> None:
    results["trials"] = results["trials"].iloc[:0]
    results["parameter_importance"] = results["parameter_importance"].iloc[:0]
    titles = [drawn(name, results).get_suptitle() for name in ("search", "parameter_importance")]
    assert "none was made" in titles[0].replace("\n", " ")
    assert "too few trials" in titles[1].replace("\n", " ")


def test_slices_keep_a_natural_order_or_are_ordered_by_value(results: dict[str, Any]) -> None:
    depot, hour, month = drawn("slices", results).axes
    assert [one.get_title(loc="left") for one in (depot, hour, month)] == ["depot", "hour", "month"]
    assert labels(depot) == ["island", "north", "south"]
    assert labels(hour) == ["2", "9", "10"]
    assert labels(month) == ["2013-04", "2013-05"]
    assert rows(depot)["south"] == pytest.approx([3.16, -1.5, 7.0])
    faces = [to_hex(colour) for colour in depot.collections[1].get_facecolors()]
    assert faces == [drawing.PAPER, drawing.BLUE.lower(), drawing.BLUE.lower()]  # 9 are too few
    assert depot.get_xlim() == month.get_xlim()


def test_figures_without_slices_or_without_a_clock_say_so_and_meet_their_contract(
    results: dict[str, Any],
) -> None:
    results |= {"slices": Slices.empty(), "backtest": Backtest.empty()}
    for name in ("slices", "backtest"):
        figure = drawn(name, results)
        assert Figure().validate(figure) is figure
        to_svg(figure)
    assert "framing.slices names none" in drawn("slices", results).axes[0].get_title("left")
    verdict = {"value": {"over_baseline": {"baseline": "usual"}}}
    figure = reporting.plot_gain_by_period(GainByPeriod.empty(), verdict, results["framing"])
    assert Figure().validate(figure) is figure


def test_ticks_of_millions_do_not_overlap(results: dict[str, Any]) -> None:
    amounts = ["value_per_1000", "value_low", "value_high"]
    for factor, most in ((1, 6), (1e5, 3)):
        slices = results["slices"].assign(**{n: results["slices"][n] * factor for n in amounts})
        (axes, *_) = drawn("slices", results | {"slices": slices}).axes
        low, high = axes.get_xlim()
        assert sum(low <= tick <= high for tick in axes.get_xticks()) <= most


def test_importance_shows_the_top_with_group_and_range(results: dict[str, Any]) -> None:
    axes = drawn("importance", results).axes[0]
    assert rows(axes)["weight"] == pytest.approx([0.0301, 0.0281, 0.0322])
    assert texts(axes) == ["box", "box", "sender"]
    many = pd.concat([results["importance"].assign(feature=f"f{i}") for i in range(10)])
    assert len(labels(reporting.plot_importance(many, results["framing"]).axes[0])) == 20


def test_the_bars_of_the_ablation_hang_together(results: dict[str, Any]) -> None:
    axes = drawn("ablation", results).axes[1]
    bars = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in axes.patches]
    ends = [(0, 101.2), (101.2, 121.2), (121.2, 123.4), (123.4, 80)]
    assert np.array(bars) == pytest.approx(np.array(ends))
    assert rows(axes)["box alone"] == pytest.approx([121.2, 116.2, 126.2])
    colours = [to_hex(bar.get_facecolor()).upper() for bar in axes.patches]
    grey, blue, orange = drawing.GREY, drawing.BLUE, drawing.ORANGE
    assert colours == [grey, blue, grey, orange]


def test_the_backtest_shows_the_gains_from_early_to_late(results: dict[str, Any]) -> None:
    axes = drawn("backtest", results).axes[0]
    assert list(rows(axes)) == ["from 2013-01-01", "from 2013-03-01", "from 2013-04-01"]  # local
    assert rows(axes)["from 2013-03-01"] == pytest.approx([14.2, 1.1, 27.9])
    assert [*axes.lines[0].get_xdata()] == [0, 0]
    assert texts(axes) == ["\N{MINUS SIGN}€7.50", "€14", "€27"]
    results["backtest"] = results["backtest"].iloc[:0]
    figure = drawn("backtest", results)
    assert Figure().validate(figure) is figure
    assert "none was made" in figure.get_suptitle().replace("\n", " ")


def test_a_fault_without_an_answer_is_written_and_comes_first(results: dict[str, Any]) -> None:
    axes = drawn("robustness", results).axes[0]
    assert labels(axes)[0] == "sender missing"
    assert texts(axes)[0] == "no answer"


def test_a_saved_figure_is_png_for_viz_and_svg_for_pages(
    results: dict[str, Any], tmp_path: Any
) -> None:
    results["metrics"]["<b>"] = results["metrics"].pop("table_of_rates")
    for version in ("1", "2"):
        dataset = FigureDataset(
            filepath=f"{tmp_path}/a.svg", version=Version(version, version), metadata=None
        )
        dataset.save(drawn("value", results))
        svg = dataset.load()
        assert Figure().validate(svg) is svg
        assert dataset.preview().startswith("iVBOR")  # PNG, in base64
    one, two = (sorted((tmp_path / "a.svg" / version).iterdir()) for version in ("1", "2"))
    assert [path.name for path in one] == ["a.png", "a.svg"]
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]
    assert "&lt;b&gt;" in svg
    assert "var(--ink, " in svg
    assert "<metadata>" not in svg


def test_a_figure_that_is_saved_by_half_leaves_no_version(
    results: dict[str, Any], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise DatasetError("no space left on device")

    def dataset(version: str | None) -> FigureDataset:
        return FigureDataset(filepath=f"{tmp_path}/a.svg", version=Version(None, version))

    dataset("1").save(drawn("value", results))
    monkeypatch.setattr(TextDataset, "save", fail)
    with pytest.raises(DatasetError, match="no space"):
        dataset("2").save(drawn("value", results))
    assert [path.name for path in (tmp_path / "a.svg").iterdir()] == ["1"]
    assert dataset(None).resolve_load_version() == "1"


def test_two_figures_on_one_page_share_no_id(results: dict[str, Any]) -> None:
    pages = [to_svg(drawn(name, results)) for name in ("value", "slices")]
    ids = [{part.split('"')[0] for part in page.split(' id="')[1:]} for page in pages]
    assert ids[0]
    assert not ids[0] & ids[1]


def contrast(colour: str, ground: float) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    bright = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return (max(bright, ground) + 0.05) / (min(bright, ground) + 0.05)


@pytest.mark.parametrize("colour", drawing.PALETTE)
def test_colours_are_seen_on_light_and_on_dark(colour: str) -> None:
    near_black = 0.009  # the ground of the report and of Kedro-Viz
    assert min(contrast(colour, 1.0), contrast(colour, near_black)) >= 3
