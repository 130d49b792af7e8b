"""What a verdict rests on though nobody stated it, and what has to be stated for promotion."""

from collections.abc import Iterator

from preflight.problem.costs import Costs, RegressionCosts
from preflight.problem.framing import Framing
from preflight.problem.money import format_money
from preflight.problem.shares import format_level, format_share


def list_assumptions(framing: Framing) -> list[str]:
    """Return a sentence for each setting that the verdict uses and nobody stated.

    Each names its setting in brackets.
    """
    return [
        f"{text} (framing.{name})" for name, text in _defaults(framing) if _unstated(framing, name)
    ]


def _unstated(framing: Framing, name: str) -> bool:
    """Return whether a setting has its default."""
    section, _, field = name.partition(".")
    if not field:
        return section not in framing.model_fields_set
    return field not in getattr(framing, section).model_fields_set


def _defaults(framing: Framing) -> Iterator[tuple[str, str]]:
    """Yield the settings that a verdict uses, and what their values mean."""
    decision, split, guardrails = framing.decision, framing.split, framing.guardrails
    units, months = decision.units, framing.success.months
    yield from _default_costs(framing)
    yield "decision.per_month", f"{decision.per_month:,.0f} {units} are decided a month"
    if framing.task == "binary":
        yield "decision.changes_label", "acting does not change the label"
    if split.clock != "none":
        minutes = framing.prediction.lead_minutes
        yield "prediction.lead_minutes", f"the decision is due {minutes} minute before its event"
        yield "split.timezone", f"days are counted in {split.timezone}"
    if not split.validation_from and not split.validation_weeks:
        last = "a random" if split.clock == "none" else "the last"
        yield (
            "split.test_share",
            f"{last} {format_share(split.shares[1])} of {units} are the test set",
        )
    yield "project.upkeep_per_month", "the model costs nothing to run"
    yield "success.min_net_saving", f"any saving over {months:g} months is enough"
    many = framing.success.max_test_evaluations
    yield "success.max_test_evaluations", f"{many} candidates may be evaluated on one test set"
    if framing.slices:
        yield "guardrails.slice_loss", "no slice may be significantly worse than the best baseline"
    yield "guardrails.protected", "no group has to be served alike"
    gap = format_share(guardrails.calibration_gap)
    yield "guardrails.calibration_gap", f"observed and predicted shares may differ by {gap}"
    yield "guardrails.plausible", "no value of a metric is implausible"
    yield "serving", "size and memory of the model have no limits"
    yield "confidence", f"intervals hold with {format_level(framing.confidence)} confidence"
    unit = framing.resampling.unit
    alike = "no row depends on another" if unit == "row" else f"rows of one {unit} may be alike"
    yield "resampling", alike


def _default_costs(framing: Framing) -> Iterator[tuple[str, str]]:
    costs = framing.costs
    yield "costs.unit", f"amounts are in {costs.unit}"
    if isinstance(costs, Costs):
        yield "costs.tp", f"acting costs {_amount(costs.tp, costs.unit)}, needed or not"
        yield "costs.tn", "not acting costs nothing if it was not needed"
        yield "costs.fn_factors", "the cost of a miss is known exactly"
    else:
        assert isinstance(costs, RegressionCosts)
        yield "costs.default_amount", "without a prediction 0 is decided on"
        yield "costs.underage_factors", "the cost of a unit too little is known exactly"


def _amount(cost: float | str, unit: str) -> str:
    return f"the column {cost}" if isinstance(cost, str) else format_money(cost, unit, decimals=2)


def missing_for_promotion(framing: Framing) -> list[str]:
    """Return each setting that a run may leave open and a model in use may not, and its meaning."""
    project, goal = framing.project, framing.goal
    stated = {
        "goal.owner: who answers for the result": goal.owner,
        "goal.kpi: what the owner watches": goal.kpi,
        "prediction.label_known_hours: when every label is known": (
            framing.prediction.label_known_hours
        ),
        "project.upkeep_per_month: what it costs to run": (
            "upkeep_per_month" in project.model_fields_set
        ),
        "project.label_source: where labels come from": project.label_source,
        "serving: limits of speed and size": framing.serving,
        "guardrails.plausible: ranges of metrics outside of which an error is likely": (
            framing.guardrails.plausible
        ),
    }
    return [f"framing.{what}" for what, value in stated.items() if not value]
