"""How pages write about a classifier, and how about a regression."""

from typing import NamedTuple

from preflight.problem.framing import Framing


class Vocabulary(NamedTuple):
    """The terms of one task.

    without: what savings are compared with. predicts: what a model gives, for {unit} and {label}.
    heads: of the metrics, in their order, with their meanings. score: the metric that models are
    drawn by; chance: its value without any knowledge. setting: what the threshold curve varies.
    """

    without: str
    predicts: str
    label: str
    loss: str
    heads: list[str]
    meanings: dict[str, str]
    score: str
    chance: float
    predicted: str
    observed: str
    setting: str
    setting_heads: list[str]
    setting_why: str


CLASSIFIER = Vocabulary(
    without="never acting",
    predicts="the probability that a {unit} {label} (label 1)",
    label="label 1",
    loss="log loss",
    heads=["ROC AUC", "average precision", "log loss", "Brier score"],
    meanings={
        "ROC AUC": "The probability that the model ranks a random example with label 1 above a "
        "random example with label 0. Chance gives 0.5.",
        "Average precision": "The area under the precision-recall curve. Chance gives the share of "
        "label 1.",
        "Log loss, Brier score": "How far probabilities are from what happened, by the logarithm "
        "or by the square. Less is better.",
    },
    score="ROC AUC",
    chance=0.5,
    predicted="mean predicted probability",
    observed="observed share of label 1",
    setting="decision threshold: act above this probability",
    setting_heads=["threshold", "acted on"],
    setting_why="Acting costs less above the threshold (fp \N{MINUS SIGN} tn) / "
    "(fp \N{MINUS SIGN} tn + fn \N{MINUS SIGN} tp). Here fp is the cost of acting in vain, tp of "
    "acting when it is needed, fn of a miss, and tn of doing nothing when nothing is needed. The "
    "formula needs calibrated probabilities.",
)

REGRESSION = Vocabulary(
    without="deciding without a prediction",
    predicts="{label}",
    label="mean label",
    loss="mean absolute error",
    heads=["mean absolute error", "root mean squared error", "R²", "labels below"],
    meanings={
        "Mean absolute error, root mean squared error": "How far predictions are from what "
        "happened, in the unit of the label, by the amount or by the square. Less is better. "
        "Predictions that are high on purpose, because too little costs more, have larger errors.",
        "R²": "The share of the labels' variance that is explained. The mean label gives 0.",
        "Labels below": "The share of labels below the prediction; equal ones count half.",
    },
    score="mean absolute error, in the unit of the label",
    chance=0,
    predicted="mean prediction",
    observed="share of labels below the prediction",
    setting="added to each prediction",
    setting_heads=["added", "labels below"],
    setting_why="The lowest-cost amount is a quantile of what may happen: "
    "underage / (overage + underage). Here overage is the cost of each unit too much, and underage "
    "of each unit too little (the newsvendor's quantile).",
)


def vocabulary(framing: Framing) -> Vocabulary:
    """Return the terms of the framing's task."""
    return CLASSIFIER if framing.task == "binary" else REGRESSION
