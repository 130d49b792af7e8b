"""A month and a half of parcels, models whose odds are known, and the verdict on them."""

from collections.abc import Callable
from typing import Any, Self

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin

from preflight.evaluation import contracts as results
from preflight.evaluation.contracts import Evaluation
from preflight.evaluation.metrics import compute_calibration_curve, compute_metrics
from preflight.evaluation.predictions import predict_test
from preflight.evaluation.verdict import decide_verdict
from preflight.features.fingerprints import fingerprints
from preflight.modeling.model import DECIDING, Bundle
from preflight.problem.framing import Framing

FEATURES = ["signal", "place", "noise"]
SELECTION = {"best_baseline": "lookup", "values": {"candidate": 90.0, "lookup": 60.0}}
FIRST = {"candidate": "0" * 16, "number": 1, "candidates": 1, "level": 0.05}


class Says(ClassifierMixin, BaseEstimator):
    """An estimator whose log-odds are a line on a feature, for all it is fitted on."""

    def __init__(self, feature: str = "signal", slope: float = 1, intercept: float = -1) -> None:
        self.feature, self.slope, self.intercept = feature, slope, intercept

    def fit(self, X: pd.DataFrame, y: Any) -> Self:
        self.classes_ = np.array([0, 1])
        return self

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        odds = self.slope * X[self.feature].to_numpy(dtype=float) + self.intercept
        rate = 1 / (1 + np.exp(-odds))
        return np.column_stack([1 - rate, rate])


def bundle(estimator: Says, **changes: Any) -> Bundle:
    return {
        "estimator": estimator.fit(pd.DataFrame(), None),
        "slope": 1.0,
        "intercept": 0.0,
        "threshold": 0.2,
        "features": FEATURES,
        "provenance": {"made": "here"},
        **changes,
    }


@pytest.fixture
def evaluation() -> Evaluation:
    return Evaluation(
        replicates=200,
        seed=5,
        calibration_bins=4,
        thresholds=3,
        importance_rows=300,
        importance_shuffles=3,
        reference_rows=10,
    )


@pytest.fixture
def examples(make_parcels: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    """A month and a half of examples."""
    made = make_parcels("2013-04-01T04:00", "2013-05-15", 900).drop(columns="chance")
    return made.set_index(made.index + 50)


@pytest.fixture
def models(framing: Framing) -> tuple[Bundle, dict[str, Bundle]]:
    made = {
        "framing": framing.model_dump(mode="json", include=set(DECIDING)),
        "last": "2013-03-31T00:00:00+00:00",
    }
    baselines = {
        "never": bundle(Says("noise", 0, -5), threshold=1, provenance=made),
        "lookup": bundle(Says("noise", 1, -1), provenance=made),
    }
    return bundle(Says("signal", 1.5, -1.2), provenance=made), baselines


@pytest.fixture(scope="session")
def predict(split_summary: Callable[..., pd.DataFrame]) -> Callable[..., pd.DataFrame]:
    """Predictions on a test set that the audit has passed."""

    def predict_audited(
        candidate: Bundle,
        baselines: dict[str, Bundle],
        test: pd.DataFrame,
        framing: Framing,
        *given: Any,
    ) -> pd.DataFrame:
        summary, audit = split_summary(framing, test), pd.DataFrame(fingerprints(test=test))
        return predict_test(candidate, baselines, test, summary, audit, framing, *given)

    return predict_audited


@pytest.fixture
def predictions(
    models: tuple[Bundle, dict[str, Bundle]],
    examples: pd.DataFrame,
    framing: Framing,
    contracts: Any,
    predict: Callable[..., pd.DataFrame],
) -> pd.DataFrame:
    return predict(*models, examples, framing, contracts)


def months_of(framing: Framing, gain: float = 50) -> pd.DataFrame:
    """The gain by period, as of one good month over each baseline."""
    month = {"part": "test", "period": "month", "start": "2013-04-01", "decisions": 900}
    rows = [{"baseline": name, **month, "gain_per_1000": gain} for name in framing.baselines]
    return pd.DataFrame(rows)


def judged(
    predictions: pd.DataFrame,
    examples: pd.DataFrame,
    framing: Framing,
    evaluation: Evaluation,
    selection: dict[str, Any] = SELECTION,
    limits: tuple[dict[str, Any], ...] = (),
    usage: dict[str, Any] = FIRST,
    what_if: tuple[str, ...] = (),
    metrics: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The verdict, with what else it rests on as it should be."""
    curve = compute_calibration_curve(predictions, framing, evaluation)
    found = decide_verdict(
        predictions,
        examples,
        selection,
        curve,
        list(limits),
        months_of(framing),
        metrics or compute_metrics(predictions, framing, evaluation),
        usage,
        list(what_if),
        framing,
        evaluation,
    )
    assert results.verdict.validate(found) is found
    return found


@pytest.fixture(scope="session")
def judge() -> Callable[..., dict[str, Any]]:
    return judged
