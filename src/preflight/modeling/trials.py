"""The trials of a search: how each is suggested and stored, and which parameters are chosen."""

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from preflight.errors import RunError
from preflight.modeling.estimators import Candidate, Choice, Float, Range
from preflight.modeling.model import Floats
from preflight.modeling.parameters import Modeling
from preflight.problem.framing import Framing
from preflight.stats.bootstrap import day_weights, interval

if TYPE_CHECKING:
    import optuna


CANDIDATE = "candidate"  # the parameter of a trial that chooses among several
NUMBER = "number"  # of a trial in its search, from 0
FOLD = 100  # steps at which a trial may be pruned are counted in hundredths of a fold
REPLICATES = 1000  # of the bootstrap over days that judges the choice
MIN_TRIALS_FOR_IMPORTANCE = 5
NO_SEARCH: dict[str, Any] = {
    "params": {},
    "kept": "declared",
    "ended": "trials",
    "trial": None,
    "value": None,
    "declared_value": None,
    "optimism": None,
    "gain": None,
}


class Outcome(NamedTuple):
    """What came of a trial.

    value: mean over folds of the saving per 1,000 decisions; None if it was pruned.
    by_step: the value so far, at steps of a hundredth of a fold.
    saved, rows: of each fold, by day.
    over_limit: by what share the model's file is above its limit, negative below it.
    """

    value: float | None
    by_step: dict[int, float]
    saved: list[list[float]]
    rows: list[list[int]]
    over_limit: float


def open_study(storage: str | None, name: str | None = None) -> "optuna.Study":
    """Return the study of that name in a storage; without both a new one in memory."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(
        storage=storage, study_name=name, direction="maximize", load_if_exists=name is not None
    )


def stored(study: "optuna.Study") -> list[Any]:
    """Return the trials of a study in order, each once: two runs at once may store one twice."""
    by_number = {t.user_attrs[NUMBER]: t for t in reversed(study.get_trials(deepcopy=False))}
    return [by_number[number] for number in sorted(by_number)]


def eligible(trials: list[Any]) -> list[Any]:
    """Return the trials that were evaluated on all folds and keep the limit on their size."""
    return [t for t in trials if t.state.name == "COMPLETE" and _within_limits(t)]


def _within_limits(trial: Any) -> bool:
    return all(over <= 0 for over in trial.constraints.values())


def suggest_trial(before: list[Any], number: int, modeling: Modeling) -> tuple[Any, Candidate]:
    """Return a trial with its parameters, and the candidate that has them."""
    from optuna.samplers import TPESampler

    study = open_study(None)
    study.add_trials(before)
    study.sampler = TPESampler(seed=modeling.seed + number, n_startup_trials=5)
    if number < len(modeling.candidates):
        name, candidate = [*modeling.candidates.items()][number]
        declared = {f"{name}.{of}": value for of, value in candidate.declared.items()}
        study.enqueue_trial({CANDIDATE: name, **declared})
    trial = study.ask()
    return trial, suggested(trial, modeling)


def suggested(trial: Any, modeling: Modeling) -> Candidate:
    """Return the candidate that a trial is about, with the parameters that it suggests."""
    name = modeling.declared
    if len(modeling.candidates) > 1:
        name = trial.suggest_categorical(CANDIDATE, [*modeling.candidates])
    spec = modeling.candidates[name]
    return spec.tuned({of: suggest(trial, f"{name}.{of}", r) for of, r in spec.space.items()})


def suggest(trial: Any, name: str, among: Range) -> Any:
    """Return the value of a parameter in a trial."""
    if isinstance(among, Choice):
        return trial.suggest_categorical(name, among.choices)
    if isinstance(among, Float):
        return trial.suggest_float(name, among.low, among.high, log=among.log)
    return trial.suggest_int(name, among.low, among.high, log=among.log)


def store_trial(study: "optuna.Study", number: int, trial: Any, outcome: Outcome) -> None:
    """Add a trial to its study, now that it is finished."""
    from optuna.trial import TrialState, create_trial

    complete = outcome.value is not None
    study.add_trial(
        create_trial(
            state=TrialState.COMPLETE if complete else TrialState.PRUNED,
            value=outcome.value,
            params=trial.params,
            distributions=trial.distributions,
            user_attrs={NUMBER: number, "saved": outcome.saved, "rows": outcome.rows},
            intermediate_values=outcome.by_step,
            constraints={"model_mb": outcome.over_limit} if complete else {},
        )
    )


def select_parameters(finished: list[Any], framing: Framing, modeling: Modeling) -> dict[str, Any]:
    """Return the best parameters, what they are worth, and whether they or the declared are kept.

    gain: of the best over the declared on validation, with its interval over days, less optimism:
    the best of many looks better than it is. In each replicate of a bootstrap over days the best
    trial is chosen on the days drawn and valued on the days left out (BBC-CV: Tsamardinos,
    Greasidou and Borboudakis 2018). The interval is as wide as so many comparisons ask for
    (Bonferroni), pruned trials among them.
    """
    trials = eligible(finished)
    if not trials:
        raise RunError(
            "No trial of the search made a model as small as framing.serving.model_mb allows "
            f"({framing.serving.model_mb:g} MB). Search among smaller models "
            "(modeling.candidates), or allow more."
        )
    best = max(trials, key=lambda trial: trial.value)
    name, params = of_candidate(best, modeling.declared)
    declared = next((i for i, trial in enumerate(trials) if trial.user_attrs[NUMBER] == 0), None)
    found = {
        **NO_SEARCH,
        "candidate": name,
        "params": params,
        "kept": "tuned",
        "trial": best.user_attrs[NUMBER],
        "value": best.value,
    }
    if declared is None:  # they break a limit: there is nothing to keep
        return found
    drawn, left_out = _values(trials, modeling.seed)
    is_best = trials.index(best)
    gain = drawn[:, is_best] - drawn[:, declared]
    chosen = drawn[1:].argmax(axis=1)
    beyond = left_out[np.arange(len(chosen)), chosen] - left_out[:, declared]
    optimism = max(0.0, float(gain[0] - np.nanmean(beyond)))
    tried = len(finished)
    judged = interval(gain - optimism, 1 - (1 - framing.confidence) / tried)
    better = judged["low"] is not None and judged["low"] > 0
    return found | {
        "candidate": name if better else modeling.declared,
        "params": params if better else {},
        "kept": "tuned" if better else "declared",
        "declared_value": trials[declared].value,
        "optimism": optimism,
        "gain": judged,
    }


def of_candidate(trial: Any, declared: str) -> tuple[str, dict[str, Any]]:
    """Return the candidate that a trial was about, and its parameters by their own names."""
    name = trial.params.get(CANDIDATE, declared)
    own = {of: value for of, value in trial.params.items() if of != CANDIDATE}
    return name, {of.removeprefix(f"{name}."): value for of, value in own.items()}


def _values(trials: list[Any], seed: int) -> tuple[Floats, Floats]:
    """Return each trial's value on the days drawn, and on the days left out.

    Shapes (replicates + 1, trials), the first row on all days; and (replicates, trials).
    """
    drawn: list[Floats] = []
    left_out: list[Floats] = []
    for fold, rows in enumerate(trials[0].user_attrs["rows"]):
        saved = np.array([trial.user_attrs["saved"][fold] for trial in trials]).T
        weights = day_weights(len(rows), REPLICATES, seed + fold)
        for values, some in ((drawn, weights), (left_out, (weights[1:] == 0).astype(float))):
            of = (some @ np.array(rows))[:, None]
            values.append(1000 * (some @ saved) / np.where(of > 0, of, np.nan))
    return np.mean(drawn, axis=0), np.mean(left_out, axis=0)


def trials_table(trials: list[Any], declared: str) -> pd.DataFrame:
    """Return one row per trial: how it ended, its value, folds, candidate, parameters (as JSON)."""
    about = [of_candidate(trial, declared) for trial in trials]
    whole = [[step for step in t.intermediate_values if step % FOLD == 0] for t in trials]
    columns = {
        "trial": pd.Series([t.user_attrs[NUMBER] for t in trials], dtype="int64"),
        "state": pd.Series([t.state.name.lower() for t in trials], dtype="str"),
        "value": [t.value if t.state.name == "COMPLETE" else np.nan for t in trials],
        "folds": pd.Series([len(steps) for steps in whole], dtype="int64"),
        "limits": pd.Series([_within_limits(t) for t in trials], dtype="bool"),
        "candidate": pd.Series([name for name, _ in about], dtype="str"),
        "params": pd.Series([json.dumps(params) for _, params in about], dtype="str"),
    }
    return pd.DataFrame(columns).astype({"value": "float64"})


def parameter_importance(finished: list[Any], best: int, seed: int) -> pd.DataFrame:
    """Return how much of the spread of values each parameter explains (Hutter et al. 2014).

    Grain: one row per searched parameter of the best trial's candidate, the most important first;
    none if there are too few trials, or they are all worth the same.
    """
    import optuna

    params = [name for name in finished[best].params if name != CANDIDATE]
    alike = [t for t in eligible(finished) if set(params) <= t.params.keys()]
    if not params or len(alike) < MIN_TRIALS_FOR_IMPORTANCE or len({t.value for t in alike}) < 2:
        return no_importance()
    study = optuna.create_study(direction="maximize")
    study.add_trials(finished)
    explained = optuna.importance.get_param_importances(
        study, params=params, evaluator=optuna.importance.FanovaImportanceEvaluator(seed=seed)
    )
    names = [name.partition(".")[2] for name in explained]
    return pd.DataFrame({"parameter": names, "share": [*explained.values()]})


def no_importance() -> pd.DataFrame:
    """Return importance without a row."""
    return pd.DataFrame({"parameter": pd.Series(dtype="str"), "share": pd.Series(dtype="float64")})
