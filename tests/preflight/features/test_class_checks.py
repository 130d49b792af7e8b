"""A part of the split whose labels are all the same is refused, with its dates and a remedy."""

import pandas as pd
import pytest

from preflight.errors import RunError
from preflight.features.class_checks import require_binary_labels, require_labels_that_differ

STARTS = {"train": "2024-01-01", "validation": "2024-05-01", "test": "2024-06-01"}
LABELS = {"train": [0, 1, 0], "validation": [1, 0], "test": [0, 1]}


def parts(**labels: list[float]) -> dict[str, pd.DataFrame]:
    """Return parts with a prediction a day."""
    return {
        name: pd.DataFrame(
            {
                "predict_at": pd.date_range(STARTS[name], periods=len(values), tz="UTC"),
                "label": values,
            }
        )
        for name, values in (LABELS | labels).items()
    }


def test_parts_with_labels_that_differ_pass() -> None:
    require_labels_that_differ(parts())
    require_labels_that_differ(parts(train=[0.5, 0.7], validation=[1.5, 2], test=[3, 2.5]))


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (
            {"test": [0, 0]},
            r"^All 2 labels of 'test' are 0, with predictions from 2024-06-01 to 2024-06-02 \(UTC\)"
            r"\. .*Other labels than 0 have predictions from 2024-01-02 to 2024-05-01 \(UTC\): "
            r"change framing\.split, so that each part contains some of them\. Or: correct the",
        ),
        (
            {"train": [0, 0, 0], "validation": [1, 1]},
            r"All 3 labels of 'train' are 0, .*All 2 labels of 'validation' are 1, .*Other labels",
        ),
        ({"validation": [2.5, 2.5]}, r"All 2 labels of 'validation' are 2\.5, "),
        (
            {"train": [1, 1], "validation": [1], "test": [1, 1]},
            r"All 5 labels are 1, with predictions from 2024-01-01 to 2024-06-02 \(UTC\): there is "
            r"nothing to learn\. Correct the functions that compute 'labels', or framing\.predic",
        ),
    ],
)
def test_a_part_with_equal_labels_only_is_refused(
    labels: dict[str, list[float]], said: str
) -> None:
    with pytest.raises(RunError, match=said):
        require_labels_that_differ(parts(**labels))


@pytest.mark.parametrize("dtype", ["int8", "float32", "bool", "Int8"])
def test_labels_of_0_and_1_pass(dtype: str) -> None:
    require_binary_labels(pd.Series([0, 1, 1]).astype(dtype))
    require_binary_labels(pd.Series([0, 1, None]))


@pytest.mark.parametrize(
    ("labels", "said"), [([1, 2], "is 2 in"), ([0, -1, 1.54], r"is -1, 1\.54 in")]
)
def test_other_labels_are_refused_in_a_binary_task(labels: list[float], said: str) -> None:
    with pytest.raises(RunError, match=rf"The label {said} some examples.* 0 or 1\. Or set"):
        require_binary_labels(pd.Series(labels))
