"""The search for the candidate's parameters: kept on disk, resumed, and judged honestly.

A study is named after all that its values depend on, so a run goes on with it as long as nothing
changed, and begins a new one when something did. Each trial is suggested by a sampler that is
seeded with the number of those done: a search that was stopped and resumed finds what one finds
that was not.
"""

import inspect
import json
import logging
import os
import platform
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from importlib.metadata import version
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from preflight.audited import fingerprint
from preflight.bundle import DECIDING, Floats, raw
from preflight.contracts import Features
from preflight.errors import RunError
from preflight.framing import Framing
from preflight.intervals import day_numbers, day_weights, interval
from preflight.limits import latency_ms, model_mb
from preflight.pipelines.modeling.nodes import folds, saving
from preflight.pipelines.modeling.settings import (
    Candidate,
    Choice,
    Float,
    Modeling,
    Range,
    load,
)

if TYPE_CHECKING:
    import optuna

log = logging.getLogger(__name__)

REPLICATES = 1000  # of the bootstrap over days that judges the choice
FOLD = 100  # steps at which a trial may be given up are counted in hundredths of a fold
EARLY = 0.4  # of what an estimator grows to: there it is judged before it is whole
# What a trial's value so far says of its value in the end: little in the middle of a fold, nearly
# all after a whole one (benchmarks/README.md). So it is given up among the worst third, or two.
WORST, WORST_OF_WHOLE = 1 / 3, 2 / 3
JUDGES = 2  # complete trials before one is given up
FEWEST = 5  # trials that the importance of parameters is told from
CANDIDATE = "candidate"  # the parameter of a trial that chooses among several
NOTHING: dict[str, Any] = {
    "params": {},
    "kept": "declared",
    "trial": None,
    "value": None,
    "declared_value": None,
    "optimism": None,
    "gain": None,
}


def search(
    development: pd.DataFrame, study_storage: str | None, framing: Framing, modeling: Modeling
) -> tuple[dict[str, Any], pd.DataFrame, pd.DataFrame]:
    """Return what the search has found and is worth, all trials, and which parameters matter.

    Grain: one row per trial; one row per searched parameter.

    The value of a trial is the mean over folds of its saving per 1,000 decisions; a trial that is
    among the worst so far is given up, and one that breaks a serving limit can't win. The first
    trials are the declared parameters of each candidate; those of the first candidate are kept
    unless the best ones are better with confidence, after what searching alone makes look better.
    """
    asked = modeling.search
    if not asked.trials:
        nothing = {"candidate": modeling.declared, **NOTHING}
        return nothing, trials_table([], modeling.declared), _no_importance()
    if asked.workers > 1 and study_storage is None:
        raise RunError("Several workers need a study_storage that all of them can open.")
    name = study_name(development, framing, modeling)
    study = _study(study_storage, name)
    _take_up(study, modeling)
    if done := len(_finished(study)):
        log.info("  search: %d of %d trials were done before", done, asked.trials)
    given = (study_storage, name, development, framing, modeling)
    others = [
        get_context("spawn").Process(target=_work, args=(*given, worker), daemon=True)
        for worker in range(1, asked.workers)
        if done < asked.trials
    ]
    for other in others:
        other.start()
    try:
        _try(study, development, framing, modeling)
    except KeyboardInterrupt:
        _fail_running(study, lambda trial: trial.user_attrs.get("by") == _me())
        if not _complete(study):
            raise
        log.warning("  search: stopped; the best of %d trials goes on", len(_finished(study)))
    for other in others:
        other.join()
    best = choice(study, framing, modeling)
    trials = trials_table(study.trials, modeling.declared)
    return best, trials, parameter_importance(study, best["trial"], modeling.seed)


def _study(storage: str | None, name: str) -> "optuna.Study":
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(
        storage=storage, study_name=name, direction="maximize", load_if_exists=True
    )


def _work(
    storage: str,
    name: str,
    development: pd.DataFrame,
    framing: Framing,
    modeling: Modeling,
    worker: int,
) -> None:
    """Take part in a study, in a process of its own."""
    study = _study(storage, name)
    try:
        _try(study, development, framing, modeling, worker)
    except KeyboardInterrupt:
        _fail_running(study, lambda trial: trial.user_attrs.get("by") == _me())


def _try(
    study: "optuna.Study",
    development: pd.DataFrame,
    framing: Framing,
    modeling: Modeling,
    worker: int = 0,
) -> None:
    """Make trials until as many as asked are done or under way, or the time is over.

    Several workers share the cores: each has its part of the threads.
    """
    from threadpoolctl import threadpool_limits

    asked, parent = modeling.search, os.getppid()
    threads = max(1, (os.cpu_count() or 1) // asked.workers) if asked.workers > 1 else None
    objective = _objective(development, framing, modeling)
    began, before = time.monotonic(), len(_finished(study))
    with threadpool_limits(threads):
        while _begun(study) < asked.trials and os.getppid() == parent:
            done, seconds = len(_finished(study)), time.monotonic() - began
            if asked.seconds is not None and seconds > asked.seconds:
                log.info("  search: %d trials in the %d s allowed", done - before, asked.seconds)
                return
            _say(study, done, done - before, seconds, asked.trials)
            study.sampler = _sampler(modeling.seed + done + 1000 * worker)
            study.optimize(objective, n_trials=1)


def study_name(development: pd.DataFrame, framing: Framing, modeling: Modeling) -> str:
    """Return a name that changes with all that a trial's value depends on."""
    paths = {p for c in modeling.candidates.values() for p in (c.path, c.preprocessing) if p}
    ours = sorted(path for path in paths if path.split(".")[0] == __name__.split(".")[0])
    rests_on = {
        "examples": fingerprint(development),
        "framing": framing.model_dump(mode="json", include={*DECIDING, "serving"}),
        "candidates": {n: c.model_dump(mode="json") for n, c in modeling.candidates.items()},
        "folds": [fold.model_dump(mode="json") for fold in modeling.search.earlier_folds],
        "seed": modeling.seed,
        "source": [inspect.getsource(load(path)) for path in ours],
        "packages": [version(name) for name in ("scikit-learn", "optuna", "numpy")],
    }
    digest = sha256(json.dumps(rests_on, sort_keys=True).encode()).hexdigest()[:12]
    return f"{modeling.search.study}-{digest}"


def _sampler(seed: int) -> "optuna.samplers.BaseSampler":
    from optuna.samplers import TPESampler

    return TPESampler(seed=seed, n_startup_trials=5)


def _me() -> str:
    return f"{platform.node()} {os.getpid()}"


def _take_up(study: "optuna.Study", modeling: Modeling) -> None:
    """Begin with the declared parameters; or mark what a killed process left, to be tried again."""
    if not study.trials:
        for name, candidate in modeling.candidates.items():
            declared = {f"{name}.{of}": value for of, value in candidate.declared.items()}
            study.enqueue_trial({CANDIDATE: name, **declared})
    _fail_running(study, _abandoned)


def _abandoned(trial: Any) -> bool:
    """Return whether the process that ran a trial was on this machine and is no more."""
    host, _, process = trial.user_attrs.get("by", "").rpartition(" ")
    if host != platform.node():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return int(process) == os.getpid()


def _fail_running(study: "optuna.Study", which: Callable[[Any], bool]) -> None:
    """Mark running trials as failed, and try their parameters again."""
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if which(trial):
            study.tell(trial.number, state=TrialState.FAIL)
            study.enqueue_trial(trial.params or trial.system_attrs.get("fixed_params", {}))


def _finished(study: "optuna.Study") -> list[Any]:
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def _begun(study: "optuna.Study") -> int:
    """Return how many trials are done or under way."""
    from optuna.trial import TrialState

    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    return len(_finished(study)) + len(running)


def _complete(study: "optuna.Study") -> list[Any]:
    """Return the trials that were judged on all folds and keep the serving limits."""
    judged = [t for t in study.get_trials(deepcopy=False) if t.state.name == "COMPLETE"]
    return [t for t in judged if _keeps_limits(t)]


def _keeps_limits(trial: Any) -> bool:
    return all(over <= 0 for over in trial.constraints.values())


def _objective(
    development: pd.DataFrame, framing: Framing, modeling: Modeling
) -> Callable[["optuna.Trial"], float]:
    import optuna

    parts = [
        (train, validation, *day_numbers(framing.split.day(validation["predict_at"])))
        for train, validation in folds(development, framing, modeling)
    ]

    def objective(trial: optuna.Trial) -> float:
        trial.set_user_attr("by", _me())
        spec = suggested(trial, modeling)
        features = spec.features(Features.groups())
        values: list[float] = []
        saved: list[list[float]] = []
        for fold, (train, validation, day, days) in enumerate(parts):
            for estimator, part in grown(spec, train):
                worth = saving(validation, raw(estimator, validation, features), framing)
                value = float(1000 * worth.mean())
                step, so_far = round(FOLD * (fold + part)), float(np.mean([*values, value]))
                trial.report(so_far, step)
                last = step == FOLD * len(parts)
                if modeling.search.prune and not last and _is_hopeless(trial, step, so_far):
                    raise optuna.TrialPruned
            saved.append(np.bincount(day, weights=worth, minlength=days).tolist())
            values.append(value)
        trial.set_user_attr("saved", saved)
        trial.set_user_attr("rows", [np.bincount(day).tolist() for _, _, day, _ in parts])
        for limit, over in _over_limits(estimator, features, validation, framing).items():
            trial.set_constraint(limit, over)
        return float(np.mean(values))

    return objective


def _over_limits(
    estimator: Any, features: list[str], validation: pd.DataFrame, framing: Framing
) -> dict[str, float]:
    """Return by what share latency and size are above their limits; below them it is negative."""
    bundle: Any = {
        "estimator": estimator,
        "slope": 1.0,
        "intercept": 0.0,
        "features": features,
        "provenance": {"framing": {"task": framing.task}},
    }
    allowed = framing.serving
    return {
        "p99_ms": latency_ms(bundle, validation, rows=10, rounds=9) / allowed.p99_ms - 1,
        "model_mb": model_mb(bundle) / allowed.model_mb - 1,
    }


def _is_hopeless(trial: "optuna.Trial", step: int, so_far: float) -> bool:
    """Return whether a trial is among the worst at a step.

    Optuna's own percentile pruner takes the best of all steps of a trial, and a season that is easy
    to save in would hide what comes after it.
    """
    others = [t for t in trial.study.get_trials(deepcopy=False) if step in t.intermediate_values]
    if sum(t.state.name == "COMPLETE" for t in others) < JUDGES:
        return False
    values = [t.intermediate_values[step] for t in others if t.number != trial.number]
    return so_far < float(np.quantile(values, WORST if step % FOLD else WORST_OF_WHOLE))


def suggested(trial: "optuna.Trial", modeling: Modeling) -> Candidate:
    """Return the candidate that a trial is about, with the parameters that it suggests."""
    name = modeling.declared
    if len(modeling.candidates) > 1:
        name = trial.suggest_categorical(CANDIDATE, [*modeling.candidates])
    spec = modeling.candidates[name]
    return spec.tuned({of: suggest(trial, f"{name}.{of}", r) for of, r in spec.space.items()})


def grown(spec: Candidate, examples: pd.DataFrame) -> Iterator[tuple[Any, float]]:
    """Yield the fitted estimator and which part of its growth is done, at last all of it.

    What comes first is part of what comes last, which is the same as if it had been fitted at once:
    only an estimator with `warm_start` can be grown, by the parameter that counts its parts.
    """
    features = examples[spec.features(Features.groups())]
    estimator = spec.build()
    if spec.grows:
        estimator.set_params(warm_start=True)
        for part in (EARLY, 1.0):
            estimator.set_params(**{spec.grows: max(1, round(part * spec.params[spec.grows]))})
            yield estimator.fit(features, examples["label"]), part
    else:
        yield estimator.fit(features, examples["label"]), 1.0


def suggest(trial: "optuna.Trial", name: str, among: Range) -> Any:
    """Return the value of a parameter in a trial."""
    if isinstance(among, Choice):
        return trial.suggest_categorical(name, among.choices)
    if isinstance(among, Float):
        return trial.suggest_float(name, among.low, among.high, log=among.log)
    return trial.suggest_int(name, among.low, among.high, log=among.log)


def _say(study: "optuna.Study", done: int, here: int, seconds: float, trials: int) -> None:
    """Say twice in a search how far it is and what it has found."""
    every = max(1, -(-trials // 3))
    if here and done % every == 0 and (best := _complete(study)):
        log.info(
            "  search: %d of %d trials, best %.1f per 1,000 on validation, about %.0f s left",
            done,
            trials,
            max(trial.value for trial in best),
            seconds / here * (trials - done),
        )


def choice(study: "optuna.Study", framing: Framing, modeling: Modeling) -> dict[str, Any]:
    """Return the best parameters, what they are worth, and whether they or the declared are kept.

    gain: of the best over the declared on validation, with its interval over days, less optimism:
    the best of many looks better than it is. In each replicate of a bootstrap over days the best
    trial is chosen on the days drawn and valued on the days left out (BBC-CV: Tsamardinos,
    Greasidou and Borboudakis 2018). The interval is as wide as so many comparisons ask for
    (Bonferroni), trials that were given up among them.
    """
    trials = _complete(study)
    if not trials:
        raise RunError(
            "No trial of the search kept the serving limits (framing.serving.p99_ms and model_mb) "
            "on all folds. Search among smaller models (modeling.candidates), or allow more."
        )
    best = max(trials, key=lambda trial: trial.value)
    name, params = of_candidate(best, modeling.declared)
    declared = next((i for i, trial in enumerate(trials) if trial.number == 0), None)
    found = {
        **NOTHING,
        "candidate": name,
        "params": params,
        "kept": "tuned",
        "trial": best.number,
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
    tried = len(_finished(study))
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
        "trial": pd.Series([t.number for t in trials], dtype="int64"),
        "state": pd.Series([t.state.name.lower() for t in trials], dtype="str"),
        "value": [t.value if t.state.name == "COMPLETE" else np.nan for t in trials],
        "folds": pd.Series([len(steps) for steps in whole], dtype="int64"),
        "limits": pd.Series([_keeps_limits(t) for t in trials], dtype="bool"),
        "candidate": pd.Series([name for name, _ in about], dtype="str"),
        "params": pd.Series([json.dumps(params) for _, params in about], dtype="str"),
    }
    return pd.DataFrame(columns).astype({"value": "float64"})


def parameter_importance(study: "optuna.Study", best: int, seed: int) -> pd.DataFrame:
    """Return how much of the spread of values each parameter explains (Hutter et al. 2014).

    Grain: one row per searched parameter of the best trial's candidate, the most important first;
    none if there are too few trials, or they are all worth the same.
    """
    import optuna

    params = [name for name in study.trials[best].params if name != CANDIDATE]
    alike = [t for t in _complete(study) if set(params) <= t.params.keys()]
    if not params or len(alike) < FEWEST or len({trial.value for trial in alike}) < 2:
        return _no_importance()
    explained = optuna.importance.get_param_importances(
        study, params=params, evaluator=optuna.importance.FanovaImportanceEvaluator(seed=seed)
    )
    names = [name.partition(".")[2] for name in explained]
    return pd.DataFrame({"parameter": names, "share": [*explained.values()]})


def _no_importance() -> pd.DataFrame:
    return pd.DataFrame({"parameter": pd.Series(dtype="str"), "share": pd.Series(dtype="float64")})
