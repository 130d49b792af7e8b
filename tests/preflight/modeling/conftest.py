"""Three months of parcels, a quick search on them, and checks of documents and messages."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pandas as pd
import pytest

from preflight.errors import RunError
from preflight.modeling.parameters import Modeling
from preflight.modeling.search import search_parameters
from preflight.problem.framing import Framing


def three_leaves(trials: int = 4, seed: int = 1, gain: float = 0.001, folds: int = 1) -> Modeling:
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


@pytest.fixture(scope="session")
def settings() -> Callable[..., Modeling]:
    return three_leaves


@pytest.fixture(scope="module")
def development(
    make_parcels: Callable[..., pd.DataFrame],
    until_test: Callable[..., pd.DataFrame],
    framing: Framing,
) -> pd.DataFrame:
    """Three months: January and February are train, March is validation."""
    made = make_parcels("2013-01-01", "2013-04-01", 700).drop(columns="chance")
    return until_test(made, framing)


@pytest.fixture
def framing_with_column(framing: Framing) -> Framing:
    """The framing with a miss that costs what the column `amount` says."""
    costs = framing.costs.model_copy(update={"fn": "amount"})
    return framing.model_copy(update={"costs": costs})


Found = tuple[dict[str, Any], pd.DataFrame]


@pytest.fixture(scope="session")
def search(contracts: Any) -> Callable[..., Found]:
    """The search for parameters, in memory or in a storage: the best ones, and all trials."""

    def run(
        development: pd.DataFrame, framing: Framing, modeling: Modeling, storage: str | None = None
    ) -> Found:
        best, trials, _ = search_parameters(development, storage, framing, modeling, contracts)
        return best, trials

    return run


@contextmanager
def refused_with(*words: str) -> Iterator[pytest.ExceptionInfo[RunError]]:
    with pytest.raises(RunError) as error:
        yield error
    message = str(error.value)
    assert [word for word in words if word not in message] == [], message


@pytest.fixture(scope="session")
def refused() -> Callable[..., AbstractContextManager[pytest.ExceptionInfo[RunError]]]:
    """A block that ends in a RunError, whose message has these names, numbers and remedies."""
    return refused_with
