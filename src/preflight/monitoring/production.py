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
from preflight.monitoring.refits import Recipe, Refits, choose_moments, fit_all, test_first
from preflight.monitoring.weeks import WEEK
from preflight.problem.framing import Framing
from preflight.problem.money import format_money
from preflight.problem.split import monday_of

log = logging.getLogger(__name__)


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
    hours = pd.Timedelta(hours=framing.prediction.label_known_hours)
    examples["label_due_at"] = examples["predict_at"] + hours + late
    examples["label_known_at"] += late
    recipe = Recipe(modeling.chosen(best_params), selection["calibration"], framing, contracts)
    moments = choose_moments(examples, framing, settings, monitoring)
    test = test_first(examples, moments[0], recipe, modeling, monitoring)
    refits = fit_all(examples, moments, recipe)
    choices, promotions, evidence = _decide(refits, test, framing, monitoring, evaluation)
    replay = _summarize(refits, choices, promotions, framing, evaluation)
    found = ProductionReplay(
        start=moments[0].to_pydatetime(),
        until=refits.rows["predict_at"].iloc[-1].to_pydatetime(),
        labels_late_days=settings.labels_late_days,
        every_weeks=settings.every_weeks,
        decisions=len(refits.rows),
        **evidence,
        **replay,
    )
    for name, policy in found.policies.items():
        money = format_money(policy.saved_per_1000, framing.costs.unit)
        number = len(policy.promotions)
        log.info("  %s: saves %s per 1,000 %s, %s promotions", name, money,
                 framing.decision.units, number)  # fmt: skip
    return found.model_dump(mode="json")


def _decide(
    refits: Refits,
    test: pd.DataFrame,
    framing: Framing,
    monitoring: Monitoring,
    evaluation: Evaluation,
) -> tuple[dict[str, Any], dict[str, list[Promotion]], dict[str, Any]]:
    """Return the model that decides each row, and the promotions, of each policy; and evidence."""
    changes: dict[str, list[tuple[pd.Timestamp, int]]] = {"never": [], "calendar": []}
    in_use = 0
    for number, moment in list(enumerate(refits.moments))[1:]:
        if passes_trial(refits, number, in_use, framing, evaluation):
            in_use = number
            changes["calendar"].append((moment, number))
    changes["on alarm"], in_use, since = [], 0, refits.moments[0]
    first: dict[str, Any] = {}
    while True:
        evidence, rates = _evidence(refits, in_use, since, test, framing, monitoring)
        first = first or _first(evidence, rates, monitoring)
        over = evidence["evidence"] >= 1 / monitoring.alarms.alpha
        promoted = None
        for week in evidence.loc[over, "week"]:
            moment = _due_at(refits, pd.Timestamp(week), framing)
            number = int(refits.moments.searchsorted(moment, side="right")) - 1
            if number > in_use and passes_trial(refits, number, in_use, framing, evaluation):
                promoted = moment, number
                break
        if promoted is None:
            break
        since, in_use = promoted
        changes["on alarm"].append(promoted)
    choices, promotions = {}, {}
    at = refits.rows["predict_at"]
    for name, made in changes.items():
        passed = pd.DatetimeIndex([moment for moment, _ in made], tz="UTC").searchsorted(at)
        choices[name] = np.array([0, *(model for _, model in made)])[passed]
        promotions[name] = [
            Promotion(at=moment.to_pydatetime(), fitted=refits.moments[model].to_pydatetime())
            for moment, model in made
        ]
    return choices, promotions, first


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
    decisions = pd.DataFrame(
        {
            "day": framing.split.day(rows["predict_at"]),
            "label": rows["label"].astype(np.float64),
            "predicted": refits.predicted[in_use, place],
            "gain": np.where(newest > in_use, gain, np.nan),
            "due": True,
            "of_champion": True,
        }
    )
    end = rows["predict_at"].iloc[-1] + WEEK
    at_end = monitoring.model_copy(update={"moment": end.to_pydatetime()})
    evidence, rates = measure_evidence(decisions, test, framing, at_end)
    wanted = (evidence["alarm"] == "challenger") & (evidence["part"] == "log")
    return evidence[wanted].reset_index(drop=True), rates["challenger"]


def _first(evidence: pd.DataFrame, rate: dict[str, Any], monitoring: Monitoring) -> dict[str, Any]:
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
    refits: Refits,
    choices: dict[str, Any],
    promotions: dict[str, list[Promotion]],
    framing: Framing,
    evaluation: Evaluation,
) -> dict[str, Any]:
    """Return the money of each policy, with intervals and by week."""
    bootstrap = evaluation.bootstrap(refits.rows, framing)
    row = np.arange(len(refits.rows))
    saved = {name: refits.saved[choice, row] for name, choice in choices.items()}
    week = monday_of(framing.split.day(refits.rows["predict_at"])).dt.strftime("%Y-%m-%d")
    policies = {
        name: Policy(
            saved_per_1000=float(1000 * one.mean()),
            over_never=bootstrap.per_1000(one - saved["never"]),
            over_calendar=bootstrap.per_1000(one - saved["calendar"]),
            promotions=promotions[name],
            weekly=pd.Series(one).groupby(week.to_numpy()).sum().tolist(),
        )
        for name, one in saved.items()
    }
    return {"weeks": sorted(week.unique()), "policies": policies}
