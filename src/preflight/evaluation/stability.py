"""What an interval can't cover: how the gain differs from week to week and month to month."""

from typing import Any

import numpy as np
import pandas as pd

from preflight.evaluation.comparison import TestComparison
from preflight.evaluation.contracts import GainByPeriod
from preflight.evaluation.power import validation_gain
from preflight.modeling.model import Bundle, Floats
from preflight.problem.framing import Framing
from preflight.problem.money import format_money

BEST_UNITS = 3  # of the test: the gain is also given without them


def compute_gain_by_period(
    validation_predictions: pd.DataFrame,
    test_predictions: pd.DataFrame,
    baselines: dict[str, Bundle],
    framing: Framing,
) -> pd.DataFrame:
    """Return the candidate's gain over each baseline by week and by month, per 1,000 decisions.

    On validation the candidate is the one that was fitted on train.

    Grain: one row per baseline, part (validation, test), kind of period and period, by its first
    local day. Without a clock there are none.
    """
    if framing.split.clock == "none":
        return GainByPeriod.empty()
    last = validation_predictions[validation_predictions["last"]]
    costs, label = framing.costs.at(test_predictions), test_predictions["label"].to_numpy()

    def test_saving(suffix: str) -> Floats:
        return costs.saving(label, test_predictions[f"{framing.decided}{suffix}"].to_numpy())

    tables = []
    for name in framing.baselines:
        gains = {
            "validation": (last, validation_gain(last, name, baselines[name], framing)),
            "test": (test_predictions, test_saving("") - test_saving(f"_{name}")),
        }
        for part, (table, gain) in gains.items():
            day = framing.split.day(table["predict_at"])
            for period, code in (("week", "W"), ("month", "M")):
                starts = day.dt.to_period(code).dt.start_time.dt.strftime("%Y-%m-%d")
                by_period = pd.Series(1000 * gain).groupby(starts.to_numpy())
                found = by_period.agg(decisions="size", gain_per_1000="mean")
                tables.append(
                    found.rename_axis("start")
                    .reset_index()
                    .assign(baseline=name, part=part, period=period)
                )
    return pd.concat(tables, ignore_index=True)[[*GainByPeriod.to_schema().columns]]


def measure_concentration(test: TestComparison) -> dict[str, Any]:
    """Return how much of the gain comes from the best days, and the gain without them.

    share: null if there is no gain. gain_without: per 1,000 decisions of the other days; null if
    there are no others.
    """
    gain = test.saving("") - test.saving(f"_{test.baseline}")
    by_unit = pd.Series(gain).groupby(test.bootstrap.unit).agg(["sum", "size"])
    best = by_unit.nlargest(BEST_UNITS, "sum")
    others = by_unit.drop(best.index).sum()
    return {
        "units": len(best),
        "unit": test.framing.resampling.unit,
        "share": float(best["sum"].sum() / gain.sum()) if gain.sum() > 0 else None,
        "gain_without": float(1000 * others["sum"] / others["size"]) if others["size"] else None,
    }


def find_worst_month(
    gain_by_period: pd.DataFrame, baseline: str, framing: Framing
) -> dict[str, Any] | None:
    """Return the month of validation or test with the least gain, and the net saving at it.

    Months with less than half as many decisions as the median month are left out. None: decisions
    have no time.
    """
    if framing.split.clock == "none":
        return None
    of = gain_by_period["baseline"].eq(baseline) & gain_by_period["period"].eq("month")
    months = gain_by_period[of]
    large = months[months["decisions"] >= months["decisions"].median() / 2]
    worst = large.nsmallest(1, "gain_per_1000").iloc[0]
    return {
        "month": str(worst["start"])[:7],
        "part": worst["part"],
        "gain_per_1000": float(worst["gain_per_1000"]),
        "net": framing.net(float(worst["gain_per_1000"])),
    }


def list_warnings(
    test: TestComparison,
    selection: dict[str, Any],
    concentration: dict[str, Any],
    worst_month: dict[str, Any] | None,
) -> list[str]:
    """Return what speaks against the candidate though no condition of the verdict covers it."""
    framing, warnings = test.framing, []
    unit, units = framing.costs.unit, framing.decision.units
    values, best = selection["values"], selection["best_baseline"]
    if values["candidate"] < values[best]:
        less = format_money(values[best] - values["candidate"], unit)
        warnings.append(
            f"on validation the candidate saves {less} less per 1,000 {units} than "
            f"{best.replace('_', ' ')}"
        )
    kpi, measured = framing.goal.kpi, test.kpi()
    if kpi is not None and measured > kpi.target:
        warnings.append(
            f"the KPI misses its target: {kpi.name} is {measured:.3g}, the target is "
            f"{kpi.target:.3g}"
        )
    if worst_month is not None and worst_month["gain_per_1000"] <= 0:
        warnings.append(
            f"in {worst_month['month']} ({worst_month['part']}) the gain is "
            f"{format_money(worst_month['gain_per_1000'], unit)} per 1,000 {units}"
        )
    without = concentration["gain_without"]
    if without is not None and np.isfinite(without) and without < framing.least_per_1000:
        warnings.append(
            f"without the {concentration['units']} best {framing.resampling.units} the gain is "
            f"{format_money(without, unit)} per 1,000 {units}, less than the required "
            f"{format_money(framing.least_per_1000, unit)}"
        )
    return warnings
