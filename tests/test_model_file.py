"""Models as files: the same bytes for the same model, and nothing that is not trusted."""

import io
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skops.io import get_untrusted_types

from preflight import model_file

X = np.random.default_rng(0).normal(size=(300, 4))


def written(model: Any) -> bytes:
    file = io.BytesIO()
    model_file.dump(model, file)
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
    read = model_file.load(io.BytesIO(file), trusted=get_untrusted_types(data=file))
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
        model_file.load(io.BytesIO(written(fitted("trees"))), trusted=[])
