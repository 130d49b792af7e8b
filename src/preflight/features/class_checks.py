"""Labels that can be learnt: 0 and 1 in a binary task, and not all the same in any part."""

from collections.abc import Mapping

import pandas as pd

from preflight.errors import RunError

REMEDY = (
    "Correct the functions that compute 'labels', or framing.prediction.label_threshold if they "
    "use it."
)


def require_labels_that_differ(parts: Mapping[str, pd.DataFrame]) -> None:
    """Raise RunError if all labels of a part, by its name, are the same.

    No model learns from such a train, and metrics such as the area under the ROC curve are not
    defined on such a validation or test.
    """
    alike = {name: part for name, part in parts.items() if part["label"].nunique() < 2}
    if not alike:
        return
    examples = pd.concat(parts.values())
    label = next(iter(alike.values()))["label"].iloc[0]
    others = examples.loc[examples["label"] != label, "predict_at"]
    if others.empty:
        raise RunError(
            f"All {len(examples):,} labels are {label:g}, with predictions "
            f"{_period(examples['predict_at'])}: there is nothing to learn. {REMEDY}"
        )
    faults = [
        f"All {len(part):,} labels of '{name}' are {part['label'].iloc[0]:g}, with predictions "
        f"{_period(part['predict_at'])}."
        for name, part in alike.items()
    ]
    raise RunError(
        f"{' '.join(faults)} A model can't be trained or evaluated on them. Other labels than "
        f"{label:g} have predictions {_period(others)}: change framing.split, so that each part "
        f"contains some of them. Or: {REMEDY[0].lower()}{REMEDY[1:]}"
    )


def require_binary_labels(label: pd.Series) -> None:
    """Raise RunError if a label is neither 0 nor 1: rates of other labels are no probabilities."""
    values = label.dropna()
    if others := sorted(values[~values.isin([0, 1])].unique()):
        raise RunError(
            f"The label is {', '.join(f'{value:g}' for value in others[:5])} in some examples, and "
            "framing.task is binary. Correct the functions that compute 'labels', so that it is 0 "
            "or 1. Or set framing.task to regression, if the label is an amount."
        )


def _period(moments: pd.Series) -> str:
    """Return the first and the last day, in UTC."""
    return f"from {moments.min():%Y-%m-%d} to {moments.max():%Y-%m-%d} (UTC)"
