"""The verdict: ship or do not ship, with every reason."""

from typing import Any

import numpy as np
import pandas as pd
from kedro.io import DataCatalog

from preflight.evaluation.comparison import CHAMPION, Gain, TestComparison
from preflight.evaluation.conditions import (
    beats_champion,
    calibration_within_limit,
    contracts_on,
    describe_what_if,
    equal_opportunity,
    metrics_plausible,
    net_gain,
    reuse_within_limit,
    robust_to_costs,
    slices_hold,
    within_limits,
)
from preflight.evaluation.contracts import Evaluation
from preflight.evaluation.metrics import slice_columns
from preflight.evaluation.stability import find_worst_month, list_warnings, measure_concentration
from preflight.problem.assumptions import list_assumptions
from preflight.problem.costs import per_1000
from preflight.problem.framing import Framing


def decide_verdict(
    test_predictions: pd.DataFrame,
    test: pd.DataFrame,
    selection: dict[str, Any],
    calibration_curve: pd.DataFrame,
    limits: list[dict[str, Any]],
    gain_by_period: pd.DataFrame,
    metrics: dict[str, Any],
    test_usage: dict[str, Any],
    what_if: list[str],
    framing: Framing,
    evaluation: Evaluation,
) -> dict[str, Any]:
    """Return the verdict, ship or hold, with every condition of `conditions` and its message.

    Candidate and baselines are evaluated on the same days of test: each interval is of their
    difference. The candidate has to beat every baseline, at the level that its place among the
    candidates on this test set leaves.

    test_usage: from `ledger.count_test_evaluation`.
    what_if: each setting that differs from conf/base. With any, the first reason says that this is
    a what-if, and it does not count as a test evaluation.
    """
    bootstrap = evaluation.bootstrap(test_predictions, framing)
    comparison = TestComparison(test_predictions, framing, bootstrap, test_usage["level"])
    concentration = measure_concentration(comparison)
    worst_month = find_worst_month(gain_by_period, comparison.baseline, framing)
    checks = [
        net_gain(comparison),
        beats_champion(comparison),
        robust_to_costs(comparison),
        slices_hold(comparison, slice_columns(test, framing)),
        equal_opportunity(comparison, test[framing.guardrails.protected]),
        calibration_within_limit(calibration_curve, framing),
        within_limits(limits, framing.costs.unit),
        metrics_plausible(metrics["candidate"], framing),
        reuse_within_limit(test_usage["number"], framing),
        contracts_on(DataCatalog()._is_validation_enabled()),
    ]
    failed = [check.message for check in checks if not check.ok]
    return {
        "decision": "hold" if failed else "ship",
        "reasons": describe_what_if(what_if) + (failed or [checks[0].message]),
        "warnings": list_warnings(comparison, selection, concentration, worst_month),
        "value": _value(comparison, framing)
        | {"best_units": concentration, "worst_month": worst_month},
        "kpi": framing.goal.kpi and {**framing.goal.kpi.model_dump(), "measured": comparison.kpi()},
        "limits": limits,
        "checks": [check.model_dump() for check in checks],
        "test_set": test_usage,
        "what_if": what_if,
        "assumed": list_assumptions(framing),
    }


def _value(comparison: TestComparison, framing: Framing) -> dict[str, Any]:
    """Return the candidate's saving on test, alone and compared with its rivals."""
    costs, name = framing.costs, comparison.baseline
    gains = {rival: _bounds(comparison.gain_over(rival)) for rival in framing.baselines}
    gain = gains[name]
    champion = _bounds(comparison.gain_over(CHAMPION)) if comparison.has_champion else None
    deciding = _bounds(comparison.deciding_gain(name))
    return {
        "unit": costs.unit,
        "costs": costs.model_dump(include=set(costs.values_type._fields))
        | {outcome: f"cost_{outcome}" for outcome in costs.columns},
        "per_1000": per_1000(comparison.saving("")),
        "over_baseline": {"baseline": name, **gain},
        "over_baselines": gains,
        "deciding": {"level": comparison.level, "low": deciding["low"]},
        "over_champion": champion,
        "net": {
            "months": framing.success.months,
            "required": framing.success.min_net_saving,
            **{end: None if v is None else framing.net(v) for end, v in gain.items()},
        },
    }


def _bounds(gain: Gain) -> dict[str, float | None]:
    """Return a gain as a document: a bound that is not known is null."""
    return {end: value if np.isfinite(value) else None for end, value in gain._asdict().items()}
