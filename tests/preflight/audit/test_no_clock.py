"""Decisions without a time: the outcome is hidden from features all the same."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from kedro.pipeline import Node, Pipeline

from preflight.audit.chosen_moments import choose_moments
from preflight.audit.replay import Replay
from preflight.audit.replay_audit import replay_findings
from preflight.contracts.table import AFTERWARDS, IN_ADVANCE, Table, Utc, column
from preflight.features.point_in_time import reach, run_in_memory
from preflight.features.split import draw_moments, join_features
from preflight.problem.framing import Framing
from preflight.problem.split import Split


class Stays(Table, key=["stay"], known_at=IN_ADVANCE):
    """One row per stay."""

    stay: int = column("number")
    age: float = column("of the guest", "years")
    cost: float = column("what it cost", "EUR", known_at=AFTERWARDS)


class Features(Table, key=["stay"], look_back="0D", look_ahead="0D"):
    """One row per stay."""

    stay: int = column("number")
    predict_at: Utc = column("moment of prediction", "UTC")
    value: float = column("of the guest", group="guest")


def honest(stays: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"value": stays["age"]})


def knows_the_outcome(stays: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"value": stays["age"] + stays["cost"].fillna(0)})


@pytest.mark.parametrize(("build", "finds"), [(honest, []), (knows_the_outcome, ["known_at"])])
def test_a_feature_that_reads_the_outcome_is_caught(
    framing: Framing, build: Any, finds: list[str]
) -> None:
    rng = np.random.default_rng(0)
    stays = pd.DataFrame(
        {"stay": np.arange(400), "age": rng.uniform(20, 80, 400), "cost": rng.gamma(2, 50, 400)}
    )
    contracts: Any = {"stays": Stays, "features": Features}
    timeless = framing.model_copy(update={"split": Split(clock="none")})
    pipeline = Pipeline(
        [
            Node(draw_moments, ["stays", "params:framing", "contracts"], "predict_at"),
            Node(build, "stays", "group"),
            Node(join_features, ["stays", "predict_at", "contracts", "group"], "features"),
        ]
    )
    given = {"stays": Stays.validate(stays), "params:framing": timeless}
    features = run_in_memory(pipeline, given | {"contracts": contracts}, "features")
    past = Replay(pipeline, given, features, ["stay"], reach(Features), contracts)
    moments = choose_moments(features[["predict_at"]].assign(label=0), timeless.split, 5, seed=0)
    found = [one for one in replay_findings(past, moments) if one["state"] == "failed"]
    assert [one["check"].partition(":")[0] for one in found] == finds
    assert all("stays.cost" in one["evidence"] for one in found)
