"""The report, the model card and the datasheet."""

import json
from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from preflight.contracts.catalog import Contracts
from preflight.errors import RunError
from preflight.evaluation.comparison import FEWEST_ROWS
from preflight.problem.costs import UnitCosts, per_1000
from preflight.problem.framing import Framing
from preflight.problem.money import format_money
from preflight.problem.shares import format_level
from preflight.reporting import formatting, summary
from preflight.reporting.checklist import POINTS
from preflight.reporting.contracts import About
from preflight.reporting.diagnosis_summary import (
    describe_curve_fits,
    describe_fits,
    summarize_ablation,
    summarize_backtest,
    summarize_drift,
    summarize_labels,
    summarize_more_labels,
    summarize_robustness,
    summarize_segments,
)
from preflight.reporting.first_page import summarize_first_page
from preflight.reporting.pages import make_environment, tidy_page
from preflight.reporting.performance_figures import describe_scale
from preflight.reporting.vocabulary import vocabulary

OVER_TIME = ["gain_by_period_figure", "backtest_figure"]  # have nothing to show without a clock
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
    """Return all that pages show, by name: the results, the figures, and sentences about them.

    results: of other datasets, by name. Those that end in `_figure` are figures, as SVG.

    Raises:
        RunError: something that was fixed before the test set was used was made again since, or
            the value of the candidate's decisions differs between the results.
    """
    again = f"Run: kedro run --pipelines evaluation,{'diagnosis,' * ('ablation' in results)}"
    again += "reporting"
    files = provenance["files"]
    tested = files["test_predictions"]["version"]
    if newer := [name for name in FIXED_BEFORE_TEST if (files[name]["version"] or "") > tested]:
        raise RunError(
            f"{', '.join(newer)} of {files[newer[0]]['version']} came after the test set was used, "
            f"{tested}: the results are of an older candidate. {again}"
        )
    require_one_run(verdict, metrics, test_predictions, framing, results.get("ablation"), again)
    results |= {
        "provenance": provenance,
        "verdict": verdict,
        "metrics": metrics,
        "test_predictions": test_predictions,
        "framing": framing,
        "about": about,
        "contracts": contracts,
    }
    sentences = _describe_results(results) | _describe_diagnosis(results)
    empty = [] if framing.slices else ["slices_figure"]
    empty += OVER_TIME if framing.split.clock == "none" else []
    figures = {
        name: svg for name, svg in results.items() if name.endswith("_figure") and name not in empty
    }
    results |= {"sentences": sentences, "figures": figures}
    return results | {
        "first": summarize_first_page(results),
        "own_sections": _own_sections(results),
    }


def _own_sections(results: dict[str, Any]) -> dict[str, str]:
    """Return the sections that the project adds, as HTML, by name."""
    end = "_section"
    return {name.removesuffix(end): results[name] for name in results if name.endswith(end)}


def require_one_run(
    verdict: dict[str, Any],
    metrics: dict[str, Any],
    test_predictions: pd.DataFrame,
    framing: Framing,
    ablation: pd.DataFrame | None,
    again: str,
) -> None:
    """Raise RunError if the value of the candidate's decisions differs between the results.

    ablation: of diagnosis, if that was run.
    again: says what to run.
    """
    label, decided = (test_predictions[name].to_numpy() for name in ("label", framing.decided))
    saved = framing.costs.at(test_predictions).saving(label, decided)
    values = {
        "test_predictions and today's costs": per_1000(saved),
        "verdict": verdict["value"]["per_1000"],
        "metrics": metrics["candidate"]["value_per_1000"]["mean"],
    }
    if ablation is not None:
        steps = ablation[(ablation["part"] == "test") & (ablation["kind"] != "threshold")]
        values["ablation"] = steps["value_per_1000"].iloc[-1]
    first = next(iter(values.values()))
    if np.ptp(list(values.values())) > 1e-6 * (1 + abs(first)):
        money = partial(format_money, unit=framing.costs.unit, decimals=2)
        saves = ", ".join(f"{money(value)} per 1,000 by {name}" for name, value in values.items())
        raise RunError(
            f"The results are not of one run and framing: the candidate saves {saves}. {again}. "
            "If the framing has changed since the candidate was made: kedro run"
        )


def _describe_results(r: dict[str, Any]) -> dict[str, str]:
    """Return the sentences of the report, by what they are about."""
    framing, verdict, curve, audit = r["framing"], r["verdict"], r["threshold_curve"], r["audit"]
    costs = framing.costs.at(r["test_predictions"])
    return {
        "headline": summary.summarize_verdict(verdict, framing),
        "lead": summary.describe_lead(framing),
        "decision": summary.describe_rule(costs, framing, curve),
        "threshold": summary.summarize_threshold(curve, verdict["value"], framing),
        "sample": summary.summarize_sample(r["split_summary"], framing),
        "search": summary.summarize_search(r["best_params"], framing),
        "power": summary.summarize_power(r["power"], framing),
        "value": summary.summarize_value(r["metrics"], verdict["value"]["over_baseline"], framing),
        "baseline": summary.summarize_baseline(r["selection"], framing),
        "stability": summary.summarize_stability(verdict["value"], framing),
        "ranking": describe_scale(framing),
        "calibration": summary.summarize_calibration(r["calibration_curve"]),
        "slices": summary.summarize_slices(r["slices"], r["selection"], framing),
        "importance": summary.summarize_importance(r["importance"], framing, r["contracts"]),
        "cleaning": summary.summarize_cleaning(r["cleaning"]),
        "audit": summary.summarize_audit(audit[audit["limit"].notna()]),
    }


def _describe_diagnosis(r: dict[str, Any]) -> dict[str, str]:
    """Return the sentences about diagnosis; none if the project left that stage out."""
    if "ablation" not in r:
        return {}
    framing = r["framing"]
    return {
        "ablation": summarize_ablation(r["ablation"], framing),
        "backtest": summarize_backtest(r["backtest"], framing),
        "fits": describe_fits(r["ablation"]),
        "curve_fits": describe_curve_fits(r["learning_curve"]),
        "more_labels": summarize_more_labels(r["more_labels"], framing),
        "segments": summarize_segments(r["segments"], framing),
        "robustness": summarize_robustness(r["robustness"], framing),
        "labels": summarize_labels(r["label_issues"]),
        "drift": summarize_drift(r["drift"]),
    }


def render_report(reported: dict[str, Any], checklist: dict[str, Any]) -> str:
    """Return the report: one HTML page that loads nothing and needs no script."""
    outcomes = _tabulate_outcomes(reported["test_predictions"], reported["framing"])
    page = _render("report.html.j2", reported | {"checklist": checklist, "outcomes": outcomes})
    return tidy_page(page)


def render_model_card(reported: dict[str, Any]) -> str:
    """Return the model card, in Markdown, by the sections of Mitchell et al. (2019)."""
    return _render("model_card.md.j2", reported)


def render_datasheet(reported: dict[str, Any]) -> str:
    """Return the datasheet of the data, in Markdown, by those of Gebru et al. (2021)."""
    return _render("datasheet.md.j2", reported)


def _render(template: str, r: dict[str, Any]) -> str:
    framing, task, unit = r["framing"], vocabulary(r["framing"]), r["framing"].costs.unit
    binary, money = framing.task == "binary", partial(formatting.money, unit=unit)
    environment = make_environment(framing, ".html" in template)
    environment.filters |= {
        "exact": partial(money, decimals=2),
        "label": partial(formatting.percent, decimals=1) if binary else formatting.short,
        "loss": formatting.short if binary else money,
        "extract": lambda key, row: row[key],
        "params": lambda text: ", ".join(f"{k} {_short(v)}" for k, v in json.loads(text).items()),
        "points": POINTS.get,
        "cost": lambda cost: f"its `{cost}`" if isinstance(cost, str) else money(cost, decimals=2),
    }
    files = r["provenance"]["files"]
    versions = {name: file["version"] or "git" for name, file in files.items()}
    run = r["provenance"]["run"]
    in_memory = ["params:framing", "params:about", "checklist"]
    in_memory += [f"{name}_section" for name in r["own_sections"]]
    versions |= dict.fromkeys(in_memory, run)
    text: str = environment.get_template(template).render(
        r,
        task=task,
        units=framing.decision.units,
        level=format_level(framing.confidence),
        predicts=task.predicts.format(unit=framing.decision.unit, label=framing.decision.label),
        few=FEWEST_ROWS,
        sourced=partial(_by_version, versions),
        files={name: file for name, file in files.items() if name in r or not file["version"]},
        split=_by_day(r["split_summary"], framing, "first", "last"),
        cutoffs=_by_day(r["backtest"], framing, "cutoff") if "backtest" in r else [],
        heads=["model", "saving per 1,000", *task.heads, *map(formatting.words, _own(r, framing))],
        model_table=_tabulate_models(r["metrics"], framing.metrics[:-1] + _own(r, framing), unit),
        columns=r["contracts"]["features"].columns(),
    )
    return text


def _short(value: Any) -> str:
    return formatting.short(value) if isinstance(value, float) else str(value)


def _by_version(versions: dict[str, str], names: list[str]) -> Iterable[tuple[str, list[str]]]:
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(versions[name], []).append(name)
    return groups.items()


def _by_day(table: pd.DataFrame, framing: Framing, *moments: str) -> list[dict[str, Any]]:
    """Return the rows of a table, with the local days of these moments."""
    days = {moment: framing.split.day(table[moment]).dt.date.astype(str) for moment in moments}
    return formatting.records(table.assign(**days))


def _own(r: dict[str, Any], framing: Framing) -> tuple[str, ...]:
    """Return the names of the project's own metrics."""
    return tuple(name for name in r["metrics"]["candidate"] if name not in framing.metrics)


def _tabulate_models(metrics: dict[str, Any], names: tuple[str, ...], unit: str) -> list[list[str]]:
    """Return a row of text for each model: its name, its saving and these metrics."""
    places = {
        name: formatting.places(figures[name]["mean"] for figures in metrics.values())
        for name in names
    }
    return [
        [
            formatting.words(model),
            formatting.money_span(figures["value_per_1000"], unit),
            *(formatting.span(figures[name], places[name]) for name in names),
        ]
        for model, figures in metrics.items()
    ]


def _tabulate_outcomes(test_predictions: pd.DataFrame, framing: Framing) -> list[dict[str, Any]]:
    """Return a row for each outcome of the decisions on the test set.

    rows: how many; one: their mean cost; all: their cost; without: their cost without a model.
    """
    costs = framing.costs.at(test_predictions)
    label, decided = (test_predictions[name].to_numpy() for name in ("label", framing.decided))
    if isinstance(costs, UnitCosts):
        cost = -costs._replace(default_amount=label).saving(label, decided)
        without = cost + costs.saving(label, decided)
        outcomes = {
            "decided on too much": decided > label,
            "decided on too little": decided < label,
            "decided on what was needed": decided == label,
        }
    else:
        without = np.where(label == 1, costs.fn, costs.tn)
        cost = without - costs.saving(label, decided)
        outcomes = {
            "acted, and it was needed": decided & (label == 1),
            "acted in vain": decided & (label == 0),
            "did not act, though it was needed": ~decided & (label == 1),
            "did not act, and it was not needed": ~decided & (label == 0),
        }
    return [
        {
            "outcome": outcome,
            "rows": int(here.sum()),
            "one": float(cost[here].mean()) if here.any() else None,
            "all": float(cost[here].sum()),
            "without": float(without[here].sum()),
        }
        for outcome, here in outcomes.items()
    ]
