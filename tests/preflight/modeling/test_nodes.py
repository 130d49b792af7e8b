"""From examples to a candidate, on parcels: time is kept, and validation decides."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from preflight.errors import RunError
from preflight.features.fingerprints import fingerprints
from preflight.modeling.calibration import _fit_quantile_shift, select_on_validation
from preflight.modeling.contracts import Trials, best_params
from preflight.modeling.contracts import selection as selection_contract
from preflight.modeling.model import log_odds, platt_scale, value_scorer
from preflight.modeling.parameters import Modeling
from preflight.modeling.search import search_parameters
from preflight.modeling.training import (
    fit,
    fit_baselines,
    fit_candidate,
    fit_predict,
    folds,
    join_development,
    predict_validation,
    saving,
)
from preflight.modeling.trials import NO_SEARCH
from preflight.problem.framing import Framing

pytestmark = pytest.mark.usefixtures("parcels")
Examples = Callable[..., pd.DataFrame]
FEATURES = ["signal", "place", "noise"]


def search(
    development: pd.DataFrame,
    framing: Framing,
    modeling: Modeling,
    contracts: Any,
    storage: str | None = None,
) -> tuple[dict[str, Any], pd.DataFrame]:
    best, trials, _ = search_parameters(
        development, storage, framing, modeling, contracts=contracts
    )
    return best, trials


def settings(trials: int = 4, seed: int = 1, gain: float = 0.001, folds: int = 1) -> Modeling:
    earlier = {"start": "2013-02-01T00:00:00-05:00", "until": "2013-03-01T00:00:00-05:00"}
    return Modeling.model_validate(
        {
            "seed": seed,
            "candidates": {
                "trees": {
                    "path": "sklearn.ensemble.HistGradientBoostingClassifier",
                    "params": {
                        "max_iter": 3,
                        "max_leaf_nodes": 3,
                        "learning_rate": 0.2,
                        "early_stopping": False,
                        "random_state": 0,
                    },
                    "space": {
                        "max_leaf_nodes": {"type": "int", "low": 2, "high": 9, "log": True},
                        "learning_rate": {"type": "float", "low": 0.05, "high": 0.9},
                    },
                }
            },
            "search": {
                "study": "main",
                "trials": trials,
                "seconds": None,
                "earlier_folds": [earlier][:folds],
            },
            "baselines": {
                "never": {"path": "sklearn.dummy.DummyClassifier", "threshold": 1},
                "lookup": {
                    "path": "preflight.modeling.baselines.LookupTable",
                    "params": {"keys": ["place"]},
                },
            },
            "calibration_gain": gain,
        }
    )


@pytest.fixture(scope="module")
def development(make_parcels: Examples) -> pd.DataFrame:
    """Three months: January and February are train, March is validation."""
    return make_parcels("2013-01-01", "2013-04-01", 700).drop(columns="chance")


def test_development_is_train_then_validation_with_all_categories(
    development: pd.DataFrame, framing: Framing
) -> None:
    later = development["predict_at"] >= framing.split.validation_from
    north = development["place"] == "north"
    train, validation = development[~later & north].copy(), development[later & ~north].copy()
    for part in (train, validation):
        part["place"] = part["place"].cat.remove_unused_categories()
    audit = pd.DataFrame(fingerprints(train=train, validation=validation))
    together = join_development(train, validation, audit, framing)
    assert together["parcel"].tolist() == [*train["parcel"], *validation["parcel"]]
    assert together.index.tolist() == list(range(len(train) + len(validation)))
    assert together["place"].astype(str).tolist() == [
        *train["place"].astype(str),
        *validation["place"].astype(str),
    ]
    assert together.dtypes.to_dict() == development.dtypes.to_dict()
    assert set(together["place"].cat.categories) == {"north", "south", "west"}


def test_parts_of_another_split_are_not_fitted(development: pd.DataFrame, framing: Framing) -> None:
    later = development["predict_at"] >= framing.split.validation_from
    parts = {"train": development[~later], "validation": development[later]}
    audit = pd.DataFrame(fingerprints(**parts))
    join_development(**parts, feature_audit=audit, framing=framing)
    for end, name in {"validation_from": "train", "test_from": "validation"}.items():
        earlier = getattr(framing.split, end) - timedelta(days=2)
        split = framing.split.model_copy(update={end: earlier})
        other = framing.model_copy(update={"split": split})
        with pytest.raises(RunError, match=f"'{name}' has examples from"):
            join_development(**parts, feature_audit=audit, framing=other)


def test_folds_are_in_the_order_of_time_and_no_label_is_known_after_a_fold_starts(
    development: pd.DataFrame, framing: Framing
) -> None:
    modeling = settings()
    found = list(folds(development, framing, modeling))
    earlier = modeling.search.earlier_folds[0]
    bounds = [
        (earlier.start, earlier.until),
        (framing.split.validation_from, framing.split.test_from),
    ]
    assert len(found) == len(bounds)
    for (known, judged), (start, until) in zip(found, bounds, strict=True):
        assert known["predict_at"].max() < start
        assert known["label_known_at"].max() <= start
        at = development["predict_at"]
        assert (
            judged["parcel"].tolist()
            == development["parcel"][(at >= start) & (at < until)].tolist()
        )
        left_out = development[(at < start) & ~development["parcel"].isin(known["parcel"])]
        assert (left_out["label_known_at"] > start).all()
        assert len(left_out) > 0


def test_a_label_known_at_the_very_start_of_a_fold_is_known_and_a_moment_later_is_not(
    development: pd.DataFrame, framing: Framing
) -> None:
    start = pd.Timestamp(framing.split.validation_from)
    tick = pd.Timedelta("1us")
    rows = development.head(4).assign(
        predict_at=[start - tick, start - tick, start, start - tick],
        label_known_at=[start, start + tick, start + tick, start - tick],
    )
    (known, judged) = list(folds(rows, framing, settings(folds=0)))[-1]
    assert known["parcel"].tolist() == [0, 3]
    assert judged["parcel"].tolist() == [2]


def framed_value(
    known: pd.DataFrame, judged: pd.DataFrame, framing: Framing, parcels: Any
) -> float:
    fitted = fit(settings().candidates["trees"], known, features=parcels)
    return value_scorer(framing.costs, FEATURES)(fitted, judged, judged["label"])


def test_the_value_is_the_framings_money_per_1000(
    development: pd.DataFrame, framing: Framing, parcels: Any
) -> None:
    probability = fit_predict(
        settings().candidates["trees"], development, development, features=parcels
    )
    act = probability > 0.2  # (1 - 0) / (1 - 0 + 6 - 2)
    label = development["label"] == 1
    by_hand = 4 * (act & label).sum() - 1 * (act & ~label).sum()
    found = framed_value(development, development, framing)
    assert found == pytest.approx(1000 * by_hand / len(development))


@pytest.fixture(scope="module")
def searched(
    parcels: Any, development: pd.DataFrame, framing: Framing
) -> tuple[dict[str, Any], pd.DataFrame]:
    return search(development, framing, settings(trials=6))


def test_the_first_trial_is_the_declared_parameters_and_their_value(
    development: pd.DataFrame, framing: Framing, searched: tuple[dict[str, Any], pd.DataFrame]
) -> None:
    _, trials = searched
    modeling = settings()
    assert json.loads(trials["params"][0]) == {"max_leaf_nodes": 3, "learning_rate": 0.2}
    by_hand = [
        framed_value(known, judged, framing)
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
    development: pd.DataFrame, framing: Framing
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
) -> None:
    best, trials = search(development, framing, settings(trials=6))
    assert best == searched[0]
    pd.testing.assert_frame_equal(trials, searched[1])
    _, others = search(development, framing, settings(trials=3, seed=2))
    assert others["params"][0] == trials["params"][0]
    assert others["params"][1] != trials["params"][1]


def test_each_fold_is_predicted_by_models_fitted_on_what_came_before(
    development: pd.DataFrame, framing: Framing, contracts: Any, parcels: Any
) -> None:
    modeling = settings()
    best = {"candidate": "trees", "params": {"max_leaf_nodes": 5}, "value": None, "trial": None}
    found = predict_validation(development, best, framing, modeling, contracts=contracts)
    parts = list(folds(development, framing, modeling))
    assert found["fold"].tolist() == [
        n for n, (_, judged) in enumerate(parts) for _ in judged.index
    ]
    assert found["last"].tolist() == (found["fold"] == 1).tolist()
    for number, (known, judged) in enumerate(parts):
        here = found[found["fold"] == number]
        assert here["parcel"].tolist() == judged["parcel"].tolist()
        assert here["label"].tolist() == judged["label"].tolist()
        candidate = fit(modeling.chosen(best), known, features=parcels)
        lookup = fit(modeling.baselines["lookup"], known, features=parcels)
        for name, model in (("candidate", candidate), ("lookup", lookup)):
            expected = model.predict_proba(judged[FEATURES])[:, 1]
            np.testing.assert_array_equal(here[f"probability_{name}"], expected)
    assert list(found) == [
        "parcel", "predict_at", "label",
        "fold", "probability_candidate", "probability_never", "probability_lookup", "last",
    ]  # fmt: skip


def predicted(
    candidate: Callable[[np.ndarray], np.ndarray],
    lookup: Callable[[np.ndarray], np.ndarray] = lambda odds: odds * 0 - 1,
    rows: int = 4000,
) -> pd.DataFrame:
    """Validation predictions whose log-odds are functions of the true ones; two equal folds."""
    rng = np.random.default_rng(0)
    odds = rng.normal(-1, 1.5, rows)

    def probability(log_odds: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-log_odds))

    fold = np.repeat([0, 1], rows // 2)
    hours = pd.to_timedelta(np.arange(rows), unit="h")
    return pd.DataFrame(
        {
            "predict_at": (pd.Timestamp("2013-01-01", tz="UTC") + hours).as_unit("us"),
            "label": (rng.random(rows) < probability(odds)).astype("int8"),
            "fold": fold,
            "last": fold == 1,
            "probability_candidate": probability(candidate(odds)),
            "probability_never": 0.25,
            "probability_lookup": probability(lookup(odds)),
        }
    )


def truth(odds: np.ndarray) -> np.ndarray:
    return odds


def test_validation_picks_the_baseline_that_saves_most(framing: Framing) -> None:
    for lookup, best in ((truth, "lookup"), (lambda odds: -3 * odds - 8, "never")):
        found = select_on_validation(predicted(truth, lookup), framing, settings())
        assert selection_contract.validate(found) is found
        assert found["best_baseline"] == best
        assert found["values"]["never"] == 0


def test_only_the_last_fold_chooses_the_baseline(framing: Framing) -> None:
    predictions = predicted(truth, truth)
    good = select_on_validation(predictions, framing, settings())
    predictions.loc[~predictions["last"], "probability_lookup"] = 0.0
    assert select_on_validation(predictions, framing, settings())["values"] == good["values"]
    predictions["probability_lookup"] = 1.0
    predictions.loc[~predictions["last"], "label"] = 1
    last = predictions["label"][predictions["last"]]
    found = select_on_validation(predictions, framing, settings())["values"]["lookup"]
    assert found == pytest.approx(1000 * (4 * last.mean() - (1 - last.mean())))


def test_a_models_own_threshold_goes_before_that_of_the_costs(framing: Framing) -> None:
    predictions = predicted(truth)
    predictions["probability_never"] = 0.999
    modeling = settings()
    assert select_on_validation(predictions, framing, modeling)["values"]["never"] == 0
    bare = modeling.baselines["never"].model_copy(update={"threshold": None})
    changed = modeling.model_copy(update={"baselines": {**modeling.baselines, "never": bare}})
    assert select_on_validation(predictions, framing, changed)["values"]["never"] != 0


def test_only_the_framed_baselines_are_to_be_beaten(framing: Framing) -> None:
    only = framing.model_copy(update={"baselines": ["never"]})
    assert select_on_validation(predicted(truth), only, settings())["best_baseline"] == "never"


def test_a_calibrated_candidate_is_left_as_it_is(framing: Framing) -> None:
    found = select_on_validation(predicted(truth), framing, settings())["calibration"]
    assert (found["slope"], found["intercept"]) == (1.0, 0.0)
    assert found["loss_without"] - found["loss_with"] <= 0.001


def test_a_miscalibrated_candidate_is_set_right(framing: Framing) -> None:
    predictions = predicted(lambda odds: 2 * odds + 1)
    found = select_on_validation(predictions, framing, settings())["calibration"]
    assert found["slope"] == pytest.approx(0.5, abs=0.05)
    assert found["intercept"] == pytest.approx(-0.5, abs=0.1)
    assert found["loss_without"] - found["loss_with"] > 0.02


def test_a_line_is_judged_on_the_last_fold_and_then_fitted_on_all(framing: Framing) -> None:
    predictions = predicted(lambda odds: 2 * odds + 1)
    raw, label = predictions["probability_candidate"].to_numpy(), predictions["label"].to_numpy()

    def line(rows: np.ndarray) -> tuple[float, float]:
        model = LogisticRegression(C=np.inf).fit(log_odds(raw[rows])[:, None], label[rows])
        return model.coef_.item(), model.intercept_.item()

    last = predictions["last"].to_numpy()
    found = select_on_validation(predictions, framing, settings())["calibration"]
    assert (found["slope"], found["intercept"]) == pytest.approx(line(last | True))
    judged = platt_scale(raw[last], *line(~last))
    losses = -np.log(np.where(label[last] == 1, judged, 1 - judged))
    assert found["loss_with"] == pytest.approx(losses.mean())


def test_a_gain_too_small_to_matter_changes_nothing(framing: Framing) -> None:
    predictions = predicted(lambda odds: 2 * odds + 1)
    found = select_on_validation(predictions, framing, settings(gain=0.9))["calibration"]
    assert (found["slope"], found["intercept"]) == (1.0, 0.0)
    assert found["loss_without"] - found["loss_with"] > 0.02


def test_a_line_that_does_not_hold_on_the_last_fold_is_not_used(framing: Framing) -> None:
    predictions = predicted(truth)
    earlier = ~predictions["last"]
    raw = predictions.loc[earlier, "probability_candidate"]
    predictions.loc[earlier, "probability_candidate"] = platt_scale(raw.to_numpy(), 3.0, 2.0)
    found = select_on_validation(predictions, framing, settings())["calibration"]
    assert (found["slope"], found["intercept"]) == (1.0, 0.0)
    assert found["loss_with"] > found["loss_without"]


@pytest.mark.parametrize("label", [None, 0, 1])
def test_without_an_earlier_fold_to_learn_from_nothing_is_calibrated(
    framing: Framing, label: int | None
) -> None:
    predictions = predicted(lambda odds: 2 * odds + 1)
    if label is None:
        predictions = predictions[predictions["last"]]
    else:
        predictions.loc[~predictions["last"], "label"] = label
    found = select_on_validation(predictions, framing, settings())
    assert found["calibration"].keys() == {"slope", "intercept", "loss_without"}
    assert (found["calibration"]["slope"], found["calibration"]["intercept"]) == (1.0, 0.0)
    assert selection_contract.validate(found) is found


def test_the_candidate_is_fitted_on_all_with_the_best_parameters_and_says_so(
    development: pd.DataFrame, framing: Framing, contracts: Any, parcels: Any
) -> None:
    modeling = settings()
    best = {"candidate": "trees", "params": {"max_leaf_nodes": 5}, "value": 1.0, "trial": 3}
    chosen = {"calibration": {"slope": 0.5, "intercept": -0.5, "loss_without": 0.4}}
    found = fit_candidate(development, best, chosen, framing, modeling, contracts=contracts)
    alone = fit(modeling.chosen(best), development, features=parcels)
    np.testing.assert_array_equal(
        found["estimator"].predict_proba(development[FEATURES]),
        alone.predict_proba(development[FEATURES]),
    )
    assert (found["slope"], found["intercept"], found["threshold"]) == (0.5, -0.5, 0.2)
    assert found["features"] == FEATURES
    provenance = found["provenance"]
    declared = modeling.candidates["trees"]
    assert (provenance["path"], provenance["preprocessing"]) == (declared.path, None)
    assert provenance["params"] == declared.params | best["params"]
    assert provenance["examples"] == len(development)
    assert pd.Timestamp(provenance["first"]) == development["predict_at"].min()
    assert pd.Timestamp(provenance["last"]) == development["predict_at"].max()


def test_baselines_are_fitted_on_all_uncalibrated_with_their_own_threshold(
    development: pd.DataFrame, framing: Framing, contracts: Any
) -> None:
    found = fit_baselines(development, framing, settings(), contracts=contracts)
    assert {name: model["threshold"] for name, model in found.items()} == {
        "never": 1,
        "lookup": 0.2,
    }
    assert {(model["slope"], model["intercept"]) for model in found.values()} == {(1.0, 0.0)}
    rate = found["never"]["estimator"].predict_proba(development[FEATURES])[0, 1]
    assert rate == pytest.approx(development["label"].mean())


def test_nothing_changes_the_examples(
    development: pd.DataFrame, framing: Framing, contracts: Any
) -> None:
    before = development.copy(deep=True)
    modeling = settings(trials=1)
    best, _ = search(development, framing, modeling)
    predictions = predict_validation(development, best, framing, modeling, contracts=contracts)
    chosen = select_on_validation(predictions, framing, modeling)
    fit_candidate(development, best, chosen, framing, modeling, contracts=contracts)
    pd.testing.assert_frame_equal(development, before)


def with_column(framing: Framing) -> Framing:
    """The framing with a miss that costs what the column `amount` says."""
    costs = framing.costs.model_copy(update={"fn": "amount"})
    return framing.model_copy(update={"costs": costs})


def test_a_column_of_one_value_changes_nothing_but_where_the_threshold_stands(
    development: pd.DataFrame, framing: Framing, contracts: Any
) -> None:
    modeling, framed = settings(trials=2), with_column(framing)
    column = development.assign(amount=np.float32(6))
    best, trials = search(development, framing, modeling)
    found, tried = search(column, framed, modeling)
    assert found == best
    pd.testing.assert_frame_equal(tried, trials)
    predictions = predict_validation(development, best, framing, modeling, contracts=contracts)
    kept = predict_validation(column, best, framed, modeling, contracts=contracts)
    assert set(kept.pop("cost_fn")) == {6.0}
    pd.testing.assert_frame_equal(kept, predictions)
    chosen = select_on_validation(predictions, framing, modeling)
    assert select_on_validation(kept.assign(cost_fn=6.0), framed, modeling) == chosen
    models = {
        "candidate": fit_candidate(column, best, chosen, framed, modeling, contracts=contracts),
        **fit_baselines(column, framed, modeling, contracts=contracts),
    }
    assert {name: model["threshold"] for name, model in models.items()} == {
        "candidate": None, "never": 1, "lookup": None,
    }  # fmt: skip
    for model in models.values():
        assert model["features"] == FEATURES
        assert model["provenance"]["framing"]["costs"]["fn"] == "amount"


def test_selection_values_each_row_at_its_own_cost(framing: Framing) -> None:
    predictions = predicted(truth, truth)
    amount = np.random.default_rng(3).uniform(3, 60, len(predictions))
    found = select_on_validation(
        predictions.assign(cost_fn=amount), with_column(framing), settings()
    )
    last = predictions["last"].to_numpy()
    chance, label = predictions["probability_lookup"][last], predictions["label"][last] == 1
    act = chance > 1 / (amount[last] - 1)
    saved = np.where(label, amount[last] - 2, -1) * act
    assert found["values"]["lookup"] == pytest.approx(1000 * saved.mean())
    assert found["values"]["never"] == 0


def test_the_search_looks_for_the_value_at_each_rows_own_cost(
    development: pd.DataFrame, framing: Framing, parcels: Any
) -> None:
    amount = np.random.default_rng(4).uniform(3, 60, len(development))
    dear = development.assign(amount=amount)
    modeling = settings(trials=1)
    best, _ = search(dear, with_column(framing), modeling)
    by_hand = []
    for known, judged in folds(dear, framing, modeling):
        act = fit_predict(modeling.candidates["trees"], known, judged, features=parcels) > 1 / (
            judged["amount"] - 1
        )
        saved = np.where(judged["label"] == 1, judged["amount"] - 2, -1) * act
        by_hand.append(1000 * saved.mean())
    assert best["value"] == pytest.approx(np.mean(by_hand))


def test_the_embargo_holds_for_every_fold(development: pd.DataFrame, framing: Framing) -> None:
    split = framing.split.model_copy(update={"embargo_hours": 24})
    embargo = pd.Timedelta("1D")
    waited = framing.model_copy(update={"split": split})
    starts = [settings().search.earlier_folds[0].start, split.validation_from]
    for (known, _), start in zip(folds(development, waited, settings()), starts, strict=True):
        assert known["label_known_at"].max() + embargo <= start


def test_settings_that_do_not_fit_together_are_all_named(framing: Framing) -> None:
    modeling, groups = settings(), ["content", "weather"]
    assert modeling.misfits(framing, groups) == []
    fold = modeling.search.earlier_folds[0]
    longer = fold.model_copy(update={"until": framing.split.test_from})
    blind = modeling.candidates["trees"].model_copy(update={"without": ["wether"]})
    search = modeling.search.model_copy(update={"earlier_folds": [longer]})
    wrong = modeling.model_copy(update={"search": search, "candidates": {"trees": blind}})
    unknown = framing.model_copy(update={"baselines": ["never", "nobody"]})
    faults = wrong.misfits(unknown, groups)
    assert [fault.split(" names ")[0].split(":")[0] for fault in faults] == [
        "modeling.candidates.trees.without",
        "framing.baselines",
        "modeling.search.earlier_folds",
    ]
    assert "['wether'], which are no feature groups; there are content, weather" in faults[0]
    assert "['nobody'], which modeling.baselines doesn't have; it has never, lookup" in faults[1]
    assert "reaches into the validation set" in faults[2]


def test_a_model_worse_than_chance_is_not_turned_round_by_calibration(
    framing: Framing,
) -> None:
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 400)
    upside_down = np.where(label == 1, 0.2, 0.8)
    predictions = pd.DataFrame(
        {
            "predict_at": pd.date_range("2013-01-01", periods=400, freq="h", tz="UTC"),
            "label": label,
            "last": np.arange(400) >= 200,
            "probability_candidate": upside_down,
            "probability_never": 0.5,
            "probability_lookup": 0.5,
        }
    )
    line = select_on_validation(predictions, framing, settings())["calibration"]
    assert line["loss_with"] < line["loss_without"] - 0.1
    assert (line["slope"], line["intercept"]) == (1.0, 0.0)


def test_a_model_can_go_without_a_group_of_features(
    development: pd.DataFrame, framing: Framing, contracts: Any
) -> None:
    modeling = settings()
    blind = modeling.candidates["trees"].model_copy(update={"without": ["weather"]})
    best, chosen = (
        {"candidate": "trees", "params": {}},
        {"calibration": {"slope": 1.0, "intercept": 0.0}},
    )
    without = modeling.model_copy(update={"candidates": {"trees": blind}})
    found = fit_candidate(development, best, chosen, framing, without, contracts=contracts)
    assert found["features"] == ["signal", "place"]
    assert found["estimator"].feature_names_in_.tolist() == ["signal", "place"]


def amounts(shift: Callable[[pd.DataFrame], Any]) -> pd.DataFrame:
    """Two folds of amounts; the candidate says the cheapest ones, but for a shift."""
    rng = np.random.default_rng(4)
    rows = 4000
    last = np.arange(rows) >= rows // 2
    middle = rng.normal(30, 10, rows)
    label = middle + rng.uniform(-8, 8, rows)
    table = pd.DataFrame({"label": label, "last": last, "prediction_usual": 35.0})
    said = middle + 4  # above three quarters of what may come
    return table.assign(prediction_lookup=middle, prediction_candidate=said + shift(table))


def test_amounts_that_cost_least_are_left_as_they_are(
    amount_framing: Framing, modeling_amounts: Callable[..., Modeling]
) -> None:
    modeling = modeling_amounts(calibration_gain=0.01)
    found = select_on_validation(amounts(lambda _: 0), amount_framing, modeling)
    assert selection_contract.validate(found) is found
    assert (found["calibration"]["slope"], found["calibration"]["intercept"]) == (1.0, 0.0)
    assert found["best_baseline"] == "lookup"


def test_amounts_that_are_off_are_shifted_and_that_is_judged_on_the_last_fold(
    amount_framing: Framing, modeling_amounts: Callable[..., Modeling]
) -> None:
    modeling = modeling_amounts(calibration_gain=0.01)
    predictions = amounts(lambda table: 6)
    found = select_on_validation(predictions, amount_framing, modeling)["calibration"]
    error = predictions["label"] - predictions["prediction_candidate"]
    last = predictions["last"]
    assert found["slope"] == 1
    assert found["intercept"] == pytest.approx(error.quantile(0.75), abs=0.02)

    def cost(shift: float) -> float:
        off = shift - error[last]
        return float(np.maximum(off, -3 * off).mean())

    assert found["loss_without"] == pytest.approx(cost(0))
    assert found["loss_with"] == pytest.approx(cost(error[~last].quantile(0.75)), abs=0.01)
    lenient = modeling_amounts(calibration_gain=found["loss_without"])
    kept = select_on_validation(predictions, amount_framing, lenient)["calibration"]
    assert kept["intercept"] == 0


def test_a_shift_that_does_not_hold_on_the_last_fold_is_not_used(
    amount_framing: Framing, modeling_amounts: Callable[..., Modeling]
) -> None:
    predictions = amounts(lambda table: np.where(table["last"], 0, 9))
    modeling = modeling_amounts(calibration_gain=0.01)
    found = select_on_validation(predictions, amount_framing, modeling)["calibration"]
    assert (found["slope"], found["intercept"]) == (1.0, 0.0)
    assert found["loss_with"] > found["loss_without"]


@pytest.mark.parametrize("rows", [1, 2, 30])
def test_no_other_shift_costs_less_where_each_row_has_its_own_costs(
    amount_framing: Framing, rows: int
) -> None:
    rng = np.random.default_rng(rows)
    costs = amount_framing.costs.model_copy(update={"over": "dear", "under": "scarce"})
    framing = amount_framing.model_copy(update={"costs": costs})
    some = pd.DataFrame(
        {
            "label": rng.normal(30, 10, rows),
            "prediction_candidate": 30.0,
            "dear": rng.uniform(0.1, 5, rows),
            "scarce": rng.uniform(0.1, 5, rows),
        }
    )

    def cost(shift: float) -> float:
        return -float(saving(some, np.full(rows, 30 + shift), framing).sum())

    found = cost(_fit_quantile_shift(some, framing))
    assert found == pytest.approx(min(cost(error) for error in some["label"] - 30))


def test_a_quantile_that_is_not_that_of_the_costs_is_refused(
    framing: Framing, amount_framing: Framing, modeling_amounts: Callable[..., Modeling]
) -> None:
    groups = ["content", "weather"]
    assert modeling_amounts().misfits(amount_framing, groups) == []
    dearer = amount_framing.costs.model_copy(update={"under": 4.0})
    other = amount_framing.model_copy(update={"costs": dearer})
    assert [fault.split(",")[0] for fault in modeling_amounts().misfits(other, groups)] == [
        f"modeling.{name}.params.quantile is 0.75"
        for name in ("candidates.trees", "baselines.usual", "baselines.lookup")
    ]
    assert modeling_amounts().misfits(other, groups)[0].endswith("20.0% of cases: 0.8")
    each = amount_framing.costs.model_copy(update={"under": "margin"})
    own = amount_framing.model_copy(update={"costs": each})
    assert modeling_amounts().misfits(own, groups) == []  # of each row its own


def test_a_candidate_of_amounts_is_shifted_and_says_so(made_amounts: dict[str, Any]) -> None:
    candidate, selected = made_amounts["candidate"], made_amounts["selection"]
    assert candidate["threshold"] is None
    assert candidate["provenance"]["framing"]["task"] == "regression"
    assert selected["values"]["candidate"] > selected["values"]["lookup"] > 0
    assert "prediction_candidate" in made_amounts["validation_predictions"]
