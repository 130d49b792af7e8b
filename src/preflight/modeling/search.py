"""The search for the candidate's parameters: kept on disk, resumed, the same on every machine.

Parameters are suggested in batches of as many trials as there are workers, from the trials before
the batch, by samplers that are seeded with the number of the trial. So the trials are the same
whichever worker is faster, and a search that was stopped and resumed makes those of one that was
not. Only finished trials are stored, in a study that is named after all that their values depend
on: a run continues it as long as nothing changed.
"""

import inspect
import json
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from hashlib import sha256
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from preflight.contracts.catalog import Contract, Contracts
from preflight.errors import RunError
from preflight.features.fingerprints import fingerprint
from preflight.modeling.estimators import Candidate, load
from preflight.modeling.model import DECIDING, predict_uncalibrated
from preflight.modeling.parameters import Modeling
from preflight.modeling.resources import model_mb
from preflight.modeling.training import folds, saving
from preflight.modeling.trials import (
    FOLD,
    NO_SEARCH,
    Outcome,
    eligible,
    no_importance,
    open_study,
    parameter_importance,
    select_parameters,
    store_trial,
    stored,
    suggest_trial,
    trials_table,
)
from preflight.problem.framing import Framing
from preflight.problem.money import format_money
from preflight.stats.bootstrap import Ints, day_numbers

if TYPE_CHECKING:
    import optuna


log = logging.getLogger(__name__)

FIRST_STAGE = 0.4  # of what an estimator grows to: there it is evaluated for the first time
# What a trial's value so far says of its value in the end: little in the middle of a fold, nearly
# all after a whole one (benchmarks/README.md). So the worst third is pruned, or the worst two.
PRUNE_QUANTILE_MIDFOLD, PRUNE_QUANTILE = 1 / 3, 2 / 3
MIN_COMPLETE_TRIALS = 2  # before one is pruned
MAX_DEAD_POOLS = 3  # a worker that dies once may have been killed; one that always dies won't do


class Fold(NamedTuple):
    """What is fitted on, what it is evaluated on, and the day of each row of that."""

    train: pd.DataFrame
    validation: pd.DataFrame
    day: Ints
    days: int


class Earlier(NamedTuple):
    """What a trial is compared with: whether another was completed, and its value by step."""

    complete: bool
    by_step: dict[int, float]


class Task(NamedTuple):
    """A trial to make."""

    candidate: Candidate
    earlier: list[Earlier]


Evaluate = Callable[[Task], Outcome]


def search_parameters(
    development: pd.DataFrame,
    study_storage: str | None,
    framing: Framing,
    modeling: Modeling,
    contracts: Contracts,
) -> tuple[dict[str, Any], pd.DataFrame, pd.DataFrame]:
    """Return the chosen parameters and their gain, all trials, and the importance of parameters.

    Grain: one row per trial; one row per searched parameter.

    The value of a trial is the mean over folds of its saving per 1,000 decisions. A trial that is
    among the worst so far is pruned; one whose file is larger than the framing allows can't win.
    The first trials are the declared parameters of each candidate; those of the first candidate
    are kept unless the best ones are significantly better (see `select_parameters`).

    Raises:
        RunError: an estimator can't be fitted, a worker dies again and again, or no trial keeps
            the limit.
    """
    if not modeling.search.trials:
        nothing = {"candidate": modeling.declared, **NO_SEARCH}
        return nothing, trials_table([], modeling.declared), no_importance()
    study = open_study(study_storage, study_name(development, framing, modeling))
    if done := len(stored(study)):
        log.info("  search: %d of %d trials were done before", done, modeling.search.trials)
    try:
        ended = _run_trials(study, development, framing, modeling, contracts["features"])
    except KeyboardInterrupt:
        ended = "interrupted"
        if not eligible(stored(study)):
            raise
        log.warning("  search: stopped; the best of %d trials goes on", len(stored(study)))
    trials = stored(study)[: modeling.search.trials]
    best = {**select_parameters(trials, framing, modeling), "ended": ended}
    importance = parameter_importance(trials, best["trial"], modeling.seed)
    return best, trials_table(trials, modeling.declared), importance


def study_name(development: pd.DataFrame, framing: Framing, modeling: Modeling) -> str:
    """Return a name that changes with all that a trial's value depends on."""
    paths = {p for c in modeling.candidates.values() for p in (c.path, c.preprocessing) if p}
    ours = sorted(path for path in paths if path.split(".")[0] == __name__.split(".")[0])
    depends_on = {
        "examples": fingerprint(development),
        "framing": framing.model_dump(mode="json", include=set(DECIDING)),
        "model_mb": framing.serving.model_mb,
        "candidates": {n: c.model_dump(mode="json") for n, c in modeling.candidates.items()},
        "folds": [fold.model_dump(mode="json") for fold in modeling.search.earlier_folds],
        "seed": modeling.seed,
        "prune": modeling.search.prune,
        "batch": modeling.search.workers,
        "source": [inspect.getsource(load(path)) for path in ours],
        "packages": [version(name) for name in ("scikit-learn", "optuna", "numpy")],
    }
    digest = sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()[:12]
    return f"{modeling.search.study}-{digest}"


def _run_trials(
    study: "optuna.Study",
    development: pd.DataFrame,
    framing: Framing,
    modeling: Modeling,
    features: Contract,
) -> str:
    """Make trials until there are as many as wanted or the time is over; return which of them."""
    wanted, began = modeling.search, time.monotonic()
    before, dead_pools = len(stored(study)), 0
    while (done := len(stored(study))) < wanted.trials:
        try:
            with _evaluator(development, framing, modeling, features) as evaluate:
                while (done := len(stored(study))) < wanted.trials:
                    seconds = time.monotonic() - began
                    if wanted.seconds is not None and seconds > wanted.seconds:
                        log.info("  search: %d trials in %d s", done - before, wanted.seconds)
                        return "seconds"
                    _log_progress(study, done - before, seconds, wanted.trials, framing)
                    _run_batch(study, evaluate, modeling)
        except BrokenProcessPool:  # the trials that it made are tried again
            dead_pools += 1
            if dead_pools == MAX_DEAD_POOLS:
                raise RunError(
                    f"A worker of the search died {dead_pools} times, most likely for lack of "
                    "memory. Lower modeling.search.workers, or search among smaller models."
                ) from None
            log.warning("  search: a worker died; its trial is made again")
    return "trials"


def _run_batch(
    study: "optuna.Study",
    evaluate: Callable[[Iterable[Task]], Iterator[Outcome]],
    modeling: Modeling,
) -> None:
    """Make the trials of the next batch that are not stored yet, and store each when it is done."""
    trials, size = stored(study), modeling.search.workers
    first = len(trials) // size * size
    before = trials[:first]
    earlier = [Earlier(t.state.name == "COMPLETE", t.intermediate_values) for t in before]
    numbers = range(len(trials), min(first + size, modeling.search.trials))
    suggestions = [suggest_trial(before, number, modeling) for number in numbers]
    tasks = [Task(candidate, earlier) for _, candidate in suggestions]
    made = zip(numbers, suggestions, evaluate(tasks), strict=True)
    for number, (trial, _), outcome in made:
        store_trial(study, number, trial, outcome)


@contextmanager
def _evaluator(
    development: pd.DataFrame, framing: Framing, modeling: Modeling, features: Contract
) -> Iterator[Callable[[Iterable[Task]], Iterator[Outcome]]]:
    """Yield what evaluates tasks in their order: in this process, or in several others."""
    workers = modeling.search.workers
    if workers == 1:
        evaluate = evaluation(development, framing, modeling, features)
        yield lambda tasks: map(evaluate, tasks)
        return
    context = multiprocessing.get_context("spawn")
    given = (development, framing, modeling, features)
    pool = ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=given)
    try:
        yield lambda tasks: pool.map(_evaluate_in_worker, tasks)
    except KeyboardInterrupt:
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


_in_worker: list[Evaluate] = []  # of a worker's process: its part of the data is sent once


def _start_worker(
    development: pd.DataFrame, framing: Framing, modeling: Modeling, features: Contract
) -> None:
    """Get ready in a process of its own: with its part of the cores, and no longer than needed."""
    from joblib import cpu_count
    from threadpoolctl import threadpool_limits

    if parent := multiprocessing.parent_process():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started the search ends it
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    threadpool_limits(max(1, cpu_count() // modeling.search.workers))
    _in_worker[:] = [evaluation(development, framing, modeling, features)]


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)


def _evaluate_in_worker(task: Task) -> Outcome:
    return _in_worker[0](task)


def evaluation(
    development: pd.DataFrame, framing: Framing, modeling: Modeling, features: Contract
) -> Evaluate:
    """Return the function that makes a trial on all folds, or until it is pruned."""
    parts = [
        Fold(train, validation, *day_numbers(framing.split.day(validation["predict_at"])))
        for train, validation in folds(development, framing, modeling)
    ]
    rows = [np.bincount(part.day, minlength=part.days).tolist() for part in parts]

    def evaluate(task: Task) -> Outcome:
        names = task.candidate.features(features.groups())
        values: list[float] = []
        saved: list[list[float]] = []
        by_step: dict[int, float] = {}
        for number, part in enumerate(parts):
            for estimator, share in fit_in_stages(task.candidate, part.train, features):
                said = predict_uncalibrated(estimator, part.validation, names)
                worth = saving(part.validation, said, framing)
                step = round(FOLD * (number + share))
                by_step[step] = float(np.mean([*values, 1000 * worth.mean()]))
                early = modeling.search.prune and step < FOLD * len(parts)
                if early and should_prune(task.earlier, step, by_step[step]):
                    return Outcome(None, by_step, saved, rows, np.nan)
            saved.append(np.bincount(part.day, weights=worth, minlength=part.days).tolist())
            values.append(float(1000 * worth.mean()))
        saved_model: Any = {"estimator": estimator, "slope": 1.0, "intercept": 0.0}
        over = model_mb(saved_model | {"features": names}) / framing.serving.model_mb - 1
        return Outcome(float(np.mean(values)), by_step, saved, rows, over)

    return evaluate


def should_prune(earlier: list[Earlier], step: int, so_far: float) -> bool:
    """Return whether a trial is among the worst of those before its batch, at a step.

    Optuna's own percentile pruner takes the best of all steps of a trial, and a season that is easy
    to save in would hide what comes after it.
    """
    others = [one for one in earlier if step in one.by_step]
    if sum(one.complete for one in others) < MIN_COMPLETE_TRIALS:
        return False
    worst = PRUNE_QUANTILE_MIDFOLD if step % FOLD else PRUNE_QUANTILE
    return so_far < float(np.quantile([one.by_step[step] for one in others], worst))


def fit_in_stages(
    spec: Candidate, examples: pd.DataFrame, features: Contract
) -> Iterator[tuple[Any, float]]:
    """Yield the fitted estimator and which share of its growth is done, at last all of it.

    Stages share one warm-started fit, so the last estimator equals a single fit. An estimator
    without a parameter that it grows by (`grows`) has one stage.
    """
    seen = examples[spec.features(features.groups())]
    estimator = spec.build()
    if spec.grows:
        estimator.set_params(warm_start=True)
        for share in (FIRST_STAGE, 1.0):
            estimator.set_params(**{spec.grows: max(1, round(share * spec.params[spec.grows]))})
            yield estimator.fit(seen, examples["label"]), share
    else:
        yield estimator.fit(seen, examples["label"]), 1.0


def _log_progress(
    study: "optuna.Study", here: int, seconds: float, trials: int, framing: Framing
) -> None:
    """Log about twice in a search how far it is and what it has found."""
    every, done = max(1, -(-trials // 3)), len(stored(study))
    if here and done % every == 0 and (best := eligible(stored(study))):
        log.info(
            "  search: %d of %d trials, best %s per 1,000 %s on validation, about %.0f s left",
            done,
            trials,
            format_money(max(trial.value for trial in best), framing.costs.unit),
            framing.decision.units,
            seconds / here * (trials - done),
        )
