"""The verdict: ship or hold, with every reason."""

import logging
from hashlib import sha256
from typing import Any

import numpy as np
import pandas as pd
from kedro.io import DataCatalog

from preflight.evaluation.conditions import (
    CHAMPION,
    Comparison,
    beats_champion,
    calibration_within_limit,
    contracts_on,
    equal_opportunity,
    net_gain,
    not_an_evaluation,
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
from preflight.stats.bootstrap import (
    Interval,
    minimum_detectable_effect,
)

log = logging.getLogger(__name__)


def compute_power(
    validation_predictions: pd.DataFrame,
    baselines: dict[str, Bundle],
    selection: dict[str, Any],
    split_summary: pd.DataFrame,
    framing: Framing,
) -> dict[str, Any]:
    """Return the gain that test can tell from nothing, and the least that is asked, per 1,000.

    By how the gain over the best baseline differs from day to day on validation, and the days of
    test; so that a test that is too short is told before it is opened. The error of a mean over
    days is that of a ratio estimator (Cochran 1977, chapter 6).
    """
    last = validation_predictions[validation_predictions["last"]]
    costs, label = framing.costs.at(last), last["label"].to_numpy()
    name = selection["best_baseline"]
    said = {model: last[f"{framing.predicted}_{model}"].to_numpy() for model in ("candidate", name)}
    baseline = decide(baselines[name], said[name], last)
    gain = costs.saving(label, costs.decide(said["candidate"])) - costs.saving(label, baseline)
    by_day = pd.Series(gain).groupby(framing.split.day(last["predict_at"]).to_numpy())
    day = by_day.agg(["sum", "size"])
    test = split_summary[split_summary["part"] == "test"]
    begin, end = (framing.split.day(test[edge]).iloc[0] for edge in ("first", "last"))
    days, test_days, asked = len(day), (end - begin).days + 1, framing.least_per_1000
    shows = None
    if days > 1:
        off = day["sum"] - gain.mean() * day["size"]
        error = np.sqrt(days / (days - 1) * (off**2).sum()) / len(gain) * np.sqrt(days / test_days)
        shows = minimum_detectable_effect(1000 * error, framing.confidence, framing.success.power)
    if shows is not None and shows > asked:
        log.warning(
            "  The test may be too short. The smallest gain that %d test days can detect is %s per "
            "1,000 %s; the required gain is %s. Let the test begin earlier "
            "(framing.split.test_from).",
            test_days,
            format_money(shows, framing.costs.unit),
            framing.decision.units,
            format_money(asked, framing.costs.unit),
        )
    return {"days": test_days, "shows_per_1000": shows, "asked_per_1000": asked}


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
    """Return ship or hold, with every reason: the conditions are those of `conditions`.

    The best baseline was chosen on validation. Both are judged on the same days of test: the
    interval is of the difference, day by day.

    what_if: how it is judged otherwise than conf/base says. Then the decision is what it would be,
    the first reason says so, and it is not counted.
    """
    judged = Comparison(
        test_predictions,
        selection["best_baseline"],
        framing,
        evaluation.replicates,
        evaluation.seed,
    )
    opened = _test_set_usage(test_predictions, earlier_verdicts, bool(what_if), framing)
    checks = [
        net_gain(judged),
        beats_champion(judged),
        robust_to_costs(judged),
        slices_hold(judged, slice_columns(test, framing)),
        equal_opportunity(judged, test[framing.guardrails.protected]),
        calibration_within_limit(calibration_curve, framing),
        within_limits(limits, framing.costs.unit),
        reuse_within_limit(opened["candidates"], framing),
        contracts_on(DataCatalog()._is_validation_enabled()),
    ]
    broken = [check.says for check in checks if not check.ok]
    return {
        "decision": "hold" if broken else "ship",
        "reasons": not_an_evaluation(what_if) + (broken or [checks[0].says]),
        "value": _value(judged, framing),
        "kpi": {
            **framing.goal.kpi.model_dump(),
            "measured": judged.kpi(),
        },
        "limits": limits,
        "checks": [check._asdict() for check in checks],
        "test_set": opened,
        "what_if": what_if,
    }


def _value(judged: Comparison, framing: Framing) -> dict[str, Any]:
    """Return what the candidate is worth on test, alone and next to its rivals."""
    over, costs = judged.over(), framing.costs
    return {
        "unit": costs.unit,
        "costs": costs.model_dump(include=set(costs.of._fields))
        | {outcome: f"cost_{outcome}" for outcome in costs.columns},
        "per_1000": per_1000(judged.saving("")),
        "over_baseline": {"baseline": judged.baseline, **over},
        "over_champion": judged.over(rival=CHAMPION) if judged.has_champion else None,
        "net": {
            "months": framing.success.months,
            "least": framing.success.least_net_saving,
            **_net(over, framing),
        },
    }


def _net(over: Interval, framing: Framing) -> dict[str, float | None]:
    ends = {"mean": over["mean"], "low": over["low"], "high": over["high"]}
    return {end: None if value is None else framing.net(value) for end, value in ends.items()}


def _test_set_usage(
    test_predictions: pd.DataFrame,
    earlier: list[dict[str, Any]],
    what_if: bool,
    framing: Framing,
) -> dict[str, Any]:
    """Return how often this test set was opened, by the verdicts that are kept and are no what-ifs.

    candidates: how many different ones it has judged, this one among them.
    """
    framed = framing.model_dump_json(include={"prediction", "split"})
    this = {
        "id": f"{sha256(framed.encode()).hexdigest()[:12]}-{len(test_predictions)}",
        "candidate": fingerprint(test_predictions[[framing.predicted]]),
    }
    counted = [one.get("test_set", {}) for one in earlier if not one.get("what_if")]
    same = [one["candidate"] for one in counted if one.get("id") == this["id"]]
    same += [] if what_if else [this["candidate"]]
    return {**this, "opened": len(same), "candidates": len(set(same))}
