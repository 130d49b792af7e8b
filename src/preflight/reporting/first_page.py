"""The first screen of the report: for the person who decides."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from preflight.audit.findings import REST_ON
from preflight.problem.framing import Framing
from preflight.problem.shares import format_level
from preflight.reporting.formatting import TO, listed, money, money_span, percent, short, words

MOST_RISKS = 3
Tile = dict[str, str]  # label, value, note


class Assumption(NamedTuple):
    """What a contract assumes and no check can prove.

    about: the column. reason: as the contract states it. lost: what the groups of the features
    that rest on it bring on test, per 1,000; 0 if nobody measured it.
    """

    about: str
    reason: str
    lost: float


def summarize_first_page(r: dict[str, Any]) -> dict[str, Any]:
    """Return the gain in a sentence, the figures in tiles, the largest risks and the next step."""
    assumptions = list_assumptions(r)
    return {
        "gain": summarize_gain(r["verdict"], r["framing"]),
        "tiles": list_tiles(r["verdict"], r["power"], r["test_predictions"], r["framing"]),
        "risks": list_risks(r, assumptions)[:MOST_RISKS],
        "next": describe_next_step(
            r["verdict"], diagnosed="ablation" in r, rests=_rests_on(assumptions, r)
        ),
    }


def _period(months: float) -> str:
    return "a year" if months == 12 else f"{months:g} months"


def _interval(figure: dict[str, Any], framing: Framing) -> str:
    """Return the interval of an amount: "95% CI $1 to $2"; nothing without one."""
    if figure["low"] is None:
        return ""
    low, high = (money(figure[bound], framing.costs.unit) for bound in ("low", "high"))
    return f"{format_level(framing.confidence)} CI {low}{TO}{high}"


def _join(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def summarize_gain(verdict: dict[str, Any], framing: Framing) -> str:
    """Return what the candidate would bring in a year, and what that assumes."""
    net = verdict["value"]["net"]
    if net["mean"] is None:
        return "What the candidate would bring is not known."
    interval = _interval(net, framing)
    like = "set" if framing.split.clock == "none" else "period"
    return (
        f"{_period(net['months']).capitalize()} would bring "
        f"{money(net['mean'], framing.costs.unit)} after upkeep"
        f"{f' ({interval})' if interval else ''}, if all months were like the test {like}."
    )


def list_tiles(
    verdict: dict[str, Any], power: dict[str, Any], test_predictions: pd.DataFrame, framing: Framing
) -> list[Tile]:
    """Return the figures that a decision needs."""
    unit, value = framing.costs.unit, verdict["value"]
    net, over, units = value["net"], value["over_baseline"], framing.decision.units
    required = money(power["required_per_1000"], unit)
    tiles = [
        {
            "label": f"Gain in {_period(net['months'])}",
            "value": money(net["mean"], unit),
            "note": _join(_interval(net, framing), f"{money(net['required'], unit)} is required"),
        },
        {
            "label": f"Gain per 1,000 {units}",
            "value": money(over["mean"], unit),
            "note": _join(
                _interval(over, framing),
                f"over {words(over['baseline'])}, the best baseline",
                f"{required} is required",
            ),
        },
    ]
    label, decided = (test_predictions[name].to_numpy() for name in ("label", framing.decided))
    if kpi := verdict["kpi"]:
        reached = "reached" if kpi["measured"] <= kpi["target"] else "not reached"
        stated = f"{short(kpi['current'])} is stated in framing.yml for today"
        before, note = kpi["current"], stated
        if framing.task == "binary":  # what nobody acts on, on the same rows
            before, note = 1000 * label.mean(), f"without and with it, on the test set; {stated}"
        tiles.append(
            {
                "label": f"KPI: {kpi['name']}",
                "value": f"{short(float(before))} → {short(kpi['measured'])}",
                "note": f"{note}; the target of {short(kpi['target'])} is {reached}",
            }
        )
    return tiles + (
        _shares(label == 1, decided, units)
        if framing.task == "binary"
        else _errors(label, decided, units)
    )


def _shares(positive: Any, acted: Any, units: str) -> list[Tile]:
    """Return precision, recall and the share of decisions that are acted on."""
    hits = (positive & acted).sum()
    precision = percent(hits / acted.sum()) if acted.any() else "not known"
    recall = percent(hits / positive.sum()) if positive.any() else "not known"
    return [
        {"label": "Precision", "value": precision, "note": f"of the {units} acted on have label 1"},
        {"label": "Recall", "value": recall, "note": f"of the {units} with label 1 are acted on"},
        {"label": "Acted on", "value": percent(acted.mean()), "note": f"of all {units}"},
    ]


def _errors(label: Any, decided: Any, units: str) -> list[Tile]:
    """Return how large errors are, and how many decisions are too high or too low."""
    error = short(float(np.abs(decided - label).mean()))
    return [
        {"label": "Mean absolute error", "value": error, "note": "in the unit of the label"},
        {"label": "Too much", "value": percent((decided > label).mean()), "note": f"of {units}"},
        {"label": "Too little", "value": percent((decided < label).mean()), "note": f"of {units}"},
    ]


def list_risks(r: dict[str, Any], assumptions: list[Assumption]) -> list[str]:
    """Return what the decision rests on and what may go wrong, the most important first."""
    verdict, framing = r["verdict"], r["framing"]
    value, unit = verdict["value"], framing.costs.unit
    risks = [_describe_assumption(one, r) for one in assumptions]
    risks += [f"{warning[:1].upper()}{warning[1:]}." for warning in verdict["warnings"]]
    if verdict["assumed"]:
        many = len(verdict["assumed"])
        risks.append(
            f"{many} {'setting is' if many == 1 else 'settings are'} not stated in framing.yml and "
            "assumed; they are listed below."
        )
    worst, net = value["worst_month"], value["net"]
    if worst and worst["net"] < net["required"]:
        risks.append(
            f"The worst month, {worst['month']} ({worst['part']}), has a gain of "
            f"{money(worst['gain_per_1000'], unit)} per 1,000. If all months were like it, "
            f"{_period(net['months'])} would bring {money(worst['net'], unit)}, less than required."
        )
    if "robustness" in r and (failing := _describe_failing_input(r["robustness"], framing)):
        risks.append(failing)
    if verdict["test_set"]["number"] > 1:
        risks.append(
            f"{verdict['test_set']['number']} candidates were evaluated on this test set. Each one "
            "makes a lucky result more likely, so a stricter bound decides."
        )
    if unmeasured := [words(one["name"]) for one in verdict["limits"] if one["ok"] is None]:
        risks.append(f"Not measured, because the machine was busy: {listed(unmeasured)}.")
    return risks


def list_assumptions(r: dict[str, Any]) -> list[Assumption]:
    """Return the assumptions that the audit lists."""
    found = []
    for _, row in r["audit"][r["audit"]["state"] == "assumed"].iterrows():
        reason, _, names = row["evidence"].partition(f". {REST_ON}")
        about = row["check"].removeprefix("assumption: ")
        found.append(Assumption(about, reason, _gain_of({*names.split(", ")}, r)))
    return found


def _gain_of(features: set[str], r: dict[str, Any]) -> float:
    """Return what the groups of these features bring on test; 0 if nobody measured it."""
    if "ablation" not in r:
        return 0.0
    groups = [
        name for name, some in r["contracts"]["features"].groups().items() if features & {*some}
    ]
    steps = r["ablation"].query("part == 'test' and kind == 'group'")
    return float(steps.loc[steps["step"].isin(groups), "gain"].sum())


def _describe_assumption(assumption: Assumption, r: dict[str, Any]) -> str:
    """Return an assumption, and what the gain is worth without it."""
    about, reason, lost = assumption
    text = f"This is assumed about {about}, and no check can prove it: {reason}."
    over, unit = r["verdict"]["value"]["over_baseline"]["mean"], r["framing"].costs.unit
    if over is None or not lost:
        return text
    left, required = over - lost, r["power"]["required_per_1000"]
    short_of = f", and {money(required, unit)} is required" if left < required else ""
    return (
        f"{text} By the ablation, the features that rest on it bring {money(lost, unit)} per "
        f"1,000. Without them about {money(left, unit)} is left{short_of}."
    )


def _rests_on(assumptions: list[Assumption], r: dict[str, Any]) -> bool:
    """Return whether the required gain is not reached without what is assumed."""
    over = r["verdict"]["value"]["over_baseline"]["mean"]
    lost = sum(one.lost for one in assumptions)
    return over is not None and over - lost < r["power"]["required_per_1000"] <= over


def _describe_failing_input(robustness: pd.DataFrame, framing: Framing) -> str:
    """Return the largest significant loss when inputs fail; empty if there is none."""
    known = robustness[robustness["loss_low"] > 0]
    if known.empty:
        return ""
    worst = known.iloc[int(known["loss"].argmax())]
    loss = {"mean": worst["loss"], "low": worst["loss_low"], "high": worst["loss_high"]}
    return (
        f"If an input fails, most is lost with {words(worst['fault'])}: "
        f"{money_span(loss, framing.costs.unit)} per 1,000 {framing.decision.units}, compared with "
        "all inputs."
    )


def describe_next_step(verdict: dict[str, Any], diagnosed: bool, rests: bool) -> dict[str, str]:
    """Return what to do now, and its command.

    rests: the gain is below the required one without what is assumed.
    """
    if verdict["what_if"]:
        text = "A what-if is never deployed. To decide by it, write its settings into conf/base."
        return {"text": text, "command": "kedro run"}
    if verdict["decision"] == "ship":
        first = "First find out whether risk 1 holds: the verdict depends on it. Then promote"
        text = f"{first if rests else 'Promote'} the candidate. The promotion gate checks it again."
        return {"text": text, "command": "kedro run --pipelines deployment"}
    where = " The sections on segments and ablation show where to begin." if diagnosed else ""
    text = f"Do not deploy it. Change features, data or framing, and run again.{where}"
    return {"text": text, "command": "kedro run"}
