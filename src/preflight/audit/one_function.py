"""The replay of one feature function: what a notebook needs of the leakage audit."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
from kedro.pipeline import Node, Pipeline

from preflight.audit.chosen_moments import choose_moments
from preflight.audit.replay import Replay
from preflight.audit.replay_audit import first_differences
from preflight.contracts.catalog import Contracts
from preflight.errors import RunError
from preflight.features.point_in_time import run_in_memory
from preflight.problem.split import Split

WHOLE = "36500D"  # a century: tables are not cut
COLUMNS = ["feature", "moment", "checks", "columns", "decisions", "example", "from_all", "as_of"]


def find_leaks(
    function: Callable[..., pd.DataFrame],
    tables: Mapping[str, pd.DataFrame],
    contracts: Contracts,
    key: list[str],
    *,
    moments: int | Iterable[pd.Timestamp] = 8,
    look_back: str = WHOLE,
    look_ahead: str = WHOLE,
) -> pd.DataFrame:
    """Return the features that use information from after the prediction (target leakage).

    The function builds features from the full tables. It builds them again from the tables as of
    past moments, cut to the reach of the features and with shuffled rows. Features of the decisions
    due in the day before each moment have to be equal.

    Args:
        function: returns features, one row per decision, with the key and `predict_at`, the moment
            of prediction in UTC. Its parameters are the tables, by name.
        tables: by name.
        contracts: the contract of each table, with its `known_at`.
        key: the columns of the features that identify a decision.
        moments: to replay, in UTC; or how many to choose from the moments of prediction.
        look_back, look_ahead: the time before and after a prediction from which features may need
            rows. If not given, tables are not cut: then statistics over rows that are known in
            advance are not checked.

    Returns:
        One row per feature that differs, none if no leak was found. `moment` is the first one at
        which it differs. `checks` are those that fail alone: `known_at`, `look_back`, `look_ahead`
        or `row_order`. `columns` are known too early. `decisions` counts those that differ;
        `example` is the first, with its value from all tables and as of the moment.

    Raises:
        RunError: a contract lacks `known_at`, features lack the key or `predict_at`, or the
            function fails on the tables of a past moment.

    Examples:
        >>> import pandas as pd
        >>> from preflight import Table, Utc, column, find_leaks
        >>> class Orders(Table, key=["order"], known_at="in advance"):
        ...     order: int = column("number of the order")
        ...     due_at: Utc = column("time of the prediction", "UTC")
        ...     paid_at: Utc = column("time of the payment", "UTC", known_at="paid_at")
        ...     paid: float = column("amount", "USD", known_at="paid_at")
        >>> due = pd.Series(pd.date_range("2024-05-01", periods=40, freq="D", tz="UTC"))
        >>> orders = pd.DataFrame({"order": range(40), "due_at": due,
        ...     "paid_at": due + pd.Timedelta(days=3), "paid": 20.0 + due.dt.day})
        >>> def build(orders):
        ...     features = orders[["order"]].assign(predict_at=orders["due_at"])
        ...     return features.assign(weekday=orders["due_at"].dt.day_of_week, paid=orders["paid"])
        >>> find_leaks(build, {"orders": orders}, {"orders": Orders}, ["order"])[
        ...     ["feature", "checks", "columns"]]
          feature    checks      columns
        0    paid  known_at  orders.paid
    """
    with _quiet_runner():
        return _replay(function, dict(tables), contracts, key, moments, (look_back, look_ahead))


@contextmanager
def _quiet_runner() -> Iterator[None]:
    """Silence Kedro's messages about each run: outside of a project they would fill the screen."""
    logger = logging.getLogger("kedro")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def _replay(
    function: Callable[..., pd.DataFrame],
    tables: dict[str, Any],
    contracts: Contracts,
    key: list[str],
    moments: int | Iterable[pd.Timestamp],
    reach: tuple[str, str],
) -> pd.DataFrame:
    """Return what `find_leaks` does. reach: `look_back` and `look_ahead`."""
    pipeline = Pipeline([Node(function, {n: n for n in tables}, "features", name="features")])
    features = run_in_memory(pipeline, tables, "features")
    if missing := [name for name in [*key, "predict_at"] if name not in features]:
        raise RunError(
            f"The features lack the columns {', '.join(missing)}. Let the function return the key "
            "of each decision and `predict_at`, the moment of its prediction in UTC."
        )
    back, ahead = map(pd.Timedelta, reach)
    past = Replay(pipeline, tables, features, key, (back, ahead), contracts)
    if isinstance(moments, int):
        moments = choose_moments(features.assign(label=np.nan), Split(), moments, seed=0)
    rows = []
    for name, one in first_differences(past, moments).items():
        checks, columns = past.causes(one.moment)
        failed, early = (
            ", ".join(cause for cause, names in found.items() if name in names)
            for found in (checks, columns)
        )
        rows.append((name, one.moment, failed, early, *one[2:]))
    return pd.DataFrame(rows, columns=COLUMNS)
