"""The sentences of the report about the results of diagnosis."""

from typing import Any

import pandas as pd

from preflight.diagnosis.drift import LARGE, STABLE
from preflight.problem.framing import Framing
from preflight.reporting.formatting import (
    listed,
    money,
    money_span,
    number,
    percent,
    records,
    short,
    signed,
    words,
)


def summarize_ablation(ablation: pd.DataFrame, framing: Framing) -> str:
    """Return which feature groups gain significantly on the test set, and which do not."""
    steps = records(ablation[ablation["part"] == "test"])
    half = steps.pop() if steps[-1]["kind"] == "threshold" else None
    unit, groups = framing.costs.unit, [step for step in steps[2:] if step["gain_low"] is not None]
    groups.sort(key=lambda step: -step["gain"])
    gains, losses = (
        [
            f"{words(step['step'])} {signed(_gain(step), unit)}"
            for step in groups
            if sign * step[bound] > 0
        ]
        for sign, bound in ((1, "gain_low"), (-1, "gain_high"))
    )
    unsure = [step for step in groups if step["gain_low"] <= 0 <= step["gain_high"]]
    text = (
        f"With {words(steps[1]['step'])} the model saves "
        f"{money(steps[1]['value_per_1000'], unit)} per 1,000 {framing.decision.units}. "
    )
    text += f"Significant gains: {listed(gains)}." if gains else "No group gains significantly."
    if losses:
        text += f" Significant losses: {listed(losses)}."
    if unsure:
        text += f" No significant gain: {listed(words(step['step']) for step in unsure)}."
    if half:
        text += (
            " The threshold follows from the costs; acting above 50% instead would change the "
            f"saving by {signed(_gain(half), unit)}."
        )
    return text


def _gain(step: dict[str, Any]) -> dict[str, Any]:
    return {"mean": step["gain"], "low": step["gain_low"], "high": step["gain_high"]}


def describe_fits(ablation: pd.DataFrame) -> str:
    """Return whether the intervals of the ablation cover the chance of fitting."""
    fits = ablation["fits"].max()
    if fits == 1:
        return "Each step is fitted once: the interval leaves out the chance of fitting."
    return (
        f'Each step before "all examples" is fitted {fits} times, each time with another seed and '
        "sample: the saving is the mean, and the interval covers days and the chance of fitting. "
        "The candidate was fitted once: the chance of its own fit is left out."
    )


def describe_curve_fits(learning_curve: pd.DataFrame) -> str:
    """Return whether the intervals of the learning curve cover the chance of fitting."""
    fits = learning_curve["fits"].max()
    if fits == 1:
        return "Each size is fitted once: the interval leaves out the chance of fitting."
    return (
        f"Each smaller set is fitted {fits} times, with another seed: the saving is the mean, and "
        "the interval covers days and the chance of fitting. The whole training set is fitted "
        "once; its fit is taken to vary as much as the others."
    )


def summarize_more_labels(more: dict[str, Any], framing: Framing) -> str:
    """Return what more labels would be worth, compared with their price."""
    value, unit = more["value"], framing.costs.unit
    if value["mean"] is None or value["low"] is None:
        return "There are too few sizes to say what more examples would be worth."
    price = money(more["price"], unit)
    advice = {
        "yes": f"significantly more than their price of {price}: collect them",
        "no": f"significantly less than their price of {price}: do not collect them",
        "inconclusive": f"not significantly different from their price of {price}",
    }[more["worth"]]
    return (
        f"Twice the examples change the saving by {money_span(more['per_doubling'], unit)} per "
        f"1,000 {framing.decision.units}. The next {more['labels']:,} labels are worth "
        f"{money_span(value, unit)} over {more['months']:g} months, {advice}."
    )


def summarize_backtest(backtest: pd.DataFrame, framing: Framing) -> str:
    """Return at how many cut-offs the gain is significant, and its range; empty without one."""
    if backtest.empty:
        return ""
    unit, rival, number = framing.costs.unit, words(backtest["baseline"].iloc[0]), len(backtest)
    better, worse = (backtest["gain_low"] > 0).sum(), (backtest["gain_high"] < 0).sum()
    ends = dict.fromkeys(money(backtest["gain"].agg(end), unit) for end in ("min", "max"))
    return (
        f"The candidate and {rival} were fitted again at {number} cut-off{'s' * (number > 1)}, "
        "each time on what was known by then, and decided on the period that followed. "
        f"The gain over {rival} is significantly above zero in {better} of {number}, and "
        f"significantly below zero in {worse}. It is {'between ' * (len(ends) > 1)}"
        f"{' and '.join(ends)} per 1,000 {framing.decision.units}."
    )


def summarize_segments(segments: pd.DataFrame, framing: Framing) -> str:
    """Return the segment whose regret exceeds its share most, and what happened there."""
    top = max(records(segments), key=lambda part: part["regret_share"] - part["share"])
    if top["regret_share"] == 0:
        return "There is no regret: every decision was the best one."
    text = (
        f"{percent(top['regret_share'])} of all regret comes from {percent(top['share'])} of the "
        f"{framing.decision.units}: {words(top['segment'])}."
    )
    if framing.task == "binary":
        return (
            f"{text} There {percent(top['label_mean'])} have label 1, {percent(top['predicted'])} "
            f"was predicted, and {percent(top['decided'])} were acted on."
        )
    return (
        f"{text} There the mean label is {short(top['label_mean'])}, and the mean prediction is "
        f"{short(top['predicted'])}."
    )


def summarize_robustness(robustness: pd.DataFrame, framing: Framing) -> str:
    """Return the faults without an answer, and the fault with the largest loss."""
    silent = robustness.loc[robustness["loss"].isna(), "fault"]
    text = f"The model gives no answer with {listed(map(words, silent))}. " if len(silent) else ""
    answered = robustness[robustness["loss"].notna()]
    if answered.empty:
        return text
    worst = answered.iloc[answered["loss"].argmax()]
    loss = {"mean": worst["loss"], "low": worst["loss_low"], "high": worst["loss_high"]}
    unit = framing.costs.unit
    return (
        f"{text}The largest loss is with {words(worst['fault'])}: {money_span(loss, unit)} per "
        f"1,000 {framing.decision.units}. {money(worst['value_per_1000'], unit)} is left."
    )


def summarize_drift(drift: pd.DataFrame) -> str:
    """Return which features changed most from train to test, and how many changed much."""
    top = records(drift)[0]
    many = (drift["index"] > LARGE).sum()
    return (
        f"The population stability index compares the values in test with those in train. "
        f"{words(top['feature']).capitalize()} changed most, with {number(top['index'], 2)}. "
        f"{many} of {len(drift)} features are above {LARGE}, by a rule of thumb a large "
        f"change. Below {STABLE} a feature is stable. A change of season is a change, too."
    )


def summarize_labels(suspicious: pd.DataFrame) -> str:
    """Return how many labels the candidate contradicts."""
    if suspicious.empty:
        return "The candidate contradicts no label of the folds that it was not fitted on."
    found, of = suspicious[["found", "of"]].iloc[0]
    return (
        f"The candidate contradicts {found:,} of {of:,} labels of the folds that it was not fitted "
        f"on ({percent(found / of, 1)}). Where chance plays a part, most of them are surprises and "
        f"not errors. The dataset label_issues lists the {len(suspicious)} most suspicious for "
        "review."
    )
