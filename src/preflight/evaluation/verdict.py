"""The verdict: ship or do not ship, with every reason; and the power of the test."""

import logging
from hashlib import sha256
from typing import Any

import numpy as np
import pandas as pd
from kedro.io import DataCatalog

from preflight.evaluation.conditions import (
    CHAMPION,
    TestComparison,
    beats_champion,
    calibration_within_limit,
    contracts_on,
    describe_what_if,
    equal_opportunity,
    net_gain,
    reuse_within_limit,
    robust_to_costs,
    slices_hold,
    within_limits,
)
from preflight.evaluation.contracts import Evaluation
from preflight.evaluation.metrics import slice_columns
from preflight.features.fingerprints import fingerprint
from preflight.modeling.model import Bundle, decide
from preflight.problem.costs import per_1000
from preflight.problem.framing import Framing
from preflight.problem.money import format_money
from preflight.stats.bootstrap import minimum_detectable_effect

log = logging.getLogger(__name__)


def compute_power(
    validation_predictions: pd.DataFrame,
    baselines: dict[str, Bundle],
    selection: dict[str, Any],
    split_summary: pd.DataFrame,
    framing: Framing,
) -> dict[str, Any]:
    """Return the minimum detectable gain of the test, and the required one, per 1,000 decisions.

    Estimated from how the gain over the best baseline varies from day to day on validation, for the
    days of test. So a test that is too short is reported before it is used. The standard error of
    a mean over days is that of a ratio estimator (Cochran 1977, chapter 6).
    """
    last = validation_predictions[validation_predictions["last"]]
    costs, label = framing.costs.at(last), last["label"].to_numpy()
    name = selection["best_baseline"]
    candidate, rival = (last[f"{framing.predicted}_{n}"].to_numpy() for n in ("candidate", name))
    baseline = decide(baselines[name], rival, last)
    gain = costs.saving(label, costs.decide(candidate)) - costs.saving(label, baseline)
    by_day = pd.Series(gain).groupby(framing.split.day(last["predict_at"]).to_numpy())
    day = by_day.agg(["sum", "size"])
    test = split_summary[split_summary["part"] == "test"]
    begin, end = (framing.split.day(test[edge]).iloc[0] for edge in ("first", "last"))
    days, test_days, required = len(day), (end - begin).days + 1, framing.least_per_1000
    detectable = None
    if days > 1:
        off = day["sum"] - gain.mean() * day["size"]
        error = np.sqrt(days / (days - 1) * (off**2).sum()) / len(gain) * np.sqrt(days / test_days)
        detectable = minimum_detectable_effect(
            1000 * error, framing.confidence, framing.success.power
        )
    if detectable is not None and detectable > required:
        log.warning(
            "  The test may be too short. The smallest gain that %d test days can detect is %s per "
            "1,000 %s; the required gain is %s. Let the test begin earlier "
            "(framing.split).",
            test_days,
            format_money(detectable, framing.costs.unit),
            framing.decision.units,
            format_money(required, framing.costs.unit),
        )
    return {"days": test_days, "detectable_per_1000": detectable, "required_per_1000": required}


def decide_verdict(
    test_predictions: pd.DataFrame,
    test: pd.DataFrame,
    selection: dict[str, Any],
    calibration_curve: pd.DataFrame,
    limits: list[dict[str, Any]],
    earlier_verdicts: list[dict[str, Any]],
    what_if: list[str],
    framing: Framing,
    evaluation: Evaluation,
) -> dict[str, Any]:
    """Return the verdict, ship or hold, with every condition of `conditions` and its message.

    The best baseline was chosen on validation. Both models are evaluated on the same days of test:
    the interval is of their difference, day by day.

    what_if: each setting that differs from conf/base. With any, the first reason says that this is
    a what-if, and it does not count as a test evaluation.
    """
    comparison = TestComparison(
        test_predictions,
        selection["best_baseline"],
        framing,
        evaluation.replicates,
        evaluation.seed,
    )
    opened = _test_set_usage(test_predictions, earlier_verdicts, bool(what_if), framing)
    checks = [
        net_gain(comparison),
        beats_champion(comparison),
        robust_to_costs(comparison),
        slices_hold(comparison, slice_columns(test, framing)),
        equal_opportunity(comparison, test[framing.guardrails.protected]),
        calibration_within_limit(calibration_curve, framing),
        within_limits(limits, framing.costs.unit),
        reuse_within_limit(opened["candidates"], framing),
        contracts_on(DataCatalog()._is_validation_enabled()),
    ]
    failed = [check.message for check in checks if not check.ok]
    return {
        "decision": "hold" if failed else "ship",
        "reasons": describe_what_if(what_if) + (failed or [checks[0].message]),
        "value": _value(comparison, framing),
        "kpi": {**framing.goal.kpi.model_dump(), "measured": comparison.kpi()},
        "limits": limits,
        "checks": [check.model_dump() for check in checks],
        "test_set": opened,
        "what_if": what_if,
    }


def _value(comparison: TestComparison, framing: Framing) -> dict[str, Any]:
    """Return the candidate's saving on test, alone and compared with its rivals."""
    gain, costs = comparison.gain_over(comparison.baseline), framing.costs
    champion = comparison.gain_over(CHAMPION)._asdict() if comparison.has_champion else None
    return {
        "unit": costs.unit,
        "costs": costs.model_dump(include=set(costs.values_type._fields))
        | {outcome: f"cost_{outcome}" for outcome in costs.columns},
        "per_1000": per_1000(comparison.saving("")),
        "over_baseline": {"baseline": comparison.baseline, **gain._asdict()},
        "over_champion": champion,
        "net": {
            "months": framing.success.months,
            "required": framing.success.min_net_saving,
            **{end: framing.net(value) for end, value in gain._asdict().items()},
        },
    }


def _test_set_usage(
    test_predictions: pd.DataFrame,
    earlier: list[dict[str, Any]],
    what_if: bool,
    framing: Framing,
) -> dict[str, Any]:
    """Return the number of evaluations on this test set, by the kept verdicts without what-ifs.

    candidates: how many different ones were evaluated on it, this one among them.
    """
    framed = framing.model_dump_json(include={"prediction", "split"})
    this = {
        "id": f"{sha256(framed.encode()).hexdigest()[:12]}-{len(test_predictions)}",
        "candidate": fingerprint(test_predictions[[framing.predicted]]),
    }
    counted = [one.get("test_set", {}) for one in earlier if not one.get("what_if")]
    same = [one["candidate"] for one in counted if one.get("id") == this["id"]]
    same += [] if what_if else [this["candidate"]]
    return {**this, "evaluations": len(same), "candidates": len(set(same))}
