"""The page of an experiment: the effect at each look, the groups and the slices."""

from collections.abc import Sequence
from typing import Any

from preflight.experiments.contracts import Readout
from preflight.inference.experiment import Design
from preflight.problem.framing import Framing
from preflight.problem.shares import format_level
from preflight.reporting.drawing import ROW, draw_dots, name_money_axis, new_figure
from preflight.reporting.figure_dataset import to_svg
from preflight.reporting.pages import make_environment, tidy_page

BADGES = {
    "take the treatment": "Treatment",
    "keep the control": "Control",
    "go on": "Go on",
    "no difference shown": "No difference shown",
}


def plot_effect(experiment_readout: dict[str, Any], framing: Framing) -> Any:
    """Return a figure of the effect at each look so far, with its interval."""
    found = Readout.model_validate(experiment_readout)
    title = "Money of the treatment less that of the control, at each look"
    figure, ((axes,),) = new_figure(title, [found.looks * ROW + 0.6])
    effects = [look.effect for look in found.history]
    draw_dots(
        axes,
        [f"until {look.until:%d %b %Y}" for look in found.history],
        *([getattr(effect, name) for effect in effects] for name in ("mean", "low", "high")),
    )
    axes.set_ylim(found.looks - 0.4, -0.6)  # room for the looks to come
    label = f"per 1,000 {framing.decision.units}"
    name_money_axis(axes.xaxis, framing, label)
    return figure


def render_experiment_page(
    experiment_readout: dict[str, Any],
    experiments: Sequence[Design],
    effect_figure: Any,
    framing: Framing,
) -> str:
    """Return the page of an experiment: one HTML page that loads nothing and needs no script.

    effect_figure: as SVG, or as it was drawn if the project has no dataset for figures.
    """
    found = Readout.model_validate(experiment_readout)
    design = next(one for one in experiments if one.sha256 == found.design)
    figure = effect_figure if isinstance(effect_figure, str) else to_svg(effect_figure)
    slices = sorted(found.slices, key=lambda one: (one.feature, one.effect.mean))
    template = make_environment(framing, True).get_template("experiment.html.j2")
    return tidy_page(
        template.render(
            found=found,
            badge=BADGES[found.verdict],
            good=found.verdict == "take the treatment",
            design=design,
            level=format_level(design.level),
            figures={"effect_figure": figure},
            effect=found.history[-1].effect.model_dump(),
            slices=slices,
            framing=framing,
            units=framing.decision.units,
        )
    )
