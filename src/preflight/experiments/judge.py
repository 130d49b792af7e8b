"""The verdict of a look at an experiment, and what it says."""

from preflight.experiments.contracts import Effect, Verdict
from preflight.inference.experiment import Design
from preflight.problem.framing import Framing
from preflight.problem.money import format_money
from preflight.problem.shares import format_level


def judge(effect: Effect, harmed: list[str], last: bool) -> Verdict:
    """Return the verdict of a look."""
    if effect.low > 0 and not harmed:
        return "take the treatment"
    if effect.high < 0 or (effect.low > 0 and harmed):
        return "keep the control"
    return "no difference shown" if last else "go on"


def describe_verdict(
    design: Design, effect: Effect, verdict: Verdict, harmed: list[str], framing: Framing
) -> str:
    """Return what was found, in one sentence."""
    sign = -1 if effect.mean < 0 else 1
    low, high = sorted((sign * effect.low, sign * effect.high))
    mean, *ends = (format_money(one, framing.costs.unit) for one in (sign * effect.mean, low, high))
    found = (
        f"the treatment ({design.treatment}) {'saves' if sign > 0 else 'costs'} {mean} per 1,000 "
        f"{framing.decision.units} more than the control ({design.control}); "
        f"{format_level(design.level)} interval {' to '.join(ends)}"
    )
    if effect.low > 0 and harmed:
        return f"It harms {', '.join(harmed)}, although {found}"
    heads = {
        "take the treatment": "It is worth it",
        "keep the control": "It does harm",
        "go on": "Not decided yet",
        "no difference shown": "No difference is shown",
    }
    return f"{heads[verdict]}: {found}"
