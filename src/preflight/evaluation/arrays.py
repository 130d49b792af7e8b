"""The verdict on two arrays of predictions: what a notebook needs of the evaluation."""

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import ValidationError

from preflight.errors import RunError
from preflight.evaluation.comparison import Gain, TestComparison
from preflight.evaluation.conditions import judge_gain
from preflight.problem.costs import costs_kind, per_1000
from preflight.problem.framing import Framing
from preflight.problem.money import format_money
from preflight.stats.bootstrap import Bootstrap

REPLICATES = 1000  # of the bootstrap over days, as in conf
RIVAL = "baseline"


@dataclass(frozen=True)
class Comparison:
    """The verdict on a candidate and a baseline. Amounts are per 1,000 decisions, in `unit`.

    decision: `ship` or `hold`, which means do not ship.
    reason: describes the gain, and what it lacks.
    candidate, baseline: the saving of each, compared with deciding without a prediction.
    gain: the candidate's saving less the baseline's, with the bounds of its interval. Bounds are
        infinite if all decisions are of one day.
    required: the gain that was required.
    rows, days: what the verdict rests on.
    unit: the currency.
    """

    decision: Literal["ship", "hold"]
    reason: str
    candidate: float
    baseline: float
    gain: Gain
    required: float
    rows: int
    days: int
    unit: str

    def __repr__(self) -> str:
        money = partial(format_money, unit=self.unit)
        verdict = "Ship" if self.decision == "ship" else "Do not ship"
        return (
            f"{verdict}: {self.reason}\n"
            f"  saving per 1,000 decisions: candidate {money(self.candidate)}, "
            f"baseline {money(self.baseline)}\n"
            f"  {self.rows:,} decisions on {self.days:,} days"
        )


def compare(
    label: npt.ArrayLike,
    candidate: npt.ArrayLike,
    baseline: npt.ArrayLike,
    days: Any,
    *,
    required: float = 0,
    confidence: float = 0.95,
    **costs: Any,
) -> Comparison:
    """Return the verdict on two models: the difference of their savings, with its interval.

    The rule is that of the gain in a project's verdict. The candidate is shipped if the lower bound
    is above 0 and not below the required gain, on at least 100 decisions and 10 days. The interval
    is from resampling days, as decisions of one day depend on each other. Other conditions of the
    verdict, such as those of slices and calibration, are not part of it.

    Args:
        label: 0 or 1, or a quantity, shape (n,).
        candidate, baseline: predictions of each model, shape (n,): probabilities of label 1, or
            quantities. A rule that only says yes or no is 1 or 0.
        days: the time of each decision, or its date, shape (n,), in any order. Days are those of
            the clock in which the times are given.
        required: the least gain per 1,000 decisions.
        confidence: of the two-sided interval.
        costs: as in `framing.costs`: `fp` (acting in vain) and `fn` (a miss), or `overage` and
            `underage` for quantities; `unit` is the currency, USD if not given.

    Raises:
        RunError: arrays differ in length, have missing values, or are no labels or probabilities;
            or costs leave nothing to decide.

    Examples:
        >>> import numpy as np
        >>> import pandas as pd
        >>> from preflight import compare
        >>> rng = np.random.default_rng(0)
        >>> days = np.repeat(pd.date_range("2024-01-01", periods=60), 50)
        >>> risk = rng.beta(1, 4, len(days))
        >>> label = rng.random(len(days)) < risk
        >>> compare(label, risk, np.full(len(days), 0.2), days, fp=30, fn=120)
        Ship: the candidate saves $5,440 more per 1,000 decisions than the baseline \
(95% CI $3,770 to $7,110)
          saving per 1,000 decisions: candidate $5,440, baseline $0
          3,000 decisions on 60 days
    """
    framing = _frame(costs, required, confidence)
    table = _table(label, candidate, baseline, days, framing)
    test = TestComparison(table, framing, Bootstrap(table, framing, REPLICATES, seed=0))
    gain, money = test.gain_over(RIVAL), partial(format_money, unit=framing.costs.unit)
    told = f"the candidate {test.describe(gain, 'the baseline')}"
    verdict = judge_gain(test, told, f"{money(required)} per 1,000 decisions is required")
    return Comparison(
        decision="ship" if verdict.ok else "hold",
        reason=verdict.message,
        candidate=per_1000(test.saving("")),
        baseline=per_1000(test.saving(f"_{RIVAL}")),
        gain=gain,
        required=required,
        rows=len(table),
        days=test.units,
        unit=framing.costs.unit,
    )


def _frame(costs: dict[str, Any], required: float, confidence: float) -> Framing:
    """Return a framing with these costs; `least_per_1000` is the required gain."""
    try:
        return Framing.model_validate(
            {
                "task": "binary" if costs_kind(costs) == "outcomes" else "regression",
                "decision": {"unit": "decision", "per_month": 1000, "label": "label"},
                "costs": costs,
                "baselines": [RIVAL],
                "success": {"months": 1, "min_net_saving": required},
                "confidence": confidence,
            }
        )
    except ValidationError as error:
        faults = (
            f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()
        )
        raise RunError(
            f"compare() can't use what was given: {'; '.join(faults)}. Give costs as numbers: fp "
            "and fn, or overage and underage, with unit as the currency."
        ) from error


def _table(label: Any, candidate: Any, baseline: Any, days: Any, framing: Framing) -> pd.DataFrame:
    """Return the predictions of both models and what each decides, one row per decision."""
    given = {"label": label, "candidate": candidate, "baseline": baseline}
    numbers = {name: np.asarray(values, dtype=np.float64) for name, values in given.items()}
    at = pd.Series(pd.to_datetime(days)).reset_index(drop=True)
    sizes = {name: one.shape for name, one in numbers.items()} | {"days": at.shape}
    if len(set(sizes.values())) > 1 or sizes["label"] in [(), (0,)] or numbers["label"].ndim > 1:
        raise RunError(
            "compare() needs arrays of one length, above 0. Shapes are "
            f"{', '.join(f'{name} {shape}' for name, shape in sizes.items())}."
        )
    _require_usable(numbers | {"days": np.where(at.isna(), np.nan, 0.0)}, framing)
    # the calendar day of the given clock, whatever its zone
    table = pd.DataFrame(
        {"predict_at": at.dt.tz_localize(None).dt.tz_localize("UTC"), "label": numbers["label"]}
    )
    costs = framing.costs.at(table)
    for name, suffix in (("candidate", ""), ("baseline", f"_{RIVAL}")):
        table[f"{framing.predicted}{suffix}"] = numbers[name]
        table[f"{framing.decided}{suffix}"] = costs.decide(numbers[name])
    return table


def _require_usable(numbers: dict[str, npt.NDArray[np.float64]], framing: Framing) -> None:
    """Raise RunError for missing values, and for labels or probabilities that are none."""
    for name, values in numbers.items():
        if missing := int((~np.isfinite(values)).sum()):
            raise RunError(
                f"compare() found missing or infinite values: {name}, {missing:,} of "
                f"{len(values):,} rows. Leave out these rows in all arrays."
            )
        if framing.task == "binary" and ((values < 0) | (values > 1)).any():
            raise RunError(
                f"compare() found values of {name} outside of 0 to 1. With costs fp and fn, the "
                "label is 0 or 1, and predictions are probabilities: convert scores to "
                "probabilities first. For quantities, give the costs overage and underage."
            )
    if framing.task == "binary" and not np.isin(numbers["label"], (0, 1)).all():
        raise RunError(
            "compare() found labels other than 0 and 1. With costs fp and fn, give 0 or 1. For "
            "quantities, give the costs overage and underage."
        )
