"""From results to figures and a page: nothing is measured here, only shown."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from preflight.contracts.catalog import Contracts
from preflight.costs import per_1000
from preflight.errors import RunError
from preflight.framing import Framing
from preflight.money import format_money
from preflight.pipelines import there
from preflight.pipelines.reporting import figures, pages, panels, tasks
from preflight.pipelines.reporting.checklist import scored
from preflight.pipelines.reporting.settings import About, Checklist
from preflight.pipelines.reporting.traced import linked, plain, traced

AGAIN = ",".join(filter(there, ["evaluation", "diagnosis", "reporting"]))
OPENED_WITH = ["split_summary", "best_params", "selection", "candidate"]


def value_figure(metrics: dict[str, Any], selection: dict[str, Any], framing: Framing) -> Any:
    """Return a figure of what each model saves per 1,000 decisions, with intervals."""
    instead = tasks.words(framing).instead
    title = f"What each model saves over {instead}, {framing.confidence:.0%} interval"
    return _models(title, panels.value_panel(metrics, selection, framing))


def score_figure(metrics: dict[str, Any], selection: dict[str, Any], framing: Framing) -> Any:
    """Return a figure of how good each model is at predicting, with intervals."""
    title = f"{tasks.words(framing).score_title}, {framing.confidence:.0%} interval"
    return _models(title, panels.score_panel(metrics, selection, framing))


def _models(title: str, panel: panels.Panel) -> Any:
    return figures.dots(title, [panel], panels.written(panel))


def calibration_figure(calibration_curve: pd.DataFrame, framing: Framing) -> Any:
    """Return a figure of observed shares by what is predicted, with intervals."""
    panel = panels.calibration_panel(calibration_curve, framing)
    return figures.curves("Does what is predicted come true?", [panel])


def cost_curve_figure(cost_curve: pd.DataFrame, framing: Framing) -> Any:
    """Return a figure of what other settings of the decisions save, with intervals."""
    how = tasks.words(framing).setting_title
    title = f"What is saved {how}, {framing.confidence:.0%} interval"
    return figures.curves(title, [panels.cost_curve_panel(cost_curve, framing)])


def slices_figure(slices: pd.DataFrame, framing: Framing) -> Any:
    """Return a figure of what the candidate saves in each slice, a panel per slicing column."""
    what = f"Saved per 1,000 {framing.decision.units} over {tasks.words(framing).instead}"
    title = f"{what}, {framing.confidence:.0%} interval"
    return figures.dots(title, panels.slice_panels(slices, framing))


def importance_figure(importance: pd.DataFrame, framing: Framing) -> Any:
    """Return a figure of the features that the model leans on most, with ranges of shuffles."""
    panel = panels.importance_panel(importance, framing)
    title = f"What the model leans on: the top {len(panel.rows)} of {len(importance)} features"
    return figures.dots(title, [panel], [row.note for row in panel.rows])


def waterfall_figure(waterfall: pd.DataFrame, framing: Framing) -> Any:
    """Return a figure of the steps from the best baseline to the candidate."""
    title = f"What each step adds, {framing.confidence:.0%} interval"
    return figures.dots(title, panels.waterfall_panels(waterfall, framing))


def learning_curve_figure(learning_curve: pd.DataFrame, framing: Framing) -> Any:
    """Return a figure of the value on validation by the number of examples."""
    title = f"What more examples buy, {framing.confidence:.0%} interval"
    return _models(title, panels.learning_panel(learning_curve, framing))


def segments_figure(segments: pd.DataFrame, framing: Framing) -> Any:
    """Return a figure of where most is lost against hindsight."""
    title = f"Where most is lost, {framing.confidence:.0%} interval"
    panel = panels.segments_panel(segments, framing)
    return figures.dots(title, [panel], [row.note for row in panel.rows])


def robustness_figure(robustness: pd.DataFrame, framing: Framing) -> Any:
    """Return a figure of what is lost when inputs fail."""
    title = f"What is lost when inputs fail, {framing.confidence:.0%} interval"
    return _models(title, panels.robustness_panel(robustness, framing))


def search_figure(trials: pd.DataFrame, best_params: dict[str, Any], framing: Framing) -> Any:
    """Return a figure of the trials in their order, and by each parameter that was searched."""
    title = "What each trial of the search saves on validation"
    return figures.curves(title, panels.search_panels(trials, best_params, framing))


def parameter_importance_figure(parameter_importance: pd.DataFrame) -> Any:
    """Return a figure of how much of the trials' spread each parameter explains."""
    panel = panels.parameter_importance_panel(parameter_importance)
    return figures.dots("Which parameters matter", [panel], panels.written(panel))


def reported(
    provenance: dict[str, Any],
    test_predictions: pd.DataFrame,
    framing: Framing,
    about: About,
    contracts: Contracts,
    **results: Any,
) -> dict[str, Any]:
    """Return all that is reported, by name; each number knows the dataset that it is from.

    Raises:
        RunError: something that the test was opened with was made again since.
    """
    versions = {name: file["version"] for name, file in provenance["files"].items()}
    opened = versions["test_predictions"]
    if newer := [name for name in OPENED_WITH if (versions[name] or "") > opened]:
        raise RunError(
            f"{', '.join(newer)} of {versions[newer[0]]} came after the test was opened, "
            f"{opened}: what was measured is of another. Run: kedro run --pipelines {AGAIN}"
        )
    return pages.shown(
        {
            "provenance": provenance,
            "test_predictions": test_predictions,
            "framing": traced(framing, "params:framing"),
            "about": traced(about, "params:about"),
            "contracts": contracts,
            **{name: traced(data, name) for name, data in results.items()},
        }
    )


def checklist(reported: dict[str, Any], asked: Checklist) -> dict[str, Any]:
    """Return the ML Test Score: each check with its state, evidence, and how to earn it."""
    return scored(asked, reported)


def checklist_figure(checklist: dict[str, Any]) -> Any:
    """Return a figure of the points of each section."""
    panel = panels.checklist_panel(checklist)
    return figures.dots("The ML Test Score, points by section", [panel], panels.written(panel))


def report(reported: dict[str, Any], checklist: dict[str, Any]) -> str:
    """Return the report: one HTML page that loads nothing and needs no script."""
    checked = traced(checklist, "checklist")
    more = {"checklist": checked, "points": panels.checklist_panel(checked)}
    page = pages.rendered("report.html.j2", reported | more)
    return linked(page, reported["versions"])


def model_card(reported: dict[str, Any]) -> str:
    """Return the model card, in Markdown, by the sections of Mitchell et al. (2019)."""
    return plain(pages.rendered("model_card.md.j2", reported))


def datasheet(reported: dict[str, Any]) -> str:
    """Return the datasheet of the data, in Markdown, by those of Gebru et al. (2021)."""
    return plain(pages.rendered("datasheet.md.j2", reported))


def agreed_verdict(
    verdict: dict[str, Any],
    metrics: dict[str, Any],
    test_predictions: pd.DataFrame,
    framing: Framing,
    waterfall: pd.DataFrame | None = None,
) -> dict[str, Any]:
    """Return the verdict, if it is of the same run and framing as what is shown beside it.

    waterfall: of diagnosis, if that is there.

    Raises:
        RunError: the value of the candidate's decisions differs between them.
    """
    label, decided = (test_predictions[name].to_numpy() for name in ("label", framing.decided))
    saved = framing.costs.at(test_predictions).saving(label, decided)
    values = {
        "test_predictions and today's costs": per_1000(saved),
        "verdict": verdict["value"]["per_1000"],
        "metrics": metrics["candidate"]["value_per_1000"]["mean"],
    }
    if waterfall is not None:
        steps = waterfall[(waterfall["part"] == "test") & (waterfall["kind"] != "threshold")]
        values["waterfall"] = steps["value_per_1000"].iloc[-1]
    first = next(iter(values.values()))
    if np.ptp(list(values.values())) > 1e-6 * (1 + abs(first)):
        money = partial(format_money, unit=framing.costs.unit, decimals=2)
        saves = ", ".join(f"{money(value)} per 1,000 by {name}" for name, value in values.items())
        raise RunError(
            "The results are not of one run and framing: the candidate saves "
            f"{saves}. Run: kedro run --pipelines {AGAIN}"
        )
    return verdict
