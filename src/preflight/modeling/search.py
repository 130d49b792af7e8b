"""The search for the candidate's parameters: kept on disk, resumed, the same on every machine.

Parameters are suggested in batches of as many trials as there are workers, from the trials before
the batch, by samplers that are seeded with the number of the trial. So the trials are the same
whichever worker is faster, and a search that was stopped and resumed makes those of one that was
not. Only finished trials are stored, in a study that is named after all that their values depend
on: a run continues it as long as nothing changed. A worker that is killed leaves no trace, so its
trial is made again; Optuna's heartbeat would find that out by the clock.
"""

import inspect
import json
import logging
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from importlib.metadata import version
from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from preflight.cluster import Cluster
from preflight.contracts.catalog import Contracts
from preflight.errors import RunError
from preflight.features.fingerprints import fingerprint
from preflight.modeling.best_params import (
    NO_SEARCH,
    eligible,
    parameter_importance,
    select_parameters,
    trials_table,
)
from preflight.modeling.estimators import load
from preflight.modeling.model import DECIDING
from preflight.modeling.parameters import Modeling
from preflight.modeling.trials import NUMBER, STORED_FORM, MakeTrial, open_study, trial_maker
from preflight.problem.framing import Framing
from preflight.problem.money import format_money
from preflight.processes import Spawn
from preflight.progress import report_progress

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

MakeTrials = Callable[[Iterable[int], "Iterable[list[FrozenTrial]]"], "Iterator[FrozenTrial]"]
Setup = Callable[[], MakeTrial]

log = logging.getLogger(__name__)

MAX_DEAD_POOLS = 3  # a worker that dies once may have been killed; one that always dies won't do


class Start(NamedTuple):
    """When this run began to search, and how many trials were stored then."""

    time: float
    trials: int


def search_parameters(
    development: pd.DataFrame,
    study_storage: str | None,
    framing: Framing,
    modeling: Modeling,
    contracts: Contracts,
    cluster: Cluster | None = None,
) -> tuple[dict[str, Any], pd.DataFrame, pd.DataFrame]:
    """Return the chosen parameters and their gain, all trials, and the importance of parameters.

    Grain: one row per trial; one row per searched parameter.

    The value of a trial is the mean over folds of its saving per 1,000 decisions. A trial that is
    among the worst so far is pruned; one whose file is larger than the framing allows can't win.
    The first trials are the declared parameters of each candidate; those of the first candidate
    are kept unless the best ones are significantly better (see `select_parameters`).

    Args:
        cluster: makes the trials of a batch; None: processes of this machine do.

    Raises:
        RunError: an estimator can't be fitted, a worker dies again and again, or no trial keeps
            the limit.
    """
    trials: list[FrozenTrial] = []
    best = {"candidate": modeling.default_candidate, **NO_SEARCH}
    if modeling.search.trials:
        study = open_study(study_storage, study_name(development, framing, modeling))
        if done := len(stored(study)):
            log.info("  search: %d of %d trials were done before", done, modeling.search.trials)
        setup = partial(trial_maker, development, framing, modeling, contracts["features"])
        ended = _run_trials(study, setup, framing, modeling, cluster)
        trials = stored(study)[: modeling.search.trials]
        best = {**select_parameters(trials, framing, modeling), "ended": ended}
    importance = parameter_importance(trials, best["trial"], modeling)
    return best, trials_table(trials, modeling), importance


def study_name(development: pd.DataFrame, framing: Framing, modeling: Modeling) -> str:
    """Return a name that changes with all that a trial's value depends on, and with its form."""
    paths = {p for c in modeling.candidates.values() for p in (c.path, c.preprocessing) if p}
    ours = sorted(path for path in paths if path.split(".")[0] == __name__.split(".")[0])
    depends_on = {
        "examples": fingerprint(development),
        "framing": framing.model_dump(mode="json", include=set(DECIDING)),
        "model_mb": framing.serving and framing.serving.model_mb,
        "candidates": {n: c.model_dump(mode="json") for n, c in modeling.candidates.items()},
        "folds": [fold.model_dump(mode="json") for fold in modeling.search.earlier_folds or []],
        "seed": modeling.seed,
        "prune": modeling.search.prune,
        "batch": modeling.search.workers,
        "source": [inspect.getsource(load(path)) for path in ours],
        "form": STORED_FORM,
        "packages": [version(name) for name in ("scikit-learn", "optuna", "numpy")],
    }
    digest = sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()[:12]
    return f"{modeling.search.study}-{digest}"


def stored(study: "optuna.Study") -> "list[FrozenTrial]":
    """Return the trials of a study in order, each once: two runs at once may store one twice."""
    by_number = {t.user_attrs[NUMBER]: t for t in reversed(study.get_trials(deepcopy=False))}
    return [by_number[number] for number in sorted(by_number)]


def _run_trials(
    study: "optuna.Study",
    setup: Setup,
    framing: Framing,
    modeling: Modeling,
    cluster: Cluster | None,
) -> str:
    """Make trials until there are enough or the time is over; return which ended the search."""
    start = Start(time.monotonic(), len(stored(study)))
    if cluster is not None:
        on_cluster = partial(_make_on_cluster, cluster, study.study_name, setup)
        return _run_batches(study, on_cluster, start, framing, modeling)
    for attempt in range(1, MAX_DEAD_POOLS + 1):
        try:
            with _trial_makers(setup, modeling.search.workers) as make:
                return _run_batches(study, make, start, framing, modeling)
        except BrokenProcessPool:
            log.warning("  search: a worker died, %d of at most %d times", attempt, MAX_DEAD_POOLS)
    raise RunError(
        f"A worker of the search died {MAX_DEAD_POOLS} times, most likely for lack of memory. "
        "Lower modeling.search.workers, or search among smaller models."
    )


def _run_batches(
    study: "optuna.Study", make: MakeTrials, start: Start, framing: Framing, modeling: Modeling
) -> str:
    """Make and store the trials that are not stored yet, a batch at a time (see the module)."""
    search, log_every = modeling.search, -(-modeling.search.trials // 3)
    while (done := len(trials := stored(study))) < search.trials:
        seconds, made = time.monotonic() - start.time, done - start.trials
        if search.seconds is not None and seconds > search.seconds:
            log.info("  search: %d trials in %d s", made, search.seconds)
            return "seconds"
        left = seconds / made * (search.trials - done) if made else None
        line = _describe_trials(trials, left, framing, modeling) if done % log_every == 0 else None
        report_progress(done, search.trials, "trials", line)
        first = done // search.workers * search.workers
        numbers = range(done, min(first + search.workers, search.trials))
        for trial in make(numbers, repeat(trials[:first])):
            study.add_trial(trial)
    return "trials"


def _describe_trials(
    trials: "list[FrozenTrial]", left: float | None, framing: Framing, modeling: Modeling
) -> str | None:
    """Return how far the search is; None if it is too early to tell.

    left: seconds until it ends; None: not known.
    """
    best = eligible(trials)
    if not best or left is None:
        return None
    value = format_money(max(trial.value for trial in best), framing.costs.unit)
    return (
        f"search: {len(trials)} of {modeling.search.trials} trials, best {value} per 1,000 "
        f"{framing.decision.units} on validation, about {left:.0f} s left"
    )


@contextmanager
def _trial_makers(setup: Setup, workers: int) -> Iterator[MakeTrials]:
    """Yield what makes trials in the order of their numbers: in this process, or in several."""
    if workers == 1:
        yield partial(map, setup())
        return
    pool = ProcessPoolExecutor(
        workers, Spawn(), initializer=_start_worker, initargs=(setup, workers)
    )
    try:
        yield partial(pool.map, _make_in_worker)
    except (KeyboardInterrupt, SystemExit):  # Ctrl-C: the next run makes the trials that are left
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


_in_worker: list[MakeTrial] = []  # of a worker's process: its part of the data is sent once


def _start_worker(setup: Setup, workers: int) -> None:
    """Get ready in a process of its own: with its part of the cores, and no longer than needed."""
    from joblib import cpu_count
    from threadpoolctl import threadpool_limits

    if parent := multiprocessing.parent_process():
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
        threadpool_limits(max(1, cpu_count() // workers))
    _in_worker[:] = [setup()]


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)


def _make_on_cluster(
    cluster: Cluster,
    study: str,
    setup: Setup,
    numbers: Iterable[int],
    before: "Iterable[list[FrozenTrial]]",
) -> "Iterator[FrozenTrial]":
    """Yield the trials of a batch, each made by a worker of the cluster."""
    earlier = next(iter(before))
    names = [str(number) for number in numbers]
    yield from cluster.map(_make_for_cluster, names, "trial", study, setup, earlier)


_on_worker: dict[str, MakeTrial] = {}  # of a worker of the cluster, by study: only the newest one


def _make_for_cluster(
    name: str, study: str, setup: Setup, before: "list[FrozenTrial]"
) -> "FrozenTrial":
    if study not in _on_worker:
        _on_worker.clear()
        _on_worker[study] = setup()
    return _on_worker[study](int(name), before)


def _make_in_worker(number: int, before: "list[FrozenTrial]") -> "FrozenTrial":
    return _in_worker[0](number, before)
