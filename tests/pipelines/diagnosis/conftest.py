"""What diagnosis reads, made from parcels by the pipeline's own functions."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from preflight.bundle import probability
from preflight.framing import Framing
from preflight.pipelines.diagnosis.settings import Diagnosis
from preflight.pipelines.evaluation.settings import Evaluation
from preflight.pipelines.modeling import nodes as modeling_nodes
from preflight.pipelines.modeling.settings import Modeling

Made = dict[str, Any]
EVALUATION = Evaluation(
    replicates=200, seed=1, calibration_bins=5, importance_rows=100, importance_shuffles=2
)
DIAGNOSIS = Diagnosis(
    seed=1,
    step_rows=1500,
    train_shares=[0.25, 0.5],
    next_labels=3000,
    segment_depth=2,
    segment_rows=50,
    examples=3,
    labels_to_review=50,
    noise=0.05,
)


def settings(
    path: str = "sklearn.ensemble.HistGradientBoostingClassifier", without: tuple[str, ...] = ()
) -> Modeling:
    return Modeling.model_validate(
        {
            "seed": 1,
            "candidate": {
                "path": path,
                "without": list(without),
                "params": {
                    "max_iter": 30,
                    "min_samples_leaf": 20,
                    "random_state": 1,
                    "categorical_features": "from_dtype",
                },
            },
            "search": {"space": {}, "trials": 0, "earlier_folds": []},
            "baselines": {
                "never": {"path": "sklearn.dummy.DummyClassifier", "threshold": 1},
                "lookup": {
                    "path": "preflight.pipelines.modeling.baselines.LookupTable",
                    "params": {"keys": ["place"]},
                },
            },
            "calibration_gain": 9,
        }
    )


def make_all(
    examples: pd.DataFrame,
    framing: Framing,
    modeling: Modeling,
    tuned: dict[str, Any] | None = None,
) -> Made:
    """All that diagnosis reads, by the pipeline's own functions."""
    moment = examples["predict_at"]
    part = np.searchsorted(
        pd.to_datetime([framing.split.validation_from, framing.split.test_from], utc=True),
        moment,
        side="right",
    )
    train, validation, test = (examples[part == i].reset_index(drop=True) for i in range(3))
    development = pd.concat([train, validation], ignore_index=True)
    best: dict[str, Any] = {"params": tuned or {}, "value": None, "trial": None}
    predictions = modeling_nodes.validation_predictions(development, best, framing, modeling)
    selection = modeling_nodes.selection(predictions, framing, modeling)
    candidate = modeling_nodes.candidate(development, best, selection, framing, modeling)
    baselines = modeling_nodes.baselines(development, framing, modeling)
    columns: dict[str, Any] = {}
    for suffix, bundle in {"": candidate, **{f"_{k}": b for k, b in baselines.items()}}.items():
        columns[f"probability{suffix}"] = probability(bundle, test)
        columns[f"act{suffix}"] = columns[f"probability{suffix}"] > bundle["threshold"]
    return {
        "train": train,
        "validation": validation,
        "test": test,
        "validation_predictions": predictions,
        "test_predictions": test[["parcel", "predict_at", "label"]].assign(**columns),
        "candidate": candidate,
        "best_params": best,
        "selection": selection,
        "framing": framing,
        "modeling": modeling,
        "evaluation": EVALUATION,
        "diagnosis": DIAGNOSIS,
    }


@pytest.fixture(scope="module")
def made(framing: Framing, parcels: Any, make_parcels: Callable[..., pd.DataFrame]) -> Made:
    return make_all(make_parcels("2013-01-01", "2013-06-01", 12_000), framing, settings())


@pytest.fixture(scope="session")
def make() -> Callable[..., Made]:
    return make_all


@pytest.fixture(scope="session")
def modeling() -> Callable[..., Modeling]:
    return settings
