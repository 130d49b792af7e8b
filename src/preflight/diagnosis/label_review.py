"""Label issues: labels that the candidate contradicts, as a list to review."""

from typing import Any

import numpy as np
import pandas as pd

from preflight.contracts.catalog import Contracts
from preflight.diagnosis.contracts import Diagnosis
from preflight.modeling.model import Floats
from preflight.problem.framing import Framing

OUTLIER_Z = 3.5  # standard deviations, estimated robustly


def find_label_issues(
    validation_predictions: pd.DataFrame,
    framing: Framing,
    diagnosis: Diagnosis,
    contracts: Contracts,
) -> pd.DataFrame:
    """Return the label issues: labels that the candidate, not fitted on them, contradicts most.

    In a noisy problem most of them are rare outcomes, not errors. They are a list to review.

    Grain: one row per label to review, the most doubtful first; `found` of `of` labels in all.
    """
    label = validation_predictions["label"].to_numpy()
    predicted = validation_predictions[f"{framing.predicted}_candidate"].to_numpy()
    find = _contradicted if framing.task == "binary" else _outlying_labels
    doubt, is_issue = find(label, predicted)
    key = contracts["features"].grain()
    table = validation_predictions[[*key, "predict_at", "fold", "label"]].assign(
        predicted=predicted, doubt=doubt, found=is_issue.sum(), of=len(label)
    )
    issues = table[is_issue].sort_values("doubt", ascending=False, kind="stable")
    return issues.head(diagnosis.labels_to_review).reset_index(drop=True)


def _contradicted(label: Any, probability: Floats) -> tuple[Floats, Any]:
    """Return the probability of the other label, and where that makes a label issue.

    It does where the probability of the other label is at least its mean among the rows that have
    that label (confident learning: Northcutt, Jiang and Chuang 2021).
    """
    other = np.where(label == 1, 1 - probability, probability)
    usual = np.array([(1 - probability)[label == 0].mean(), probability[label == 1].mean()])
    confident = other >= usual[1 - label]
    return other, confident & ((1 - other < usual[label]) | (other > 0.5))  # not of both labels


def _outlying_labels(label: Any, predicted: Floats) -> tuple[Floats, Any]:
    """Return each error in standard deviations, and where it is an outlier.

    The standard deviation is estimated from the median absolute deviation (Iglewicz and Hoaglin
    1993).
    """
    error = label - predicted
    off = np.abs(error - np.median(error))
    doubt = off / max(1.4826 * float(np.median(off)), 1e-9)
    return doubt, doubt > OUTLIER_Z
