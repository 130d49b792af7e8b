"""One trial of a search: suggested by Optuna, fitted and valued fold by fold, maybe pruned."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from preflight.contracts.catalog import Contract
from preflight.modeling.estimators import Candidate, Choice, Float, Range
from preflight.modeling.model import predict_uncalibrated
from preflight.modeling.parameters import Modeling
from preflight.modeling.resources import model_mb
from preflight.modeling.training import folds, saving
from preflight.problem.framing import Framing
from preflight.problem.split import monday_of
from preflight.stats.units import Ints

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

MakeTrial = Callable[[int, "list[FrozenTrial]"], "FrozenTrial"]
Objective = Callable[["optuna.Trial", "list[FrozenTrial]"], float]

CANDIDATE = "candidate"  # the parameter of a trial that chooses among several
NUMBER = "number"  # of a trial in its search, from 0
STEPS_PER_FOLD = 100  # steps at which a trial may be pruned are counted in hundredths of a fold
FIRST_STAGE = 0.4  # of what an estimator grows to: there it is evaluated for the first time
# What a trial's value so far says of its value in the end: little in the middle of a fold, nearly
# all after a whole one (benchmarks/README.md). So the worst third is pruned, or the worst two.
PRUNE_QUANTILE_MIDFOLD, PRUNE_QUANTILE = 1 / 3, 2 / 3
MIN_COMPLETE_TRIALS = 2  # before one is pruned
MIN_WEEKS = 4  # of a fold; with fewer its days are drawn
STORED_FORM = 2  # of what a trial keeps, `saved` and `rows` by week; another begins new studies


def open_study(storage: str | None = None, name: str | None = None) -> "optuna.Study":
    """Return the study of that name in a storage; without both a new one in memory."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(
        storage=storage, study_name=name, direction="maximize", load_if_exists=name is not None
    )


def trial_maker(
    development: pd.DataFrame, framing: Framing, modeling: Modeling, features: Contract
) -> MakeTrial:
    """Return the function that makes a trial, by its number and the trials before its batch.

    The trial that it returns is finished, and depends on nothing else.
    """
    from optuna import TrialPruned
    from optuna.samplers import TPESampler
    from optuna.trial import TrialState

    objective = make_objective(development, framing, modeling, features)

    def make_trial(number: int, before: "list[FrozenTrial]") -> "FrozenTrial":
        study = open_study()
        study.add_trials(before)
        study.sampler = TPESampler(seed=modeling.seed + number, n_startup_trials=5)
        if number < len(modeling.candidates):
            name, candidate = [*modeling.candidates.items()][number]
            defaults = {f"{name}.{of}": value for of, value in candidate.defaults.items()}
            study.enqueue_trial({CANDIDATE: name, **defaults})
        trial = study.ask()
        trial.set_user_attr(NUMBER, number)
        try:
            study.tell(trial, objective(trial, before))
        except TrialPruned:
            study.tell(trial, state=TrialState.PRUNED)
        return study.trials[-1]

    return make_trial


def suggested(trial: Any, modeling: Modeling) -> Candidate:
    """Return the candidate that a trial is about, with the parameters that it suggests."""
    name = modeling.default_candidate
    if len(modeling.candidates) > 1:
        name = trial.suggest_categorical(CANDIDATE, [*modeling.candidates])
    spec = modeling.candidates[name]
    return spec.tuned({of: _suggest(trial, f"{name}.{of}", r) for of, r in spec.space.items()})


def _suggest(trial: Any, name: str, among: Range) -> Any:
    if isinstance(among, Choice):
        return trial.suggest_categorical(name, among.choices)
    draw = trial.suggest_float if isinstance(among, Float) else trial.suggest_int
    return draw(name, among.low, among.high, log=among.log)


class Fold(NamedTuple):
    """What is fitted on, what it is evaluated on, and the week of each row of that."""

    train: pd.DataFrame
    validation: pd.DataFrame
    week: Ints
    weeks: int

    def weekly(self, values: Any = None) -> list[Any]:
        """Return the sum of some values in each week; without values the number of rows."""
        return np.bincount(self.week, weights=values, minlength=self.weeks).tolist()


def week_numbers(day: pd.Series) -> tuple[Ints, int]:
    """Return each row's calendar week as a number from 0, shape (n,), and the number of weeks.

    Rows of neighbouring days depend on each other, rows of different weeks hardly. Weeks begin on
    Monday. If there are fewer than `MIN_WEEKS`, each day counts as a week: then the interval of a
    gain leaves out how days depend on each other.
    """
    week = monday_of(day)
    number, distinct = pd.factorize(week if week.nunique() >= MIN_WEEKS else day, sort=True)
    return number.astype(np.int64), len(distinct)


def make_objective(
    development: pd.DataFrame, framing: Framing, modeling: Modeling, features: Contract
) -> Objective:
    """Return the function that values a trial: the mean over folds of its saving per 1,000."""
    from optuna import TrialPruned

    parts = [
        Fold(train, validation, *week_numbers(framing.split.day(validation["predict_at"])))
        for train, validation in folds(development, framing, modeling)
    ]

    def objective(trial: "optuna.Trial", before: "list[FrozenTrial]") -> float:
        candidate = suggested(trial, modeling)
        names = candidate.features(features.groups())
        values: list[float] = []
        saved: list[list[float]] = []
        for number, part in enumerate(parts):
            for estimator, share in fit_in_stages(candidate, part.train, features):
                predicted = predict_uncalibrated(estimator, part.validation, names)
                saves = saving(part.validation, predicted, framing)
                step = round(STEPS_PER_FOLD * (number + share))
                so_far = float(np.mean([*values, 1000 * saves.mean()]))
                trial.report(so_far, step)
                is_last = step == STEPS_PER_FOLD * len(parts)
                if modeling.search.prune and not is_last and should_prune(before, step, so_far):
                    raise TrialPruned
            values.append(float(1000 * saves.mean()))
            saved.append(part.weekly(saves))
        trial.set_user_attr("saved", saved)
        trial.set_user_attr("rows", [part.weekly() for part in parts])
        if framing.serving is not None:
            bundle: Any = {"estimator": estimator, "slope": 1.0, "intercept": 0.0}
            size = model_mb(bundle | {"features": names})
            trial.set_constraint("model_mb", size / framing.serving.model_mb - 1)
        return float(np.mean(values))

    return objective


def should_prune(before: "list[FrozenTrial]", step: int, so_far: float) -> bool:
    """Return whether a trial is among the worst of those before its batch, at a step.

    Optuna's own percentile pruner takes the best of all steps of a trial, and a season that is easy
    to save in would hide what comes after it.
    """
    others = [t for t in before if np.isfinite(t.intermediate_values.get(step, np.nan))]
    if sum(trial.state.name == "COMPLETE" for trial in others) < MIN_COMPLETE_TRIALS:
        return False
    worst = PRUNE_QUANTILE_MIDFOLD if step % STEPS_PER_FOLD else PRUNE_QUANTILE
    values = [trial.intermediate_values[step] for trial in others]
    return so_far < float(np.quantile(values, worst))


def fit_in_stages(
    spec: Candidate, examples: pd.DataFrame, features: Contract
) -> Iterator[tuple[Any, float]]:
    """Yield the fitted estimator and which share of its growth is done, at last all of it.

    Stages share one warm-started fit, so the last estimator equals a single fit. An estimator
    without a parameter that it grows by (`warm_start_param`) has one stage.
    """
    seen = examples[spec.features(features.groups())]
    estimator = spec.build()
    if spec.warm_start_param:
        estimator.set_params(warm_start=True)
    for share in (FIRST_STAGE, 1.0) if spec.warm_start_param else (1.0,):
        if spec.warm_start_param:
            estimator.set_params(
                **{spec.warm_start_param: max(1, round(share * spec.params[spec.warm_start_param]))}
            )
        yield estimator.fit(seen, examples["label"]), share
