"""What the test can detect, computed before it is used."""

import logging
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from preflight.evaluation.contracts import Evaluation
from preflight.modeling.model import Bundle, Floats, decide
from preflight.problem.framing import Framing
from preflight.problem.money import format_money
from preflight.stats.bootstrap import Bootstrap, independent_error, minimum_detectable_effect
from preflight.stats.units import number_units

log = logging.getLogger(__name__)


def validation_gain(
    validation_predictions: pd.DataFrame, name: str, baseline: Bundle, framing: Framing
) -> Floats:
    """Return what the candidate saves more than a baseline, for each example of validation."""
    examples, predicted = validation_predictions, f"{framing.predicted}_"
    costs, label = framing.costs.at(examples), examples["label"].to_numpy()
    candidate, rival = (examples[f"{predicted}{n}"].to_numpy() for n in ("candidate", name))
    decided = decide(baseline, rival, examples)
    return costs.saving(label, costs.decide(candidate)) - costs.saving(label, decided)


def compute_power(
    validation_predictions: pd.DataFrame,
    test: pd.DataFrame,
    baselines: dict[str, Bundle],
    selection: dict[str, Any],
    framing: Framing,
    evaluation: Evaluation,
) -> dict[str, Any]:
    """Return the smallest gain per 1,000 decisions that this test would most likely ship.

    It is the required gain plus the smallest one that the test detects with the framing's power,
    at the level of a first candidate. That is estimated from how the gain over the best baseline
    varies from day to day on the validation set and the earlier folds, for as many active days as
    the test has. Only the moments of prediction of the test are read. So a test that is too short
    is reported before it is used.
    """
    name = selection["best_baseline"]
    gain = validation_gain(validation_predictions, name, baselines[name], framing)
    active = len(np.unique(number_units(test, framing)[0]))
    required = framing.least_per_1000
    bootstrap = evaluation.bootstrap(validation_predictions, framing)
    detectable = detectable_gain(gain, bootstrap, active, len(test), framing)
    found = {
        "unit": framing.resampling.unit,
        "units": active,
        "required_per_1000": required,
        "detectable_per_1000": detectable,
        "shippable_per_1000": None if detectable is None else required + detectable,
        "achievable_per_1000": framing.project.achievable_saving,
    }
    _warn_if_too_short(found, framing)
    return found


def detectable_gain(
    gain: Floats, bootstrap: Bootstrap, active: int, rows: int, framing: Framing
) -> float | None:
    """Return the smallest gain over the required one that a test detects, per 1,000 decisions.

    gain: on each example of the folds. active, rows: days and examples of the test.
    """
    before = bootstrap.active()
    if min(before, active) < 2:
        return None
    contribution = 1000 * bootstrap.contribution(gain)
    longer = len(gain) / rows * np.sqrt(active / before)
    errors = bootstrap.error(contribution, before), independent_error(contribution)
    return minimum_detectable_effect(
        (float(longer * errors[0]), float(longer * errors[1])),
        (bootstrap.freedom(before), bootstrap.freedom(active)),
        (1 - framing.confidence) / 2,
        framing.success.power,
    )


def _warn_if_too_short(power: dict[str, Any], framing: Framing) -> None:
    shippable, achievable = power["shippable_per_1000"], power["achievable_per_1000"]
    if shippable is None or achievable is None or shippable <= achievable:
        return
    money = partial(format_money, unit=framing.costs.unit)
    log.warning(
        "  The test is too short. The smallest gain that it would ship with a power of %.0f%% is "
        "%s per 1,000 %s: the required %s, and %s that %d test %s can detect. "
        "framing.project.achievable_saving is %s. Let the test begin earlier (framing.split), or "
        "ask for less (framing.success.min_net_saving, framing.project.upkeep_per_month).",
        100 * framing.success.power,
        money(shippable),
        framing.decision.units,
        money(power["required_per_1000"]),
        money(power["detectable_per_1000"]),
        power["units"],
        framing.resampling.units,
        money(achievable),
    )
