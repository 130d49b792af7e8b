"""The report says what the datasets say, whatever they say, and loads nothing."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from preflight import reporting
from preflight.errors import RunError
from preflight.problem.assumptions import list_assumptions
from preflight.problem.costs import per_1000
from preflight.problem.framing import Framing
from preflight.problem.money import format_money
from preflight.reporting import figures, formatting
from preflight.reporting.contracts import About, Html
from preflight.reporting.report import (
    collect_results,
    render_datasheet,
    render_model_card,
    render_report,
)

APPROVED = Path(__file__).with_name("approved")
DIAGNOSED = [
    "ablation",
    "learning_curve",
    "more_labels",
    "backtest",
    "segments",
    "segment_examples",
    "robustness",
    "label_issues",
    "partial_dependence",
    "drift",
]
NO_TABLE = pd.DataFrame()  # constants need none
NOTHING = {"mean": None, "low": None, "high": None}


class Text(HTMLParser):
    """What a reader sees, one line for each run of text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._hidden = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden = tag in {"style", "script"}

    def handle_data(self, data: str) -> None:
        if data.strip() and not self._hidden:
            text = data.replace("\xa0", " ").replace("\N{WORD JOINER}", "")
            self.lines.append(" ".join(text.split()))


def page_of(results: dict[str, Any]) -> str:
    return render_report(collect_results(**results), results["checklist"])


def read(results: dict[str, Any]) -> str:
    page = page_of(results)
    assert Html().validate(page) is page
    text = "\n".join(Text(page).lines)
    assert not re.search(r"\b(None|nan|NaN|[Uu]ndefined)\b", text)
    return text


def section(text: str, title: str) -> str:
    """The text of a section: the title stands in the table of contents before."""
    return text.split(f"\n{title}\n")[2]


def hold(results: dict[str, Any]) -> None:
    few = "too little data to tell: 3 days of test, 10 are needed: the candidate saves €22"
    results["verdict"]["decision"] = "hold"
    results["verdict"]["checks"] = [{"name": "gain", "ok": False, "message": few}]


@pytest.mark.parametrize("name", ["report.txt", "model_card.md", "datasheet.md"])
def test_pages_are_as_they_were_approved(
    name: str, results: dict[str, Any], tmp_path: Path
) -> None:
    """All sentences and numbers at once; somebody has read the approved page."""
    reported = collect_results(**results)
    pages = {
        "report.txt": lambda: read(results),
        "model_card.md": lambda: render_model_card(reported),
        "datasheet.md": lambda: render_datasheet(reported),
    }
    received = tmp_path / name
    received.write_text(pages[name]().strip() + "\n")
    approved = APPROVED / name
    assert received.read_text() == approved.read_text(), (
        f"If the change is meant, read it and approve it: cp {received} {approved}"
    )


@pytest.mark.parametrize(("unit", "prefix"), [("USD", "$"), ("CHF", "CHF ")])
def test_every_amount_has_the_currency_of_the_costs(
    results: dict[str, Any], unit: str, prefix: str
) -> None:
    euros = read(results)
    framing = results["framing"]
    costs = framing.costs.model_copy(update={"unit": unit})
    results["framing"] = framing.model_copy(update={"costs": costs})
    results["verdict"]["value"]["unit"] = unit
    text = read(results)
    assert "€" not in text
    assert text.count(prefix) == euros.count("€")
    assert f"| candidate | {prefix}123 ({prefix}90" in render_model_card(collect_results(**results))


def test_costs_on_test_account_for_every_decision(results: dict[str, Any]) -> None:
    table, costs = results["test_predictions"], results["framing"].costs.at(NO_TABLE)
    act, label = table["act"].to_numpy(dtype=bool), table["label"].to_numpy(dtype=bool)
    saved = costs.saving(label, act).sum()
    never = label.sum() * costs.fn
    text = read(results)
    assert f"Together €{never - saved:,.0f}; never acting would have cost €{never:,.0f}" in text
    for rows in (act & label, act & ~label, ~act & label, ~act & ~label):
        assert f"\n{rows.sum()}\n" in text


def test_costs_in_a_column_are_shown_as_their_mean_and_sum(results: dict[str, Any]) -> None:
    framing, table = results["framing"], results["test_predictions"]
    amount = np.where(table.index % 2, 3.0, 21.0)  # thresholds of 1 / 2 and 1 / 20
    costs = framing.costs.model_copy(update={"fn": "amount"})
    results["framing"] = framing.model_copy(update={"costs": costs})
    results["threshold_curve"] = results["threshold_curve"].assign(by_costs=False)
    results["test_predictions"] = table.assign(cost_fn=amount)
    act, label = table["act"].to_numpy(dtype=bool), table["label"].to_numpy(dtype=bool)
    missed = amount[~act & label]
    text = read(results)
    mean = format_money(missed.mean(), "EUR", 2)
    row = ["did not act, though it was needed", mean, f"{len(missed)}", f"€{missed.sum():,.0f}"]
    assert "\n".join(row) in text
    paid = missed.sum() + 2 * (act & label).sum() + (act & ~label).sum()
    assert (
        f"Together €{paid:,.0f}; never acting would have cost €{amount[label].sum():,.0f}" in text
    )
    assert "a threshold from the costs of each parcel (5% to 50% for nine in ten" in text


def test_a_cost_of_what_never_happened_is_no_number(results: dict[str, Any]) -> None:
    costs = results["framing"].costs.model_copy(update={"fn": "amount"})
    results["framing"] = results["framing"].model_copy(update={"costs": costs})
    results["threshold_curve"] = results["threshold_curve"].assign(by_costs=False)
    table = results["test_predictions"]
    results["test_predictions"] = table.assign(cost_fn=6.0, act=True)
    text = read(results)
    assert "did not act, though it was needed\nno case\n0\n€0\n" in text
    assert "above 20%: " in text  # all rows have the same


def test_a_hold_gives_its_reasons_and_the_limit_that_is_broken(results: dict[str, Any]) -> None:
    hold(results)
    limit = {"name": "size_mb", "limit": 10.0, "measured": 12.5, "ok": False, "load": None}
    results["verdict"] |= {"reasons": ["not clearly better", "too slow"], "limits": [limit]}
    over = {"mean": -4.2, "low": -12.0, "high": 3.6}
    results["verdict"]["value"]["over_baseline"] |= over
    text = read(results)
    assert "Do not ship (too little data to tell): the candidate saves €4.20 less per" in text
    assert "\N{MINUS SIGN}€12 to €3.60), not significantly different from zero" in text
    assert "\nNot clearly better.\nToo slow.\n" in text
    assert "\n".join(["size mb", "no", "10", "12.5"]) in text


def test_a_what_if_says_so_before_anything_else(results: dict[str, Any]) -> None:
    first = "WHAT-IF, not an evaluation: framing.costs.fn is 10, in conf/base 5"
    verdict = results["verdict"]
    verdict |= {"what_if": ["framing.costs.fn is 10, in conf/base 5"], "reasons": [first, "good"]}
    assert f"{first}. It would ship: the candidate saves €22" in read(results)
    card = render_model_card(collect_results(**results))
    assert f"\n{first}. It would ship: the candidate saves" in card
    hold(results)
    verdict["reasons"] = [first, "too slow"]
    page = page_of(results)
    assert f"{first}. It would not ship (" in read(results)
    assert page.count("<li>Too slow.</li>") == 1
    assert "What-if</span>" in page


def test_tiny_test_set_without_intervals(results: dict[str, Any]) -> None:
    for model in results["metrics"].values():
        model["value_per_1000"] |= {"low": None, "high": None}
        model["roc_auc"] = dict(NOTHING)
    hold(results)
    results["verdict"]["value"]["over_baseline"] |= {"low": None, "high": None}
    results["slices"][["value_low", "value_high"]] = np.nan
    text = read(results)
    assert "the test is too small for an interval" in text
    assert "€123 (no interval)" in text
    for plot in (figures.plot_value, figures.plot_score):
        assert plot(results["metrics"], results["selection"], results["framing"]).axes


def test_nothing_known_at_all(results: dict[str, Any]) -> None:
    for model in results["metrics"].values():
        model |= {name: dict(NOTHING) for name in model}
    hold(results)
    results["verdict"]["value"]["over_baseline"] |= NOTHING
    results["slices"][["gain_per_1000", "gain_low", "gain_high"]] = np.nan
    results["importance"][["rise", "low", "high"]] = 0.0
    results["selection"]["calibration"] = {"slope": 1, "intercept": 0, "loss_without": 0.5}
    text = read(results)
    assert "can't be compared with table of rates" in text
    assert "is not known in any slice" in text
    assert "it has learnt nothing from them" in text
    assert "No correction of the predictions was tried" in text


def test_without_a_search(results: dict[str, Any]) -> None:
    results["best_params"] |= dict.fromkeys(("value", "trial", "gain", "declared_value"))
    results["trials"] = results["trials"].iloc[:0]
    results["parameter_importance"] = results["parameter_importance"].iloc[:0]
    assert "No search was made" in read(results)


def test_without_the_stage_diagnosis(results: dict[str, Any]) -> None:
    for name in DIAGNOSED:
        del results[name]
    text = read(results)
    assert "Ablation" not in text
    assert "Models compared" in text
    for card in (render_model_card, render_datasheet):
        assert "None" not in card(collect_results(**results))


def test_the_backtest_has_a_section_with_its_gains_unless_it_was_left_out(
    results: dict[str, Any],
) -> None:
    title = "Backtest: gain after each cut-off"
    text = section(read(results), title)
    for words in (
        "significantly above zero in 1 of 3, and significantly below zero in 0. It is",
        "It is between \N{MINUS SIGN}€7.50 and €27 per 1,000 parcels",
        "a little optimistic",
        "\n2013-01-01\n1,500\n410\n€91\n\N{MINUS SIGN}€7.50 (\N{MINUS SIGN}€20 to €6.40)\n",
        "€27 (no interval)",
    ):
        assert words in text
    results["backtest"] = results["backtest"].iloc[1:2]
    assert "It is €14 per 1,000 parcels" in section(read(results), title)
    results["backtest"] = results["backtest"].iloc[:0]
    assert "Backtest" not in read(results)


def test_a_metric_of_ones_own_is_a_column_of_report_and_card(results: dict[str, Any]) -> None:
    for number, model in enumerate(results["metrics"].values()):
        model["share_acted_on"] = {"mean": 0.31 + number / 10, "low": 0.2, "high": 0.6}
    text = section(read(results), "Models compared")
    assert "\nshare acted on\n" in text
    assert "0.310 (0.200 to 0.600)" in text
    card = render_model_card(collect_results(**results))
    assert "| share acted on |" in card
    assert "| 0.310 (0.200" in card


def test_figures_stand_in_their_sections_and_own_ones_in_one_more(
    results: dict[str, Any],
) -> None:
    svg = "<svg><title>{}</title></svg>"
    names = ["calibration_figure", "depots_figure"]
    page = page_of(results | {name: svg.format(name) for name in names})
    assert page.count("<title>calibration_figure") == page.count("<title>depots_figure") == 1
    more = page[page.index('<section id="more">') :]
    assert "depots_figure" in more
    assert "calibration_figure" not in more
    assert "More figures" not in page_of(results)


OF_ANOTHER_RUN = {
    "verdict": lambda results: results["verdict"]["value"].update(per_1000=600.0),
    "metrics": lambda r: r["metrics"]["candidate"]["value_per_1000"].update(mean=600.0),
    "ablation": lambda results: results["ablation"].__setitem__("value_per_1000", 600.0),
    "today's costs": lambda results: results.update(
        test_predictions=results["test_predictions"].iloc[:600]
    ),
}


@pytest.mark.parametrize("diagnosed", [True, False])
@pytest.mark.parametrize("changed", [None, *OF_ANOTHER_RUN])
def test_results_that_are_not_of_one_run_and_framing_are_refused(
    changed: str | None, diagnosed: bool, results: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    table = results["test_predictions"]
    saved = per_1000(results["framing"].costs.at(table).saving(table["label"], table["act"]))
    results["verdict"]["value"]["per_1000"] = saved
    results["metrics"]["candidate"]["value_per_1000"]["mean"] = saved
    test = (results["ablation"]["part"] == "test") & (results["ablation"]["kind"] == "group")
    results["ablation"].loc[test, "value_per_1000"] = saved
    if changed:
        OF_ANOTHER_RUN[changed](results)
    if not diagnosed:
        for name in DIAGNOSED:
            del results[name]
    if changed is None or (changed == "ablation" and not diagnosed):
        assert collect_results(**results)
        return
    stages = "evaluation,diagnosis,reporting" if diagnosed else "evaluation,reporting"
    said = rf"not of one run and framing: .* by .*{changed}.*kedro run --pipelines {stages}\. "
    with pytest.raises(RunError, match=said):
        collect_results(**results)


def test_of_slices_that_are_all_small_none_is_named(results: dict[str, Any]) -> None:
    results["slices"]["rows"] = 99
    text = read(results)
    assert "No slice is large enough" in text
    assert "Lowest: " not in text


def test_values_are_text_and_not_markup(results: dict[str, Any]) -> None:
    evil = "<b onclick=x>&"
    results["metrics"][evil] = results["metrics"].pop("table_of_rates")
    results["selection"] |= {"best_baseline": evil}
    results["selection"]["values"][evil] = 1.0
    results["verdict"]["value"]["over_baseline"]["baseline"] = evil
    results["slices"]["slice"] = [f"{evil}{i}" for i in range(len(results["slices"]))]
    results["importance"]["feature"] = [f"{evil}{i}" for i in range(3)]
    page = page_of(results)
    assert "<b" not in re.sub(r"<(body|br)", "", page)
    assert evil in read(results)


def test_knows_only_the_words_of_the_framing(results: dict[str, Any]) -> None:
    folder = Path(reporting.__file__).parent
    code = [path.read_text() for path in folder.iterdir() if path.is_file()]
    for text in (page_of(results), *code):
        assert not re.search(r"(?<!pre)flight|carrier|airport", text, re.IGNORECASE)


def test_same_input_gives_the_same_page(results: dict[str, Any]) -> None:
    assert page_of(results) == page_of(results)


def test_inputs_are_left_as_they_are(results: dict[str, Any]) -> None:
    before = {k: v.copy() if hasattr(v, "columns") else repr(v) for k, v in results.items()}
    page_of(results)
    for name, value in before.items():
        now = results[name]
        assert now.equals(value) if hasattr(now, "columns") else repr(now) == value


@pytest.mark.parametrize(
    ("value", "decimals", "written"),
    [
        (1234567.8, 0, "1,234,568"),
        (-0.4, 0, "0"),
        (-12.34, 1, "\N{MINUS SIGN}12.3"),
        (None, 2, "not known"),
    ],
)
def test_numbers_are_written_for_readers(value: Any, decimals: int, written: str) -> None:
    assert formatting.number(value, decimals) == written


def test_a_busy_machine_and_a_missed_kpi_are_reported(results: dict[str, Any]) -> None:
    quick = {"name": "rows_per_second", "limit": 10_000.0, "measured": 281_911.3, "ok": True}
    results["verdict"]["limits"] = [quick | {"load": 1.1}]
    text = read(results)
    assert "Here the machine was busy" not in text
    assert "(not reached)" not in text
    busy = {"name": "p99_ms", "limit": 20.0, "measured": None, "ok": None, "load": 2.4}
    results["verdict"]["limits"].append(busy)
    results["verdict"]["kpi"]["measured"] = 100.1
    text = read(results)
    assert "281,911" in text
    assert text.split("p99 ms")[1].split()[:4] == ["not", "measured", "20", "-"]
    assert "Here the machine was busy. Measure again when nothing else runs" in text
    assert "100 on the test set with the candidate (not reached)" in text


def test_the_power_may_be_unknown(results: dict[str, Any]) -> None:
    results["power"] |= {"detectable_per_1000": None, "shippable_per_1000": None}
    assert "validation has too few days" in read(results)


def test_a_significant_gain_of_a_group_is_named(results: dict[str, Any]) -> None:
    assert "No group gains significantly. No significant gain: sender." in read(results)
    table = results["ablation"]
    low = table["gain_low"].mask(table["step"] == "sender", 0.5)
    results["ablation"] = table.assign(gain_low=low)
    assert "Significant gains: sender +€2.20 (€0.50 to €5)." in read(results)
    loses = table["step"] == "sender"
    results["ablation"] = table.assign(gain_high=table["gain_high"].mask(loses, -0.5))
    assert "Significant losses: sender" in read(results)


def test_nearly_all_is_not_written_as_all_nor_a_level_rounded(results: dict[str, Any]) -> None:
    framing = results["framing"]
    results["framing"] = framing.model_copy(update={"confidence": 0.975})
    segments = results["segments"]
    results["segments"] = segments.assign(regret_share=[0.9996, 0.0004], share=[0.0004, 0.9996])
    curve = results["calibration_curve"]
    results["calibration_curve"] = curve.assign(high=curve["high"].mask(curve["bin"] == 2, 0.9997))
    text = read(results)
    assert "(97.5% CI" in text
    assert "98%" not in text
    assert "99.96% of all regret comes from 0.04% of the parcels" in text
    assert "57% (50% to 99.97%) was observed" in text


def test_the_intervals_say_whether_they_cover_the_chance_of_fitting(
    results: dict[str, Any],
) -> None:
    text = read(results)
    assert 'Each step before "all examples" is fitted 3 times' in text
    assert "Each smaller set is fitted 4 times" in text
    for name in ("ablation", "learning_curve"):
        results[name] = results[name].assign(fits=1)
    text = read(results)
    assert "Each step is fitted once: the interval leaves out the chance of fitting." in text
    assert "Each size is fitted once: the interval leaves out the chance of fitting." in text
    assert "is fitted 3 times" not in text


@pytest.mark.parametrize(
    ("worth", "advice"),
    [
        ("yes", "significantly more than their price of €300: collect them"),
        ("no", "significantly less than their price of €300: do not collect them"),
        ("inconclusive", "not significantly different from their price of €300"),
    ],
)
def test_more_labels_are_compared_with_their_price(
    results: dict[str, Any], worth: str, advice: str
) -> None:
    results["more_labels"]["worth"] = worth
    assert f"€407 (€163 to €651) over 6 months, {advice}" in read(results)
    results["more_labels"] |= {"value": dict(NOTHING), "per_doubling": dict(NOTHING)}
    assert "too few sizes" in read(results)


def test_labels_that_nothing_contradicts(results: dict[str, Any]) -> None:
    results["label_issues"] = results["label_issues"].iloc[:0]
    assert "contradicts no label" in read(results)


def test_the_smallest_framing_lists_what_it_assumes_and_shows_no_time(
    results: dict[str, Any],
) -> None:
    stated = results["framing"]
    smallest = Framing.model_validate(
        {
            "decision": {"unit": "parcel", "label": "arrives broken"},
            "costs": stated.costs.model_dump(),
            "split": {"clock": "none"},
            "baselines": stated.baselines,
        }
    )
    results["framing"], results["about"] = smallest, About()
    results["verdict"] |= {"assumed": list_assumptions(smallest), "kpi": None, "limits": []}
    results["verdict"]["value"]["worst_month"] = None
    results["power"]["achievable_per_1000"] = None
    over_time = ["gain_by_period_figure", "backtest_figure", "slices_figure"]
    results |= {name: f"<svg>the {name}</svg>" for name in [*over_time, "own_figure"]}
    text = read(results)
    first = text.partition("All conditions of the verdict")[0]
    assert "Assumed, because it is not stated in framing.yml" in first
    assert "1,000 parcels are decided a month (framing.decision.per_month)" in first
    assert "if all months were like the test set" in first
    assert "for every parcel, the probability that a parcel arrives broken" in text
    assert "owner of the result: not stated" in text
    assert "framing.slices names no feature, so there are no results by slice" in text
    assert "No limits of size and speed are stated (framing.serving)" in text
    data = section(text, "Data: split and cleaning")
    assert "Decisions have no time, so each is in a part at random." in data
    assert "first day" not in data
    assert "the own_figure" in text
    assert not [name for name in over_time if f"the {name}" in text]
    reported = collect_results(**results)
    card, sheet = render_model_card(reported), render_datasheet(reported)
    assert "Assumed: the model costs nothing to run (framing.project.upkeep_per_month)." in card
    assert "Nobody is named as its owner." in card
    assert "Where labels come from is not stated." in sheet
    assert "| part | parcels |" in sheet


def test_what_is_stated_is_not_listed_as_assumed(results: dict[str, Any]) -> None:
    assert "Assumed, because" not in read(results)


def test_a_project_adds_sections_of_its_own(results: dict[str, Any]) -> None:
    def describe_routes(test_predictions: pd.DataFrame) -> str:
        return f"<p>{len(test_predictions)} on the road</p>"

    node = reporting.section(describe_routes, "test_predictions")
    results |= node.run({"test_predictions": results["test_predictions"]})
    text = read(results)
    assert section(text, "Routes").startswith("1000 on the road\nFrom\nroutes_section\nof 2026")
    assert page_of(results).count('href="#routes"') == 1


def test_no_number_is_written_for_a_machine(results: dict[str, Any]) -> None:
    tiny = 6.16e-09
    results["importance"]["rise"] = [0.02, tiny, -0.0000515]
    results["audit"].loc[1, "measured"] = tiny
    results["best_params"]["params"] |= {"penalty": tiny, "rate": 0.12345678}
    results["drift"]["index"] = [0.31, tiny, 0.0]
    text = read(results)
    assert not re.search(r"\de[-+]?\d\d", text)
    assert not re.search(r"\d\.\d{5}", re.sub(r"\d{4}-\d\d-\d\dT\S+", "", text))
    assert formatting.short(tiny) == "0.000"
