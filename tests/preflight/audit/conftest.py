"""Parcels with two features more, in three parts, and how hard the audit looks at them."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest

from preflight.audit.contracts import AuditParameters

Parts = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


class WithLeak:
    """The contract of parcels with two features more."""

    names_: tuple[str, ...] = ("signal", "place", "noise", "one", "other")

    @classmethod
    def names(cls) -> list[str]:
        return list(cls.names_)

    @staticmethod
    def grain() -> list[str]:
        return ["parcel"]


@pytest.fixture(scope="session")
def contracts() -> dict[str, Any]:
    return {"features": WithLeak}


@pytest.fixture(scope="session")
def make_audit() -> Callable[..., AuditParameters]:
    """The parameters of the audit, some of them changed."""

    def make(**changed: Any) -> AuditParameters:
        return AuditParameters.model_validate(
            {
                "seed": 1,
                "moments": 2,
                "duplicate_share": 0.001,
                "single_auc": 0.85,
                "pair_auc": 0.95,
                "odds_ratio": 50,
                "pair_rows": 4000,
                "allowed": {"one_feature": {}, "one_value": {}, "two_features": {}},
            }
            | changed
        )

    return make


@pytest.fixture
def parts(make_parcels: Callable[..., pd.DataFrame]) -> Parts:
    """January and February, March, April: labels that were open at a boundary are left out."""
    rng = np.random.default_rng(3)
    bounds = ["2013-01-01", "2013-03-01 05:00", "2013-04-01 04:00", "2013-05-01"]
    made = []
    for number, (start, end) in enumerate(pairwise(bounds)):
        rows = 6000 if number == 0 else 1500
        part = make_parcels(start, end, rows, seed=number)
        part["parcel"] += 10_000 * number
        if number < 2:
            part = part[part["label_known_at"] <= pd.Timestamp(end, tz="UTC")]
        made.append(
            part.assign(
                one=rng.normal(size=len(part)), other=rng.normal(size=len(part))
            ).reset_index(drop=True)
        )
    return made[0], made[1], made[2]


@pytest.fixture(scope="session")
def failed() -> Callable[[pd.DataFrame], list[str]]:
    """The checks that have failed, of some findings."""
    return lambda findings: findings.loc[findings["state"] == "failed", "check"].tolist()


@pytest.fixture(scope="session")
def labels_of() -> Callable[[Parts], pd.DataFrame]:
    """What `labels` has of the parts, in another order and with a label that is open."""

    def make(parts: Parts) -> pd.DataFrame:
        known = pd.concat(parts)[["parcel", "label", "label_known_at"]]
        known = known.astype({"label": "float64"})
        return pd.concat([known[::-1], known.iloc[:1].assign(parcel=-1, label=np.nan)])

    return make
