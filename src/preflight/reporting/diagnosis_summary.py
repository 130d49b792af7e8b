"""Sentences about the results of diagnosis."""

from typing import Any

import pandas as pd

from preflight.problem.framing import Framing
from preflight.reporting.formatting import (
    figure,
    money,
    money_span,
    signed,
    words,
)
from preflight.reporting.panels import known
from preflight.reporting.summary import _gain, listed
from preflight.reporting.traced import traced


def waterfall_says(waterfall: pd.DataFrame, framing: Framing) -> str:
    """Return what the candidate gains in all, which steps surely gain, and which can't be told."""
    test = waterfall[waterfall["part"] == "test"]
    every = known(test)
    half = every.pop() if every[-1]["kind"] == "threshold" else None
    baseline, first, last = every[0], every[1], every[-1]
    steps = test.iloc[2 : len(every)]
    sure = steps[steps["gain_low"] > 0].sort_values("gain", ascending=False)
    unsure = steps[(steps["gain_low"] <= 0) & (steps["gain_high"] >= 0)]
    unit = framing.costs.unit
    gains = [f"{words(str(s['step']))} {signed(_gain(s), unit)}" for s in known(sure)]
    said = (
        f"On the test {words(baseline['step'])} saves {money(baseline['value_per_1000'], unit)} "
        f"per 1,000 {framing.decision.units}, the candidate "
        f"{money(last['value_per_1000'], unit)}. The model on {words(first['step'])} saves "
        f"{money(first['value_per_1000'], unit)}; "
    )
    said += f"added to it: {listed(gains)}." if gains else "no step gains significantly."
    if len(unsure):
        said += f" No significant gain: {listed(words(s) for s in unsure['step'])}."
    if half is None:
        return said
    return (
        f"{said} The threshold follows from the costs; acting above 50% instead would change the "
        f"value by {signed(_gain(half), unit)}."
    )


def more_labels_says(more: dict[str, Any], framing: Framing) -> str:
    """Return what the next labels would be worth, and whether that is their price."""
    value = more["value"]
    if value["mean"] is None or value["low"] is None:
        return "The sizes tried are too few to say what more examples would buy."
    unit = framing.costs.unit
    price = money(more["price"], unit)
    judged = {
        "yes": f"significantly more than their price of {price}: collect them",
        "no": f"significantly less than their price of {price}: do not collect them",
        "can't tell": f"not significantly different from their price of {price}",
    }[more["worth"]]
    return (
        f"Twice the examples change the value by {money_span(more['per_doubling'], unit)} per "
        f"1,000 {framing.decision.units}. So the next {more['labels']:,} labels are worth "
        f"{money_span(value, unit)} over {more['months']:g} months; {judged}."
    )


def segments_says(segments: pd.DataFrame, framing: Framing) -> str:
    """Return where more is lost than its share."""
    most = known(segments)[0]
    if most["share_lost"] == 0:
        return "Nothing is lost: every decision was the best one."
    return (
        f"Against somebody who knew what would happen, {most['share_lost']:.0%} of the loss comes "
        f"from {most['share']:.0%} of the {framing.decision.units}: {words(most['segment'])}. "
        + (
            f"There {most['label_mean']:.0%} have label 1, {most['predicted']:.0%} was predicted "
            f"and {most['decided']:.0%} acted on."
            if framing.task == "binary"
            else f"There the labels are {figure(most['label_mean'])} on average, and "
            f"{figure(most['predicted'])} was predicted."
        )
    )


def robustness_says(robustness: pd.DataFrame, framing: Framing) -> str:
    """Return with which fault it gives no answer, and with which most is lost."""
    silent = robustness.loc[robustness["loss"].isna(), "fault"]
    said = f"It gives no answer with {listed(map(words, silent))}. " if len(silent) else ""
    answered = known(robustness[robustness["loss"].notna()])
    if not answered:
        return said
    worst = max(answered, key=lambda fault: fault["loss"])
    loss = {"mean": worst["loss"], "low": worst["loss_low"], "high": worst["loss_high"]}
    return (
        f"{said}The largest loss is with {words(worst['fault'])}: "
        f"{money_span(loss, framing.costs.unit)} per 1,000 {framing.decision.units}. That leaves "
        f"{money(worst['value_per_1000'], framing.costs.unit)}."
    )


def labels_says(suspicious: pd.DataFrame) -> str:
    """Return how many labels the candidate contradicts."""
    if suspicious.empty:
        return "The candidate contradicts no label of the folds that it was not fitted on."
    name, (found, of) = "suspicious_labels", suspicious[["found", "of"]].iloc[0]
    share = traced(found / of, name, ".eval('found / of').iloc[0]")
    return (
        f"The candidate contradicts {found:,} of {of:,} labels that it was not fitted on "
        f"({share:.1%}). Where chance has its part, most are surprises and not errors; the "
        f"{traced(len(suspicious), name, '.shape[0]')} most suspicious are listed in {name}, to be "
        "reviewed."
    )
