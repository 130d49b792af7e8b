"""Alarms on harm: what was found, since when, and what to do."""

import logging
from typing import Any

import pandas as pd

from preflight.errors import AlarmError
from preflight.modeling.model import Bundle
from preflight.monitoring.contracts import (
    ALARMS,
    Alarm,
    AlarmName,
    Alarms,
    Monitoring,
)
from preflight.problem.framing import Framing
from preflight.problem.money import format_money

log = logging.getLogger(__name__)

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
