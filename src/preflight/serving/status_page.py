"""The page of the service: the champion, what it answers, and the last monitoring result."""

from functools import partial
from pathlib import Path

from preflight.inference.experiment import Design
from preflight.inference.shadow import Comparison, describe_comparison
from preflight.monitoring.contracts import Alarms
from preflight.problem.framing import Framing
from preflight.problem.money import format_money
from preflight.problem.shares import format_level
from preflight.serving import gauges
from preflight.serving.predictor import Current

PREDICT = "/predict"
FOLDERS = (Path(__file__).parent / "templates", Path(__file__).parents[1] / "reporting/templates")


def render_status(
    framing: Framing,
    current: Current | None,
    block: list[str],
    alarms: Alarms | None,
    designs: list[Design],
    unloaded: set[str],
    compared: Comparison | None,
) -> str:
    """Return the page: HTML that loads nothing and needs no script.

    block: why nothing is answered. unloaded: names of experiments without their
    challenger. compared: the challenger in the shadow, if there is one.
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
        current=current,
        block=block,
        alarms=alarms,
        designs=designs,
        unloaded=unloaded,
        shadow=compared and describe_comparison(compared, framing),
        state=_state(current, block, alarms),
        level=format_level(framing.confidence),
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


def _state(current: Current | None, block: list[str], alarms: Alarms | None) -> tuple[str, str]:
    """Return the badge of the page and its sentence."""
    if current is None:
        return "No champion", "There is no champion, so nothing is answered."
    if block:
        return "Blocked", "Nothing is answered, because inputs are outside their limits."
    ours = alarms and alarms.champion == current.promoted.version
    if alarms and ours and any(alarm.raised for alarm in alarms.alarms):
        return "Alarm", "The service answers. Monitoring has raised an alarm."
    return "Answering", "The service answers."
