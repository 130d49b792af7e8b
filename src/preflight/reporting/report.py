"""The report, the model card and the datasheet."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from preflight.contracts.catalog import Contracts
from preflight.errors import RunError
from preflight.problem.costs import per_1000
from preflight.problem.framing import Framing
from preflight.problem.money import format_money
from preflight.reporting.checklist import score
from preflight.reporting.context import render, template_context
from preflight.reporting.contracts import About, ChecklistParameters
from preflight.reporting.panels import checklist_panel
from preflight.reporting.traced import linked, plain, traced

FIXED_BEFORE_TEST = ["split_summary", "best_params", "selection", "candidate"]


def collect_results(
    provenance: dict[str, Any],
    verdict: dict[str, Any],
    metrics: dict[str, Any],
    test_predictions: pd.DataFrame,
    framing: Framing,
    about: About,
    contracts: Contracts,
    **results: Any,
) -> dict[str, Any]:
    """Return all that is reported, by name; each number knows the dataset that it is from.

    Raises:
        RunError: something that the test was opened with was made again since, or the value of the
            candidate's decisions differs between the results.
    """
    diagnosed = "waterfall" in results
    again = f"Run: kedro run --pipelines evaluation,{'diagnosis,' * diagnosed}reporting"
    versions = {name: file["version"] for name, file in provenance["files"].items()}
    opened = versions["test_predictions"]
    if newer := [name for name in FIXED_BEFORE_TEST if (versions[name] or "") > opened]:
        raise RunError(
            f"{', '.join(newer)} of {versions[newer[0]]} came after the test was opened, "
            f"{opened}: what was measured is of another. {again}"
        )
    require_one_run(verdict, metrics, test_predictions, framing, results.get("waterfall"), again)
    return template_context(
        {
            "provenance": provenance,
            "test_predictions": test_predictions,
            "framing": traced(framing, "params:framing"),
            "about": traced(about, "params:about"),
            "contracts": contracts,
            "verdict": traced(verdict, "verdict"),
            "metrics": traced(metrics, "metrics"),
            **{name: traced(data, name) for name, data in results.items()},
        }
    )


def score_checklist(reported: dict[str, Any], asked: ChecklistParameters) -> dict[str, Any]:
    """Return the ML Test Score: each check with its state, evidence, and how to earn it."""
    return score(asked, reported)


def render_report(reported: dict[str, Any], checklist: dict[str, Any]) -> str:
    """Return the report: one HTML page that loads nothing and needs no script."""
    checked = traced(checklist, "checklist")
    more = {"checklist": checked, "points": checklist_panel(checked)}
    page = render("report.html.j2", reported | more)
    return linked(page, reported["versions"])


def render_model_card(reported: dict[str, Any]) -> str:
    """Return the model card, in Markdown, by the sections of Mitchell et al. (2019)."""
    return plain(render("model_card.md.j2", reported))


def render_datasheet(reported: dict[str, Any]) -> str:
    """Return the datasheet of the data, in Markdown, by those of Gebru et al. (2021)."""
    return plain(render("datasheet.md.j2", reported))


def require_one_run(
    verdict: dict[str, Any],
    metrics: dict[str, Any],
    test_predictions: pd.DataFrame,
    framing: Framing,
    waterfall: pd.DataFrame | None,
    again: str,
) -> None:
    """Raise RunError if the value of the candidate's decisions differs between the results.

    waterfall: of diagnosis, if that is there.
    again: says what to run.
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
            f"The results are not of one run and framing: the candidate saves {saves}. {again}"
        )
