"""Replay of production on a project's own history: what retraining and alarms are worth."""

import logging
from typing import Any

import numpy as np
import pandas as pd

from preflight.contracts.catalog import Contracts
from preflight.deployment.refit import judge_trial, labelled_examples, require_untouched_labels
from preflight.evaluation.contracts import Evaluation
from preflight.modeling.parameters import Modeling
from preflight.monitoring.contracts import (
    FalseAlarms,
    Monitoring,
    Policy,
    ProductionReplay,
    Promotion,
    ReplaySettings,
)
from preflight.monitoring.evidence import measure_evidence
from preflight.monitoring.refits import Floats, Recipe, Refits, choose_moments, fit_all, test_first
from preflight.monitoring.weeks import WEEK
from preflight.problem.framing import Framing
from preflight.problem.money import format_money
from preflight.problem.split import monday_of

log = logging.getLogger(__name__)

Changes = list[tuple[pd.Timestamp, int]]  # promotions: when, and of which refit


def replay_production(
    features: pd.DataFrame,
    labels: pd.DataFrame,
    best_params: dict[str, Any],
    selection: dict[str, Any],
    framing: Framing,
    modeling: Modeling,
    monitoring: Monitoring,
    evaluation: Evaluation,
    settings: ReplaySettings,
    contracts: Contracts,
) -> dict[str, Any]:
    """Return what each policy would have saved on the history, as a `ProductionReplay`.

    Policies: never refit; promote each refit that passes its trial; promote the newest refit when
    the alarm `challenger` is raised. A model is fitted on labels that were known at its moment,
    and decides from then on. Its parameters are those of the newest run, chosen on later data: that
    favours all policies alike.

    Raises:
        RunError: the history is too short, or acting changes the label.
    """
    require_untouched_labels(framing)
    examples = labelled_examples(features, labels, contracts)
    late = pd.Timedelta(days=settings.labels_late_days)
    hours = framing.prediction.label_delay
    examples["label_due_at"] = examples["predict_at"] + hours + late
    examples["label_known_at"] += late
    recipe = Recipe(modeling.chosen(best_params), selection["calibration"], framing, contracts)
    moments = choose_moments(examples, framing, settings, monitoring)
    test = test_first(examples, moments[0], recipe, modeling, monitoring)
    refits = fit_all(examples, moments, recipe)
    on_alarm, evidence = _promote_on_alarm(refits, test, framing, monitoring, evaluation)
    by_calendar = _promote_by_calendar(refits, framing, evaluation)
    changes = {"never": [], "calendar": by_calendar, "on alarm": on_alarm}
    found = ProductionReplay(
        start=moments[0].to_pydatetime(),
        until=refits.rows["predict_at"].iloc[-1].to_pydatetime(),
        labels_late_days=settings.labels_late_days,
        every_weeks=settings.every_weeks,
        decisions=len(refits.rows),
        **evidence,
        **_summarize(refits, changes, framing, evaluation),
    )
    for name, policy in found.policies.items():
        money = format_money(policy.saved_per_1000, framing.costs.unit)
        what = framing.decision.units, len(policy.promotions)
        log.info("  %s: saves %s per 1,000 %s, %s promotions", name, money, *what)
    return found.model_dump(mode="json")


def _promote_by_calendar(refits: Refits, framing: Framing, evaluation: Evaluation) -> Changes:
    """Return the promotions of each refit that passes its trial."""
    changes: Changes = []
    in_use = 0
    for number, moment in enumerate(refits.moments[1:], start=1):
        if passes_trial(refits, number, in_use, framing, evaluation):
            in_use = number
            changes.append((moment, number))
    return changes


def _promote_on_alarm(
    refits: Refits,
    test: pd.DataFrame,
    framing: Framing,
    monitoring: Monitoring,
    evaluation: Evaluation,
) -> tuple[Changes, dict[str, Any]]:
    """Return the promotions of the newest refit after alarms, and the evidence without any."""
    changes: Changes = []
    since, in_use = refits.moments[0], 0
    evidence, rate = _evidence(refits, in_use, since, test, framing, monitoring)
    without = _summarize_evidence(evidence, rate, monitoring)
    while promoted := _first_promotion(refits, in_use, evidence, framing, monitoring, evaluation):
        changes.append(promoted)
        since, in_use = promoted
        evidence, _ = _evidence(refits, in_use, since, test, framing, monitoring)
    return changes, without


def _first_promotion(
    refits: Refits,
    in_use: int,
    evidence: pd.DataFrame,
    framing: Framing,
    monitoring: Monitoring,
    evaluation: Evaluation,
) -> tuple[pd.Timestamp, int] | None:
    """Return moment and number of the first refit that an alarm promotes; None: there is none."""
    for week in evidence.loc[evidence["evidence"] >= 1 / monitoring.alarms.alpha, "week"]:
        moment = _due_at(refits, pd.Timestamp(week), framing)
        newest = int(refits.moments.searchsorted(moment, side="right")) - 1
        if newest > in_use and passes_trial(refits, newest, in_use, framing, evaluation):
            return moment, newest
    return None


def passes_trial(
    refits: Refits, number: int, in_use: int, framing: Framing, evaluation: Evaluation
) -> bool:
    """Return whether a refit passes its trial: the model before it, on the labels since then.

    That model is the recipe without these labels. It may not be significantly worse than the model
    in use, and its metrics have to be plausible (`deployment.try_refit`).
    """
    rows, (since, until) = refits.rows, refits.moments[number - 1 : number + 1]
    at = rows["predict_at"]
    some = ((at > since) & (at <= until) & (rows["label_known_at"] <= until)).to_numpy()
    if not some.any():
        return False
    gain, implausible = judge_trial(
        rows[some].reset_index(drop=True),
        refits.predicted[number - 1, some],
        refits.predicted[in_use, some],
        framing,
        evaluation,
    )
    return gain["high"] is not None and gain["high"] >= 0 and not implausible


def replay_evidence(
    rows: pd.DataFrame,
    predicted: Floats,
    gain: Floats,
    test: pd.DataFrame,
    framing: Framing,
    monitoring: Monitoring,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return `measure_evidence` of past decisions of a champion, as if all their labels are due.

    Args:
        rows: examples, in order. predicted: by the champion, shape (n,).
        gain: its saving less that of its challenger, shape (n,); NaN without one.
        test: of the champion, see `measure_evidence`.
    """
    decisions = pd.DataFrame(
        {
            "day": framing.split.day(rows["predict_at"]),
            "label": rows["label"].astype(np.float64),
            "predicted": predicted,
            "gain": gain,
            "due": True,
            "of_champion": True,
        }
    )
    end = rows["predict_at"].iloc[-1] + WEEK
    at_end = monitoring.model_copy(update={"moment": end.to_pydatetime()})
    return measure_evidence(decisions, test, framing, at_end)


def _evidence(
    refits: Refits,
    in_use: int,
    since: pd.Timestamp,
    test: pd.DataFrame,
    framing: Framing,
    monitoring: Monitoring,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the evidence against a model in use since a moment, next to its newest refit."""
    live = (refits.rows["predict_at"] > since).to_numpy()
    rows, place = refits.rows[live], np.flatnonzero(live)
    newest = refits.moments.searchsorted(rows["predict_at"]) - 1
    gain = refits.saved[in_use, place] - refits.saved[newest, place]
    predicted = refits.predicted[in_use, place]
    gain = np.where(newest > in_use, gain, np.nan)
    evidence, rates = replay_evidence(rows, predicted, gain, test, framing, monitoring)
    wanted = (evidence["alarm"] == "challenger") & (evidence["part"] == "log")
    return evidence[wanted].reset_index(drop=True), rates["challenger"]


def _summarize_evidence(
    evidence: pd.DataFrame, rate: dict[str, Any], monitoring: Monitoring
) -> dict[str, Any]:
    """Return what is shown of the model that is never refitted: weeks, evidence, first alarm."""
    over = evidence.loc[evidence["evidence"] >= 1 / monitoring.alarms.alpha, "week"]
    values = evidence["evidence"].astype(object).where(evidence["evidence"].notna(), None)
    return {
        "evidence": dict(zip(evidence["week"], values, strict=True)),
        "first_alarm": over.iloc[0] if len(over) else None,
        "false_alarms": FalseAlarms.model_validate(rate),
    }


def _due_at(refits: Refits, week: pd.Timestamp, framing: Framing) -> pd.Timestamp:
    """Return when all labels of a week are due: then it counts."""
    rows = refits.rows
    of_week = monday_of(framing.split.day(rows["predict_at"])) == week
    return rows.loc[of_week, "label_due_at"].max()


def _summarize(
    refits: Refits, changes: dict[str, Changes], framing: Framing, evaluation: Evaluation
) -> dict[str, Any]:
    """Return the money of each policy, with intervals and by week, and its promotions."""
    bootstrap = evaluation.bootstrap(refits.rows, framing)
    row, at = np.arange(len(refits.rows)), refits.rows["predict_at"]
    saved = {}
    for name, made in changes.items():
        passed = pd.DatetimeIndex([moment for moment, _ in made], tz="UTC").searchsorted(at)
        in_use = np.array([0, *(number for _, number in made)])[passed]
        saved[name] = refits.saved[in_use, row]
    week = monday_of(framing.split.day(at)).dt.strftime("%Y-%m-%d")
    policies = {
        name: Policy(
            saved_per_1000=float(1000 * one.mean()),
            over_never=bootstrap.per_1000(one - saved["never"]),
            over_calendar=bootstrap.per_1000(one - saved["calendar"]),
            promotions=[
                Promotion(at=moment.to_pydatetime(), fitted=refits.moments[number].to_pydatetime())
                for moment, number in changes[name]
            ],
            weekly=pd.Series(one).groupby(week.to_numpy()).sum().tolist(),
        )
        for name, one in saved.items()
    }
    return {"weeks": sorted(week.unique()), "policies": policies}
