"""The report says what the datasets say, whatever they say, and loads nothing."""

import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from preflight import reporting
from preflight.errors import RunError
from preflight.problem.costs import per_1000
from preflight.problem.money import format_money
from preflight.reporting import formatting, plots
from preflight.reporting.contracts import Html
from preflight.reporting.report import (
    collect_results,
    render_datasheet,
    render_model_card,
    render_report,
)

DIAGNOSED = [
    "waterfall",
    "learning_curve",
    "more_labels",
    "segments",
    "segment_examples",
    "robustness",
    "suspicious_labels",
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
            self.lines.append(" ".join(data.replace("\xa0", " ").split()))


def page_of(results: dict[str, Any]) -> str:
    return render_report(collect_results(**results), results["checklist"])


def read(results: dict[str, Any]) -> str:
    page = page_of(results)
    assert Html().validate(page) is page
    assert "undefined" not in page.lower()
    untraced = re.sub(r"<(data|span)\b[^>]* data-from=[^>]*>(.*?)</\1>", r"\2", page)
    text = "\n".join(Text(untraced).lines)
    assert not re.search(r"\b(None|nan|NaN)\b", text)
    return text


def hold(results: dict[str, Any]) -> None:
    few = "too little data to tell: 3 days of test, 10 are needed: the candidate saves €22"
    results["verdict"]["decision"] = "hold"
    results["verdict"]["checks"] = [{"name": "gain", "ok": False, "says": few}]


def test_opens_with_the_decision(results: dict[str, Any]) -> None:
    assert (
        "Ship: the candidate saves €22 more per 1,000 parcels than table of rates, the "
        "best baseline (90% CI €13 to €33)."
    ) in read(results)


def test_numbers_are_those_of_the_datasets(results: dict[str, Any]) -> None:
    text = read(results)
    for said in [
        "€123 (€90 to €160)",  # metrics
        "0.712 (0.680 to 0.740)",
        "table of rates, the best of 2 there, saves",  # selection
        "saves €111 per 1,000 parcels (the candidate €130)",
        "The predictions are corrected",
        "0.523 without a correction and 0.512 with",
        "above 20%",  # framing: 1 / (1 + 4)
        "1 hour ahead",
        "Acting above 20.0%, where it costs less than not acting, saves €123 (€90 to €160)",
        "25.0% would have saved most in this test, €126 (€91 to €161); always acting saves "
        "\N{MINUS SIGN}€310 (\N{MINUS SIGN}€350 to \N{MINUS SIGN}€270).",
        "From 20.0% to 25.0% it is at least nine tenths of that",
        "In 2 of 3 groups",  # calibration_curve
        "For the 333 parcels with the highest probabilities 60% was predicted, and 57% "
        "(50% to 64%) observed",
        "The candidate saves money in 8 of 8 slices; in 1 the interval",  # slices
        "Worst: hour 2 (€20); best: depot north (€120)",
        "leans most on weight (as stated)",  # importance
        "2 of 3 features make it rise in every shuffle",
        "Summed by group: box 0.0403.",
        "3 sets of parameters were tried (2 complete, 1 given up early)",  # trials
        "trial 1, saves €133 per 1,000 parcels",
        "depth 4, rate 0.1235",
        "2013-01-01",  # split_summary, as days in New York
        "excluded in 3 and kept in 17.",  # cleaning
    ]:
        assert said in text, said


# What stands in the page's own words, names and dates: no results.
NO_RESULTS = "|".join(
    [
        *(
            "1,000",
            "labels? [01]",
            "0.5 a coin",
            "1 is perfect",
            "in 50%",
            "above 50%",
            "best of 2",
        ),
        *("fewer than 100 ", r"Together €[\d,]+", r"have cost €[\d,]+", "SHA-256"),
        *(r"\d{4}-\d\d-\d\d[T ][\d.:+]+Z?", "1 file changed", "2{12}", "28 checks"),
        r"(\d sets of|\(\d complete, \d given up|that were tried [\d. ]+|depth \d, rate [\d.]+)",
    ]
)


def test_every_number_is_that_of_the_dataset_and_version_that_it_names(
    results: dict[str, Any], walk_numbers: Any, stored: Any
) -> None:
    faults, other = walk_numbers(page_of(results), stored)
    assert faults == []
    untraced = re.sub(NO_RESULTS, "", " ".join(other.split()))
    assert re.findall(r".{20}\d.{20}", untraced) == []


def test_a_number_that_is_not_the_one_that_it_names_is_found(
    results: dict[str, Any], walk_numbers: Any, stored: Any
) -> None:
    page = page_of(results)
    results["metrics"]["candidate"]["roc_auc"]["mean"] = 0.713
    results["metrics"]["table_of_rates"]["value_per_1000"]["high"] = 141.2
    faults, _ = walk_numbers(page, stored)
    assert {fault.split(":")[0] for fault in faults} == {"0.712", "71%", "€140"}


MONEY = "|".join(  # the dataset and path of each amount
    [
        r"'(\w*per_1000|(declared_)?value|value_(low|high)|optimism|gain(_low|_high)?"
        r"|loss(_low|_high)?|lost|(label_)?price|per_doubling|over_baseline|[tf][pn])'\]"
        r"(\['(mean|low|high)'\])?$",
        r"^(cost_curve|segments|learning_curve)\b.*'(low|high)'\]$",
        r"\['net'\]\['(mean|low|high|least)'\]$",
        r"^selection\['values'\]",
        r"^test_predictions.*(shape\[0\] \* |cost_)",
    ]
)


def miscalled(page: str, prefix: str) -> list[str]:
    """Return amounts that do not begin with their currency, and other numbers that do."""
    number = r'<data value="[^"]*" data-from="([^"]+)"[^>]* data-path="([^"]*)">([^<]*)</data>'
    found = re.findall(number, page)
    assert len(found) > 150
    return [
        f"{source}{path}: {text}"
        for source, path, text in found
        if bool(re.search(MONEY, source + unescape(path)))
        != text.lstrip("\N{MINUS SIGN}").startswith(prefix)
    ]


@pytest.mark.parametrize(("unit", "prefix"), [("USD", "$"), ("CHF", "CHF ")])
def test_every_amount_has_its_currency_and_nothing_else_has_one(
    results: dict[str, Any], unit: str, prefix: str
) -> None:
    framing = results["framing"]
    costs = framing.costs.model_copy(update={"unit": unit})
    results["framing"] = framing.model_copy(update={"costs": costs})
    results["verdict"]["value"]["unit"] = unit
    page = page_of(results)
    assert miscalled(page, prefix) == []
    assert "€" not in page
    card = render_model_card(collect_results(**results))
    assert f"| candidate | {prefix}123 ({prefix}90" in card


def test_an_amount_without_its_currency_is_found(
    results: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formatting, "format_money", lambda amount, *_, **__: f"{amount:.2f}")
    assert len(miscalled(page_of(results), "€")) > 50


def test_costs_on_test_account_for_every_decision(results: dict[str, Any]) -> None:
    table, costs = results["test_predictions"], results["framing"].costs.at(NO_TABLE)
    act, label = table["act"].to_numpy(dtype=bool), table["label"].to_numpy(dtype=bool)
    saved = costs.saving(label, act).sum()
    never = label.sum() * costs.fn
    text = read(results)
    assert f"Together €{never - saved:,.0f}; never acting would have cost €{never:,.0f}" in text
    for rows in (act & label, act & ~label, ~act & label, ~act & ~label):
        assert f"\n{rows.sum()}\n" in text


def test_costs_in_a_column_are_told_on_average_and_summed_by_row(results: dict[str, Any]) -> None:
    framing, table = results["framing"], results["test_predictions"]
    amount = np.where(table.index % 2, 3.0, 21.0)  # thresholds of 1 / 2 and 1 / 20
    costs = framing.costs.model_copy(update={"fn": "amount"})
    results["framing"] = framing.model_copy(update={"costs": costs})
    results["cost_curve"] = results["cost_curve"].assign(by_costs=False)
    results["test_predictions"] = table.assign(cost_fn=amount)
    act, label = table["act"].to_numpy(dtype=bool), table["label"].to_numpy(dtype=bool)
    missed = amount[~act & label]
    text = read(results)
    said = ["did not act, though it was needed", f"{format_money(missed.mean(), 'EUR')} on average"]
    assert "\n".join([*said, f"{len(missed)}", f"€{missed.sum():,.0f}"]) in text
    assert f"acted, and it was needed\n€2\n{(act & label).sum()}\n" in text
    paid = missed.sum() + 2 * (act & label).sum() + (act & ~label).sum()
    never = amount[label].sum()
    assert f"Together €{paid:,.0f}; never acting would have cost €{never:,.0f}" in text
    assert "Each parcel has the threshold that its costs give; together they save €123" in text
    said = (
        "above what follows from the costs of each parcel (5% to 50% for nine in ten of the test)"
    )
    assert said in text


def test_a_cost_of_what_never_happened_is_no_number(results: dict[str, Any]) -> None:
    costs = results["framing"].costs.model_copy(update={"fn": "amount"})
    results["framing"] = results["framing"].model_copy(update={"costs": costs})
    results["cost_curve"] = results["cost_curve"].assign(by_costs=False)
    table = results["test_predictions"]
    results["test_predictions"] = table.assign(cost_fn=6.0, act=True)
    text = read(results)
    assert "did not act, though it was needed\nno case\n0\n€0\n" in text
    assert "above 20%: from there on" in text  # all rows have the same


def test_holds_in_words(results: dict[str, Any]) -> None:
    over = {"mean": -4.2, "low": -12.0, "high": 3.6}
    hold(results)
    results["verdict"] |= {
        "reasons": ["not clearly better", "too slow"],
        "limits": [{"name": "size_mb", "limit": 10.0, "measured": 12.5, "ok": False, "load": None}],
    }
    results["verdict"]["value"]["over_baseline"] |= over
    text = read(results)
    assert (
        "Do not ship (too little data to tell): the candidate saves €4.20 less per 1,000 parcels"
        in text
    )
    assert "\N{MINUS SIGN}€12 to €3.60" in text
    assert "which may be chance" in text
    assert "too slow" in text
    assert "\n".join(["size mb", "no", "10", "12.5"]) in text


def test_a_what_if_says_so_before_anything_else(
    results: dict[str, Any], walk_numbers: Any, stored: Any
) -> None:
    told = "WHAT-IF, not an evaluation: framing.costs.fn is 10, in conf/base 5"
    verdict = results["verdict"]
    verdict |= {"what_if": ["framing.costs.fn is 10, in conf/base 5"], "reasons": [told, "better"]}
    text = read(results)
    assert f"{told}. It would ship: the candidate saves €22" in text
    card = render_model_card(collect_results(**results))
    assert f"\n{told}. It would ship: the candidate saves" in card
    hold(results)
    verdict["reasons"] = [told, "too slow"]
    page = page_of(results)
    assert f"{told}. It would not ship (" in read(results)
    assert "Why it would not ship:" in page
    assert page.count("<li>too slow</li>") == 1
    assert "What-if</span>" in page
    assert walk_numbers(page, stored)[0] == []


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
    assert "only one label occurs" in text
    for name in ("value", "score"):
        node = getattr(plots, f"plot_{name}")
        assert node(results["metrics"], results["selection"], results["framing"]).data


def test_nothing_known_at_all(results: dict[str, Any]) -> None:
    for model in results["metrics"].values():
        model |= {name: dict(NOTHING) for name in model}
    hold(results)
    results["verdict"]["value"]["over_baseline"] |= NOTHING
    results["slices"][["value_per_1000", "value_low", "value_high"]] = np.nan
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
    text = read(results)
    assert "No search was made" in text
    assert "Which parameters matter" not in text


def test_without_the_stage_diagnosis(
    results: dict[str, Any], walk_numbers: Any, stored: Any
) -> None:
    for name in DIAGNOSED:
        del results[name]
    text = read(results)
    assert "What each step adds" not in text
    assert "Models compared" in text
    assert walk_numbers(page_of(results), stored)[0] == []
    for card in (render_model_card, render_datasheet):
        assert "None" not in card(collect_results(**results))


OF_ANOTHER_RUN = {
    "verdict": lambda results: results["verdict"]["value"].update(per_1000=600.0),
    "metrics": lambda r: r["metrics"]["candidate"]["value_per_1000"].update(mean=600.0),
    "waterfall": lambda results: results["waterfall"].__setitem__("value_per_1000", 600.0),
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
    test = (results["waterfall"]["part"] == "test") & (results["waterfall"]["kind"] == "group")
    results["waterfall"].loc[test, "value_per_1000"] = saved
    if changed:
        OF_ANOTHER_RUN[changed](results)
    if not diagnosed:
        for name in DIAGNOSED:
            del results[name]
    if changed is None or (changed == "waterfall" and not diagnosed):
        assert collect_results(**results)
        return
    stages = "evaluation,diagnosis,reporting" if diagnosed else "evaluation,reporting"
    said = rf"not of one run and framing: .* by .*{changed}.*kedro run --pipelines {stages}$"
    with pytest.raises(RunError, match=said):
        collect_results(**results)


def test_only_one_baseline(results: dict[str, Any]) -> None:
    del results["metrics"]["never_act"]
    text = read(results)
    assert "table of rates, the only one, saves €111" in text
    assert "never act\n" not in text


def test_a_baseline_that_beats_the_chosen_one_on_test_is_named(results: dict[str, Any]) -> None:
    results["metrics"]["never_act"]["value_per_1000"]["mean"] = 200.0
    text = read(results)
    assert "On test it saves less than never act." in text
    assert "The candidate saves €123 (€90 to €160) per 1,000 parcels, less than never act." in text


def test_ties_name_all(results: dict[str, Any]) -> None:
    results["metrics"]["table_of_rates"]["value_per_1000"]["mean"] = 123.4
    results["slices"].loc[results["slices"]["slice"] == "south", "value_per_1000"] = 20.0
    results["importance"].loc[1, "rise"] = 0.0301
    text = read(results)
    assert "as much as table of rates" in text
    assert "Worst: depot south and hour 2 (€20)" in text
    assert "weight (as stated) and size" in text


def test_of_slices_that_are_all_small_none_is_called_the_worst(results: dict[str, Any]) -> None:
    results["slices"]["rows"] = 99
    text = read(results)
    assert "No slice is large enough to be called the worst or the best." in text
    assert "Worst: " not in text


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


def test_the_audit_is_told_with_what_is_taken_on_trust(results: dict[str, Any]) -> None:
    text = read(results)
    assert "2 checks looked for what would make these figures too good, and found nothing" in text
    assert "2 moments, 40 decisions: all the same." in text
    trusted = text.split("Taken on trust:")[1].split("Check by check")[0]
    assert trusted.split() == ["assumption:", "parcels.weight", ":", "as", "stated"]
    results["audit"] = results["audit"].query("state == 'passed'")
    assert "Taken on trust" not in read(results)


def test_the_verdict_is_told_with_its_conditions_limits_and_what_is_watched(
    results: dict[str, Any],
) -> None:
    quick = {"name": "rows_per_second", "limit": 10_000.0, "measured": 281_911.3, "ok": True}
    results["verdict"]["limits"] = [quick | {"load": 1.1}]
    assert "Here the machine was busy" not in read(results)
    busy = {"name": "p99_ms", "limit": 20.0, "measured": None, "ok": None, "load": 2.4}
    results["verdict"]["limits"].append(busy)
    text = read(results)
    assert (
        "Over 6 months, after upkeep, the candidate saves €732 (€156 to €1,400) more than the best "
        "baseline; the required saving is €600."
    ) in text.replace("\xa0", " ")
    assert "This test set has judged 2 candidates so far." in text
    assert "missed: 300 before, 100 wanted, 88.8 in the test" in " ".join(text.split())
    assert "clearly better" in text.split("Condition by condition")[1]
    assert "281,911" in text
    assert text.split("p99 ms")[1].split()[:4] == ["not", "measured", "20", "-"]
    assert "Here the machine was busy. Measure again when nothing else runs" in text


def test_what_the_test_can_show_is_told(results: dict[str, Any]) -> None:
    said = (
        "30 test days detect a gain of €31 per 1,000 parcels with a power of 80%; the required "
        "gain is €20."
    )
    assert said in read(results)
    results["power"]["shows_per_1000"] = None
    assert "validation has too few days" in read(results)


def test_a_champion_is_shown_and_not_counted_as_a_baseline(results: dict[str, Any]) -> None:
    metrics = results["metrics"]
    results["metrics"] = {**metrics, "champion": metrics["table_of_rates"]}
    text = read(results)
    assert "table of rates, the best of 2 there" in text
    assert "\nchampion\n" in text


def test_what_bought_the_gain_is_told_by_what_is_sure(results: dict[str, Any]) -> None:
    text = " ".join(read(results).split())
    assert "On the test table of rates saves €101 per 1,000 parcels, the candidate €123." in text
    assert "The model on box alone saves €121; no step gains significantly." in text
    assert "No significant gain: sender." in text
    assert "acting above 50% instead would change the value by \N{MINUS SIGN}€43" in text
    surely = results["waterfall"]["step"] == "sender"
    low = results["waterfall"]["gain_low"].mask(surely, 0.5)
    results["waterfall"] = results["waterfall"].assign(gain_low=low)
    assert "added to it: sender +€2.20 (€0.50 to €5)." in " ".join(read(results).split())


@pytest.mark.parametrize(
    ("worth", "said"),
    [
        ("yes", "significantly more than their price of €300: collect them"),
        ("no", "significantly less than their price of €300: do not collect them"),
        ("can't tell", "not significantly different from their price of €300"),
    ],
)
def test_more_labels_are_told_with_their_price(
    results: dict[str, Any], worth: str, said: str
) -> None:
    results["more_labels"]["worth"] = worth
    text = " ".join(read(results).split())
    assert "Twice the examples change the value by €10 (€4 to €16) per 1,000 parcels" in text
    assert "the next 3,000 labels are worth €407 (€163 to €651) over 6 months" in text
    assert said in text.replace("&#39;", "'")
    results["more_labels"] |= {"value": dict(NOTHING), "per_doubling": dict(NOTHING)}
    assert "too few to say what more examples would buy" in read(results)


def test_where_most_is_lost_is_told_and_shown(results: dict[str, Any]) -> None:
    text = " ".join(read(results).split())
    assert "63% of the loss comes from 30% of the parcels: weight above 3, depot north." in text
    assert "40% have label 1, 20% was predicted and 11% acted on" in text
    assert "north, 4711 did not act" in text
    assert "It gives no answer with sender missing." in text
    assert (
        "The largest loss is with box missing: €63 (€50 to €77) per 1,000 parcels. That leaves €60."
        in text
    )
    assert "contradicts 77 of 7,000 labels" in text
    results["suspicious_labels"] = results["suspicious_labels"].iloc[:0]
    assert "contradicts no label" in read(results)


def test_the_checklist_is_told_with_how_to_earn_what_is_open(results: dict[str, Any]) -> None:
    text = " ".join(read(results).split())
    assert "The ML Test Score is 1.5: a first pass." in text
    assert "Data: 1.5 of 3" in text
    assert (
        "it is automated automated slices (2026) it is by hand by hand slices (2026) do it" in text
    )
    assert "it is open open none yet do it" in text
