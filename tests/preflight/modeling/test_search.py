"""A search that is stopped, killed and resumed finds the same, by whichever workers."""

import io
import itertools
import json
import os
import pickle
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import numpy as np
import optuna
import pandas as pd
import pytest
import yaml
from sklearn.ensemble import HistGradientBoostingClassifier

from preflight.modeling import search as searching
from preflight.modeling.contracts import ParameterImportance
from preflight.modeling.estimators import Candidate
from preflight.modeling.model import predict
from preflight.modeling.parameters import Modeling
from preflight.modeling.search import _in_worker, search_parameters, study_name
from preflight.modeling.skops_file import dump, load
from preflight.modeling.training import fit, fit_candidate
from preflight.modeling.trials import FIRST_STAGE, fit_in_stages
from preflight.problem.framing import Framing
from preflight.progress import show_with

Search = Callable[..., tuple[dict[str, Any], pd.DataFrame]]

SPACE = {"learning_rate": {"type": "float", "low": 0.05, "high": 0.9}}


class Interrupted(HistGradientBoostingClassifier):
    """It is stopped by Ctrl-C in its third trial: after two trials of two folds."""

    fits = 0

    def fit(self, X: pd.DataFrame, y: Any) -> Self:
        type(self).fits += len(X) > 100
        if type(self).fits == 6:
            raise KeyboardInterrupt
        return super().fit(X, y)


def settings(modeling: Any, trials: int, path: str | None = None, **search: Any) -> Modeling:
    params = {"max_iter": 5, "learning_rate": 0.2, "tol": 1e-7, "random_state": 0}
    return modeling(
        candidates={
            "trees": {
                "path": path or "sklearn.ensemble.HistGradientBoostingClassifier",
                "params": params | {"categorical_features": "from_dtype"},
                "space": search.pop("space", SPACE),
            }
        },
        search={
            "trials": trials,
            "earlier_folds": [
                {"start": "2013-02-01T00:00:00-05:00", "until": "2013-03-01T00:00:00-05:00"}
            ],
        }
        | search,
    )


@pytest.fixture(scope="module")
def development(make_parcels: Any, until_test: Any, framing: Framing) -> pd.DataFrame:
    return until_test(make_parcels("2013-01-01", "2013-04-01T04:00", 1500), framing)


@pytest.fixture
def storage(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/studies.db"


def test_a_search_that_was_stopped_goes_on_and_finds_the_same(
    development: pd.DataFrame, framing: Framing, modeling: Any, storage: str, search: Search
) -> None:
    _, first = search(development, framing, settings(modeling, 3), storage)
    assert len(first) == 3
    resumed, trials = search(development, framing, settings(modeling, 7), storage)
    pd.testing.assert_frame_equal(trials.head(3), first)
    at_once, whole = search(development, framing, settings(modeling, 7))
    pd.testing.assert_frame_equal(trials, whole)
    assert resumed == at_once
    again, same = search(development, framing, settings(modeling, 7), storage)
    pd.testing.assert_frame_equal(same, whole)  # nothing is made twice
    assert again == resumed


def test_another_name_or_problem_begins_anew(
    development: pd.DataFrame, framing: Framing, modeling: Any
) -> None:
    def name(examples: pd.DataFrame = development, framed: Framing = framing, **of: Any) -> str:
        return study_name(examples, framed, settings(modeling, 3, **of))

    dearer = framing.costs.model_copy(update={"fn": 7.0})
    names = [
        name(),
        name(study="second"),
        name(space={"max_iter": {"type": "int", "low": 2, "high": 9}}),
        name(path="sklearn.ensemble.HistGradientBoostingRegressor"),
        name(earlier_folds=[]),
        name(prune=False),
        name(workers=2),
        name(development.iloc[:-1]),
        name(framed=framing.model_copy(update={"costs": dearer})),
    ]
    assert len(set(names)) == len(names)
    assert name() == names[0]
    words = framing.goal.model_copy(update={"objective": "the same in other words"})
    assert name(framed=framing.model_copy(update={"goal": words})) == names[0]
    assert study_name(development, framing, settings(modeling, 99)) == names[0]


def test_trials_of_another_stored_form_are_not_mixed_with_new_ones(
    development: pd.DataFrame,
    framing: Framing,
    modeling: Any,
    storage: str,
    search: Search,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = settings(modeling, 2)
    with monkeypatch.context() as patch:
        patch.setattr(searching, "STORED_FORM", searching.STORED_FORM - 1)
        search(development, framing, asked, storage)
    search(development, framing, asked, storage)
    assert len(optuna.get_all_study_names(storage)) == 2
    search(development, framing, asked, storage)
    assert len(optuna.get_all_study_names(storage)) == 2


# a worker is a process of its own, which imports this file again: it is patched there as well
SCRIPT = """
import os, pickle, sys, time
from preflight.modeling import search, trials
given = pickle.load(open(sys.argv[1], "rb"))
fit = trials.fit_in_stages
def slowly(*args):
    for stage in fit(*args):
        print("fit", os.getpid(), flush=True)
        time.sleep(given["pause"])
        yield stage
trials.fit_in_stages = slowly
if __name__ == "__main__":
    best, found, _ = search.search_parameters(
        given["development"], sys.argv[2], given["framing"], given["modeling"], given["contracts"]
    )
    pickle.dump((best, found), open(sys.argv[3], "wb"))
"""


@pytest.fixture
def start(
    development: pd.DataFrame, framing: Framing, storage: str, tmp_path: Path, contracts: Any
) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a search in a process of its own, which says each fit and by which process."""
    started: list[Any] = []

    def run(modeling: Modeling, pause: float = 0.0) -> subprocess.Popen[str]:
        given = {"development": development, "framing": framing, "modeling": modeling}
        given |= {"contracts": contracts, "pause": pause}
        (tmp_path / "given.pickle").write_bytes(pickle.dumps(given))
        (tmp_path / "script.py").write_text(SCRIPT)
        root = Path(__file__).parents[3]
        names = ["script.py", "given.pickle", storage, "found.pickle"]
        process = subprocess.Popen(
            [sys.executable, *names],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join([str(root), *sys.path])},
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def fits(process: subprocess.Popen[str], number: int) -> list[int]:
    """Wait for so many fits, and return the processes that made them."""
    assert process.stdout is not None
    said = (line.split() for line in process.stdout)
    made = [int(words[1]) for words in itertools.islice((w for w in said if w[0] == "fit"), number)]
    assert len(made) == number
    return made


def test_killed_in_the_middle_nothing_finished_is_lost_and_what_ran_is_tried_again(
    development: pd.DataFrame,
    framing: Framing,
    modeling: Any,
    storage: str,
    start: Callable[..., subprocess.Popen[str]],
    search: Search,
) -> None:
    asked = settings(modeling, 6)
    process = start(asked, pause=0.3)
    fits(process, 5)  # two trials of two folds are done, the third is under way
    process.send_signal(signal.SIGKILL)
    process.wait()
    study = optuna.load_study(study_name=None, storage=storage)
    before = [t.value for t in study.trials]
    assert [t.state.name for t in study.trials] == ["COMPLETE", "COMPLETE"]
    _, trials = search(development, framing, asked, storage)
    assert [t.value for t in study.trials][:2] == before
    _, whole = search(development, framing, asked)
    pd.testing.assert_frame_equal(trials, whole)


def test_a_worker_that_is_killed_is_replaced_and_its_trial_is_made_again(
    development: pd.DataFrame,
    framing: Framing,
    modeling: Any,
    tmp_path: Path,
    start: Callable[..., subprocess.Popen[str]],
    search: Search,
) -> None:
    asked = settings(modeling, 5, workers=2)
    process = start(asked, pause=0.1)
    workers = fits(process, 6)
    assert process.pid not in workers
    os.kill(workers[-1], signal.SIGKILL)
    assert process.stdout is not None
    process.stdout.read()
    assert process.wait() == 0
    best, trials = pickle.loads((tmp_path / "found.pickle").read_bytes())
    in_process, whole = search_side_by_side(search, development, framing, asked)
    pd.testing.assert_frame_equal(trials, whole)
    assert best == in_process


def is_alive(process: int) -> bool:
    """Does it run? One that has ended may be listed until somebody asks how it ended."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


def test_workers_end_with_the_process_that_started_them(
    modeling: Any, start: Callable[..., subprocess.Popen[str]]
) -> None:
    process = start(settings(modeling, 50, workers=2), pause=0.05)
    workers = set(fits(process, 4))
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.stdout is not None
    process.stdout.read()  # ends when the last worker has closed its end
    assert [worker for worker in workers if is_alive(worker)] == []


def search_side_by_side(
    search: Search,
    development: pd.DataFrame,
    framing: Framing,
    asked: Modeling,
    slow: Iterable[int] = (),
) -> tuple[dict[str, Any], pd.DataFrame]:
    """The same search by threads, some of whose trials wait for the others."""
    calls = itertools.count()

    class Threads(ThreadPoolExecutor):
        def __init__(self, workers: int, context: Any, **given: Any) -> None:
            super().__init__(workers, **given)

    def make_slowly(number: int, before: Any) -> Any:
        time.sleep(0.2 * (next(calls) in slow))
        return _in_worker[0](number, before)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(searching, "ProcessPoolExecutor", Threads)
        patch.setattr(searching, "_make_in_worker", make_slowly)
        return search(development, framing, asked)


def test_the_trials_are_the_same_whichever_worker_is_faster(
    development: pd.DataFrame, framing: Framing, modeling: Any, search: Search
) -> None:
    grows = {
        "warm_start_param": "max_iter",
        "space": {"max_iter": {"type": "int", "low": 2, "high": 30}},
    }
    trees = settings(modeling, 9, workers=2).candidates["trees"].model_dump() | grows
    asked = settings(modeling, 9, workers=2).model_copy(
        update={"candidates": modeling(candidates={"trees": trees}).candidates}
    )
    best, trials = search_side_by_side(search, development, framing, asked, slow=range(0, 99, 2))
    other, others = search_side_by_side(search, development, framing, asked, slow=range(1, 99, 2))
    pd.testing.assert_frame_equal(trials, others)
    assert best == other
    assert trials["params"].is_unique
    assert len(trials) == 9
    assert "pruned" in set(trials["state"])


def test_a_worker_that_always_dies_ends_the_search_with_a_reason(
    development: pd.DataFrame,
    framing: Framing,
    modeling: Any,
    monkeypatch: pytest.MonkeyPatch,
    search: Search,
) -> None:
    class Dies(ThreadPoolExecutor):
        def __init__(self, workers: int, context: Any, **given: Any) -> None:
            super().__init__(workers)

        def map(self, *_: Any, **__: Any) -> Any:
            raise BrokenProcessPool

    monkeypatch.setattr(searching, "ProcessPoolExecutor", Dies)
    with pytest.raises(searching.RunError, match=r"3 times.*modeling\.search\.workers"):
        search(development, framing, settings(modeling, 4, workers=2))


def test_what_two_runs_store_at_once_counts_once(
    development: pd.DataFrame, framing: Framing, modeling: Any, storage: str, search: Search
) -> None:
    asked = settings(modeling, 3)
    _, first = search(development, framing, asked, storage)
    study = optuna.load_study(study_name=None, storage=storage)
    study.add_trials(study.trials[1:])
    best, trials = search(development, framing, settings(modeling, 5), storage)
    pd.testing.assert_frame_equal(trials.head(3), first)
    at_once, whole = search(development, framing, settings(modeling, 5))
    pd.testing.assert_frame_equal(trials, whole)
    assert best == at_once


def test_of_a_longer_search_as_many_trials_count_as_are_wanted(
    development: pd.DataFrame, framing: Framing, modeling: Any, storage: str, search: Search
) -> None:
    search(development, framing, settings(modeling, 6), storage)
    best, trials = search(development, framing, settings(modeling, 3), storage)
    at_once, whole = search(development, framing, settings(modeling, 3))
    pd.testing.assert_frame_equal(trials, whole)
    assert best == at_once


def test_a_search_that_is_stopped_by_hand_ends_and_keeps_its_trials(
    development: pd.DataFrame,
    framing: Framing,
    modeling: Any,
    storage: str,
    search: Search,
) -> None:
    Interrupted.fits = 0
    asked = settings(modeling, 9, path=f"{__name__}.Interrupted")
    with pytest.raises(KeyboardInterrupt):
        search(development, framing, asked, storage)
    again = settings(modeling, 2, path=f"{__name__}.Interrupted")
    best, trials = search(development, framing, again, storage)  # fits nothing more
    assert list(trials["state"]) == ["complete", "complete"]
    assert best["ended"] == "trials"


def test_a_bar_shows_how_many_trials_are_done(
    development: pd.DataFrame,
    framing: Framing,
    modeling: Any,
    caplog: pytest.LogCaptureFixture,
    search: Search,
) -> None:
    caplog.set_level("INFO")
    shown: list[tuple[float, str]] = []
    show_with(lambda share, what: shown.append((share, what)))
    try:
        search(development, framing, settings(modeling, 3))
    finally:
        show_with(None)
    assert shown == [(n / 3, f"{n} of 3 trials") for n in range(3)]
    assert caplog.text == ""
    search(development, framing, settings(modeling, 3))
    assert "  search: 1 of 3 trials, best " in caplog.text


def test_no_trial_begins_when_the_time_is_over(
    development: pd.DataFrame, framing: Framing, modeling: Any, search: Search
) -> None:
    clock = itertools.count(step=10.0)  # each time that it is looked at, ten seconds later
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(searching, "time", SimpleNamespace(monotonic=lambda: next(clock)))
        best, trials = search(development, framing, settings(modeling, 50, seconds=25.0))
    assert len(trials) == 2
    assert best["ended"] == "seconds"
    best, _ = search(development, framing, settings(modeling, 2))
    assert best["ended"] == "trials"


def test_a_model_over_its_limits_can_not_win(
    development: pd.DataFrame, framing: Framing, modeling: Any, search: Search
) -> None:
    few = {"type": "int", "low": 1, "high": 60}
    asked = settings(modeling, 6, space={"max_iter": few})
    free, all_trials = search(development, framing, asked)
    assert all_trials["limits"].all()
    sizes = framing.serving.model_copy(update={"model_mb": 0.03})
    tight = framing.model_copy(update={"serving": sizes})
    found, trials = search(development, tight, asked)
    assert not trials["limits"].all()
    assert trials["limits"].any()
    assert trials.set_index("trial").loc[found["trial"], "limits"]
    nothing = framing.model_copy(
        update={"serving": framing.serving.model_copy(update={"model_mb": 1e-6})}
    )
    with pytest.raises(searching.RunError, match=r"framing\.serving\.model_mb.*1e-06"):
        search(development, nothing, asked)
    assert free["value"] >= found["value"]


OURS = "preflight.modeling.preprocessing"
LINEAR = {
    "path": "sklearn.linear_model.LogisticRegression",
    "preprocessing": f"{OURS}.scaled",
    "params": {"C": 1.0},
    "space": {
        "C": {"type": "float", "low": 0.01, "high": 10, "log": True},
        "preprocessing": {"type": "choice", "choices": [f"{OURS}.scaled", f"{OURS}.numbered"]},
    },
}
TREES = {
    "path": "sklearn.ensemble.HistGradientBoostingClassifier",
    "params": {"max_iter": 4, "random_state": 0, "categorical_features": "from_dtype"},
    "space": {"max_iter": {"type": "int", "low": 2, "high": 9}},
}


def test_another_estimator_with_its_own_space_and_preprocessing_can_win(
    development: pd.DataFrame, framing: Framing, modeling: Any, contracts: Any, search: Search
) -> None:
    complete = development.assign(noise=development["noise"].fillna(0))
    asked = settings(modeling, 8).model_copy(
        update={"candidates": modeling(candidates={"trees": TREES, "linear": LINEAR}).candidates}
    )
    best, trials = search(complete, framing, asked)
    assert trials["candidate"].tolist()[:2] == ["trees", "linear"]  # as declared, each once
    assert json.loads(trials["params"][1]) == {"C": 1.0, "preprocessing": f"{OURS}.scaled"}
    assert trials["params"].str.contains("numbered").any()
    of_best = trials.set_index("trial").loc[best["trial"]]
    assert best["candidate"] == (of_best["candidate"] if best["kept"] == "tuned" else "trees")
    tuned = {"candidate": "linear", "params": {"C": 2.0, "preprocessing": f"{OURS}.numbered"}}
    chosen = asked.chosen(tuned)
    assert chosen.preprocessing == f"{OURS}.numbered"
    assert chosen.build()[-1].C == 2.0
    assert (
        fit_candidate(complete, tuned, SURE, NO_KEYS, framing, asked, contracts)["estimator"][-1].C
        == 2.0
    )


def test_the_candidates_of_the_docs_need_no_code(
    development: pd.DataFrame,
    framing: Framing,
    modeling: Any,
    trusted_types: list[str],
    contracts: Any,
    search: Search,
) -> None:
    text = (Path(__file__).parents[3] / "docs/modeling.md").read_text()
    several, encoded = re.findall(r"```yaml\n(.*?)```", text, flags=re.S)
    (spec,) = yaml.safe_load(encoded).values()
    fit(Candidate.model_validate(spec), development.head(200), contracts["features"])
    candidates = {"trees": TREES, **yaml.safe_load(several)}
    for name in ("lightgbm", "forest"):
        candidates[name]["params"]["n_estimators"] = 10
    del candidates["lightgbm"]["space"]["n_estimators"]
    asked = settings(modeling, 5).model_copy(
        update={"candidates": modeling(candidates=candidates).candidates}
    )
    _, trials = search(development, framing, asked)
    assert set(trials["candidate"]) == {"trees", "lightgbm", "forest"}
    best = {"candidate": "lightgbm", "params": {}}
    model = fit_candidate(development, best, SURE, NO_KEYS, framing, asked, contracts=contracts)
    file = io.BytesIO()
    dump(model, file)
    again = load(io.BytesIO(file.getvalue()), trusted_types)
    np.testing.assert_array_equal(predict(again, development), predict(model, development))


NO_KEYS = pd.DataFrame({"key_hash": []}, dtype="int64")  # of a test set
SURE = {"calibration": {"slope": 1.0, "intercept": 0.0}}


def test_what_is_grown_in_parts_is_the_same_as_at_once(
    development: pd.DataFrame, modeling: Any, parcels: Any
) -> None:
    of = {**TREES, "warm_start_param": "max_iter", "params": TREES["params"] | {"max_iter": 10}}
    spec = modeling(candidates={"trees": of}).candidates["trees"]
    features = spec.features(parcels.groups())
    found = [
        (part, estimator.n_iter_, estimator.predict_proba(development[features]))
        for estimator, part in fit_in_stages(spec, development, features=parcels)
    ]
    assert [(part, trees) for part, trees, _ in found] == [(FIRST_STAGE, 4), (1.0, 10)]
    at_once = fit(spec, development, features=parcels).predict_proba(development[features])
    np.testing.assert_array_equal(found[-1][-1], at_once)
    assert not np.array_equal(found[0][-1], at_once)


def test_a_hopeless_trial_is_given_up_before_it_is_grown(
    development: pd.DataFrame, framing: Framing, modeling: Any, search: Search
) -> None:
    space = {"learning_rate": {"type": "float", "low": 1e-6, "high": 0.3, "log": True}}
    grows = {"warm_start_param": "max_iter", "space": space}
    asked = settings(modeling, 12)
    trees = asked.candidates["trees"].tuned({"max_iter": 20}).model_dump() | grows
    given = {"candidates": modeling(candidates={"trees": trees}).candidates}
    asked = asked.model_copy(update=given)
    _, trials = search(development, framing, asked)
    given_up = trials["state"] == "pruned"
    assert (trials.loc[given_up, "folds"] == 0).any()
    all_judged = asked.search.model_copy(update={"prune": False})
    _, whole = search(development, framing, asked.model_copy(update={"search": all_judged}))
    assert (whole["state"] == "complete").all()
    assert whole["value"].max() == pytest.approx(trials["value"].max(), rel=0.2)


def test_the_parameter_that_matters_is_told_from_one_that_does_not(
    development: pd.DataFrame, framing: Framing, modeling: Any, contracts: Any
) -> None:
    space = {
        "learning_rate": {"type": "float", "low": 1e-4, "high": 0.5, "log": True},
        "tol": {"type": "float", "low": 1e-8, "high": 1e-6},  # of early stopping, which is off
    }
    asked = settings(modeling, 12, space=space, prune=False)
    _, _, importance = search_parameters(development, None, framing, asked, contracts=contracts)
    ParameterImportance.validate(importance, lazy=True)
    share = importance.set_index("parameter")["share"]
    assert set(share.index) == set(space)
    assert share["learning_rate"] > 0.9
    few = settings(modeling, 3, space=space)
    assert search_parameters(development, None, framing, few, contracts=contracts)[2].empty
