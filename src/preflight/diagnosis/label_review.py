"""Labels that the candidate contradicts: a list to review."""

from typing import Any

import numpy as np
import pandas as pd

from preflight.contracts.catalog import Contracts
from preflight.diagnosis.contracts import Diagnosis
from preflight.modeling.model import Floats
from preflight.problem.framing import Framing

OUTLIER_Z = 3.5  # times the usual error


def find_label_issues(
    validation_predictions: pd.DataFrame,
    framing: Framing,
    diagnosis: Diagnosis,
    contracts: Contracts,
) -> pd.DataFrame:
    """Return the labels that the candidate, never fitted on them, contradicts most.

    In a noisy problem most of them are surprises, not errors: they are a list to review.

    Grain: one row per label to review, the most suspicious first; `found` of `of` labels in all.
    """
    label = validation_predictions["label"].to_numpy()
    said = validation_predictions[f"{framing.predicted}_candidate"].to_numpy()
    doubt, sure = (_contradicted if framing.task == "binary" else _outlying_labels)(label, said)
    key = contracts["features"].grain()
    table = validation_predictions[[*key, "predict_at", "fold", "label"]].assign(
        predicted=said, doubt=doubt, found=sure.sum(), of=len(label)
    )
    doubted = table[sure].sort_values("doubt", ascending=False, kind="stable")
    return doubted.head(diagnosis.labels_to_review).reset_index(drop=True)


def _contradicted(label: Any, chance: Floats) -> tuple[Floats, Any]:
    """Return the probability of the other label, and where the model is sure of it.

    Surer than it is on average where that other one was given (confident learning: Northcutt,
    Jiang and Chuang 2021).
    """
    of_other = np.where(label == 1, 1 - chance, chance)
    usual = np.array([(1 - chance)[label == 0].mean(), chance[label == 1].mean()])
    sure = of_other >= usual[1 - label]
    return of_other, sure & ((1 - of_other < usual[label]) | (of_other > 0.5))  # not of both


def _outlying_labels(label: Any, amount: Floats) -> tuple[Floats, Any]:
    """Return how many times the usual error each label is off, and where that is an outlier's.

    The usual is the median absolute deviation, as of a normal one (Iglewicz and Hoaglin 1993).
    """
    error = label - amount
    off = np.abs(error - np.median(error))
    doubt = off / max(1.4826 * float(np.median(off)), 1e-9)
    return doubt, doubt > OUTLIER_Z
