"""Each part of the split has labels that differ: else nothing can be learnt or evaluated."""

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


def _period(moments: pd.Series) -> str:
    """Return the first and the last day, in UTC."""
    return f"from {moments.min():%Y-%m-%d} to {moments.max():%Y-%m-%d} (UTC)"
