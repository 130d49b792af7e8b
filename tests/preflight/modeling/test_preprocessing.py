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
