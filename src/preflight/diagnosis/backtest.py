"""Backtest: the gain at several cut-offs, each time fitted on what was known by then."""

import logging
from itertools import pairwise
from typing import Any

import pandas as pd

from preflight.contracts.catalog import Contract, Contracts
from preflight.diagnosis.contracts import Backtest, Diagnosis
from preflight.evaluation.contracts import Evaluation
from preflight.evaluation.predictions import require_same
from preflight.modeling.estimators import Estimator
from preflight.modeling.model import Floats
from preflight.modeling.parameters import Modeling
from preflight.modeling.training import fit_predict, join_parts, saving
from preflight.problem.framing import Framing
from preflight.stats.bootstrap import interval_columns

log = logging.getLogger(__name__)


def compute_backtest(
    train: pd.DataFrame,
    validation: pd.DataFrame,
    test: pd.DataFrame,
    test_predictions: pd.DataFrame,
    best_params: dict[str, Any],
    selection: dict[str, Any],
    framing: Framing,
    modeling: Modeling,
    evaluation: Evaluation,
    diagnosis: Diagnosis,
    contracts: Contracts,
) -> pd.DataFrame:
    """Return the candidate's gain over the best baseline after each cut-off, without calibration.

    The periods between cut-offs are equally long, and the last one ends with the test set. The
    candidate with the chosen parameters and the best baseline are fitted on all examples whose
    label was known at the cut-off, embargo included, and decide on the examples of the period
    (rolling origins: Tashman 2000). The intervals are over the days of the period. Parameters and
    best baseline were chosen on validation: up to its end the gains are a little optimistic.

    Grain: one row per cut-off, in the order of time. A cut-off is left out, with a warning, if its
    period has no examples, or if nothing can be learnt from the examples before it. Without a clock
    there are none.
    """
    require_same(test, test_predictions, "test")
    if framing.split.clock == "none":
        return Backtest.empty()
    examples = join_parts(train, validation, test)
    moment, known_at = examples["predict_at"], examples["label_known_at"]
    embargo = pd.Timedelta(hours=framing.split.embargo_hours)
    name, asked = selection["best_baseline"], diagnosis.backtest
    specs = {"candidate": modeling.chosen(best_params), name: modeling.baselines[name]}
    weeks = [asked.weeks * number for number in range(asked.cutoffs, -1, -1)]
    rows: list[dict[str, Any]] = []
    for cutoff, until in pairwise(framing.split.weeks_before(moment.max(), weeks)):
        known = examples[known_at + embargo <= cutoff]
        period = examples[(moment >= cutoff) & (moment < until)]
        try:
            saved = _fit_and_save(specs, known, period, framing, contracts["features"])
        except Exception as error:  # whatever an estimator raises on so few or such early examples
            log.warning(
                "  The backtest leaves out the cut-off %s: %s. Choose fewer or shorter periods "
                "(diagnosis.backtest in conf/base/parameters/diagnosis.yml).",
                cutoff.tz_convert(framing.split.timezone).date(),
                str(error).partition("\n")[0].rstrip("."),
            )
            continue
        gain = evaluation.bootstrap(period, framing).per_1000(saved["candidate"] - saved[name])
        rows.append(
            {
                "cutoff": cutoff,
                "until": until,
                "rows": len(known),
                "decisions": len(period),
                "baseline": name,
                "value_per_1000": 1000 * saved["candidate"].mean(),
                **interval_columns(gain, "gain", "gain_low", "gain_high"),
            }
        )
    types = {n: column.dtype.type for n, column in Backtest.to_schema().columns.items()}
    return pd.DataFrame(rows, columns=[*types]).astype(types)


def _fit_and_save(
    specs: dict[str, Estimator],
    known: pd.DataFrame,
    period: pd.DataFrame,
    framing: Framing,
    features: Contract,
) -> dict[str, Floats]:
    """Return what each model, fitted on what was known, saves with each decision of the period."""
    if period.empty:
        raise ValueError("there are no examples in the period after it")
    if known["label"].nunique() < 2:
        raise ValueError(f"nothing can be learnt from the {len(known):,} examples known by then")
    return {
        name: saving(
            period,
            fit_predict(spec, known, period, features),
            framing,
            getattr(spec, "threshold", None),
        )
        for name, spec in specs.items()
    }
