"""What the report says in one way of probabilities and in another of amounts."""

from typing import NamedTuple

from preflight.problem.framing import Framing


class Words(NamedTuple):
    """The words of one task.

    instead: what savings count from. predicts: what a model gives, for {unit} and {label}.
    score: what models are drawn by, and its value that means nothing known. setting: what the cost
    curve goes along. heads: of the metrics, in their order; meanings: what they mean.
    """

    instead: str
    predicts: str
    label: str
    loss: str
    heads: list[str]
    meanings: dict[str, str]
    score: str
    score_title: str
    nothing_known: float
    calibration: str
    line: str
    setting: str
    setting_title: str
    setting_heads: list[str]
    setting_why: str


BINARY = Words(
    instead="never acting",
    predicts="the probability that a {unit} {label} (label 1)",
    label="label 1",
    loss="log loss",
    heads=["ROC AUC", "average precision", "log loss", "Brier score"],
    meanings={
        "ROC AUC": "The share of pairs, one with each label, of which the model gives the one with "
        "label 1 the higher probability.",
        "Average precision": "Going down from the highest probability, the share of label 1 among "
        "those passed so far, averaged over all with label 1. By chance it is the share of label "
        "1.",
        "Log loss, Brier score": "How far probabilities are from what happened, by the logarithm "
        "or the square; less is better.",
    },
    score="area under the ROC curve",
    score_title="How well each model ranks (1 is perfect, 0.5 a coin)",
    nothing_known=0.5,
    calibration="Share of label 1 that was observed (upwards) by what was predicted",
    line="On the slanted line a prediction comes true exactly as often as it says.",
    setting="act above this probability",
    setting_title="by the probability above which it acts",
    setting_heads=["act above", "acted on"],
    setting_why="Acting costs less where the probability of label 1, times what acting "
    "then spares, is more than the probability of label 0, times what acting in vain costs: above "
    "(fp \N{MINUS SIGN} tn) / (fp \N{MINUS SIGN} tn + fn \N{MINUS SIGN} tp), in the costs of "
    "acting in vain (fp), doing nothing when nothing is needed (tn), missing (fn) and acting when "
    "it is needed (tp). That holds where what is predicted comes true.",
)

REGRESSION = Words(
    instead="deciding without a prediction",
    predicts="{label}",
    label="mean label",
    loss="mean absolute error",
    heads=["mean absolute error", "root mean squared error", "R²", "labels below"],
    meanings={
        "Mean absolute error, root mean squared error": "How far predictions are from what "
        "happened, in the unit of the label, on average or by the square; less is better. A "
        "prediction that is to be rather too much than too little has more of both.",
        "R²": "The share of the labels' variance that is explained; 0 is what their mean explains.",
        "Labels below": "The share of labels that are below what was predicted.",
    },
    score="mean absolute error, in the unit of the label",
    score_title="How far each model is off on average (0 is perfect)",
    nothing_known=0,
    calibration="Share of labels that were below what was predicted (upwards), by the prediction",
    line="On the line there are as many labels below the prediction as the costs ask for.",
    setting="added to each prediction",
    setting_title="by what is added to each prediction",
    setting_heads=["added", "labels below"],
    setting_why="An amount is cheapest where the chance that it is too much, times what each unit "
    "too much costs, is that of too little, times what too little costs: where the share under / "
    "(over + under) of what may happen is below it (the newsvendor's quantile).",
)


def words(framing: Framing) -> Words:
    """Return the words of the framing's task."""
    return BINARY if framing.task == "binary" else REGRESSION
