"""One recipe fitted again and again on a growing history, and what each model makes of it."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from preflight.contracts.catalog import Contracts
from preflight.deployment.refit import fit_known
from preflight.errors import RunError
from preflight.modeling.estimators import Estimator
from preflight.modeling.model import Bundle, predict, predict_and_decide
from preflight.modeling.parameters import Modeling
from preflight.modeling.training import fit_baselines, saving
from preflight.monitoring.contracts import Monitoring, ReplaySettings
from preflight.monitoring.weeks import WEEK
from preflight.problem.framing import Framing
from preflight.progress import report_progress

Floats = npt.NDArray[np.float64]
FEWEST_REFITS = 2


class Refits(NamedTuple):
    """One recipe, fitted again and again on growing data, and what each model makes of all rows.

    moments: when each was fitted. rows: decisions since the first, with their labels, in order.
    predicted, saved: by model and row, shape (models, rows); NaN before the model was fitted.
    """

    moments: pd.DatetimeIndex
    rows: pd.DataFrame
    predicted: Floats
    saved: Floats


class Recipe(NamedTuple):
    """What each model is fitted from."""

    spec: Estimator
    calibration: dict[str, float]
    framing: Framing
    contracts: Contracts

    def fit(self, examples: pd.DataFrame, moment: pd.Timestamp) -> Bundle:
        """Return the model fitted on the labels that were known at a moment."""
        given = (self.spec, self.calibration, examples, moment)
        return fit_known(*given, self.framing, self.contracts)


def choose_moments(
    examples: pd.DataFrame, framing: Framing, settings: ReplaySettings, monitoring: Monitoring
) -> pd.DatetimeIndex:
    """Return the moments of the fits: Mondays in local time.

    Raises:
        RunError: the history is too short.
    """
    day = framing.split.day(examples["predict_at"])
    weeks, history = settings.train_weeks, monitoring.alarms.history_weeks
    first = day.min() + weeks * WEEK
    start = first + pd.Timedelta(days=-first.day_of_week % 7)
    mondays = pd.date_range(start, day.max(), freq=settings.every_weeks * WEEK)
    late = settings.labels_late_days
    if 7 * (weeks - history) <= 7 + late or len(mondays) <= FEWEST_REFITS:
        raise RunError(
            f"The history has {(day.max() - day.min()).days // 7} weeks of decisions with labels. "
            f"A replay needs production_replay.train_weeks ({weeks}) more than a week above "
            f"monitoring.alarms.history_weeks ({history}) and labels_late_days ({late}), and then "
            f"{FEWEST_REFITS} refits every {settings.every_weeks} weeks. Change these settings, or "
            "wait for more history."
        )
    return mondays.tz_localize(framing.split.timezone).tz_convert("UTC").as_unit("us")


def test_first(
    examples: pd.DataFrame,
    start: pd.Timestamp,
    recipe: Recipe,
    modeling: Modeling,
    monitoring: Monitoring,
) -> pd.DataFrame:
    """Return predictions of the weeks before the start, fitted on what was known before them.

    That is the test that the first champion was promoted on, next to all baselines.
    """
    since = start - monitoring.alarms.history_weeks * WEEK
    at = examples["predict_at"]
    in_test = (at > since) & (at <= start) & (examples["label_known_at"] <= start)
    rows = examples[in_test].reset_index(drop=True)
    known = examples[examples["label_known_at"] <= since]
    framing = recipe.framing
    bundles = fit_baselines(known, framing, modeling, recipe.contracts)
    found = predict_and_decide(recipe.fit(examples, since), rows)
    decided = {
        f"{framing.decided}_{name}": predict_and_decide(bundles[name], rows)[framing.decided]
        for name in framing.baselines
    }
    costs = framing.costs.cost_columns(rows)
    return rows[["predict_at", "label"]].assign(**found, **decided, **costs)


def fit_all(examples: pd.DataFrame, moments: pd.DatetimeIndex, recipe: Recipe) -> Refits:
    """Return all models, with their predictions and savings since the first of them."""
    rows = examples[examples["predict_at"] > moments[0]].reset_index(drop=True)
    predicted = np.full((len(moments), len(rows)), np.nan)
    saved = predicted.copy()
    for number, moment in enumerate(moments):
        bundle = recipe.fit(examples, moment)
        after = (rows["predict_at"] > moment).to_numpy()
        part = rows[after]
        predicted[number, after] = predict(bundle, part)
        saved[number, after] = saving(part, predicted[number, after], recipe.framing)
        done, total = number + 1, len(moments)
        report_progress(done, total, "models", f"replay: model {done} of {total} fitted")
    return Refits(moments, rows, predicted, saved)
