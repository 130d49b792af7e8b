"""Alarms on harm, from matured labels: the evidence of each week, and what to do."""

import logging
from typing import Any

import numpy as np
import pandas as pd

from preflight.errors import AlarmError
from preflight.modeling.model import Bundle
from preflight.monitoring.contracts import (
    ALARMS,
    Alarm,
    AlarmName,
    Alarms,
    Monitoring,
    WeeklyEvidence,
)
from preflight.monitoring.decisions import COLUMNS
from preflight.monitoring.sequential import weekly_evidence
from preflight.monitoring.weeks import WEEK, Weeks, by_week, rank_quality
from preflight.problem.costs import per_1000
from preflight.problem.framing import Framing
from preflight.problem.money import format_money
from preflight.problem.split import monday_of

log = logging.getLogger(__name__)

ENOUGH = 0.5  # of the usual number of labelled decisions, or a week does not count
LABELLED = 0.9  # of a week's decisions: the others may be of another kind
PROPOSED = {
    "challenger": (
        "Promote the challenger, if it is not worse than the champion.",
        "kedro run --pipelines refit",
    ),
    "discrimination": (
        "Find what has changed. If an older champion does better, go back to it.",
        "kedro rollback",
    ),
}


def measure_evidence(
    decisions: pd.DataFrame,
    champion_test: pd.DataFrame | None,
    framing: Framing,
    monitoring: Monitoring,
) -> pd.DataFrame:
    """Return the evidence of harm after each week, as `WeeklyEvidence`.

    The history is the last weeks of the champion's test; if these are too few, the first logged
    weeks too. Weeks count if they are over, all labels are due, nine of ten decisions have one, and
    these are at least half of the usual number (the median of the weeks).

    champion_test: predictions of the champion's evaluation, see `OfChampion`.
    """
    history, parts = _test_rows(champion_test, framing), []
    for name in ALARMS:
        tables = [_weeks(rows, name, framing, monitoring) for rows in (history, decisions)]
        past, new = (_as_table(weeks, name) for weeks in tables)
        today = monitoring.at.tz_convert(framing.split.timezone).tz_localize(None)
        is_open = np.array([w + WEEK > today for w in tables[1].monday], dtype=bool)
        not_due = tables[1].monday.isin(_open_weeks(decisions))
        new.loc[is_open | not_due, "left_out"] = "not all labels are due"
        past, new = past.assign(part="test"), new.assign(part="log")
        table = pd.concat([past, new], ignore_index=True)
        counted = np.flatnonzero(table["left_out"] == "")
        of_test = counted[counted < len(past)][-monitoring.alarms.history_weeks :]
        chosen = np.concatenate([of_test, counted[counted >= len(past)]])
        daily = np.concatenate([weeks.daily for weeks in tables])
        parts.append(_with_evidence(table, chosen, daily, name, framing, monitoring))
    return pd.concat(parts, ignore_index=True)[[*WeeklyEvidence.to_schema().columns]]


def _test_rows(champion_test: pd.DataFrame | None, framing: Framing) -> pd.DataFrame:
    """Return the test as decisions, with the gain over the baseline that saves most."""
    if champion_test is None:
        return pd.DataFrame({n: pd.Series(dtype=kind) for n, kind in COLUMNS.items()})
    costs, label = framing.costs.at(champion_test), champion_test["label"].to_numpy()
    names = [framing.decided, *(f"{framing.decided}_{name}" for name in framing.baselines)]
    saved, *of_baselines = (costs.saving(label, champion_test[name].to_numpy()) for name in names)
    best = max(of_baselines, key=per_1000)
    return pd.DataFrame(
        {
            "day": framing.split.day(champion_test["predict_at"]),
            "label": label,
            "predicted": champion_test[framing.predicted],
            "gain": saved - best,
        }
    )


def _weeks(rows: pd.DataFrame, name: AlarmName, framing: Framing, monitoring: Monitoring) -> Weeks:
    """Return the weeks of an alarm's statistic."""
    if name == "challenger":
        used = rows["label"].notna() & rows["gain"].notna()
        return by_week(rows, lambda part: per_1000(part["gain"].to_numpy()), used)
    return by_week(
        rows,
        lambda part: rank_quality(part["label"], part["predicted"], framing.task),
        rows["label"].notna(),
    )


def _open_weeks(decisions: pd.DataFrame) -> pd.DatetimeIndex:
    """Return the Mondays of weeks with decisions whose label is not due yet."""
    days = decisions.loc[~decisions["due"].astype(bool), "day"]
    return pd.DatetimeIndex(monday_of(days).unique())


def _as_table(weeks: Weeks, name: AlarmName) -> pd.DataFrame:
    """Return weeks as rows, with the reason why some do not count."""
    decisions, labelled = weeks.decisions, weeks.labelled
    usual = np.median(labelled[labelled > 0]) if labelled.any() else 0.0
    lacks = "a label and a challenger" if name == "challenger" else "a label"
    reasons = {
        f"under {LABELLED:.0%} of its decisions have {lacks}": labelled < LABELLED * decisions,
        f"under {ENOUGH:.0%} of the usual decisions": labelled < ENOUGH * usual,
        "no value": np.isnan(weeks.weekly),
    }
    return pd.DataFrame(
        {
            "alarm": name,
            "week": weeks.monday.strftime("%Y-%m-%d"),
            "decisions": decisions,
            "labelled": labelled,
            "value": weeks.weekly,
            "left_out": np.select(list(reasons.values()), list(reasons), ""),
        }
    )


def _with_evidence(
    table: pd.DataFrame,
    chosen: Any,
    daily: Any,
    name: AlarmName,
    framing: Framing,
    monitoring: Monitoring,
) -> pd.DataFrame:
    """Return the table with line, scale and evidence of each week after the history.

    chosen: rows of the weeks that count, those of the history first. daily: shape (rows, 7).
    """
    settings, missing = monitoring.alarms, np.full(len(table), np.nan)
    table = table.assign(line=missing, scale=missing, evidence=missing)
    history = settings.history_weeks
    if len(chosen) <= history:
        return table
    weekly = table["value"].to_numpy()[chosen][None]
    if name == "challenger":
        line = -1000 * framing.project.upkeep_per_month / framing.decision.per_month
        factor = settings.money_factor
    else:
        line = float(weekly[0, :history].mean()) - settings.rank_tolerance
        factor = settings.rank_factor
    scale, evidence = weekly_evidence(weekly, daily[chosen][None], line, factor, history)
    found = table.index[chosen[history:]]
    table.loc[found, "line"] = line
    table.loc[found, "scale"], table.loc[found, "evidence"] = scale[0], evidence[0]
    return table


def raise_alarms(
    evidence: pd.DataFrame,
    notes: list[str],
    champion: Bundle | None,
    framing: Framing,
    monitoring: Monitoring,
) -> dict[str, Any]:
    """Return the alarms about the champion, as `Alarms`."""
    for note in notes:
        log.warning("  monitoring: %s", note)
    alarms = [
        _alarm(name, evidence[evidence["alarm"] == name], framing, monitoring) for name in ALARMS
    ]
    return Alarms(
        moment=monitoring.at.to_pydatetime(),
        champion=champion and champion["provenance"]["version"],
        notes=notes,
        alarms=alarms,
    ).model_dump(mode="json")


def require_no_alarm(alarms: dict[str, Any]) -> None:
    """Log silenced alarms; raise AlarmError if others are raised."""
    raised = []
    for alarm in Alarms.model_validate(alarms).alarms:
        if alarm.raised and (silenced := alarm.silenced):
            who = f"silenced by {silenced.by} until {silenced.until}: {silenced.reason}"
            log.warning("  monitoring: alarm %s, %s", alarm.name, who)
        elif alarm.raised:
            raised.append(
                f"  - {alarm.name}, since the week of {alarm.since}: {alarm.message} Evidence "
                f"{alarm.evidence:,.0f}, limit {alarm.limit:g}. {alarm.action}\n    {alarm.command}"
            )
    if raised:
        silence = (
            "To silence one: monitoring.silenced in conf/local/parameters/monitoring.yml, with a "
            "name and a reason (docs/monitoring.md)."
        )
        raise AlarmError("\n".join(["The champion does harm:", *raised, silence]))


def _alarm(
    name: AlarmName, evidence: pd.DataFrame, framing: Framing, monitoring: Monitoring
) -> Alarm:
    """Return one alarm, from the weeks of its statistic."""
    limit, (action, command) = 1 / monitoring.alarms.alpha, PROPOSED[name]
    weeks = evidence[evidence["evidence"].notna()]
    over = weeks[weeks["evidence"] >= limit]
    silenced = monitoring.silenced.get(name)
    if silenced is not None and monitoring.at > silenced.until:
        silenced = None
    return Alarm(
        name=name,
        tier=2,
        raised=len(over) > 0,
        message=_message(name, evidence, weeks, framing, monitoring),
        evidence=float(weeks["evidence"].max()) if len(weeks) else None,
        limit=limit,
        weeks=len(weeks),
        since=over["week"].iloc[0] if len(over) else None,
        action=action,
        command=command,
        silenced=silenced,
    )


def _message(
    name: AlarmName,
    evidence: pd.DataFrame,
    weeks: pd.DataFrame,
    framing: Framing,
    monitoring: Monitoring,
) -> str:
    """Return what was measured, or how many weeks there are too few."""
    settings = monitoring.alarms
    if weeks.empty:
        counted = int((evidence["left_out"] == "").sum())
        return (
            f"Not known: {counted} weeks count, and the first {settings.history_weeks} are the "
            "history. The column left_out of weekly_evidence says why others do not count."
        )
    value, line = float(weeks["value"].mean()), float(weeks["line"].iloc[-1])
    since = weeks["week"].iloc[0]
    if name == "challenger":
        money, most = (format_money(one, framing.costs.unit) for one in (-value, -line))
        what = f"the champion saved {money} less than the challenger"
        return f"Since {since} {what}, per 1,000 {framing.decision.units} (over {most} is harm)."
    quality = "ROC AUC" if framing.task == "binary" else "rank correlation"
    return f"Since {since} the mean {quality} of a week is {value:.3f} (below {line:.3f} is harm)."
