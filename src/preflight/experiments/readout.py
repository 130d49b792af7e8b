"""The readout of an experiment at a planned look: effect, guardrails and verdict, in money."""

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from preflight.contracts.catalog import Contracts
from preflight.errors import RunError
from preflight.evaluation.slicing import slices_of
from preflight.experiments.analysis import (
    FEWEST_RATIO_P,
    FEWEST_UNITS,
    compare,
    sample_ratio_p,
    sum_by_unit,
)
from preflight.experiments.contracts import (
    Effect,
    Group,
    Look,
    Readout,
    ReadoutSettings,
    SliceEffect,
)
from preflight.experiments.design import choose_design
from preflight.experiments.judge import describe_verdict, judge
from preflight.experiments.outcomes import Floats, read_decisions, require_randomised
from preflight.inference.experiment import VARIANTS, Design
from preflight.inference.prediction_log import Days
from preflight.inference.variants import Challengers
from preflight.modeling.model import predict
from preflight.monitoring.evidence import LABELLED
from preflight.monitoring.weeks import WEEK
from preflight.problem.framing import Framing

log = logging.getLogger(__name__)


def read_experiment(
    experiments: Sequence[Design],
    logged_days: Days,
    labels: pd.DataFrame,
    challengers: Challengers,
    settings: ReadoutSettings,
    framing: Framing,
    contracts: Contracts,
) -> dict[str, Any]:
    """Return the answer of an experiment at a planned look, as a `Readout`.

    Each look has an interval of level 1 - alpha / looks, so that all looks together find a
    difference between equal groups in a share of alpha at the most (Bonferroni).

    Raises:
        RunError: the look is not planned or not complete, the decisions were not randomised by the
            design, the groups have other sizes than were drawn, or the unit is too fine.
    """
    today = settings.at.tz_convert(framing.split.timezone).date()
    design = choose_design(experiments, settings.name, today)
    until = choose_look(design, settings, framing)
    columns = [*design.unit, *(settings.unit or [])]
    since = _midnight(design.start, framing) - WEEK  # to see what should not be there
    again = _predict_by_champion(design, challengers, framing)
    given = (since, settings.at, framing, contracts, again)
    rows = read_decisions(logged_days, labels, columns, *given)
    rows = _rows_of(rows, design, until, experiments, framing)
    covariate = again is not None or bool((rows["model"] == design.champion).all())
    notes = list(_notes(rows, design))
    if not covariate:
        notes.append(
            f"The file of {design.champion} is gone. Its predictions would make intervals narrower."
        )
    rows = rows[rows["label"].notna()]
    analysed = rows.assign(unit=_unit_of_analysis(rows, settings, design))
    ratio_p = _require_ratio(sum_by_unit(analysed), design)
    day = analysed["day"]
    looks = [
        Look(until=one, effect=_effect(analysed[day < pd.Timestamp(one)], design, covariate))
        for one in design.looks
        if one <= until
    ]
    slices = _slices(analysed, design, covariate, framing)
    allowed = framing.guardrails.slice_loss
    harmed = [f"{one.feature} {one.value}" for one in slices if one.effect.high < -allowed]
    verdict = judge(looks[-1].effect, harmed, until == design.end)
    found = Readout(
        name=design.name,
        design=design.sha256,
        until=until,
        look=len(looks),
        looks=len(design.looks),
        verdict=verdict,
        sentence=describe_verdict(design, looks[-1].effect, verdict, harmed, framing),
        groups=[_group(analysed, name, design, framing) for name in VARIANTS],
        history=looks,
        sample_ratio_p=ratio_p,
        slices=slices,
        harmed=harmed,
        notes=notes,
    )
    log.info("  experiment %s: %s. %s", design.name, verdict, found.sentence)
    return found.model_dump(mode="json")


def _predict_by_champion(
    design: Design, challengers: Challengers, framing: Framing
) -> Callable[[pd.DataFrame], Floats] | None:
    """Return a function that gives the champion's prediction of rows, whoever answered them.

    Both groups need predictions of one model, or these would take out a part of the effect. None:
    the file of the champion is gone.
    """
    if (read := challengers.get(design.champion)) is None:
        return None
    champion = cache(read)

    def predict_again(rows: pd.DataFrame) -> Floats:
        predicted = rows[framing.predicted].to_numpy(np.float64, copy=True)
        others = (rows["model"] != design.champion).to_numpy()
        if others.any():
            predicted[others] = predict(champion(), rows[others])
        return predicted

    return predict_again


def choose_look(design: Design, settings: ReadoutSettings, framing: Framing) -> date:
    """Return the look of the settings, or without one the newest that is complete.

    A look is complete when the labels of all decisions before it are due. After a stop there is no
    further look.

    Raises:
        RunError: it is not planned, not complete, or there is none yet.
    """
    hours = framing.prediction.label_delay
    due = {day: _midnight(day, framing) + hours for day in design.looks}
    stopped = design.stopped
    if stopped:
        due = {day: at for day, at in due.items() if at - hours <= stopped.at}
    complete = [day for day, at in due.items() if at <= settings.at]
    planned = ", ".join(map(str, design.looks))
    if settings.look is not None and settings.look not in design.looks:
        raise RunError(
            f"{settings.look} is no planned look of experiment {design.name}. Planned are "
            f"{planned}. More looks find differences that are not there. Take one of these, or "
            "leave experiment_readout.look at null."
        )
    if (settings.look or (complete[-1] if complete else None)) not in complete:
        wanted = settings.look or design.looks[0]
        why = f"is complete on {due[wanted]:%Y-%m-%d %H:%M %Z}" if wanted in due else ""
        if stopped and not why:
            why = f"never comes: the experiment was stopped by {stopped.by} at {stopped.at}"
        raise RunError(
            f"The look of {wanted} at experiment {design.name} {why}. Planned are {planned}."
        )
    return settings.look or complete[-1]


def _midnight(day: date, framing: Framing) -> pd.Timestamp:
    """Return when a local day begins."""
    return pd.Timestamp(day).tz_localize(framing.split.timezone).tz_convert("UTC")


def _rows_of(
    rows: pd.DataFrame,
    design: Design,
    until: date,
    experiments: Sequence[Design],
    framing: Framing,
) -> pd.DataFrame:
    """Return the decisions of an experiment until a look.

    Raises:
        RunError: decisions outside of all experiments have a variant, or those inside were not
            randomised by the design.
    """
    outside = rows["variant"].notna()
    for one in experiments:
        outside &= ~one.contains(rows, framing)
    if outside.any():
        moment = rows.loc[outside, "predict_at"].iloc[0]
        raise RunError(
            f"{int(outside.sum()):,} decisions before the start of experiment {design.name} "
            f"({design.start}) or after its end ({design.end}) have a variant. The first was "
            f"predicted at {moment}. Correct what writes the log: its design is another one."
        )
    inside = design.contains(rows, framing) & (rows["predict_at"] < _midnight(until, framing))
    require_randomised(rows[inside], design, framing)
    return rows[inside]


def _notes(rows: pd.DataFrame, design: Design) -> Iterator[str]:
    """Yield what the figures leave out; raise RunError if too few decisions have a label."""
    lacking = rows["label"].isna()
    if lacking.mean() > 1 - LABELLED:
        raise RunError(
            f"{int(lacking.sum()):,} of {len(rows):,} decisions of experiment {design.name} have "
            "no label. Compute labels again: kedro run --pipelines "
            "data_engineering,feature_engineering --to-outputs labels"
        )
    if lacking.any():
        yield f"{int(lacking.sum()):,} of {len(rows):,} decisions have no label: left out."
    for name in VARIANTS:
        wanted = design.challenger if design.policy(name) == "challenger" else design.champion
        others = rows.loc[(rows["variant"] == name) & (rows["model"] != wanted), "model"]
        if len(others):
            yield (
                f"{len(others):,} decisions of the {name} were answered by {others.iloc[0]}, not "
                f"by {wanted}: the difference is that of what was really done."
            )


def _unit_of_analysis(rows: pd.DataFrame, settings: ReadoutSettings, design: Design) -> pd.Series:
    """Return the unit by which decisions are summed.

    Raises:
        RunError: it splits a unit of the randomisation, or has both variants.
    """
    if settings.unit is None:
        return rows["unit"]
    if unknown := [name for name in settings.unit if name not in rows]:
        raise RunError(
            f"experiment_readout.unit has {unknown[0]}, which is no column of the log. Leave "
            "experiment_readout.unit at null: the unit of the design."
        )
    unit = rows.groupby(settings.unit, observed=True).ngroup().astype(str)
    pairs = pd.DataFrame({"unit": unit, "drawn": rows["unit"], "variant": rows["variant"]})
    if pairs[["unit", "drawn"]].drop_duplicates()["drawn"].duplicated().any():
        raise RunError(
            f"experiment_readout.unit ({', '.join(settings.unit)}) is finer than the unit of "
            "randomisation: decisions of one unit are alike, and would count as many. Leave "
            "experiment_readout.unit at null."
        )
    if pairs[["unit", "variant"]].drop_duplicates()["unit"].duplicated().any():
        raise RunError(
            f"experiment_readout.unit ({', '.join(settings.unit)}) has both variants in one unit. "
            "Leave experiment_readout.unit at null."
        )
    return unit


def _require_ratio(units: pd.DataFrame, design: Design) -> float:
    """Return the p value of the sizes of the groups; raise RunError if it is too small."""
    found = sample_ratio_p(units, design.share)
    if found < FEWEST_RATIO_P:
        counts = units["variant"].value_counts()
        groups = " and ".join(f"{counts.get(name, 0):,} in {name}" for name in VARIANTS)
        raise RunError(
            f"The groups of experiment {design.name} have other sizes than were drawn: {groups}, "
            f"where {design.share:.0%} should be in treatment (p = {found:.2g}). Decisions of one "
            "group are lost or added, so the groups are not comparable. Find out where, such as a "
            "process that failed for one variant, and begin a new experiment."
        )
    return found


def _effect(rows: pd.DataFrame, design: Design, covariate: bool) -> Effect:
    return compare(sum_by_unit(rows, covariate), design.level)


def _slices(
    rows: pd.DataFrame, design: Design, covariate: bool, framing: Framing
) -> list[SliceEffect]:
    """Return the effect in each slice with enough units in both groups."""
    parts = {
        (feature, value): sum_by_unit(rows.iloc[here], covariate)
        for feature, value, here in slices_of(
            rows[[name for name in framing.slices if name in rows]]
        )
    }
    parts = {
        key: units
        for key, units in parts.items()
        if units["variant"].value_counts().reindex(VARIANTS, fill_value=0).min() >= FEWEST_UNITS
    }
    level = 1 - (1 - design.level) / max(1, len(parts))
    return [
        SliceEffect(feature=feature, value=value, units=len(units), effect=compare(units, level))
        for (feature, value), units in parts.items()
    ]


def _group(rows: pd.DataFrame, name: str, design: Design, framing: Framing) -> Group:
    """Return what one variant decided and what that cost."""
    some = rows[rows["variant"] == name]
    missed = None
    if framing.task == "binary":
        missed = float(1000 * ((some["label"] == 1) & (some["acted"] == 0)).mean())
    return Group(
        variant=name,
        policy=design.policy(name),
        units=some["unit"].nunique(),
        decisions=len(some),
        money_per_1000=float(1000 * some["money"].mean()),
        acted_share=float(some["acted"].mean()) if framing.task == "binary" else 1.0,
        missed_per_1000=missed,
    )
