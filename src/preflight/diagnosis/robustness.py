"""Robustness: the candidate's saving when its inputs fail."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from preflight.contracts.catalog import Contract, Contracts
from preflight.diagnosis.contracts import Diagnosis
from preflight.evaluation.contracts import Evaluation
from preflight.evaluation.predictions import require_same
from preflight.modeling.model import Bundle, decide, predict
from preflight.modeling.training import saving
from preflight.problem.framing import Framing
from preflight.problem.shares import format_level
from preflight.stats.bootstrap import interval_columns


def measure_robustness(
    candidate: Bundle,
    test: pd.DataFrame,
    test_predictions: pd.DataFrame,
    framing: Framing,
    evaluation: Evaluation,
    diagnosis: Diagnosis,
    contracts: Contracts,
) -> pd.DataFrame:
    """Return the candidate's saving on test with each fault of its inputs, without fitting again.

    The faults: each group of features is missing, as when a feed is down; and noise on all numbers,
    in whole steps on whole numbers, none on yes or no. The loss is the difference to the decisions
    with all inputs, day by day. The saving is missing where the estimator can't predict.

    Grain: one row per fault.
    """
    require_same(test, test_predictions, "test")
    saved = saving(test, test_predictions[framing.predicted].to_numpy(), framing)
    days = evaluation.bootstrap(test, framing)
    columns = ["fault", "value_per_1000", "loss", "loss_low", "loss_high", "changed"]
    rows: list[dict[str, Any]] = []
    for fault, faulty in _faults(test, candidate["features"], diagnosis, contracts["features"]):
        try:
            predicted = predict(candidate, faulty)
        except ValueError:  # scikit-learn's error for a missing value that an estimator can't take
            rows.append({"fault": fault, "changed": 1.0})
            continue
        with_fault = saving(test, predicted, framing)
        decided = decide(candidate, predicted, test)
        rows.append(
            {
                "fault": fault,
                "value_per_1000": 1000 * with_fault.mean(),
                **interval_columns(days.per_1000(saved - with_fault), *columns[2:5]),
                "changed": (decided != test_predictions[framing.decided].to_numpy()).mean(),
            }
        )
    table = pd.DataFrame(rows, columns=columns)
    return table.astype(dict.fromkeys(columns[1:], "float64"))


def _faults(
    test: pd.DataFrame, features: list[str], diagnosis: Diagnosis, contract: Contract
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the name of each fault, and the features with it."""
    every_row = np.ones(len(test), dtype=bool)
    for group, names in contract.groups().items():
        if lacking := [name for name in names if name in features]:
            can_miss = test[lacking].astype({n: "float" for n in lacking if test[n].dtype == bool})
            gone = {name: can_miss[name].mask(every_row) for name in lacking}
            yield f"{group} missing", test[features].assign(**gone)
    rng = np.random.default_rng(diagnosis.seed)
    numbers = test[features].select_dtypes("number")
    noise = rng.normal(0, diagnosis.noise, numbers.shape) * numbers.std().to_numpy()
    noisy, whole = numbers + noise, numbers.select_dtypes("integer")
    noisy[whole.columns] = noisy[whole.columns].round().clip(whole.min(), whole.max(), axis=1)
    noisy = noisy.astype(numbers.dtypes)
    yield f"noise of {format_level(diagnosis.noise)} of the spread", test[features].assign(**noisy)
