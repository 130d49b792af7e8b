"""What a fault of the inputs costs: what is needed is missed, and noise is not."""

from typing import Any, Self

import numpy as np
import pandas as pd
import pytest
from sklearn.base import ClassifierMixin

from preflight.diagnosis.contracts import Robustness
from preflight.diagnosis.robustness import measure_robustness
from preflight.modeling.model import predict

Made = dict[str, Any]


def robustness_of(made: Made) -> pd.DataFrame:
    names = [
        "candidate",
        "test",
        "test_predictions",
        "framing",
        "evaluation",
        "diagnosis",
        "contracts",
    ]
    table = measure_robustness(*(made[name] for name in names))
    return Robustness.validate(table, lazy=True).set_index("fault")


def test_what_is_needed_is_missed_and_noise_is_not(made: Made) -> None:
    faults = robustness_of(made)
    assert list(faults.index) == ["content missing", "weather missing", "noise of 5% of the spread"]
    assert faults.loc["content missing", "loss_low"] > 50
    assert faults.loc["weather missing", "loss"] < 0.1 * faults.loc["content missing", "loss"]
    assert 0 < faults.loc["noise of 5% of the spread", "changed"] < 0.1
    value, loss = faults.loc["content missing", ["value_per_1000", "loss"]]
    label, act = (made["test_predictions"][name].to_numpy() for name in ("label", "act"))
    whole = 1000 * made["framing"].costs.at(made["test"]).saving(label, act).mean()
    assert value + loss == pytest.approx(whole)


class NoMissing(ClassifierMixin):
    """An estimator that refuses missing values."""

    def fit(self, X: pd.DataFrame, y: Any) -> Self:
        self.classes_ = np.array([0, 1])
        return self

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        if X["signal"].isna().any():
            raise ValueError("Input X contains NaN.")
        chance = 1 / (1 + np.exp(-X["signal"].to_numpy()))
        return np.column_stack([1 - chance, chance])


def test_an_estimator_that_gives_no_answer_is_told(made: Made) -> None:
    candidate = {**made["candidate"], "estimator": NoMissing().fit(pd.DataFrame(), None)}
    predictions = made["test_predictions"].assign(probability=predict(candidate, made["test"]))
    faults = robustness_of({**made, "candidate": candidate, "test_predictions": predictions})
    assert faults.loc["content missing", ["value_per_1000", "loss"]].isna().all()
    assert faults.loc["content missing", "changed"] == 1
    assert faults.loc["weather missing", "loss"] == 0


class Silent(NoMissing):
    """An estimator that predicts NaN for missing values."""

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        chance = 1 / (1 + np.exp(-X["signal"].to_numpy()))
        return np.column_stack([1 - chance, chance])


def test_a_prediction_that_is_no_number_is_no_answer(made: Made) -> None:
    candidate = {**made["candidate"], "estimator": Silent().fit(pd.DataFrame(), None)}
    predictions = made["test_predictions"].assign(probability=predict(candidate, made["test"]))
    faults = robustness_of({**made, "candidate": candidate, "test_predictions": predictions})
    assert faults.loc["content missing", ["value_per_1000", "loss"]].isna().all()
    assert faults.loc["content missing", "changed"] == 1
    assert faults.loc["weather missing", "loss"] == 0
