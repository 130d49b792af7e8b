"""From examples to models, on parcels: nothing is learnt from what comes later."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from preflight.errors import RunError
from preflight.features.fingerprints import fingerprints, hash_keys
from preflight.modeling.calibration import select_on_validation
from preflight.modeling.parameters import Modeling
from preflight.modeling.training import (
    fit,
    fit_baselines,
    fit_candidate,
    folds,
    join_development,
    predict_validation,
)
from preflight.problem.framing import Framing

Settings = Callable[..., Modeling]
Search = Callable[..., tuple[dict[str, Any], pd.DataFrame]]
FEATURES = ["signal", "place", "noise"]
NO_KEYS = pd.DataFrame({"key_hash": []}, dtype="int64")  # of a test set


@pytest.fixture
def summary(
    framing: Framing, split_summary: Callable[..., pd.DataFrame], make_parcels: Any
) -> pd.DataFrame:
    """The summary of a split whose test is April."""
    return split_summary(framing, make_parcels("2013-04-01T04:00", "2013-05-01", 100))


def test_development_is_train_then_validation_with_all_categories(
    development: pd.DataFrame, summary: pd.DataFrame, framing: Framing
) -> None:
    later = development["is_validation"]
    north = development["place"] == "north"
    known = development["label_known_at"] <= framing.split.test_from
    given = development.drop(columns="is_validation")
    train, validation = given[~later & north].copy(), given[later & known & ~north].copy()
    for part in (train, validation):
        part["place"] = part["place"].cat.remove_unused_categories()
    audit = pd.DataFrame(fingerprints(train=train, validation=validation))
    together = join_development(train, validation, summary, audit, framing)
    assert together["parcel"].tolist() == [*train["parcel"], *validation["parcel"]]
    assert together.index.tolist() == list(range(len(train) + len(validation)))
    assert together["is_validation"].tolist() == [False] * len(train) + [True] * len(validation)
    assert together["place"].astype(str).tolist() == [
        *train["place"].astype(str),
        *validation["place"].astype(str),
    ]
    assert together.dtypes.to_dict() == development.dtypes.to_dict()
    assert set(together["place"].cat.categories) == {"north", "south", "west"}


def test_parts_of_another_split_are_not_fitted(
    development: pd.DataFrame, summary: pd.DataFrame, framing: Framing
) -> None:
    later = development["is_validation"]
    known = development["label_known_at"] <= framing.split.test_from
    parts = {"train": development[~later], "validation": development[later & known]}
    audit = pd.DataFrame(fingerprints(**parts))
    join_development(*parts.values(), summary, audit, framing)
    for change in (
        {"validation_from": framing.split.validation_from - timedelta(days=2)},
        {"embargo_hours": 48},
    ):
        split = framing.split.model_copy(update=change)
        other = framing.model_copy(update={"split": split})
        with pytest.raises(RunError, match=r"framing\.split.* Run feature_engineering"):
            join_development(*parts.values(), summary, audit, other)


def test_folds_are_in_the_order_of_time_and_no_label_is_known_after_a_fold_starts(
    development: pd.DataFrame, framing: Framing, settings: Settings
) -> None:
    modeling = settings()
    (known, judged), last = folds(development, framing, modeling)
    start, until = (getattr(modeling.search.earlier_folds[0], end) for end in ("start", "until"))
    assert known["label_known_at"].max() <= start
    at = development["predict_at"]
    assert judged["parcel"].tolist() == development["parcel"][(at >= start) & (at < until)].tolist()
    left_out = development[(at < start) & ~development["parcel"].isin(known["parcel"])]
    assert (left_out["label_known_at"] > start).all()
    assert len(left_out) > 0

    later = development["is_validation"]
    for part, expected in zip(last, (development[~later], development[later]), strict=True):
        pd.testing.assert_frame_equal(part, expected)


def test_a_label_known_at_the_very_start_of_a_fold_is_known_and_a_moment_later_is_not(
    development: pd.DataFrame, framing: Framing, settings: Settings
) -> None:
    start = pd.Timestamp(settings().search.earlier_folds[0].start)
    tick = pd.Timedelta("1us")
    rows = development.head(4).assign(
        predict_at=[start - tick, start - tick, start, start - tick],
        label_known_at=[start, start + tick, start + tick, start - tick],
    )
    known, judged = next(folds(rows, framing, settings()))
    assert known["parcel"].tolist() == [0, 3]
    assert judged["parcel"].tolist() == [2]


def test_each_fold_is_predicted_by_models_fitted_on_what_came_before(
    development: pd.DataFrame, framing: Framing, contracts: Any, parcels: Any, settings: Settings
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


def test_the_candidate_is_fitted_on_all_with_the_best_parameters_and_says_so(
    development: pd.DataFrame, framing: Framing, contracts: Any, parcels: Any, settings: Settings
) -> None:
    modeling = settings()
    best = {"candidate": "trees", "params": {"max_leaf_nodes": 5}, "value": 1.0, "trial": 3}
    chosen = {"calibration": {"slope": 0.5, "intercept": -0.5, "loss_without": 0.4}}
    found = fit_candidate(
        development, best, chosen, NO_KEYS, framing, modeling, contracts=contracts
    )
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


def test_a_decision_of_test_in_development_is_refused_whatever_else_is_in_its_row(
    development: pd.DataFrame,
    framing: Framing,
    contracts: Any,
    settings: Settings,
    make_parcels: Callable[..., pd.DataFrame],
) -> None:
    modeling = settings()
    best = {"candidate": "trees", "params": {}}
    chosen = {"calibration": {"slope": 1.0, "intercept": 0.0}}
    test = make_parcels("2013-04-01T04:00", "2013-05-01", 100)
    test["parcel"] += development["parcel"].max() + 1
    keys = hash_keys(test, contracts)
    fit_candidate(development, best, chosen, keys, framing, modeling, contracts)
    smuggled = development.tail(3).assign(parcel=test["parcel"].iloc[[7, 8, 9]].to_numpy())
    leaky = pd.concat([development, smuggled], ignore_index=True)
    number = test["parcel"][7]
    with pytest.raises(
        RunError,
        match=rf"^3 rows of 'development' are decisions of the test set, the first: parcel {number}"
        r"\. .* the nodes after join_development add, and remove it\.$",
    ):
        fit_candidate(leaky, best, chosen, keys, framing, modeling, contracts)


def test_baselines_are_fitted_on_all_uncalibrated_with_their_own_threshold(
    development: pd.DataFrame, framing: Framing, contracts: Any, settings: Settings
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
    development: pd.DataFrame, framing: Framing, contracts: Any, settings: Settings, search: Search
) -> None:
    before = development.copy(deep=True)
    modeling = settings(trials=1)
    best, _ = search(development, framing, modeling)
    predictions = predict_validation(development, best, framing, modeling, contracts=contracts)
    chosen = select_on_validation(predictions, framing, modeling)
    fit_candidate(development, best, chosen, NO_KEYS, framing, modeling, contracts)
    pd.testing.assert_frame_equal(development, before)


def test_a_column_of_one_value_changes_nothing_but_where_the_threshold_stands(
    development: pd.DataFrame,
    framing: Framing,
    contracts: Any,
    settings: Settings,
    framing_with_column: Framing,
    search: Search,
) -> None:
    modeling, framed = settings(trials=2), framing_with_column
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
        "candidate": fit_candidate(
            column, best, chosen, NO_KEYS, framed, modeling, contracts=contracts
        ),
        **fit_baselines(column, framed, modeling, contracts=contracts),
    }
    assert {name: model["threshold"] for name, model in models.items()} == {
        "candidate": None, "never": 1, "lookup": None,
    }  # fmt: skip
    for model in models.values():
        assert model["features"] == FEATURES
        assert model["provenance"]["framing"]["costs"]["fn"] == "amount"


def test_the_embargo_holds_for_an_earlier_fold(
    development: pd.DataFrame, framing: Framing, settings: Settings
) -> None:
    split = framing.split.model_copy(update={"embargo_hours": 24})
    waited = framing.model_copy(update={"split": split})
    known, _ = next(folds(development, waited, settings()))
    start = settings().search.earlier_folds[0].start
    assert known["label_known_at"].max() + pd.Timedelta("1D") <= start


def test_a_model_can_go_without_a_group_of_features(
    development: pd.DataFrame, framing: Framing, contracts: Any, settings: Settings
) -> None:
    modeling = settings()
    blind = modeling.candidates["trees"].model_copy(update={"exclude_groups": ["weather"]})
    best, chosen = (
        {"candidate": "trees", "params": {}},
        {"calibration": {"slope": 1.0, "intercept": 0.0}},
    )
    without = modeling.model_copy(update={"candidates": {"trees": blind}})
    found = fit_candidate(development, best, chosen, NO_KEYS, framing, without, contracts=contracts)
    assert found["features"] == ["signal", "place"]
    assert found["estimator"].feature_names_in_.tolist() == ["signal", "place"]
