"""Batch predictions as of a moment, with features rebuilt from what was known by then."""

import logging
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

import pandas as pd
from kedro.pipeline import Pipeline

from preflight.cluster import Cluster
from preflight.contracts.catalog import Contract, Contracts
from preflight.errors import RunError
from preflight.features.point_in_time import as_of, between, reach, run_in_memory
from preflight.inference.contracts import Inference
from preflight.inference.experiment import DRAWN, Design
from preflight.inference.feedback import leave_untouched
from preflight.inference.prediction_log import log_rows
from preflight.inference.variants import Challengers, answer_variants
from preflight.modeling.model import Bundle, answer, join_flags, require_features
from preflight.problem.framing import Framing

log = logging.getLogger(__name__)


def build_upcoming(
    framing: Framing,
    inference: Inference,
    contracts: Contracts,
    feature_graph: Pipeline,
    cluster: Cluster | None = None,
    **tables: Any,
) -> pd.DataFrame:
    """Return the features of the decisions that are due, as known at each moment.

    A decision is due at the first moment at or after its moment of prediction, so it is due once.
    Grain: one row per decision. `moment`: when the features were built; `lacks`: which values are
    published in advance and are missing.

    Args:
        cluster: builds the days of a backfill; None: they are built here, one after the other.
        tables: the inputs of feature_engineering, by name.

    Raises:
        RunError: moments are so far apart that a decision would come after its event.
    """
    if inference.every_minutes > framing.prediction.lead_minutes:
        raise RunError(
            f"inference.every_minutes is {inference.every_minutes}: a decision that is due "
            f"{framing.prediction.lead_minutes} minutes before its event would come too late. "
            f"Set it to {framing.prediction.lead_minutes} or less."
        )
    every = pd.Timedelta(minutes=inference.every_minutes)
    empty = contracts["upcoming"].empty()
    moments = inference.moments
    days = {str(day): [*some] for day, some in moments.to_series().groupby(moments.date)}
    job = (days, every, tables, contracts, feature_graph)
    of_days = (
        cluster.map(_due_of, [*days], "day", job) if cluster else [_due_of(d, job) for d in days]
    )
    parts = [part for parts in of_days for part in parts]
    upcoming = pd.concat([part for part in parts if len(part)] or [empty], ignore_index=True)
    # parts with other categories become text
    return upcoming.astype(dict.fromkeys(empty.select_dtypes("category").columns, "category"))


def _due_of(day: str, job: tuple[Any, ...]) -> list[pd.DataFrame]:
    """Return the features of the decisions due at each moment of a day."""
    days, *given = job
    return [due(moment, *given) for moment in days[day]]


def due(
    moment: pd.Timestamp,
    every: pd.Timedelta,
    given: dict[str, Any],
    contracts: Contracts,
    feature_graph: Pipeline,
) -> pd.DataFrame:
    """Return the features of the decisions due within `every` before a moment, as known by then."""
    since, tables = moment - every, {**given, "contracts": contracts}
    back, ahead = reach(contracts["features"])
    entities = None
    for name, contract in ((name, contracts.get(name)) for name in given):
        if contract is not None:
            near = between(given[name], contract, since - back, moment + ahead)
            tables[name] = as_of(near, contract, moment)
            if contract.grain() == contracts["features"].grain():
                entities = tables[name].assign(lacks=_missing_in_advance(tables[name], contract))
    if entities is None or entities.empty:
        return contracts["upcoming"].empty()
    features = run_in_memory(feature_graph, tables, "features")
    now = features["predict_at"].between(since, moment, inclusive="right")
    lacks = entities.reset_index(drop=True)["lacks"]  # features come in the order of their entities
    return features[now].assign(moment=moment, lacks=lacks[now])


def _missing_in_advance(table: pd.DataFrame, contract: Contract) -> pd.Series:
    """Return for each row the columns that should be known in advance, and are missing."""
    columns, later = contract.to_schema().columns, contract.known_later()
    optional = [name for name, one in columns.items() if one.nullable and name not in later]
    missing = {f"{name} missing": table[name].isna().to_numpy() for name in optional}
    return pd.Series(join_flags(missing, len(table)), table.index, dtype="str")


def predict_upcoming(
    champion: Bundle | None,
    upcoming: pd.DataFrame,
    framing: Framing,
    contracts: Contracts,
    experiments: Sequence[Design] = (),
    challengers: Challengers = MappingProxyType({}),
) -> pd.DataFrame:
    """Return the champion's prediction and decision for each row, with reasons and flags.

    In an experiment, rows get the answer that their variant wants.

    Grain: one row per decision. Columns: the key, `predict_at`, `moment`, those of
    `modeling.model.answer`, `model`, and `cost_<outcome>` for each cost that is a column.

    Raises:
        RunError: there is no champion, or it reads features that the contract no longer has.
    """
    if champion is None:
        raise RunError("There is no champion: kedro run --pipelines deployment")
    features = contracts["features"]
    require_features(champion, features)
    if upcoming.empty:
        upcoming = contracts["upcoming"].empty()  # a file without rows keeps no categories
    answers = answer(champion, upcoming, features.groups())
    answers = leave_untouched(answers, upcoming, features.grain(), framing)
    given = (answers, upcoming, champion["provenance"]["version"])
    found = answer_variants(*given, experiments, challengers, features, framing)
    found = found.drop(columns=DRAWN)  # the log has them
    flags = (upcoming["lacks"] + ", " + found.pop("flags")).str.strip(", ")
    counts = flags[flags != ""].str.split(", ").explode().value_counts(sort=False)
    listed = ", ".join(f"{n:,} {flag}" for flag, n in counts.items()) or "nothing"
    log.info("  inference: %s decisions due. Flagged: %s", f"{len(upcoming):,}", listed)
    return upcoming[[*features.grain(), "predict_at", "moment"]].assign(
        **found,
        flags=flags,
        **framing.costs.cost_columns(upcoming),
    )


def log_predictions(
    upcoming: pd.DataFrame,
    predictions: pd.DataFrame,
    framing: Framing,
    contracts: Contracts,
    experiments: Sequence[Design] = (),
) -> pd.DataFrame:
    """Return the rows of the prediction log: features and predictions of each decision."""
    answers = predictions.drop(columns=upcoming.columns, errors="ignore")
    features = (contracts["upcoming"].empty() if upcoming.empty else upcoming).drop(columns="lacks")
    return log_rows(pd.concat([features, answers], axis=1), framing, "batch", experiments)
