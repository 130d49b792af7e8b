"""Predictions as of a moment: the features that the champion learned from, built again by then."""

import logging
from typing import Any

import pandas as pd

from preflight import contracts
from preflight.bundle import Bundle, answers, flagged, joined, reasons
from preflight.contracts import Features
from preflight.contracts.inference import Upcoming
from preflight.errors import RunError
from preflight.framing import Framing
from preflight.pipelines.feature_engineering.nodes import LOOK_AHEAD, LOOK_BACK
from preflight.pipelines.feature_engineering.pipeline import create_pipeline
from preflight.pipelines.inference.settings import Inference
from preflight.point_in_time import as_of, between, run_in_memory

log = logging.getLogger(__name__)

FEATURES = create_pipeline().to_outputs("features")


def upcoming(framing: Framing, inference: Inference, **given: Any) -> pd.DataFrame:
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
    found = [due(moment, every, given) for moment in inference.moments]
    found = [one for one in found if len(one)] or [_none()]
    together = pd.concat(found, ignore_index=True)
    return together.astype(dict.fromkeys(_none().select_dtypes("category").columns, "category"))


def due(moment: pd.Timestamp, every: pd.Timedelta, given: dict[str, Any]) -> pd.DataFrame:
    """Return the features of the decisions due in the time up to a moment, as known by then."""
    since, tables = moment - every, dict(given)
    entities = None
    for name, contract in ((name, contracts.of(name)) for name in given):
        if contract is not None:
            near = between(given[name], contract, since - LOOK_BACK, moment + LOOK_AHEAD)
            tables[name] = as_of(near, contract, moment)
            if contract.grain() == Features.grain():
                entities = tables[name].assign(lacks=_lacking(tables[name], contract))
    if entities is None or entities.empty:
        return _none()
    features = run_in_memory(FEATURES, tables, "features")
    now = features["predict_at"].between(since, moment, inclusive="right")
    lacks = entities.reset_index(drop=True)["lacks"]  # features come in the order of their entities
    return features[now].assign(moment=moment, lacks=lacks[now])


def _lacking(table: pd.DataFrame, contract: Any) -> pd.Series:
    """Return for each row what should be known in advance, and is missing."""
    columns, later = contract.to_schema().columns, contract.known_later()
    optional = [name for name, one in columns.items() if one.nullable and name not in later]
    return joined(
        {f"{name} missing": table[name].isna().to_numpy() for name in optional}, table.index
    )


def _none() -> pd.DataFrame:
    table: pd.DataFrame = Upcoming.empty()
    return table


def predictions(champion: Bundle | None, upcoming: pd.DataFrame, framing: Framing) -> pd.DataFrame:
    """Return what the champion says and decides for each row, with reasons and flags.

    Grain: one row per decision. Columns: the key, `predict_at`, `moment`, those of `answers`,
    `model`, `reasons`, `flags`, and `cost_<outcome>` for each cost that is no constant.

    Raises:
        RunError: there is no champion.
    """
    if champion is None:
        raise RunError("There is no champion yet: kedro run --pipelines deployment")
    if upcoming.empty:
        upcoming = _none()  # a file without rows keeps no categories
    found = answers(champion, upcoming)
    marks = flagged(champion, upcoming, Features.groups())
    lacks, new = upcoming["lacks"], joined(marks, upcoming.index)
    flags = lacks.where(new == "", new.where(lacks == "", lacks + ", " + new))
    counted = [*lacks[lacks != ""].value_counts(sort=False).items()]
    counted += [(what, mark.sum()) for what, mark in marks.items() if mark.any()]
    told = ", ".join(f"{n:,} {what}" for what, n in counted) or "nothing"
    log.info("  inference: %s decisions due. Flagged: %s", f"{len(upcoming):,}", told)
    return upcoming[[*Features.grain(), "predict_at", "moment"]].assign(
        **found,
        model=champion["provenance"]["version"],
        reasons=reasons(champion, upcoming, found[framing.predicted], Features.groups()),
        flags=flags,
        **framing.costs.kept(upcoming),
    )


def logged(upcoming: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the predictions, with the features that they were made from, as the log keeps them."""
    answers = predictions.drop(columns=upcoming.columns, errors="ignore")
    asked = (_none() if upcoming.empty else upcoming).drop(columns="lacks")
    return pd.concat([asked, answers], axis=1).assign(source="batch")
