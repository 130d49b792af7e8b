"""Results of a search: the best parameters, the table of trials, the parameters' importance."""

import json
from typing import Any

import numpy as np
import pandas as pd

from preflight.errors import RunError
from preflight.modeling.model import Floats
from preflight.modeling.parameters import Modeling
from preflight.modeling.trials import CANDIDATE, NUMBER, STEPS_PER_FOLD, open_study
from preflight.problem.framing import Framing
from preflight.stats.bootstrap import Interval, block_weights, ratio

Trials = list[Any]  # of optuna.trial.FrozenTrial, which is imported late

REPLICATES = 1000  # of the bootstrap over weeks that corrects the choice
MIN_DEFINED = 0.5  # of the replicates: so many leave out a week to value the choice on
UNKNOWN: Interval = {"mean": None, "low": None, "high": None}
MIN_TRIALS_FOR_IMPORTANCE = 5
NO_SEARCH: dict[str, Any] = {"params": {}, "kept": "declared", "ended": "trials"} | dict.fromkeys(
    ["trial", "value", "declared_value", "optimism", "gain"]
)


def eligible(trials: Trials) -> Trials:
    """Return the trials that were evaluated on all folds and keep the limit on their size."""
    return [t for t in trials if t.state.name == "COMPLETE" and _within_limits(t)]


def _within_limits(trial: Any) -> bool:
    return all(over <= 0 for over in trial.constraints.values())


def select_parameters(finished: Trials, framing: Framing, modeling: Modeling) -> dict[str, Any]:
    """Return the best parameters, their value, and whether they or the declared ones are kept.

    gain: of the best over the declared on validation, with its interval over weeks, less optimism:
    the best of many looks better than it is. In each replicate of a bootstrap over whole weeks of
    each fold (block bootstrap: Künsch 1989) the best trial is chosen on the weeks drawn and valued
    on the weeks left out (BBC-CV: Tsamardinos, Greasidou and Borboudakis 2018). The interval is
    corrected for the number of trials, pruned ones among them (Bonferroni). If the folds have too
    few weeks, the gain is not known, and the declared parameters are kept.
    """
    trials = eligible(finished)
    if not trials and framing.serving is not None:
        raise RunError(
            "No trial of the search made a model as small as framing.serving.model_mb allows "
            f"({framing.serving.model_mb:g} MB). Search smaller models (modeling.candidates), or "
            "raise the limit."
        )
    best = max(range(len(trials)), key=lambda i: trials[i].value)
    name, params = parameters_of(trials[best], modeling)
    tuned = NO_SEARCH | {
        "candidate": name,
        "params": params,
        "kept": "tuned",
        "trial": trials[best].user_attrs[NUMBER],
        "value": trials[best].value,
    }
    declared = next((i for i, trial in enumerate(trials) if trial.user_attrs[NUMBER] == 0), None)
    if declared is None:  # they break a limit: there is nothing to keep
        return tuned
    drawn, left_out = _bootstrap_values(trials, modeling.seed)
    gain = drawn[:, best] - drawn[:, declared]
    chosen = drawn[1:].argmax(axis=1)
    beyond = left_out[np.arange(len(chosen)), chosen] - left_out[:, declared]
    defined = beyond[~np.isnan(beyond)]
    weeks = [len(rows) for rows in trials[0].user_attrs["rows"]]
    optimism, corrected = None, UNKNOWN
    if len(defined) >= MIN_DEFINED * REPLICATES and min(weeks) > 1:
        optimism = max(0.0, float(gain[0] - defined.mean()))
        confidence = 1 - (1 - framing.confidence) / len(finished)
        corrected = _t_interval(gain - optimism, weeks, confidence)
    is_better = corrected["low"] is not None and corrected["low"] > 0
    default = {"candidate": modeling.default_candidate, "params": {}, "kept": "declared"}
    return {
        **tuned,
        **({} if is_better else default),
        "declared_value": trials[declared].value,
        "optimism": optimism,
        "gain": corrected,
    }


def parameters_of(trial: Any, modeling: Modeling) -> tuple[str, dict[str, Any]]:
    """Return the candidate that a trial was about, and its parameters by their own names."""
    name = trial.params.get(CANDIDATE, modeling.default_candidate)
    own = {of: value for of, value in trial.params.items() if of != CANDIDATE}
    return name, {of.removeprefix(f"{name}."): value for of, value in own.items()}


def _t_interval(replicates: Floats, weeks: list[int], confidence: float) -> Interval:
    """Return the first value with Student's t interval, by the spread of the other replicates.

    Percentiles of a bootstrap over a few weeks are too narrow, most of all at the high confidence
    that many trials need (Hesterberg 2015). So their standard deviation is used, which is too small
    by the root of (n - 1) / n.

    Args:
        replicates: shape (replicates + 1,).
        weeks: their number in each fold; its sum less the number of folds is that of degrees of
            freedom.
    """
    from scipy.special import stdtrit

    freedom = sum(weeks) - len(weeks)
    error = replicates[1:].std(ddof=1) * np.sqrt(sum(weeks) / freedom)
    mean, margin = float(replicates[0]), float(stdtrit(freedom, (1 + confidence) / 2) * error)
    return {"mean": mean, "low": mean - margin, "high": mean + margin}


def _bootstrap_values(trials: Trials, seed: int) -> tuple[Floats, Floats]:
    """Return each trial's value on the weeks drawn, and on the weeks left out.

    Shapes (replicates + 1, trials), the first row on all weeks; and (replicates, trials). Where a
    replicate draws every week of a fold, the other folds are the weeks left out. A value is NaN
    only if a replicate draws every week of every fold.
    """
    drawn: list[Floats] = []
    left_out: list[Floats] = []
    for fold, rows in enumerate(trials[0].user_attrs["rows"]):
        saved = np.array([trial.user_attrs["saved"][fold] for trial in trials]).T
        weights = block_weights(len(rows), 1, REPLICATES, seed + fold)
        for values, some in ((drawn, weights), (left_out, (weights[1:] == 0).astype(float))):
            of = (some @ np.array(rows))[:, None]
            values.append(1000 * (some @ saved) / np.where(of > 0, of, np.nan))
    counted = (~np.isnan(left_out)).sum(axis=0)
    return np.mean(drawn, axis=0), ratio(np.nansum(left_out, axis=0), counted)


def trials_table(trials: Trials, modeling: Modeling) -> pd.DataFrame:
    """Return one row per trial: how it ended, its value, folds, candidate, parameters (as JSON)."""
    rows = []
    for trial in trials:
        name, params = parameters_of(trial, modeling)
        is_complete = trial.state.name == "COMPLETE"
        rows.append(
            {
                "trial": trial.user_attrs[NUMBER],
                "state": trial.state.name.lower(),
                "value": trial.value if is_complete else np.nan,
                "folds": sum(step % STEPS_PER_FOLD == 0 for step in trial.intermediate_values),
                "limits": _within_limits(trial),
                "candidate": name,
                "params": json.dumps(params),
            }
        )
    types = {"trial": "int64", "state": "str", "value": "float64", "folds": "int64"}
    types |= {"limits": "bool", "candidate": "str", "params": "str"}
    return pd.DataFrame(rows, columns=[*types]).astype(types)


def parameter_importance(finished: Trials, best: int | None, modeling: Modeling) -> pd.DataFrame:
    """Return how much of the spread of values each parameter explains (Hutter et al. 2014).

    Grain: one row per searched parameter of the best trial's candidate, the most important first;
    none if there are too few trials, or they are all worth the same.
    """
    import optuna

    found: dict[str, float] = {}
    params = [] if best is None else [name for name in finished[best].params if name != CANDIDATE]
    alike = [t for t in eligible(finished) if set(params) <= t.params.keys()]
    enough = len(alike) >= MIN_TRIALS_FOR_IMPORTANCE and len({t.value for t in alike}) > 1
    if params and enough:
        study = open_study()
        study.add_trials(finished)
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=modeling.seed)
        found = optuna.importance.get_param_importances(study, params=params, evaluator=evaluator)
    names = [name.partition(".")[2] for name in found]
    table = pd.DataFrame({"parameter": names, "share": [*found.values()]})
    return table.astype({"parameter": "str", "share": "float64"})
