"""Models as files: the same bytes for the same model, and nothing that is not trusted."""

import io
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kedro.config import OmegaConfigLoader
from lightgbm import LGBMClassifier, LGBMRegressor
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from skops.io import get_untrusted_types

from preflight.modeling.baselines import LinearAmounts, LookupAmounts, LookupTable, Rules
from preflight.modeling.preprocessing import numbered, scaled, target_encoded
from preflight.modeling.skops_file import dump, load

X = np.random.default_rng(0).normal(size=(300, 4))


def written(model: Any) -> bytes:
    file = io.BytesIO()
    dump(model, file)
    return file.getvalue()


def fitted(kind: str, seed: int = 0, scale: float = 1.0) -> Any:
    model: Any = make_pipeline(StandardScaler(), LogisticRegression())
    if kind == "trees":
        model = HistGradientBoostingClassifier(max_iter=5, random_state=seed, max_features=0.5)
    numbers = {"threshold": 0.2, "slope": 1.5, "text": "12.5", "many": 10**15, "raw": b"12"}
    return {
        **numbers,
        "estimator": model.fit(X * scale, X[:, 0] + X[:, 1] > 0),
        "known": csr_matrix(X[:5]),
    }


@pytest.mark.parametrize("kind", ["trees", "line"])
def test_a_model_made_twice_is_the_same_bytes_and_another_is_not(kind: str) -> None:
    one, two = fitted(kind), fitted(kind)
    keep = [fitted(kind) for _ in range(3)]  # so that the next lies elsewhere in memory
    assert written(one) == written(two) == written(keep[-1])
    assert written(fitted(kind, seed=1, scale=2.0)) != written(one)


@pytest.mark.parametrize("kind", ["trees", "line"])
def test_what_is_read_is_what_was_written(kind: str) -> None:
    model = fitted(kind)
    file = written(model)
    read = load(io.BytesIO(file), trusted=get_untrusted_types(data=file))
    old, new = (m["estimator"].predict_proba(X) for m in (model, read))
    assert np.array_equal(old, new)
    assert {n: read[n] for n in ("threshold", "slope", "text", "many")} == {
        "threshold": 0.2,
        "slope": 1.5,
        "text": "12.5",
        "many": 10**15,
    }
    assert np.array_equal(read["known"].toarray(), X[:5])
    assert written(read) == written(model)


def test_a_type_that_is_not_trusted_is_refused() -> None:
    with pytest.raises(Exception, match="Untrusted types found"):
        load(io.BytesIO(written(fitted("trees"))), trusted=[])


TABLE = pd.DataFrame(X, columns=list("abcd")).assign(place=pd.Categorical(["x", "y", "z"] * 100))
LABEL = X[:, 0] + X[:, 1] > 0
SCALED: list[Any] = [
    LogisticRegression(),
    LinearAmounts(),
    GradientBoostingClassifier(n_estimators=3),
    AdaBoostClassifier(n_estimators=3),
    CalibratedClassifierCV(LogisticRegression()),
    CalibratedClassifierCV(LogisticRegression(), method="isotonic"),
    StackingClassifier([("tree", DecisionTreeClassifier())]),
    Ridge(),
    GradientBoostingRegressor(loss="quantile", n_estimators=3),
]
NUMBERED: list[Any] = [
    RandomForestClassifier(3),
    ExtraTreesClassifier(3),
    BaggingClassifier(n_estimators=3),
    DecisionTreeClassifier(),
    VotingClassifier([("forest", RandomForestClassifier(3))], voting="soft"),
    RandomForestRegressor(3),
]
ALONE: list[Any] = [
    HistGradientBoostingClassifier(max_iter=3, categorical_features="from_dtype"),
    HistGradientBoostingRegressor(max_iter=3, categorical_features="from_dtype"),
    LGBMClassifier(n_estimators=3, verbosity=-1),
    LGBMRegressor(n_estimators=3, verbosity=-1),
    LookupTable(["place"]),
    LookupAmounts(["place"]),
    Rules(["a > 0"]),
]
MODELS = [make_pipeline(scaled(), one) for one in SCALED]
MODELS += [make_pipeline(numbered(), one) for one in NUMBERED] + ALONE
MODELS += [make_pipeline(target_encoded(), HistGradientBoostingClassifier(max_iter=3))]


def name_of(model: Any) -> str:
    return type(model[-1] if isinstance(model, Pipeline) else model).__name__


@pytest.mark.parametrize("model", MODELS, ids=name_of)
def test_common_models_are_loaded_with_the_types_of_the_catalog(
    model: Any, trusted_types: list[str]
) -> None:
    fitted = clone(model).fit(TABLE, LABEL)
    read = load(io.BytesIO(written(fitted)), trusted_types)
    np.testing.assert_array_equal(read.predict(TABLE), fitted.predict(TABLE))


def test_no_type_is_trusted_that_no_common_model_needs(trusted_types: list[str]) -> None:
    files = [written(clone(model).fit(TABLE, LABEL)) for model in MODELS]
    needed = {name for file in files for name in get_untrusted_types(data=file)}
    assert needed == set(trusted_types)


def test_every_model_of_the_catalog_trusts_the_types_that_the_smoke_test_knows(
    conf: OmegaConfigLoader, trusted_types: list[str]
) -> None:
    catalog = conf["catalog"]
    given = [catalog[name]["load_args"]["trusted"] for name in ("candidate", "baselines")]
    assert [*given, catalog["champion"]["trusted"]] == [trusted_types] * 3
