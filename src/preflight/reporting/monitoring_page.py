"""The monitoring page: is the champion doing harm, and where to look."""

from typing import Any

import pandas as pd

from preflight.monitoring.contracts import Alarms, FalseAlarms
from preflight.monitoring.false_alarms import FEWEST_WEEKS
from preflight.problem.framing import Framing
from preflight.problem.shares import format_level
from preflight.reporting.figure_dataset import to_svg
from preflight.reporting.formatting import number, percent
from preflight.reporting.monitoring_figures import plot_policies
from preflight.reporting.pages import make_environment, tidy_page

RECENT = 8  # weeks of inputs that are listed
NAMES = {"challenger": "money against the challenger", "discrimination": "ranking of predictions"}


def render_monitoring_page(
    alarms: dict[str, Any],
    champion_results: dict[str, Any],
    weekly_inputs: pd.DataFrame,
    alarm_rates: dict[str, Any],
    production_replay: dict[str, Any] | None,
    framing: Framing,
    **figures: Any,
) -> str:
    """Return the monitoring page: one HTML page that loads nothing and needs no script.

    production_replay: None if it was never made. figures: by the name of their dataset, as SVG, or
        as they were drawn if the project has no dataset for figures.
    """
    drawn = {name: one if isinstance(one, str) else to_svg(one) for name, one in figures.items()}
    found = Alarms.model_validate(alarms)
    rates = {
        name: describe_rate(FalseAlarms.model_validate(one)) for name, one in alarm_rates.items()
    }
    if production_replay:
        drawn["policies_figure"] = to_svg(plot_policies(production_replay, framing))
        replayed = describe_rate(
            FalseAlarms.model_validate(production_replay["false_alarms"]), "of the replayed history"
        )
        rates["challenger"] += f"; {replayed}"
    template = make_environment(framing, True).get_template("monitoring.html.j2")
    return tidy_page(
        template.render(
            state=summarize_alarms(found),
            alarms=found,
            names=NAMES,
            rates=rates,
            replay=production_replay,
            results=champion_results,
            inputs=_warnings(weekly_inputs),
            has_inputs=bool(weekly_inputs["score"].notna().any()),
            figures=drawn,
            framing=framing,
            units=framing.decision.units,
            level=format_level(framing.confidence),
            quality="ROC AUC" if framing.task == "binary" else "Rank correlation",
        )
    )


def summarize_alarms(alarms: Alarms) -> tuple[str, str]:
    """Return the badge of the page, and its first sentence."""
    raised = [alarm for alarm in alarms.alarms if alarm.raised]
    if alarms.champion is None:
        return "No champion", "No model is in use yet, so there is nothing to monitor."
    if raised:
        names = " and ".join(NAMES[alarm.name] for alarm in raised)
        return "Alarm", f"The champion does harm: {names}."
    known = [alarm for alarm in alarms.alarms if alarm.evidence is not None]
    if not known:
        return "Not known", "Whether the champion does harm is not known."
    unknown = [NAMES[alarm.name] for alarm in alarms.alarms if alarm.evidence is None]
    more = f" Not known: {' and '.join(unknown)}." if unknown else ""
    return "No alarm", f"There is no evidence that the champion does harm.{more}"


def describe_rate(rate: FalseAlarms, history: str = "of the log") -> str:
    """Return what the replay of a history says of false alarms."""
    if rate.rate is None or rate.autocorrelation is None:
        return f"not known: {rate.weeks} weeks {history} count, and {FEWEST_WEEKS} are needed"
    return (
        f"{percent(rate.rate, 1)} of years, in a replay of {rate.weeks} weeks {history} "
        f"(correlation of a week with the next: {number(rate.autocorrelation, 2)})"
    )


def _warnings(weekly_inputs: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the most unusual input of each of the last weeks, the latest first."""
    known = weekly_inputs[weekly_inputs["score"].notna()]
    worst = known.loc[known.groupby("week")["score"].idxmax()].tail(RECENT)
    return [{str(k): v for k, v in row.items()} for row in worst[::-1].to_dict("records")]
