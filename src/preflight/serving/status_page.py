"""The page of the service: the champion, what it answers, and the last monitoring result."""

from functools import partial
from pathlib import Path
from typing import Any

from preflight.deployment.champion import ChampionRecord
from preflight.monitoring.contracts import Alarms
from preflight.problem.framing import Framing
from preflight.problem.money import format_money
from preflight.serving import gauges

PREDICT = "/predict"
FOLDERS = (Path(__file__).parent / "templates", Path(__file__).parents[1] / "reporting/templates")


def render_status(
    framing: Framing,
    promoted: ChampionRecord | None,
    verdict: dict[str, Any] | None,
    block: list[str],
    alarms: Alarms | None,
) -> str:
    """Return the page: HTML that loads nothing and needs no script.

    verdict: of the champion; None: it is not on this disk. block: why nothing is answered.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(FOLDERS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["money"] = partial(format_money, unit=framing.costs.unit)
    return environment.get_template("status.html.j2").render(
        framing=framing,
        promoted=promoted,
        verdict=verdict,
        block=block,
        alarms=alarms,
        state=_state(promoted, block, alarms),
        volume={
            "requests answered": gauges.counted(gauges.REQUESTS, path=PREDICT, status="200"),
            "rows answered": gauges.counted(gauges.ROWS, found="answered"),
            "rows refused": gauges.counted(gauges.ROWS, found="refused"),
            "rows with a flag": gauges.counted(gauges.FLAGGED),
            "rows written to the log": gauges.counted(gauges.LOGGED),
            "rows lost": gauges.counted(gauges.LOST),
        },
        latency={
            name: gauges.latency_ms(PREDICT, share)
            for name, share in (("half of the requests", 0.5), ("99% of the requests", 0.99))
        },
    )


def _state(
    promoted: ChampionRecord | None, block: list[str], alarms: Alarms | None
) -> tuple[str, str]:
    """Return the badge of the page and its sentence."""
    if promoted is None:
        return "No champion", "There is no champion yet, so nothing is answered."
    if block:
        return "Blocked", "Nothing is answered, because inputs are outside their limits."
    if alarms and any(alarm.raised for alarm in alarms.alarms):
        return "Alarm", "The service answers. Monitoring has raised an alarm."
    return "Answering", "The service answers."
