"""The trials of a search: valued in money, and a choice that is honest about searching."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from preflight.errors import RunError
from preflight.modeling.best_params import NO_SEARCH, select_parameters
from preflight.modeling.contracts import Trials, best_params
from preflight.modeling.estimators import Estimator
from preflight.modeling.model import value_scorer
from preflight.modeling.parameters import Modeling
from preflight.modeling.training import (
    fit,
    fit_predict,
    folds,
)
from preflight.modeling.trials import MIN_COMPLETE_TRIALS, should_prune, week_numbers
from preflight.problem.framing import Framing

Settings = Callable[..., Modeling]
Search = Callable[..., tuple[dict[str, Any], pd.DataFrame]]
FEATURES = ["signal", "place", "noise"]


def framed_value(
    spec: Estimator, known: pd.DataFrame, judged: pd.DataFrame, framing: Framing, parcels: Any
) -> float:
    fitted = fit(spec, known, features=parcels)
    return value_scorer(framing.costs, FEATURES)(fitted, judged, judged["label"])


def test_the_value_is_the_framings_money_per_1000(
    development: pd.DataFrame, framing: Framing, parcels: Any, settings: Settings
) -> None:
    spec = settings().candidates["trees"]
    probability = fit_predict(spec, development, development, features=parcels)
    act = probability > 0.2  # (1 - 0) / (1 - 0 + 6 - 2)
    label = development["label"] == 1
    by_hand = 4 * (act & label).sum() - 1 * (act & ~label).sum()
    found = framed_value(spec, development, development, framing, parcels)
    assert found == pytest.approx(1000 * by_hand / len(development))


@pytest.fixture(scope="module")
def searched(
    development: pd.DataFrame, framing: Framing, settings: Settings, search: Search
) -> tuple[dict[str, Any], pd.DataFrame]:
    return search(development, framing, settings(trials=6))


def test_the_first_trial_is_the_declared_parameters_and_their_value(
    development: pd.DataFrame,
    framing: Framing,
    searched: tuple[dict[str, Any], pd.DataFrame],
    parcels: Any,
    settings: Settings,
) -> None:
    _, trials = searched
    modeling = settings()
    assert json.loads(trials["params"][0]) == {"max_leaf_nodes": 3, "learning_rate": 0.2}
    by_hand = [
        framed_value(modeling.candidates["trees"], known, judged, framing, parcels)
        for known, judged in folds(development, framing, modeling)
    ]
    assert trials["value"][0] == pytest.approx(np.mean(by_hand))
    assert trials["folds"][0] == len(by_hand) == 2


def test_the_best_is_the_best_of_the_complete_trials_and_never_worse_than_the_declared(
    searched: tuple[dict[str, Any], pd.DataFrame],
) -> None:
    best, trials = searched
    complete = trials[trials["state"] == "complete"]
    assert best["value"] == complete["value"].max() >= trials["value"][0]
    assert best["trial"] == complete["value"].idxmax()
    assert best["declared_value"] == trials["value"][0]
    tuned = json.loads(trials["params"][best["trial"]])
    assert best["params"] == (tuned if best["kept"] == "tuned" else {})
    assert len(trials) == 6
    assert len(set(trials["value"])) > 1


def test_a_trial_among_the_worst_after_a_fold_is_given_up(
    searched: tuple[dict[str, Any], pd.DataFrame],
) -> None:
    trials = searched[1]
    given_up = trials["state"] == "pruned"
    assert given_up.any()
    assert trials["folds"].tolist() == np.where(given_up, 1, 2).tolist()


def test_what_a_search_returns_holds_its_contracts(
    searched: tuple[dict[str, Any], pd.DataFrame],
) -> None:
    best, trials = searched
    assert best_params.validate(best) is best
    Trials.validate(trials, lazy=True)


def test_trials_stay_within_the_space(searched: tuple[dict[str, Any], pd.DataFrame]) -> None:
    tried = pd.DataFrame(searched[1]["params"].map(json.loads).tolist())
    assert tried["max_leaf_nodes"].between(2, 9).all()
    assert tried["learning_rate"].between(0.05, 0.9).all()
    assert len(tried.drop_duplicates()) > 1


def test_without_trials_the_declared_parameters_stand(
    development: pd.DataFrame, framing: Framing, settings: Settings, search: Search
) -> None:
    best, trials = search(development, framing, settings(trials=0))
    assert best == {"candidate": "trees", **NO_SEARCH}
    assert (best["params"], best["kept"]) == ({}, "declared")
    assert best_params.validate(best) is best
    assert len(Trials.validate(trials, lazy=True)) == 0


def test_a_seed_gives_the_same_trials_and_another_gives_others(
    development: pd.DataFrame,
    framing: Framing,
    searched: tuple[dict[str, Any], pd.DataFrame],
    settings: Settings,
    search: Search,
) -> None:
    best, trials = search(development, framing, settings(trials=6))
    assert best == searched[0]
    pd.testing.assert_frame_equal(trials, searched[1])
    _, others = search(development, framing, settings(trials=3, seed=2))
    assert others["params"][0] == trials["params"][0]
    assert others["params"][1] != trials["params"][1]


def test_the_search_looks_for_the_value_at_each_rows_own_cost(
    development: pd.DataFrame,
    framing: Framing,
    parcels: Any,
    settings: Settings,
    framing_with_column: Framing,
    search: Search,
) -> None:
    amount = np.random.default_rng(4).uniform(3, 60, len(development))
    dear = development.assign(amount=amount)
    modeling = settings(trials=1)
    best, _ = search(dear, framing_with_column, modeling)
    by_hand = []
    for known, judged in folds(dear, framing, modeling):
        act = fit_predict(modeling.candidates["trees"], known, judged, features=parcels) > 1 / (
            judged["amount"] - 1
        )
        saved = np.where(judged["label"] == 1, judged["amount"] - 2, -1) * act
        by_hand.append(1000 * saved.mean())
    assert best["value"] == pytest.approx(np.mean(by_hand))


def judged(values: np.ndarray, framing: Framing, settings: Settings) -> dict[str, Any]:
    """The choice among trials with so much saved in each of the weeks, ten rows a week."""
    return chosen([[saved] for saved in values], framing, settings)


def chosen(trials: Any, framing: Framing, settings: Settings) -> dict[str, Any]:
    """The choice among trials with so much saved in each week of each fold, ten rows a week."""
    study = optuna.create_study(direction="maximize")
    for folds_saved in trials:
        trial = study.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
        trial.set_user_attr("saved", [saved.tolist() for saved in folds_saved])
        trial.set_user_attr("rows", [[10] * len(saved) for saved in folds_saved])
        trial.set_user_attr("number", trial.number)
        study.tell(trial, 100 * float(np.mean([saved.mean() for saved in folds_saved])))
    return select_parameters(study.trials, framing, settings(trials=1))


def test_the_best_of_many_that_are_alike_is_no_better(framing: Framing, settings: Settings) -> None:
    kept, optimism = [], []
    for seed in range(30):
        noise = np.random.default_rng(seed).normal(5, 2, (20, 40))
        found = judged(noise, framing, settings)
        assert found["value"] >= found["declared_value"]
        kept.append(found["kept"] == "declared")
        optimism.append(found["optimism"])
        if kept[-1]:
            assert found["params"] == {}
    assert np.mean(kept) > 0.85
    assert np.median(optimism) > 10  # in money per 1,000: a good part of what luck alone gives


def test_parameters_that_are_better_are_taken(framing: Framing, settings: Settings) -> None:
    noise = np.random.default_rng(0).normal(5, 2, (20, 40))
    noise[7] = noise[0] + 3 + np.random.default_rng(1).normal(0, 0.5, 40)
    found = judged(noise, framing, settings)
    assert (found["kept"], found["trial"]) == ("tuned", 7)
    assert found["params"].keys() == {"x"}
    assert found["gain"]["low"] > 0
    assert found["gain"]["mean"] == pytest.approx(
        found["value"] - found["declared_value"] - found["optimism"]
    )
    assert found["gain"]["mean"] == pytest.approx(300, rel=0.1)


def correlated(rng: np.random.Generator, days: int, coefficient: float) -> np.ndarray:
    """A daily series of which each day depends on the day before: AR(1) with variance 1."""
    found = [rng.normal()]
    for shock in rng.normal(size=days - 1):
        found.append(coefficient * found[-1] + np.sqrt(1 - coefficient**2) * shock)
    return np.array(found)


def test_parameters_are_not_taken_for_a_few_good_weeks(
    framing: Framing, settings: Settings
) -> None:
    """Of trials that are alike the best one is rarely taken, though each day is like the last."""
    days = pd.Series(pd.date_range("2013-09-01", periods=63))
    week, weeks = week_numbers(days)
    day = np.arange(len(days))
    taken = {"by day": 0, "by week": 0}
    for seed in range(60):
        rng = np.random.default_rng(seed)
        daily = [[correlated(rng, len(days), 0.7) for _ in range(2)] for _ in range(8)]
        for name, number, size in (("by day", day, len(day)), ("by week", week, weeks)):
            summed = [[np.bincount(number, fold, size) for fold in folds] for folds in daily]
            taken[name] += chosen(summed, framing, settings)["kept"] == "tuned"
    assert taken["by week"] <= 0.1 * 60 < taken["by day"]


def test_calendar_weeks_are_local_and_begin_on_monday(framing: Framing) -> None:
    moments = pd.Series(pd.date_range("2013-09-01T12:00", "2013-10-06T12:00", freq="D", tz="UTC"))
    sunday_night = pd.Series([pd.Timestamp("2013-09-09T02:00", tz="UTC")])  # Monday only in UTC
    day = framing.split.day(pd.concat([moments, sunday_night], ignore_index=True))
    week, weeks = week_numbers(day)
    assert weeks == 6
    assert week.tolist() == [0] + [1 + i // 7 for i in range(35)] + [1]


def test_a_fold_of_less_than_four_weeks_is_drawn_by_day() -> None:
    days = pd.Series(pd.date_range("2013-09-02", periods=28))  # four whole weeks, from a Monday
    assert week_numbers(days)[1] == 4
    number, many = week_numbers(days.iloc[:21])
    assert (number.tolist(), many) == ([*range(21)], 21)


def test_a_replicate_that_draws_all_weeks_of_a_fold_is_valued_on_the_other_fold(
    framing: Framing, settings: Settings
) -> None:
    rng = np.random.default_rng(3)
    trials = [[rng.normal(5, 1, 2), rng.normal(5, 1, 30)] for _ in range(6)]
    trials[4] = [fold + 20 for fold in trials[0]]
    found = chosen(trials, framing, settings)
    assert (found["kept"], found["trial"]) == ("tuned", 4)
    assert found["optimism"] == pytest.approx(0, abs=1)
    assert found["gain"]["mean"] == pytest.approx(2000, abs=1)


@pytest.mark.parametrize("weeks", [1, 2])
def test_too_few_weeks_to_leave_any_out_keep_the_declared_parameters(
    framing: Framing, settings: Settings, weeks: int
) -> None:
    """Of one week none is ever left out; two give an interval of one degree of freedom."""
    trials = np.array([np.full(weeks, 5.0), 6 + np.arange(weeks)])
    found = judged(trials, framing, settings)
    assert (found["kept"], found["params"]) == ("declared", {})
    assert best_params.validate({**found, "ended": "trials"})
    assert (found["optimism"] is None) == (weeks == 1)
    assert (found["gain"]["low"] is None) == (weeks == 1)


class Silent(HistGradientBoostingClassifier):
    """A candidate without a prediction for a few rows."""

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        return np.where(X[["signal"]] > 2, np.nan, super().predict_proba(X))


def test_a_trial_without_a_prediction_for_a_few_rows_stops_the_search(
    development: pd.DataFrame, framing: Framing, settings: Settings, search: Search
) -> None:
    """The rows would count as decisions not to act."""
    asked = settings(trials=2)
    trees = asked.candidates["trees"].model_copy(update={"path": f"{__name__}.Silent"})
    silent = asked.model_copy(update={"candidates": {"trees": trees}})
    with pytest.raises(RunError, match=r"^Silent predicts no number for \d+ of \d+ rows"):
        search(development, framing, silent)


def test_a_value_that_is_not_known_does_not_stop_the_pruning() -> None:
    def trial(value: float) -> Any:
        return optuna.trial.create_trial(value=1, intermediate_values={100: value})

    known = [trial(value) for value in range(MIN_COMPLETE_TRIALS + 1)]
    assert should_prune(known, 100, -1)
    assert should_prune([*known, trial(np.nan)], 100, -1)
    assert not should_prune([*known, trial(np.nan)], 100, 9)
    assert not should_prune([trial(np.nan)] * 5, 100, -1)
