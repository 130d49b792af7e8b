"""Ablation: the gain of each step from the best baseline to the candidate."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from preflight.contracts.catalog import Contract, Contracts
from preflight.diagnosis.contracts import Diagnosis
from preflight.diagnosis.fits import fitting_margin, widen
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
from preflight.stats.bootstrap import Interval, interval_columns

Step = tuple[str, str, dict[str, Floats]]  # kind, name, predictions of each part: (fits, n)

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
    - the model on the first group of features, each further group, and tuning; each is fitted
      `diagnosis.fits` times, with another seed on another sample of train,
    - all examples: of train; on test those of validation too,
    - calibration,
    - in the binary task, a threshold of one half instead.

    A value is the mean over fits. The interval of a gain is over days and over fits, whose samples
    are the same in each step. From all examples on, the model is the candidate, fitted once: the
    chance of that fit is left out. The gain of a step depends on the steps before it.
    """
    last = last_fold(validation, validation_predictions)
    require_same(test, test_predictions, "test")
    chosen, features = modeling.chosen(best_params), contracts["features"]
    _require_declared(candidate, chosen, features)
    parts = {"validation": validation, "test": test}
    name, rows = selection["best_baseline"], min(diagnosis.step_rows, len(train))
    samples = {seed: train.sample(rows, random_state=seed) for seed in diagnosis.seeds}
    declared = modeling.candidates[modeling.default_candidate]
    steps = [
        (kind, step, predicted)
        for kind, step, spec in _steps(declared, chosen, features)
        if (predicted := _fit_predict_parts(spec, samples, parts, features)) is not None
    ]
    whole = {
        "validation": last[[f"{framing.predicted}_candidate"]].to_numpy().T,
        "test": predict({**candidate, "slope": 1.0, "intercept": 0.0}, test)[None],
    }
    steps += _candidate_steps(candidate, whole)

    of_baseline = last[f"{framing.predicted}_{name}"].to_numpy()
    decided = test_predictions[f"{framing.decided}_{name}"].to_numpy()
    baseline = {
        "validation": saving(last, of_baseline, framing, modeling.baselines[name].threshold),
        "test": framing.costs.at(test).saving(test["label"].to_numpy(), decided),
    }
    table = pd.concat(
        _gains(part, examples, (name, baseline[part][None]), steps, framing, evaluation)
        for part, examples in parts.items()
    )
    return table.reset_index(drop=True)


def _candidate_steps(candidate: Bundle, whole: dict[str, Floats]) -> Iterator[Step]:
    """Yield the steps whose model is the candidate, by its predictions before calibration."""
    yield "examples", "all examples", whole
    if (candidate["slope"], candidate["intercept"]) != (1.0, 0.0):
        calibrated = {part: apply_calibration(candidate, raw) for part, raw in whole.items()}
        yield "calibration", "calibration", calibrated


def _gains(
    part: str,
    examples: pd.DataFrame,
    baseline: tuple[str, Floats],
    steps: list[Step],
    framing: Framing,
    evaluation: Evaluation,
) -> pd.DataFrame:
    """Return a row for the baseline, by its name and savings, and one for each step after it."""
    days = evaluation.bootstrap(examples, framing)
    savings = [("baseline", *baseline)]
    savings += [(kind, step, saving(examples, p[part], framing)) for kind, step, p in steps]
    if framing.task == "binary":
        half = saving(examples, steps[-1][2][part], framing, threshold=0.5)
        savings.append(("threshold", THRESHOLD_HALF_STEP, half))
    gain: Interval = {"mean": None, "low": None, "high": None}
    rows: list[dict[str, Any]] = []
    for number, (kind, step, saved) in enumerate(savings):
        if number:
            gained = saved - savings[number - 1][2]
            by_fit = [1000 * gained.mean(axis=1)]
            margin = fitting_margin(by_fit, np.ones(1), framing.confidence)
            gain = widen(days.per_1000(gained.mean(axis=0)), margin)
        value = {"fits": len(saved), "value_per_1000": 1000 * saved.mean()}
        columns = interval_columns(gain, "gain", "gain_low", "gain_high")
        rows.append({"part": part, "kind": kind, "step": step, **value, **columns})
    table = pd.DataFrame(rows)
    return table.astype(dict.fromkeys(columns, "float64"))


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
    spec: Estimator,
    samples: dict[int, pd.DataFrame],
    parts: dict[str, pd.DataFrame],
    features: Contract,
) -> dict[str, Floats] | None:
    """Return the predictions for each part, of each fit: shape (fits, n).

    None if it can't be fitted on these features alone.

    samples: the examples of each fit, by its seed.
    """
    try:
        fitted = [fit(spec.seeded(seed), few, features) for seed, few in samples.items()]
    except Exception:  # whatever an estimator raises that needs a feature of a later group
        return None
    names = spec.features(features.groups())
    return {
        part: np.array([predict_uncalibrated(one, rows, names) for one in fitted])
        for part, rows in parts.items()
    }
