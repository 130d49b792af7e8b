"""The evidence of harm of each week, from matured labels, and the rate of false alarms."""

from typing import Any

import numpy as np
import pandas as pd

from preflight.monitoring.contracts import (
    ALARMS,
    AlarmName,
    AlarmRates,
    Monitoring,
    WeeklyEvidence,
)
from preflight.monitoring.decisions import COLUMNS
from preflight.monitoring.false_alarms import replay_weeks
from preflight.monitoring.sequential import weekly_evidence
from preflight.monitoring.weeks import WEEK, Weeks, by_week, rank_quality
from preflight.problem.costs import per_1000
from preflight.problem.framing import Framing
from preflight.problem.split import monday_of

ENOUGH = 0.5  # of the usual number of labelled decisions, or a week does not count
USED = ["day", "label", "predicted", "gain", "due"]  # of the decisions
LABELLED = 0.9  # of a week's decisions: the others may be of another kind


def measure_evidence(
    labelled_decisions: pd.DataFrame,
    champion_test: pd.DataFrame | None,
    framing: Framing,
    monitoring: Monitoring,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the evidence of harm after each week, as `WeeklyEvidence`, and `AlarmRates`.

    The history is the last weeks of the champion's test; if these are too few, the first logged
    weeks too. Weeks count if they are over, all labels are due, nine of ten decisions have one, and
    these are at least half of the usual number (the median of the weeks).

    champion_test: predictions of the champion's evaluation, see `OfChampion`.
    """
    history = _test_rows(champion_test, framing, monitoring.alarms.history_weeks)
    of_champion = labelled_decisions.loc[labelled_decisions["of_champion"].astype(bool), USED]
    tables, rates = [], {}
    for name in ALARMS:
        tables.append(_measure(history, of_champion, name, framing, monitoring))
        every = _weeks(labelled_decisions, name, framing)  # of all models of the log
        counts = (_as_table(every, name)["left_out"] == "").to_numpy()
        weekly, daily = every.weekly[counts], every.daily[counts]
        scaling = monitoring.alarms.scaling(name)
        rates[name] = replay_weeks(weekly, daily, scaling, monitoring.alarms)
    evidence = pd.concat(tables, ignore_index=True)[[*WeeklyEvidence.to_schema().columns]]
    return evidence, AlarmRates(rates).model_dump(mode="json")


def _measure(
    history: pd.DataFrame,
    of_champion: pd.DataFrame,
    name: AlarmName,
    framing: Framing,
    monitoring: Monitoring,
) -> pd.DataFrame:
    """Return the weeks of one alarm, those of the test first, with their evidence."""
    weeks = [_weeks(rows, name, framing) for rows in (history, of_champion)]
    past, new = (_as_table(some, name) for some in weeks)
    today = monitoring.at.tz_convert(framing.split.timezone).tz_localize(None)
    is_open = np.array([monday + WEEK > today for monday in weeks[1].monday], dtype=bool)
    not_due = weeks[1].monday.isin(_open_weeks(of_champion))
    new.loc[is_open | not_due, "left_out"] = "not all labels are due"
    table = pd.concat([past.assign(part="test"), new.assign(part="log")], ignore_index=True)
    counted = np.flatnonzero(table["left_out"] == "")
    of_test = counted[counted < len(past)][-monitoring.alarms.history_weeks :]
    chosen = np.concatenate([of_test, counted[counted >= len(past)]])
    daily = np.concatenate([some.daily for some in weeks])
    return _with_evidence(table, chosen, daily, name, framing, monitoring)


def _test_rows(champion_test: pd.DataFrame | None, framing: Framing, weeks: int) -> pd.DataFrame:
    """Return the test as decisions, with the gain over the baseline that differs least.

    That is the one with the smallest standard deviation of the gain in the last weeks. A refit
    differs less than any baseline, so it is the nearest stand-in for a challenger.
    """
    if champion_test is None:
        return pd.DataFrame({n: pd.Series(dtype=kind) for n, kind in COLUMNS.items()})
    costs, label = framing.costs.at(champion_test), champion_test["label"].to_numpy()
    names = [framing.decided, *(f"{framing.decided}_{name}" for name in framing.baselines)]
    saved, *of_baselines = (costs.saving(label, champion_test[name].to_numpy()) for name in names)
    day = framing.split.day(champion_test["predict_at"])
    monday = monday_of(day)
    last = monday > monday.max() - (weeks + 1) * WEEK
    gains = [pd.Series(saved - one, day.index) for one in of_baselines]
    gain = min(gains, key=lambda one: one[last].groupby(monday[last]).mean().std())
    predicted = champion_test[framing.predicted]
    return pd.DataFrame({"day": day, "label": label, "predicted": predicted, "gain": gain})


def _weeks(rows: pd.DataFrame, name: AlarmName, framing: Framing) -> Weeks:
    """Return the weeks of an alarm's statistic."""
    if name == "challenger":
        used = rows["label"].notna() & rows["gain"].notna()
        gains = rows[["day", "gain"]]  # by_week copies what it is given
        return by_week(gains, lambda part: per_1000(part["gain"].to_numpy()), used)
    return by_week(
        rows[["day", "label", "predicted"]],
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
    else:
        line = float(weekly[0, :history].mean()) - settings.rank_tolerance
    given = (weekly, daily[chosen][None], line, settings.scaling(name), history)
    scale, evidence = weekly_evidence(*given)
    found = table.index[chosen[history:]]
    table.loc[found, "line"] = line
    table.loc[found, "scale"], table.loc[found, "evidence"] = scale[0], evidence[0]
    return table
