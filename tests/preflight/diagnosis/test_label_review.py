"""Labels that are planted wrong are listed, and others are not."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from preflight.diagnosis.label_review import find_label_issues

Made = dict[str, Any]


def sharp(rows: int, flipped: int) -> pd.DataFrame:
    """Predictions that are nearly sure and right, but for so many labels that were flipped."""
    rng = np.random.default_rng(5)
    truth = rng.random(rows) < 0.3
    chance = np.where(truth, 0.95, 0.05) + rng.uniform(-0.04, 0.04, rows)
    label = truth.copy()
    label[:flipped] = ~label[:flipped]
    moments = pd.Timestamp("2013-03-01", tz="UTC") + pd.to_timedelta(np.arange(rows), unit="h")
    return pd.DataFrame(
        {
            "parcel": np.arange(rows),
            "predict_at": moments,
            "fold": 0,
            "label": label.astype("int8"),
            "probability_candidate": chance,
        }
    )


def doubted(made: Made, predictions: pd.DataFrame) -> pd.DataFrame:
    return find_label_issues(predictions, made["framing"], made["diagnosis"], made["contracts"])


def test_flipped_labels_are_found_and_others_are_not(made: Made) -> None:
    found = doubted(made, sharp(2000, flipped=20))
    assert set(found["parcel"]) <= set(range(20))  # the surer half: above the usual certainty
    assert 5 <= len(found) == found["found"].iloc[0] <= 20
    assert list(found["doubt"]) == sorted(found["doubt"], reverse=True)
    assert doubted(made, sharp(2000, flipped=0)).empty


def test_no_more_labels_are_listed_than_can_be_reviewed(made: Made) -> None:
    found = doubted(made, sharp(2000, flipped=300))
    assert len(found) == 50 < found["found"].iloc[0] <= 300
    assert set(found["of"]) == {2000}


def drawn(rows: int, planted: int) -> pd.DataFrame:
    """Predicted amounts that are two off, but for so many labels that were taken down wrongly."""
    rng = np.random.default_rng(6)
    amount = rng.uniform(10, 50, rows)
    label = amount + rng.normal(1, 2, rows).clip(-5, 7)
    label[:planted] += np.where(np.arange(planted) % 2, 40, -40)
    found = sharp(rows, flipped=0).drop(columns="probability_candidate")
    return found.assign(label=label, prediction_candidate=amount)


def test_labels_that_are_far_off_are_found_and_others_are_not(made_amounts: Made) -> None:
    found = doubted(made_amounts, drawn(2000, planted=20))
    assert set(found["parcel"]) == set(range(20))
    assert list(found["doubt"]) == sorted(found["doubt"], reverse=True)
    assert found["doubt"].iloc[0] == pytest.approx(40 / 2, rel=0.25)  # times the usual error
    assert set(found["found"]) == {20}
    assert doubted(made_amounts, drawn(2000, planted=0)).empty
