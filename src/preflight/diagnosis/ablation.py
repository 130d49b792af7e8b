"""Ablation: the gain of each step from the best baseline to the candidate."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from preflight.contracts.catalog import Contract, Contracts
from preflight.diagnosis.contracts import Diagnosis
from preflight.errors import RunError
from preflight.evaluation.contracts import Evaluation
from preflight.evaluation.predictions import last_fold, require_same
from preflight.modeling.estimators import Estimator
from preflight.modeling.model import (
    Bundle,
    Floats,
    apply_calibration,
    predict,
    predict_uncalibrated,
)
from preflight.modeling.parameters import Modeling
from preflight.modeling.training import fit, saving
from preflight.problem.framing import Framing
from preflight.stats.bootstrap import Bootstrap, Interval, interval_columns

THRESHOLD_HALF_STEP = "if it acted above 50%"  # the last step, in the binary task


def _require_declared(candidate: Bundle, chosen: Estimator, features: Contract) -> None:
    """Raise RunError if the candidate was made with other settings than conf has now."""
    settings = chosen.model_dump(include={"path", "preprocessing", "params"})
    made = {name: candidate["provenance"][name] for name in settings}
    if made != settings or candidate["features"] != chosen.features(features.groups()):
        raise RunError(
            "'candidate' was made with other features or parameters than modeling.candidates has "
            "now. Run: kedro run --pipelines modeling,evaluation,diagnosis,reporting"
        )


def compute_ablation(
    train: pd.DataFrame,
    validation: pd.DataFrame,
    test: pd.DataFrame,
    validation_predictions: pd.DataFrame,
    test_predictions: pd.DataFrame,
    candidate: Bundle,
    best_params: dict[str, Any],
    selection: dict[str, Any],
    framing: Framing,
    modeling: Modeling,
    evaluation: Evaluation,
    diagnosis: Diagnosis,
    contracts: Contracts,
) -> pd.DataFrame:
    """Return the gain of each step from the best baseline to the candidate, on validation and test.

    Grain: one row per part of the split and step, in this order:

    - the best baseline,
    - the model on the first group of features, each further group, and tuning; these are fitted on
      a sample of train,
    - all examples: of train; on test those of validation too,
    - calibration,
    - in the binary task, a threshold of one half instead.

    The gain of a step depends on the steps before it.
    """
    last = last_fold(validation, validation_predictions)
    require_same(test, test_predictions, "test")
    chosen, features = modeling.chosen(best_params), contracts["features"]
    _require_declared(candidate, chosen, features)
    parts = {"validation": validation, "test": test}
    name = selection["best_baseline"]
    few = train.sample(min(diagnosis.step_rows, len(train)), random_state=diagnosis.seed)
    steps = [
        (kind, step, predicted)
        for kind, step, spec in _steps(
            modeling.candidates[modeling.default_candidate], chosen, features
        )
        if (predicted := _fit_predict_parts(spec, few, parts, features)) is not None
    ]
    whole = {
        "validation": last[f"{framing.predicted}_candidate"].to_numpy(),
        "test": predict({**candidate, "slope": 1.0, "intercept": 0.0}, test),
    }
    steps.append(("examples", "all examples", whole))
    if (candidate["slope"], candidate["intercept"]) != (1.0, 0.0):
        calibrated = {part: apply_calibration(candidate, raw) for part, raw in whole.items()}
        steps.append(("calibration", "calibration", calibrated))

    of_baseline = last[f"{framing.predicted}_{name}"].to_numpy()
    decided = test_predictions[f"{framing.decided}_{name}"].to_numpy()
    baseline = {
        "validation": saving(last, of_baseline, framing, modeling.baselines[name].threshold),
        "test": framing.costs.at(test).saving(test["label"].to_numpy(), decided),
    }
    rows: list[dict[str, Any]] = []
    for part, examples in parts.items():
        days = evaluation.bootstrap(examples, framing)
        rows += _rows(part, examples, (name, baseline[part]), steps, days, framing)
    table = pd.DataFrame(rows)
    return table.astype(dict.fromkeys(table.columns[3:], "float64"))


def _rows(
    part: str,
    examples: pd.DataFrame,
    baseline: tuple[str, Floats],
    steps: list[tuple[str, str, dict[str, Floats]]],
    days: Bootstrap,
    framing: Framing,
) -> Iterator[dict[str, Any]]:
    """Yield a row for the baseline, by its name and savings, and one for each step after it."""
    savings = [("baseline", *baseline)]
    savings += [(kind, step, saving(examples, p[part], framing)) for kind, step, p in steps]
    if framing.task == "binary":
        half = saving(examples, steps[-1][2][part], framing, threshold=0.5)
        savings.append(("threshold", THRESHOLD_HALF_STEP, half))
    gain: Interval = {"mean": None, "low": None, "high": None}
    for number, (kind, step, saved) in enumerate(savings):
        if number:
            gain = days.per_1000(saved - savings[number - 1][2])
        yield {
            "part": part,
            "kind": kind,
            "step": step,
            "value_per_1000": 1000 * saved.mean(),
            **interval_columns(gain, "gain", "gain_low", "gain_high"),
        }


def _steps(
    spec: Estimator, chosen: Estimator, features: Contract
) -> Iterator[tuple[str, str, Estimator]]:
    """Yield each step that is a fit: its kind, its name and the estimator."""
    groups = [group for group in features.groups() if group not in spec.exclude_groups]
    for number, group in enumerate(groups):
        unseen = [*spec.exclude_groups, *groups[number + 1 :]]
        kind, name = ("group", group) if number else ("first group", f"{group} alone")
        yield kind, name, spec.model_copy(update={"exclude_groups": unseen})
    if chosen != spec:
        yield "tuning", "tuning", chosen


def _fit_predict_parts(
    spec: Estimator, examples: pd.DataFrame, parts: dict[str, pd.DataFrame], features: Contract
) -> dict[str, Floats] | None:
    """Return the predictions for each part; None if it can't be fitted on these features alone."""
    try:
        estimator = fit(spec, examples, features)
    except Exception:  # whatever an estimator raises that needs a feature of a later group
        return None
    names = spec.features(features.groups())
    return {part: predict_uncalibrated(estimator, rows, names) for part, rows in parts.items()}
