"""What the report says: each sentence is computed from the numbers that it is about."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from preflight.contracts.catalog import Contracts
from preflight.problem.costs import Outcomes, UnitCosts
from preflight.problem.framing import Framing
from preflight.reporting import tasks
from preflight.reporting.formatting import (
    MINUS,
    NO_BREAK,
    UNBROKEN,
    money,
    money_span,
    number,
    percent,
    places,
    words,
)
from preflight.reporting.panels import Panel, known
from preflight.reporting.traced import marked, traced

Interval = dict[str, float | None]


def listed(names: Iterable[str]) -> str:
    """Return names as a list in a sentence: "a, b and c"."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def headline(verdict: dict[str, Any], framing: Framing) -> str:
    """Return the decision, and what the candidate saves more than the best baseline.

    That it is a what-if comes first.
    """
    ship, hold = "Ship", "Do not ship"
    if verdict["what_if"]:
        ship, hold = (f"{verdict['reasons'][0]}. It would {say}" for say in ("ship", "not ship"))
    todo = ship
    if verdict["decision"] == "hold":
        why = next(check["says"] for check in verdict["checks"] if not check["ok"])
        todo = f"{hold} ({why.split(': ')[0]})"
    over, unit = verdict["value"]["over_baseline"], verdict["value"]["unit"]
    mean, low, high = over["mean"], over["low"], over["high"]
    if mean is None:
        return f"{todo}: the candidate can't be compared with {words(over['baseline'])} here."
    said = (
        f"{todo}: the candidate saves {money(mean, unit).replace(MINUS, '')} "
        f"{'less' if mean < 0 else 'more'} per 1,000 {framing.decision.units} than "
        f"{words(over['baseline'])}, the best baseline"
    )
    if low is None:
        return f"{said}; the test is too small for an interval."
    interval = f"{money(low, unit)}{UNBROKEN}{money(high, unit)}"
    return f"{said} ({framing.confidence:.0%}{NO_BREAK}CI{NO_BREAK}{interval})."


def lead_says(framing: Framing) -> str:
    """Return how long ahead the decision is due."""
    minutes = framing.prediction.lead_minutes
    if minutes % 60:
        return f"{minutes} {'minute' if minutes == 1 else 'minutes'}"
    hours = traced(minutes // 60, "params:framing", "['prediction']['lead_minutes'] // 60")
    return f"{hours} {'hour' if hours == 1 else 'hours'}"


def decision_says(costs: Outcomes | UnitCosts, framing: Framing, curve: pd.DataFrame) -> str:
    """Return which decision costs less, on the rows of the test."""
    if isinstance(costs, UnitCosts):
        low, high = np.quantile(costs.quantile, [0.05, 0.95])
        so = f"{low:.0%}" + f"{UNBROKEN}{high:.0%}" * bool(np.ptp(costs.quantile))
        return f"the amount that {so} of what may happen is below: on average it costs least"
    threshold = costs.threshold
    low, high = 100 * np.quantile(threshold, [0.05, 0.95])
    own = f"what follows from the costs of each {framing.decision.unit} ({low:.3g}% to {high:.3g}%"
    above = f"{own} for nine in ten of the test)" if np.ptp(threshold) else f"{low:.3g}%"
    if curve["by_costs"].any():
        exact = curve.loc[curve["by_costs"], "setting"].iloc[0]
        above = marked(exact, f"{100 * exact:.3g}%")
    return (
        f"where the probability is above {above}: from there on acting costs less than not acting"
    )


def costs_says(curve: pd.DataFrame, value: dict[str, Any], framing: Framing) -> str:
    """Return what the decisions save, which would have saved most, and where it matters little."""
    rows = known(curve)
    best = max(rows, key=lambda row: row["value_per_1000"])
    own, unit = next((row for row in rows if row["by_costs"]), None), framing.costs.unit
    saved = money(value["per_1000"], unit)
    if framing.task == "regression":
        most = "Nothing that is added to all of them would have saved more in this test."
        if own is not best:
            most = (
                f"{number(best['setting'], places([best['setting']]))} added to each of them would "
                f"have saved most in this test, {_saved(best, unit)}."
            )
        return f"The amounts save {saved} per 1,000 {framing.decision.units}. {most}"
    first = (
        f"Each {framing.decision.unit} has the threshold that its costs give; together they save "
        f"{saved}"
        if own is None
        else f"Acting above {percent(own['setting'], 1)}, where it costs less than not acting, "
        f"saves {_saved(own, unit)}"
    )
    said = (
        f"{first} per 1,000 {framing.decision.units}. Of the thresholds tried for all alike, "
        + (
            "none would have saved more in this test; "
            if best is own
            else f"{percent(best['setting'], 1)} would have saved most in this test, "
            f"{_saved(best, unit)}; "
        )
        + f"always acting saves {_saved(rows[0], unit)}."
    )
    near = [row for row in rows if row["value_per_1000"] >= 0.9 * best["value_per_1000"] > 0]
    if len(near) < 2:
        return said
    return (
        f"{said} From {percent(near[0]['setting'], 1)} to {percent(near[-1]['setting'], 1)} it "
        "is at least nine tenths of that: there it matters little that nobody knows the costs "
        "exactly."
    )


def _saved(row: dict[str, Any], unit: str) -> str:
    figure = {"mean": row["value_per_1000"], "low": row["low"], "high": row["high"]}
    return money_span(figure, unit)


def _against(figures: dict[str, Interval], name: str) -> str:
    """Return how the named model's mean compares with the others': "less than a and b"."""
    own = figures[name]["mean"]
    means = {n: f["mean"] for n, f in figures.items() if n != name and f["mean"] is not None}
    if own is None or not means:
        return "with nothing to compare it with"
    above = [words(other) for other, mean in means.items() if mean > own]
    level = [words(other) for other, mean in means.items() if mean == own]
    if above:
        return f"less than {listed(above)}"
    return f"as much as {listed(level)}" if level else "more than every other model"


def power_says(power: dict[str, Any], framing: Framing) -> str:
    """Return what a test of this length can show, as judged before it was opened."""
    required = money(power["asked_per_1000"], framing.costs.unit)
    if power["shows_per_1000"] is None:
        return "What the test can detect is not known: validation has too few days."
    shows = money(power["shows_per_1000"], framing.costs.unit)
    return (
        f"By the spread on validation, {power['days']} test days detect a gain of {shows} per "
        f"1,000 {framing.decision.units} with a power of {framing.success.power:.0%}; the required "
        f"gain is {required}."
    )


def search_says(best: dict[str, Any], framing: Framing) -> str:
    """Return what the search bought, which parameters are taken, and whether it can be repeated."""
    again = {
        "trials": "",
        "seconds": " It was ended by its time limit (`seconds`), so it is not reproducible.",
        "interrupted": " It was interrupted, so it is not reproducible.",
    }[best["ended"]]
    if best["gain"] is None or best["gain"]["low"] is None:
        return f"Whether that is better than the parameters declared can't be told here.{again}"
    unit = framing.costs.unit
    taken = {
        "tuned": "so these parameters are taken",
        "declared": "so the declared parameters are kept",
    }[best["kept"]]
    return (
        f"The declared parameters save {money(best['declared_value'], unit)}. The best of many "
        f"looks better than it is, here by {money(best['optimism'], unit)}. The gain less that is "
        f"{money_span(best['gain'], unit)}, {taken}.{again}"
    )


def value_says(metrics: dict[str, Any], over: dict[str, Any], framing: Framing) -> str:
    """Return where the candidate stands, and how it compares day by day."""
    value = {name: figures["value_per_1000"] for name, figures in metrics.items()}
    unit, units = framing.costs.unit, framing.decision.units
    said = f"The candidate saves {money_span(value['candidate'], unit)} per 1,000 {units}, "
    said += f"{_against(value, 'candidate')}."
    if over["low"] is None:
        return said
    chance = ", which may be chance" if over["low"] <= 0 <= over["high"] else ""
    return (
        f"{said} A bad day is bad for every model, so they are compared day by day: the "
        f"difference to {words(over['baseline'])} is {money_span(over, unit)}{chance}."
    )


def baseline_says(metrics: dict[str, Any], selection: dict[str, Any], framing: Framing) -> str:
    """Return which baseline was chosen, where, and how it did on test among the baselines."""
    name, values = selection["best_baseline"], selection["values"]
    value = {n: metrics[n]["value_per_1000"] for n in values if n in metrics and n != "candidate"}
    unit, units = framing.costs.unit, framing.decision.units
    chosen = f"the best of {len(value)} there" if len(value) > 1 else "the only one"
    said = (
        f"The baseline to beat was chosen on validation, before the test was opened: "
        f"{words(name)}, {chosen}, saves {money(values[name], unit)} per 1,000 {units} (the "
        f"candidate {money(values['candidate'], unit)})."
    )
    against = _against(value, name)
    return f"{said} On test it saves {against}." if against.startswith("less") else said


def score_says(metrics: dict[str, Any], framing: Framing) -> str:
    """Return what the candidate's score means, beside the best baseline's."""
    means = {name: figures[framing.metrics[0]]["mean"] for name, figures in metrics.items()}
    own = means.pop("candidate")
    if framing.task == "regression":
        least = min(means.values())
        names = listed(words(name) for name, mean in means.items() if mean == least)
        return (
            f"On average the candidate is {number(own, places([own]))} off; at best a baseline is "
            f"{number(least, places([least]))} ({names})."
        )
    if own is None:
        return "Ranking can't be judged here: only one label occurs in the test."
    top = max(means.values())
    names = listed(words(name) for name, mean in means.items() if mean == top)
    return (
        f"Of two {framing.decision.units}, one with each label, the candidate gives the higher "
        f"probability to the right one in {own:.0%} of cases; at best a baseline does so in "
        f"{top:.0%} ({names}), a coin in 50%."
    )


def calibration_says(curve: pd.DataFrame, framing: Framing) -> str:
    """Return in how many groups the prediction holds, and what came of the highest ones."""
    name, inside = "calibration_curve", "low <= asked <= high"
    groups = traced(len(curve), name, ".shape[0]")
    within = traced(len(curve.query(inside)), name, f".query({inside!r}).shape[0]")
    most = max(known(curve), key=lambda group: group["predicted"])
    if framing.task == "regression":
        return (
            f"In {within} of {groups} groups as many labels are below the prediction as the costs "
            f"ask for, give or take the interval. Of the {most['rows']:,} highest predictions "
            f"{most['asked']:.0%} of the labels are to be below, and {most['observed']:.0%} "
            f"({most['low']:.0%}{UNBROKEN}{most['high']:.0%}) are."
        )
    return (
        f"In {within} of {groups} groups the predicted share lies within the interval of what "
        f"was observed. For the {most['rows']:,} {framing.decision.units} with the highest "
        f"probabilities {most['predicted']:.0%} was predicted, and {most['observed']:.0%} "
        f"({most['low']:.0%}{UNBROKEN}{most['high']:.0%}) observed."
    )


def slices_says(panels: list[Panel], framing: Framing) -> str:
    """Return in how many slices the candidate saves, where least and most, and where unsure."""
    rows = [(f"{words(panel.title)} {row.label}", row) for panel in panels for row in panel.rows]
    usable = [(name, row, row.mean) for name, row in rows if row.mean is not None]
    if not usable:
        return "What the candidate saves is not known in any slice."
    value = "['value_per_1000']"
    saves = traced(sum(mean > 0 for *_, mean in usable), "slices", f"{value}.gt(0).sum()")
    of = traced(len(usable), "slices", f"{value}.count()")
    unsure = traced(
        sum(row.low is None or row.low <= 0 for _, row, _ in usable),
        "slices",
        ".query('value_per_1000.notna() and not value_low > 0').shape[0]",
    )
    judged = [(name, mean) for name, row, mean in usable if not row.hollow]

    def at(extreme: float) -> str:
        names = listed(name for name, mean in judged if mean == extreme)
        return f"{names} ({money(extreme, framing.costs.unit)})"

    said = (
        f"The candidate saves money in {saves} of {of} slices; "
        f"in {unsure} the interval does not exclude that it saves nothing. "
    )
    if not judged:
        return f"{said}No slice is large enough to be called the worst or the best."
    worst, best = min(mean for _, mean in judged), max(mean for _, mean in judged)
    return f"{said}Worst: {at(worst)}; best: {at(best)}."


def importance_says(
    importance: pd.DataFrame, panel: Panel, framing: Framing, contracts: Contracts
) -> str:
    """Return the most important features with their meaning, and the sum of each group."""
    top = importance["rise"].max()
    if top <= 0:
        return "Shuffling no feature makes the model worse: it has learnt nothing from them."
    columns = contracts["features"].columns()
    meaning = {name: column["description"] for name, column in columns.items()}
    first = listed(
        f"{row.label} ({meaning[row.label]})" if row.label in meaning else row.label
        for row in panel.rows
        if row.mean == top
    )
    sums = importance.groupby("group")["rise"].sum().sort_values(ascending=False)
    by = ".groupby('group')['rise'].sum()"
    each = {str(g): traced(s, "importance", f"{by}[{str(g)!r}]") for g, s in sums.items()}
    groups = listed(f"{words(g)} {number(s, panel.places)}" for g, s in each.items() if s > 0)
    loss = tasks.words(framing).loss
    rise = traced(int((importance["low"] > 0).sum()), "importance", "['low'].gt(0).sum()")
    of = traced(len(importance), "importance", ".shape[0]")
    return (
        f"The model leans most on {first}: with its values shuffled, the {loss} rises by "
        f"{number(top, panel.places)}. {rise} of {of} "
        f"features make it rise in every shuffle. Summed by group: {groups}."
    )


def cleaning_says(cleaning: pd.DataFrame) -> str:
    """Return how many rules cleaning has, and in how many rows each kind of them did something."""
    sums = cleaning.groupby("action")["rows"].sum()
    by = ".groupby('action')['rows'].sum()"
    done = listed(
        f"{action} in {number(traced(int(rows), 'cleaning', f'{by}[{action!r}]'), 0)}"
        for action, rows in sums.items()
    )
    rules = traced(len(cleaning), "cleaning", ".shape[0]")
    return f"Cleaning has {rules} {'rule' if rules == 1 else 'rules'}. By number of rows: {done}."


def audit_says(audit: pd.DataFrame) -> str:
    """Return how many checks have passed and what the replay of the past found."""
    replay = audit.loc[audit["check"] == "replay", "evidence"]
    checks = traced(len(audit), "audit", "['limit'].count()")
    said = f"{checks} checks looked for what would make these figures too good, and found nothing."
    if replay.empty:
        return said
    evidence = replay.iloc[0]
    return f"{said} {marked(evidence, evidence[:1].upper() + evidence[1:])}."


def _gain(step: dict[Any, Any]) -> dict[str, Any]:
    return {"mean": step["gain"], "low": step["gain_low"], "high": step["gain_high"]}
