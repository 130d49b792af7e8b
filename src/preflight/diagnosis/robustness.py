"""What the candidate is worth when its inputs fail."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from preflight.contracts.catalog import Contract, Contracts
from preflight.diagnosis.contracts import Diagnosis
from preflight.evaluation.contracts import Evaluation
from preflight.evaluation.metrics import Days
from preflight.evaluation.predictions import require_same
from preflight.modeling.model import Bundle, decide, predict
from preflight.modeling.training import saving
from preflight.problem.framing import Framing


def measure_robustness(
    candidate: Bundle,
    test: pd.DataFrame,
    test_predictions: pd.DataFrame,
    framing: Framing,
    evaluation: Evaluation,
    diagnosis: Diagnosis,
    contracts: Contracts,
) -> pd.DataFrame:
    """Return what the candidate is worth on test when its inputs fail, not being fitted again.

    Each group of features missing, as when a feed is down, and all numbers off by a little noise:
    whole numbers by whole steps, and a yes or no not at all.
    The loss is against the same decisions with all inputs, day by day; the value is missing where
    the estimator can't answer at all.

    Grain: one row per fault.
    """
    require_same(test, test_predictions, "test")
    whole = test_predictions[framing.predicted].to_numpy()
    days = Days(test, framing, evaluation)
    rows = []
    for fault, faulty in _faults(test, candidate["features"], diagnosis, contracts["features"]):
        try:
            said = predict(candidate, faulty)
        except ValueError:  # scikit-learn's answer to a missing value that an estimator can't take
            rows.append({"fault": fault, "changed": 1.0})
            continue
        with_fault = saving(test, said, framing)
        loss = days.per_1000(saving(test, whole, framing) - with_fault)
        changed = decide(candidate, said, test) != test_predictions[framing.decided].to_numpy()
        rows.append(
            {
                "fault": fault,
                "value_per_1000": 1000 * with_fault.mean(),
                "loss": loss["mean"],
                "loss_low": loss["low"],
                "loss_high": loss["high"],
                "changed": changed.mean(),
            }
        )
    columns = ["fault", "value_per_1000", "loss", "loss_low", "loss_high", "changed"]
    table = pd.DataFrame(rows, columns=columns)
    return table.astype(dict.fromkeys(columns[1:], "float64"))


def _faults(
    test: pd.DataFrame, features: list[str], diagnosis: Diagnosis, contract: Contract
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the name of each fault, and the features with it."""
    nothing = np.ones(len(test), dtype=bool)
    for group, names in contract.groups().items():
        if lacking := [name for name in names if name in features]:
            known = test[lacking].astype({n: "float" for n in lacking if test[n].dtype == bool})
            gone = {name: known[name].mask(nothing) for name in lacking}
            yield f"{group} missing", test[features].assign(**gone)
    rng = np.random.default_rng(diagnosis.seed)
    numbers = test[features].select_dtypes("number")
    noise = rng.normal(0, diagnosis.noise, numbers.shape) * numbers.std().to_numpy()
    noisy, whole = numbers + noise, numbers.select_dtypes("integer")
    noisy[whole.columns] = noisy[whole.columns].round().clip(whole.min(), whole.max(), axis=1)
    noisy = noisy.astype(numbers.dtypes)
    yield f"noise of {diagnosis.noise:.0%} of the spread", test[features].assign(**noisy)
