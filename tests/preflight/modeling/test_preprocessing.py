"""What is fitted before an estimator that can't read categories or missing values by itself."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from preflight.modeling.estimators import Estimator

COLUMNS = ["signal", "place", "noise"]
OURS = "preflight.modeling.preprocessing"
KINDS = {
    "scaled": ("sklearn.linear_model.LogisticRegression", {"max_iter": 200, "C": 0.5}),
    "target_encoded": ("sklearn.ensemble.HistGradientBoostingClassifier", {"max_iter": 30}),
    "numbered": ("sklearn.ensemble.RandomForestClassifier", {"n_estimators": 30, "max_depth": 5}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_missing_values_and_categories_never_seen_get_an_answer(
    kind: str, make_parcels: Callable[..., pd.DataFrame]
) -> None:
    path, params = KINDS[kind]
    spec = Estimator(path=path, preprocessing=f"{OURS}.{kind}", params=params)
    seen = make_parcels("2013-01-01", "2013-02-01", 1000)
    seen["noise"] = seen["noise"].where(seen["noise"] > -1)
    seen["place"] = seen["place"].where(seen["place"] != "west")
    model: Any = spec.build().fit(seen[COLUMNS], seen["label"])
    assert all(model[-1].get_params()[name] == value for name, value in params.items())
    asked = seen[COLUMNS].assign(place=seen["place"].cat.rename_categories({"north": "elsewhere"}))
    found = model.predict_proba(seen[COLUMNS])[:, 1]
    assert np.corrcoef(found, seen["chance"])[0, 1] > 0.85
    assert np.isfinite(model.predict_proba(asked)).all()


def test_hundreds_of_categories_are_encoded_by_the_labels_of_other_rows() -> None:
    rng = np.random.default_rng(0)
    rows = 6000
    name = rng.integers(0, 600, rows)
    often = rng.uniform(0, 1, 600)[name]
    seen = pd.DataFrame(
        {
            "name": pd.Categorical(name.astype(str)),
            "lot": pd.Categorical(rng.integers(0, 600, rows).astype(str)),  # tells nothing
        }
    )
    label = rng.random(rows) < often
    params = {"max_iter": 30, "random_state": 0}
    path = "sklearn.ensemble.HistGradientBoostingClassifier"
    with pytest.raises(ValueError, match="cardinality"):
        Estimator(path=path, params=params).build().fit(seen, label)
    spec = Estimator(path=path, preprocessing=f"{OURS}.target_encoded", params=params)
    model: Any = spec.build().fit(seen[:4000], label[:4000])
    found = model.predict_proba(seen[4000:])[:, 1]
    assert np.corrcoef(found, often[4000:])[0, 1] > 0.6
    again: Any = spec.build().fit(seen[:4000], label[:4000])
    assert (again.predict_proba(seen[4000:])[:, 1] == found).all()
