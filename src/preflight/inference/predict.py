"""Predictions as of a moment: the features that the champion learned from, built again by then."""

import logging
from typing import Any

import pandas as pd
from kedro.pipeline import Pipeline

from preflight.contracts.catalog import Contract, Contracts
from preflight.errors import RunError
from preflight.features.point_in_time import as_of, between, reach, run_in_memory
from preflight.inference.contracts import Inference
from preflight.modeling.model import (
    Bundle,
    input_flags,
    join_flags,
    predict_and_decide,
    reasons,
    require_features,
)
from preflight.problem.framing import Framing

log = logging.getLogger(__name__)


def build_upcoming(
    framing: Framing,
    inference: Inference,
    contracts: Contracts,
    feature_graph: Pipeline,
    **given: Any,
) -> pd.DataFrame:
    """Return the features of the decisions that are due, as they are known at each moment.

    Due are those whose moment of prediction lies after the moment before and not after this one,
    so each decision is due once. Grain: one row per decision. `moment`: when it was made; `lacks`:
    what is published in advance and is missing.

    given: what feature_engineering reads, by name.

    Raises:
        RunError: between two moments decisions would pass their event.
    """
    if inference.every_minutes > framing.prediction.lead_minutes:
        raise RunError(
            f"inference.every_minutes is {inference.every_minutes}: a decision that is due "
            f"{framing.prediction.lead_minutes} minutes before its event would come too late."
        )
    every = pd.Timedelta(minutes=inference.every_minutes)
    nothing = contracts["upcoming"].empty()
    found = [due(m, every, given, contracts, feature_graph) for m in inference.moments]
    found = [one for one in found if len(one)] or [nothing]
    together = pd.concat(found, ignore_index=True)
    return together.astype(dict.fromkeys(nothing.select_dtypes("category").columns, "category"))


def due(
    moment: pd.Timestamp,
    every: pd.Timedelta,
    given: dict[str, Any],
    contracts: Contracts,
    feature_graph: Pipeline,
) -> pd.DataFrame:
    """Return the features of the decisions due in the time up to a moment, as known by then."""
    since, tables = moment - every, {**given, "contracts": contracts}
    back, ahead = reach(contracts["features"])
    entities = None
    for name, contract in ((name, contracts.get(name)) for name in given):
        if contract is not None:
            near = between(given[name], contract, since - back, moment + ahead)
            tables[name] = as_of(near, contract, moment)
            if contract.grain() == contracts["features"].grain():
                entities = tables[name].assign(lacks=_lacking(tables[name], contract))
    if entities is None or entities.empty:
        return contracts["upcoming"].empty()
    features = run_in_memory(feature_graph, tables, "features")
    now = features["predict_at"].between(since, moment, inclusive="right")
    lacks = entities.reset_index(drop=True)["lacks"]  # features come in the order of their entities
    return features[now].assign(moment=moment, lacks=lacks[now])


def _lacking(table: pd.DataFrame, contract: Contract) -> pd.Series:
    """Return for each row what should be known in advance, and is missing."""
    columns, later = contract.to_schema().columns, contract.known_later()
    optional = [name for name, one in columns.items() if one.nullable and name not in later]
    return join_flags(
        {f"{name} missing": table[name].isna().to_numpy() for name in optional}, table.index
    )


def predict_upcoming(
    champion: Bundle | None, upcoming: pd.DataFrame, framing: Framing, contracts: Contracts
) -> pd.DataFrame:
    """Return what the champion says and decides for each row, with reasons and flags.

    Grain: one row per decision. Columns: the key, `predict_at`, `moment`, those of
    `predict_and_decide`, `model`, `reasons`, `flags`, and `cost_<outcome>` for each cost that is no
    constant.

    Raises:
        RunError: there is no champion, or it reads features that there are no more.
    """
    if champion is None:
        raise RunError("There is no champion yet: kedro run --pipelines deployment")
    features = contracts["features"]
    require_features(champion, features)
    if upcoming.empty:
        upcoming = contracts["upcoming"].empty()  # a file without rows keeps no categories
    found = predict_and_decide(champion, upcoming)
    marks = input_flags(champion, upcoming, features.groups())
    lacks, new = upcoming["lacks"], join_flags(marks, upcoming.index)
    flags = lacks.where(new == "", new.where(lacks == "", lacks + ", " + new))
    counted = [*lacks[lacks != ""].value_counts(sort=False).items()]
    counted += [(what, mark.sum()) for what, mark in marks.items() if mark.any()]
    told = ", ".join(f"{n:,} {what}" for what, n in counted) or "nothing"
    log.info("  inference: %s decisions due. Flagged: %s", f"{len(upcoming):,}", told)
    return upcoming[[*features.grain(), "predict_at", "moment"]].assign(
        **found,
        model=champion["provenance"]["version"],
        reasons=reasons(champion, upcoming, found[framing.predicted], features.groups()),
        flags=flags,
        **framing.costs.cost_columns(upcoming),
    )


def log_predictions(
    upcoming: pd.DataFrame, predictions: pd.DataFrame, contracts: Contracts
) -> pd.DataFrame:
    """Return the predictions, with the features that they were made from, as the log keeps them."""
    answers = predictions.drop(columns=upcoming.columns, errors="ignore")
    asked = (contracts["upcoming"].empty() if upcoming.empty else upcoming).drop(columns="lacks")
    return pd.concat([asked, answers], axis=1).assign(source="batch")
