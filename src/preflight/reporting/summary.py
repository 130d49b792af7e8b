"""The sentences of the report: each is computed from the numbers that it is about."""

from typing import Any

import numpy as np
import pandas as pd

from preflight.contracts.catalog import Contracts
from preflight.evaluation.comparison import FEWEST_ROWS
from preflight.problem.costs import Outcomes, UnitCosts
from preflight.problem.framing import Framing
from preflight.problem.shares import format_level
from preflight.reporting.formatting import (
    MINUS,
    NO_BREAK,
    TO,
    listed,
    money,
    money_span,
    number,
    percent,
    places,
    records,
    words,
)
from preflight.reporting.vocabulary import vocabulary


def summarize_verdict(verdict: dict[str, Any], framing: Framing) -> str:
    """Return the decision, and what the candidate saves more than the best baseline.

    A what-if says so first.
    """
    ship, hold = "Ship", "Do not ship"
    if verdict["what_if"]:
        ship, hold = (f"{verdict['reasons'][0]}. It would {end}" for end in ("ship", "not ship"))
    decision = ship
    if verdict["decision"] == "hold":
        why = next(check["message"] for check in verdict["checks"] if not check["ok"])
        decision = f"{hold} ({why.split(': ')[0]})"
    over, unit = verdict["value"]["over_baseline"], verdict["value"]["unit"]
    mean, low, high = over["mean"], over["low"], over["high"]
    if mean is None:
        return f"{decision}: the candidate can't be compared with {words(over['baseline'])} here."
    gain = (
        f"{decision}: the candidate saves {money(mean, unit).replace(MINUS, '')} "
        f"{'less' if mean < 0 else 'more'} per 1,000 {framing.decision.units} than "
        f"{words(over['baseline'])}, the best baseline"
    )
    if low is None:
        return f"{gain}; the test is too small for an interval."
    interval = f"{money(low, unit)}{TO}{money(high, unit)}"
    return f"{gain} ({format_level(framing.confidence)}{NO_BREAK}CI{NO_BREAK}{interval})."


def describe_lead(framing: Framing) -> str:
    """Return how long ahead the decision is due."""
    minutes = framing.prediction.lead_minutes
    time, unit = (minutes, "minute") if minutes % 60 else (minutes // 60, "hour")
    return f"{time} {unit}" if time == 1 else f"{time} {unit}s"


def describe_rule(costs: Outcomes | UnitCosts, framing: Framing, curve: pd.DataFrame) -> str:
    """Return the rule by which a prediction becomes a decision, on the rows of the test."""
    if isinstance(costs, UnitCosts):
        low, high = np.quantile(costs.quantile, [0.05, 0.95])
        which = format_level(low) + (f"{TO}{format_level(high)}" if high > low else "")
        return f"the {which} quantile of what may happen, which costs least on average"
    low, high = np.quantile(costs.threshold, [0.05, 0.95])
    above = format_level(low)
    if np.ptp(costs.threshold):
        above = (
            f"a threshold from the costs of each {framing.decision.unit} "
            f"({format_level(low)}{TO}{format_level(high)} for nine in ten of the test set)"
        )
    if curve["by_costs"].any():
        above = format_level(curve.loc[curve["by_costs"], "setting"].iloc[0])
    return f"where the probability is above {above}: there acting costs less than not acting"


def summarize_threshold(curve: pd.DataFrame, value: dict[str, Any], framing: Framing) -> str:
    """Return what the decisions save, and which setting would have saved most on the test set."""
    rows, unit = records(curve), framing.costs.unit
    best = max(rows, key=lambda row: row["value_per_1000"])
    own = next((row for row in rows if row["by_costs"]), None)
    saved = f"{money(value['per_1000'], unit)} per 1,000 {framing.decision.units}"
    most = _saving(best, unit)
    if framing.task == "regression":
        if best is own:
            return f"The predictions save {saved}. No amount added to all of them saves more."
        added = number(best["setting"], places([best["setting"]]))
        return f"The predictions save {saved}. With {added} added to each, they save {most}."
    first = (
        f"The threshold of {percent(own['setting'], 1)} follows from the costs and saves {saved}."
        if own
        else f"The threshold of each {framing.decision.unit} follows from its costs. Together the "
        f"decisions save {saved}."
    )
    second = (
        "No other threshold saves more on this test set."
        if best is own
        else f"On this test set, a threshold of {percent(best['setting'], 1)} for all saves {most}."
    )
    return f"{first} {second} Acting always saves {_saving(rows[0], unit)}."


def _saving(row: dict[str, Any], unit: str) -> str:
    figure = {"mean": row["value_per_1000"], "low": row["low"], "high": row["high"]}
    return money_span(figure, unit)


def summarize_power(power: dict[str, Any], framing: Framing) -> str:
    """Return what a test of this length can detect, as computed before the test set was used."""
    names = ("required", "detectable", "shippable", "achievable")
    required, detectable, shippable, achievable = (power[f"{name}_per_1000"] for name in names)
    if shippable is None:
        return "What the test can detect is not known: validation has too few days."
    unit, units = framing.costs.unit, framing.decision.units
    believed = ""
    if achievable is not None:
        believed = f" {money(achievable, unit)} is believed to be achievable."
        believed += " So the test is too short." * (shippable > achievable)
    return (
        f"By the spread on validation, {power['units']} test {power['unit']}s ship a gain of "
        f"{money(shippable, unit)} per 1,000 {units} with a power of "
        f"{format_level(framing.success.power)}: the required {money(required, unit)}, and "
        f"{money(detectable, unit)} that they can detect.{believed}"
    )


def summarize_sample(split_summary: pd.DataFrame, framing: Framing) -> str:
    """Return which part of all decisions was drawn; nothing if all were."""
    share = split_summary["share"].iloc[0]
    if share == 1:
        return ""
    return (
        f"The parts are a random sample of {percent(share, 1)} of all "
        f"{framing.decision.units}, drawn by a hash of their key. Features were built from all."
    )


def summarize_search(best: dict[str, Any], framing: Framing) -> str:
    """Return what the search gained, which parameters are used, and if it can be repeated."""
    again = {
        "trials": "",
        "seconds": " The search was ended by its time limit (`seconds`): it is not reproducible.",
    }[best["ended"]]
    if best["gain"] is None or best["gain"]["low"] is None:
        return f"There is too little data to compare it with the declared parameters.{again}"
    unit = framing.costs.unit
    used = {"tuned": "the parameters of the best trial", "declared": "the declared parameters"}
    return (
        f"The declared parameters save {money(best['declared_value'], unit)}. The best of many "
        f"trials looks better than it is, here by {money(best['optimism'], unit)}. After this "
        f"correction the gain is {money_span(best['gain'], unit)}, so {used[best['kept']]} are "
        f"used.{again}"
    )


def summarize_value(metrics: dict[str, Any], over: dict[str, Any], framing: Framing) -> str:
    """Return what the candidate saves, and the difference to the best baseline."""
    unit, units = framing.costs.unit, framing.decision.units
    saving = money_span(metrics["candidate"]["value_per_1000"], unit)
    text = (
        f"The candidate saves {saving} per 1,000 {units}, compared with "
        f"{vocabulary(framing).without}."
    )
    if over["low"] is None:
        return text
    one = framing.resampling.unit
    chance = ", not significantly different from zero" if over["low"] <= 0 <= over["high"] else ""
    return (
        f"{text} A bad {one} is bad for every model, so models are compared {one} by {one}: the "
        f"difference to {words(over['baseline'])} is {money_span(over, unit)}{chance}."
    )


def summarize_baseline(selection: dict[str, Any], framing: Framing) -> str:
    """Return what the candidate has to beat, and how it did on validation."""
    name, values, unit = selection["best_baseline"], selection["values"], framing.costs.unit
    return (
        "The candidate has to beat every baseline, by the required gain and with confidence. On "
        f"validation, before the test set was used, {words(name)} was the best: it saves "
        f"{money(values[name], unit)} per 1,000 {framing.decision.units} there, and the candidate "
        f"{money(values['candidate'], unit)}."
    )


def summarize_stability(value: dict[str, Any], framing: Framing) -> str:
    """Return what an interval can't cover: the best days, and the worst month."""
    best, worst, unit = value["best_units"], value["worst_month"], value["unit"]
    units = framing.decision.units
    text = ""
    if best["share"] is not None and best["gain_without"] is not None:
        text = (
            f"The {best['units']} best {best['unit']}s of the test bring {percent(best['share'])} "
            f"of the gain; without them it is {money(best['gain_without'], unit)} per 1,000 "
            f"{units}. "
        )
    if worst is None:
        return text
    return (
        f"{text}The worst month is {worst['month']} ({worst['part']}) with a gain of "
        f"{money(worst['gain_per_1000'], unit)}. If all months were like it, "
        f"{framing.success.months:g} months would bring {money(worst['net'], unit)} after upkeep."
    )


def summarize_calibration(curve: pd.DataFrame) -> str:
    """Return in how many groups the prediction holds, and what was observed in the highest."""
    within = len(curve.query("low <= expected <= high"))
    top = max(records(curve), key=lambda group: group["predicted"])
    observed = f"{percent(top['observed'])} ({percent(top['low'])}{TO}{percent(top['high'])})"
    return (
        f"In {within} of {len(curve)} groups the expected share lies within the interval of the "
        f"observed share. In the group with the highest predictions ({top['rows']:,} rows), "
        f"{percent(top['expected'])} was expected and {observed} was observed."
    )


def summarize_slices(slices: pd.DataFrame, selection: dict[str, Any], framing: Framing) -> str:
    """Return in how many slices the candidate gains, and where its gain is lowest and highest."""
    if not framing.slices:
        return "framing.slices names no feature, so there are no results by slice."
    measured = slices[slices["gain_per_1000"].notna()]
    if measured.empty:
        return "The gain of the candidate is not known in any slice."
    rival = words(selection["best_baseline"])
    better, worse = (measured["gain_low"] > 0).sum(), (measured["gain_high"] < 0).sum()
    text = (
        f"The candidate saves more than {rival} in {(measured['gain_per_1000'] > 0).sum()} of "
        f"{len(measured)} slices. The gain is significantly above zero in {better}, and "
        f"significantly below zero in {worse}."
    )
    large = measured[measured["rows"] >= FEWEST_ROWS].sort_values("gain_per_1000", kind="stable")
    if large.empty:
        return f"{text} No slice is large enough to name the lowest or the highest."

    def name(part: Any) -> str:
        gain = money(part["gain_per_1000"], framing.costs.unit)
        return f"{words(str(part['by']))} {part['slice']} ({gain})"

    return f"{text} Lowest: {name(large.iloc[0])}. Highest: {name(large.iloc[-1])}."


def summarize_importance(importance: pd.DataFrame, framing: Framing, contracts: Contracts) -> str:
    """Return the most important feature with its meaning, and the sum of each group."""
    top = importance.iloc[importance["rise"].argmax()]
    if top["rise"] <= 0:
        return "Shuffling no feature makes the model worse: it has learnt nothing from them."
    column = contracts["features"].columns().get(top["feature"], {})
    meaning = f" ({column['description']})" if "description" in column else ""
    sums = importance.groupby("group")["rise"].sum().sort_values(ascending=False)
    groups = listed(f"{words(str(group))} {number(rise, 4)}" for group, rise in sums.items())
    return (
        f"The most important feature is {words(top['feature'])}{meaning}: with its values "
        f"shuffled, the {vocabulary(framing).loss} rises by {number(top['rise'], 4)}. "
        f"{(importance['low'] > 0).sum()} of {len(importance)} features raise it in every "
        f"shuffle. Sum by group: {groups}."
    )


def summarize_cleaning(cleaning: pd.DataFrame) -> str:
    """Return the number of cleaning rules, and in how many rows each kind did something."""
    sums = cleaning.groupby("action")["rows"].sum()
    done = listed(f"{action} in {rows:,}" for action, rows in sums.items())
    rules = "1 rule" if len(cleaning) == 1 else f"{len(cleaning)} rules"
    return f"Cleaning has {rules}. By number of rows: {done}."


def summarize_audit(audit: pd.DataFrame) -> str:
    """Return how many checks passed, and what the replay of the past found."""
    replay = audit.loc[audit["check"] == "replay", "evidence"]
    text = f"{len(audit)} checks passed."
    if replay.empty:
        return text
    return f"{text} {replay.iloc[0][:1].upper()}{replay.iloc[0][1:]}."
