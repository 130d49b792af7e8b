"""Alarms on harm: what was found, since when, and what to do."""

import logging
from collections.abc import Iterator
from typing import Any

import pandas as pd

from preflight.errors import AlarmError
from preflight.monitoring.contracts import (
    ALARMS,
    Alarm,
    AlarmName,
    Alarms,
    Monitoring,
    Webhook,
)
from preflight.problem.framing import Framing
from preflight.problem.money import format_money

log = logging.getLogger(__name__)

HARM = "The champion does harm"

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
    weekly_evidence: pd.DataFrame,
    log_notes: list[str],
    champion_results: dict[str, Any],
    framing: Framing,
    monitoring: Monitoring,
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return the alarms about the champion, as `Alarms`, and as a message for a webhook.

    The alarms are returned twice: for this run, and for the service, which follows the latest.
    """
    alarms = [
        _alarm(name, weekly_evidence[weekly_evidence["alarm"] == name], framing, monitoring)
        for name in ALARMS
    ]
    notes = [*log_notes, *_not_acknowledged(alarms, monitoring)]
    for note in notes:
        log.warning("  monitoring: %s", note)
    found = Alarms(
        moment=monitoring.at.to_pydatetime(),
        champion=champion_results["champion"],
        notes=notes,
        alarms=alarms,
    )
    lines = [_describe(alarm) for alarm in alarms if alarm.calls]
    message = Webhook(
        text="\n".join([f"{HARM}: {framing.goal.objective}", *lines] if lines else [])
    )
    document = found.model_dump(mode="json")
    return document, document, message.model_dump(mode="json")


def _not_acknowledged(alarms: list[Alarm], monitoring: Monitoring) -> Iterator[str]:
    """Yield a note for each acknowledgement of an alarm that there is not."""
    for alarm in alarms:
        given = monitoring.acknowledged.get(alarm.name)
        if given is not None and alarm.acknowledged is None:
            now = f"The alarm is since {alarm.since}" if alarm.raised else "It is not raised"
            yield (
                f"monitoring.acknowledged.{alarm.name} is of an alarm since {given.since}. {now}. "
                "Correct the entry, or remove it."
            )


def require_no_alarm(alarms: dict[str, Any]) -> None:
    """Log alarms that were silenced or acknowledged; raise AlarmError if others are raised."""
    found = Alarms.model_validate(alarms).alarms
    for alarm in found:
        if alarm.raised and (silenced := alarm.silenced):
            who = f"silenced by {silenced.by} until {silenced.until}: {silenced.reason}"
            log.warning("  monitoring: alarm %s, %s", alarm.name, who)
        elif alarm.raised and (known := alarm.acknowledged):
            who = f"acknowledged by {known.by}: {known.reason}"
            log.warning("  monitoring: alarm %s, since %s, %s", alarm.name, alarm.since, who)
    if lines := [f"  - {_describe(alarm)}" for alarm in found if alarm.calls]:
        silence = (
            "To acknowledge or silence an alarm: monitoring.acknowledged or monitoring.silenced in "
            "conf/local/parameters/monitoring.yml, with a name and a reason (docs/monitoring.md)."
        )
        raise AlarmError("\n".join([f"{HARM}:", *lines, silence]))


def _describe(alarm: Alarm) -> str:
    """Return an alarm in two lines: what was found, and the command."""
    return (
        f"{alarm.name}, since the week of {alarm.since}: {alarm.message} Evidence "
        f"{alarm.evidence:,.0f}, limit {alarm.limit:g}. {alarm.action}\n    {alarm.command}"
    )


def _alarm(
    name: AlarmName, evidence: pd.DataFrame, framing: Framing, monitoring: Monitoring
) -> Alarm:
    """Return one alarm, from the weeks of its statistic."""
    limit, (action, command) = 1 / monitoring.alarms.alpha, PROPOSED[name]
    weeks = evidence[evidence["evidence"].notna()]
    over = weeks[weeks["evidence"] >= limit]
    since = over["week"].iloc[0] if len(over) else None
    silenced, known = monitoring.silenced.get(name), monitoring.acknowledged.get(name)
    return Alarm(
        name=name,
        tier=2,
        raised=since is not None,
        message=_message(name, evidence, weeks, framing, monitoring),
        evidence=float(weeks["evidence"].max()) if len(weeks) else None,
        limit=limit,
        weeks=len(weeks),
        since=since,
        action=action,
        command=command,
        silenced=silenced if silenced and monitoring.at <= silenced.until else None,
        acknowledged=known if known and since == known.since else None,
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
        counted = evidence.loc[evidence["left_out"] == "", "part"]
        of_log, of_test = (int((counted == part).sum()) for part in ("log", "test"))
        return (
            f"Not known yet. The alarm needs {settings.history_weeks} weeks of history (of the "
            "test set, or else of the log), and then one of the log. So far "
            f"{of_log} weeks of the log count, and {of_test} of the test set. "
            "The column left_out of weekly_evidence gives the reason for each other week."
        )
    value, line = float(weeks["value"].mean()), float(weeks["line"].iloc[-1])
    since = weeks["week"].iloc[0]
    if name == "challenger":
        money, most = (format_money(abs(one), framing.costs.unit) for one in (value, line))
        what = f"the champion saved {money} {'less' if value < 0 else 'more'} than the challenger"
        harm = f"({most} less is harm)"
        return f"Since {since} {what} per 1,000 {framing.decision.units} {harm}."
    quality = "ROC AUC" if framing.task == "binary" else "rank correlation"
    return f"Since {since} the mean {quality} of a week is {value:.3f} (below {line:.3f} is harm)."
