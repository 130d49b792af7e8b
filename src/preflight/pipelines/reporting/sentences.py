"""What the report says: each sentence is computed from the numbers that it is about."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from preflight.contracts import Features
from preflight.framing import Floats, Framing
from preflight.pipelines.reporting.panels import Panel, number, places, words

Interval = dict[str, float | None]

UNBROKEN = "\N{NO-BREAK SPACE}to\N{NO-BREAK SPACE}"


def span(figure: Interval, decimals: int) -> str:
    """Return a figure with its interval: "37 (27 to 49)"."""
    mean, low, high = figure["mean"], figure["low"], figure["high"]
    if mean is None or low is None or high is None:
        return number(mean, decimals) + ("" if mean is None else " (no interval)")
    return f"{number(mean, decimals)} ({number(low, decimals)}{UNBROKEN}{number(high, decimals)})"


def fine(figure: Interval) -> int:
    """Return decimals with which no part of the figure is rounded to zero, but four at most."""
    values = [figure[part] for part in ("mean", "low", "high")]
    return max(places(values, 2), *(min(4, places([value], 1)) for value in values))


def listed(names: Iterable[str]) -> str:
    """Return names as a list in a sentence: "a, b and c"."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def headline(verdict: dict[str, Any], framing: Framing) -> str:
    """Return the decision, and what the candidate saves more than the best baseline."""
    todo = {"ship": "Ship it", "hold": "Hold it back"}[verdict["decision"]]
    over, decimals = verdict["value"]["over_baseline"], fine(verdict["value"]["over_baseline"])
    mean, low, high = over["mean"], over["low"], over["high"]
    if mean is None:
        return f"{todo}: the candidate can't be compared with {words(over['baseline'])} here."
    said = (
        f"{todo}: per 1,000 {framing.decision.units} the candidate saves "
        f"{number(abs(mean), decimals)} {verdict['value']['unit']} "
        f"{'less' if mean < 0 else 'more'} than {words(over['baseline'])}, the best baseline"
    )
    if low is None:
        return f"{said}; the test is too small for an interval."
    interval = f"{number(low, decimals)}{UNBROKEN}{number(high, decimals)}"
    return f"{said} ({framing.confidence:.0%} interval {interval})."


def act_says(threshold: float | Floats, framing: Framing) -> str:
    """Return from which probability on acting is cheaper, on the rows of the test."""
    low, high = 100 * np.quantile(threshold, [0.05, 0.95])
    own = f"what follows from the costs of each {framing.decision.unit} ({low:.3g}% to {high:.3g}%"
    above = f"{own} for nine in ten of the test)" if np.ptp(threshold) else f"{low:.3g}%"
    return f"where the probability is above {above}: from there on acting is the cheaper choice"


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


def value_says(metrics: dict[str, Any], over: dict[str, Any], decimals: int) -> str:
    """Return where the candidate stands, and how it compares day by day."""
    value = {name: figures["value_per_1000"] for name, figures in metrics.items()}
    said = f"The candidate saves {span(value['candidate'], decimals)}, "
    said += f"{_against(value, 'candidate')}."
    if over["low"] is None:
        return said
    chance = ", which may be chance" if over["low"] <= 0 <= over["high"] else ""
    return (
        f"{said} A bad day is bad for every model, so they are compared day by day: the "
        f"difference to {words(over['baseline'])} is {span(over, fine(over))}{chance}."
    )


def baseline_says(metrics: dict[str, Any], selection: dict[str, Any], decimals: int) -> str:
    """Return which baseline was chosen, where, and how it did on test among the baselines."""
    name, values = selection["best_baseline"], selection["values"]
    value = {n: f["value_per_1000"] for n, f in metrics.items() if n != "candidate"}
    chosen = f"the best of {len(value)} there" if len(value) > 1 else "the only one"
    said = (
        f"The baseline to beat was chosen on validation, before the test was opened: "
        f"{words(name)}, {chosen}, saves {number(values[name], decimals)} per 1,000 (the "
        f"candidate {number(values['candidate'], decimals)})."
    )
    against = _against(value, name)
    return f"{said} On test it saves {against}." if against.startswith("less") else said


def auc_says(metrics: dict[str, Any], framing: Framing) -> str:
    """Return what the candidate's area under the curve means, beside the best baseline's."""
    means = {name: figures["roc_auc"]["mean"] for name, figures in metrics.items()}
    own = means.pop("candidate")
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
    """Return in how many groups the prediction holds, and what came of the most probable rows."""
    inside = int(curve["predicted"].between(curve["low"], curve["high"]).sum())
    most = max(curve.to_dict("records"), key=lambda group: group["predicted"])
    return (
        f"In {inside} of {len(curve)} groups the predicted share lies within the interval of what "
        f"was observed. For the {most['rows']:,} {framing.decision.units} with the highest "
        f"probabilities {most['predicted']:.0%} was predicted, and {most['observed']:.0%} "
        f"({most['low']:.0%}{UNBROKEN}{most['high']:.0%}) observed."
    )


def slices_says(panels: list[Panel]) -> str:
    """Return in how many slices the candidate saves, where least and most, and where unsure."""
    rows = [(f"{words(panel.title)} {row.label}", row) for panel in panels for row in panel.rows]
    usable = [(name, row, row.mean) for name, row in rows if row.mean is not None]
    if not usable:
        return "What the candidate saves is not known in any slice."
    unsure = sum(row.low is None or row.low <= 0 for _, row, _ in usable)
    judged = [(name, mean) for name, row, mean in usable if not row.hollow]
    judged = judged or [(name, mean) for name, _, mean in usable]

    def at(extreme: float) -> str:
        names = listed(name for name, mean in judged if mean == extreme)
        return f"{names} ({number(extreme, panels[0].places)})"

    return (
        f"The candidate saves in {sum(mean > 0 for *_, mean in usable)} of {len(usable)} slices; "
        f"in {unsure} the interval does not exclude that it saves nothing. Worst: "
        f"{at(min(mean for _, mean in judged))}; best: {at(max(mean for _, mean in judged))}."
    )


def importance_says(importance: pd.DataFrame, panel: Panel) -> str:
    """Return the most important features with their meaning, and the sum of each group."""
    top = importance["log_loss"].max()
    if top <= 0:
        return "Shuffling no feature makes the model worse: it has learnt nothing from them."
    meaning = {name: column["description"] for name, column in Features.columns().items()}
    first = listed(
        f"{row.label} ({meaning[row.label]})" if row.label in meaning else row.label
        for row in panel.rows
        if row.mean == top
    )
    sums = importance.groupby("group")["log_loss"].sum().sort_values(ascending=False)
    groups = listed(f"{words(str(g))} {number(s, panel.places)}" for g, s in sums.items() if s > 0)
    return (
        f"The model leans most on {first}: with its values shuffled, the log loss rises by "
        f"{number(top, panel.places)}. {int((importance['low'] > 0).sum())} of {len(importance)} "
        f"features make it rise in every shuffle. Summed by group: {groups}."
    )


def audit_says(audit: pd.DataFrame) -> str:
    """Return how many checks have passed and what the replay of the past found."""
    replay = audit.loc[audit["check"] == "replay", "evidence"]
    said = (
        f"{len(audit)} checks looked for what would make these figures too good, and found nothing."
    )
    if replay.empty:
        return said
    evidence = replay.iloc[0]
    return f"{said} {evidence[0].upper()}{evidence[1:]}."
