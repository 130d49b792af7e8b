"""What each step from the best baseline to the candidate adds."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from preflight.contracts.catalog import Contract, Contracts
from preflight.diagnosis.contracts import Diagnosis
from preflight.errors import RunError
from preflight.evaluation.contracts import Evaluation
from preflight.evaluation.metrics import Days
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
from preflight.stats.bootstrap import Interval

THRESHOLD_HALF_STEP = (
    "if it acted above 50%"  # the last step of a waterfall, where it is decided to act
)


def _require_declared(candidate: Bundle, chosen: Estimator, features: Contract) -> None:
    """Raise RunError if the candidate was made with other settings: steps wouldn't lead to it."""
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
    """Return what each step from the best baseline to the candidate adds, on validation and test.

    Grain: one row per part and step, in the order in which they are taken: the model on the first
    group of features, each further group, tuning (all of these fitted on a sample of train), all
    examples (of train; on test those of validation too), calibration, and at last, where it is
    decided whether to act, what a threshold of one half would do instead. What a step adds depends
    on those before it.
    """
    last = last_fold(validation, validation_predictions)
    require_same(test, test_predictions, "test")
    chosen, features = modeling.chosen(best_params), contracts["features"]
    _require_declared(candidate, chosen, features)
    parts = {"validation": validation, "test": test}
    name = selection["best_baseline"]
    few = train.sample(min(diagnosis.step_rows, len(train)), random_state=diagnosis.seed)
    steps = [
        (kind, step, found)
        for kind, step, spec in _steps(
            modeling.candidates[modeling.default_candidate], chosen, features
        )
        if (found := _fit_predict_parts(spec, few, parts, features)) is not None
    ]
    whole = {
        "validation": last[f"{framing.predicted}_candidate"].to_numpy(),
        "test": predict({**candidate, "slope": 1.0, "intercept": 0.0}, test),
    }
    steps.append(("examples", "all examples", whole))
    if (candidate["slope"], candidate["intercept"]) != (1.0, 0.0):
        said = {part: apply_calibration(candidate, chance) for part, chance in whole.items()}
        steps.append(("calibration", "calibration", said))

    of_baseline = last[f"{framing.predicted}_{name}"].to_numpy()
    decided = test_predictions[f"{framing.decided}_{name}"].to_numpy()
    baseline = {
        "validation": saving(last, of_baseline, framing, modeling.baselines[name].threshold),
        "test": framing.costs.at(test).saving(test["label"].to_numpy(), decided),
    }
    rows = []
    for part, examples in parts.items():
        days = Days(examples, framing, evaluation)
        rows.append(_step(part, "baseline", name, baseline[part], None, days))
        rows += _gains(part, examples, steps, baseline[part], days, framing)
    table = pd.DataFrame(rows)
    return table.astype(dict.fromkeys(table.columns[3:], "float64"))


def _gains(
    part: str,
    examples: pd.DataFrame,
    steps: list[tuple[str, str, dict[str, Floats]]],
    before: Floats,
    days: Days,
    framing: Framing,
) -> Iterator[dict[str, Any]]:
    """Yield a row for each step after the baseline, with its gain over the step before."""
    for kind, step, chance in steps:
        worth = saving(examples, chance[part], framing)
        yield _step(part, kind, step, worth, before, days)
        before = worth
    if framing.task == "binary":
        half = saving(examples, chance[part], framing, threshold=0.5)
        yield _step(part, "threshold", THRESHOLD_HALF_STEP, half, before, days)


def _steps(
    spec: Estimator, chosen: Estimator, features: Contract
) -> Iterator[tuple[str, str, Estimator]]:
    """Yield each step that is a fit: its kind, its name and the estimator."""
    groups = [group for group in features.groups() if group not in spec.without]
    for number, group in enumerate(groups):
        unseen = [*spec.without, *groups[number + 1 :]]
        kind, name = ("group", group) if number else ("first group", f"{group} alone")
        yield kind, name, spec.model_copy(update={"without": unseen})
    if chosen != spec:
        yield "tuning", "tuning", chosen


def _fit_predict_parts(
    spec: Estimator, examples: pd.DataFrame, parts: dict[str, pd.DataFrame], features: Contract
) -> dict[str, Floats] | None:
    """Return the probabilities for each part; None if it can't do without what it doesn't see."""
    try:
        estimator = fit(spec, examples, features)
    except Exception:  # whatever an estimator raises that needs a feature of a later group
        return None
    names = spec.features(features.groups())
    return {part: predict_uncalibrated(estimator, rows, names) for part, rows in parts.items()}


def _step(
    part: str, kind: str, step: str, saving: Floats, before: Floats | None, days: Days
) -> dict[str, Any]:
    gain: Interval = {"mean": None, "low": None, "high": None}
    if before is not None:
        gain = days.per_1000(saving - before)
    return {
        "part": part,
        "kind": kind,
        "step": step,
        "value_per_1000": 1000 * saving.mean(),
        "gain": gain["mean"],
        "gain_low": gain["low"],
        "gain_high": gain["high"],
    }
