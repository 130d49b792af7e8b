"""The whole of modeling on the real flights: it can't see labels that tell nothing, nor test."""

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kedro.config import OmegaConfigLoader
from sklearn.metrics import roc_auc_score

from preflight.audit.univariate import bins, odds_ratios
from preflight.contracts.catalog import Contracts
from preflight.features.fingerprints import fingerprints
from preflight.features.point_in_time import run_in_memory
from preflight.modeling.parameters import Modeling
from preflight.problem.framing import Framing

from late_flights.pipelines.feature_engineering.pipeline import create_pipeline as to_parts
from late_flights.pipelines.modeling.pipeline import create_pipeline as to_candidate

Tables = dict[str, pd.DataFrame]
TEST_FROM = pd.Timestamp("2013-03-01T05:00:00", tz="UTC")


@pytest.fixture(scope="module")
def params(
    conf: OmegaConfigLoader, trusted_types: list[str], project_contracts: Contracts
) -> dict[str, Any]:
    """What ships, but for the ten weeks that there are, few trees and no search."""
    given = conf["parameters"]
    split = given["framing"]["split"] | {
        "validation_from": "2013-02-10T00:00:00-05:00",
        "test_from": TEST_FROM.isoformat(),
    }
    modeling = given["modeling"]
    search = modeling["search"] | {"trials": 0, "earlier_folds": []}
    ((name, shipped),) = modeling["candidates"].items()
    candidates = {name: shipped | {"params": shipped["params"] | {"max_iter": 20}}}
    baselines = {name: modeling["baselines"][name] for name in ("lookup", "rules")}
    framing = given["framing"] | {"split": split, "baselines": list(baselines)}
    return {
        "trusted_types": trusted_types,
        "contracts": project_contracts,
        "params:framing": Framing.model_validate(framing),
        "params:modeling": Modeling.model_validate(
            modeling | {"search": search, "candidates": candidates, "baselines": baselines}
        ),
    }


def parts(tables: Tables, params: dict[str, Any]) -> Tables:
    given = {**tables, **{name: params[name] for name in ("params:framing", "contracts")}}
    return {
        name: run_in_memory(to_parts(), given, name)
        for name in ("train", "validation", "test", "test_keys", "split_summary")
    }


@pytest.fixture(scope="module")
def whole(tables: Tables, params: dict[str, Any]) -> Tables:
    return parts(tables, params)


def modeled(examples: Tables, params: dict[str, Any], output: str) -> Any:
    given = {
        "train": examples["train"],
        "validation": examples["validation"],
        "split_summary": examples["split_summary"],
        "test_keys": examples["test_keys"],
        "feature_audit": pd.DataFrame(
            fingerprints(train=examples["train"], validation=examples["validation"])
        ),
        "study_storage": "unused without a search",
        "cluster": "unused without a search",
        **params,
    }
    return run_in_memory(to_candidate(), given, output)


def score(examples: Tables, params: dict[str, Any]) -> float:
    found = modeled(examples, params, "validation_predictions")
    return float(roc_auc_score(found["label"], found["probability_candidate"]))


def test_on_shuffled_labels_modeling_scores_as_chance(
    whole: Tables, params: dict[str, Any]
) -> None:
    train = whole["train"]
    shuffled = np.random.default_rng(0).permutation(train["label"])
    assert score(whole, params) > 0.65
    assert 0.45 < score({**whole, "train": train.assign(label=shuffled)}, params) < 0.55


def altered(tables: Tables, later: pd.Series) -> Tables:
    """The flights, some of which went otherwise."""
    flights = tables["flights"].copy()
    change = later & flights["arrival_delay"].notna()
    flights.loc[change, "arrival_delay"] += 45
    flights.loc[change, "arrived_at"] += pd.Timedelta(minutes=45)
    return {**tables, "flights": flights}


def test_whatever_happens_in_test_the_fitted_candidate_is_the_same_to_the_byte(
    tables: Tables, whole: Tables, params: dict[str, Any]
) -> None:
    scheduled = tables["flights"]["scheduled_departure"]
    other_test = parts(altered(tables, scheduled >= TEST_FROM), params)
    other_train = parts(altered(tables, scheduled < TEST_FROM), params)
    fitted = pickle.dumps(modeled(whole, params, "candidate"))
    assert not other_test["test"].equals(whole["test"])
    assert pickle.dumps(modeled(other_test, params, "candidate")) == fitted
    assert pickle.dumps(modeled(other_train, params, "candidate")) != fitted


def test_missing_aircraft_are_the_label_and_are_caught(
    tables: Tables, conf: OmegaConfigLoader
) -> None:
    """Tail numbers are recorded after the fact: those that are missing are of cancelled flights."""
    flights = tables["flights"]
    late = (flights["arrival_delay"] > 30) | flights["arrived_at"].isna()
    limit = conf["parameters"]["audit"]["odds_ratio"]

    def tells(values: pd.Series) -> float:
        return odds_ratios(bins(values, 64), late.to_numpy(dtype="int8"), 64).max()

    assert tells(flights["tailnum"].notna().astype("float32")) > limit
    assert tells(flights["distance"].astype("float32")) < limit
