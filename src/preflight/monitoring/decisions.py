"""Logged decisions with their labels, next to what newer models would have decided."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from preflight.contracts.catalog import Contracts
from preflight.errors import RunError
from preflight.inference.feedback import usable_rows
from preflight.inference.prediction_log import Days
from preflight.modeling.model import Bundle
from preflight.monitoring.contracts import Monitoring
from preflight.monitoring.inputs import InputCounts
from preflight.monitoring.known_labels import KnownLabels, name_key
from preflight.monitoring.rivals import Rivals, known_until, refits_of
from preflight.problem.costs import per_1000
from preflight.problem.framing import Framing

Models = Mapping[str, Callable[[], Bundle]]
Baselines = Mapping[str, Callable[[], dict[str, Bundle]]]

SKEW = pd.Timedelta(hours=1)  # that clocks may differ by
COLUMNS = {"decision": "uint64", "predict_at": "datetime64[us, UTC]", "model": "str"}
COLUMNS |= {"of_champion": "bool", "due": "bool", "untouched": "boolean", "label": "float64"}
COLUMNS |= {"predicted": "float64", "decided": "float64", "saved": "float64"}
COLUMNS |= {"estimated": "float64", "gain": "float64", "baseline_gain": "float64"}
COLUMNS |= {"day": "datetime64[us]"}


def join_decisions(
    logged_days: Days,
    labels: pd.DataFrame,
    champion: Bundle | None,
    refits: Models,
    baseline_refits: Baselines,
    champion_test: pd.DataFrame | None,
    framing: Framing,
    monitoring: Monitoring,
    contracts: Contracts,
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Return the logged decisions, how often each input had each value, and notes on what lacks.

    Grain of the first: one row per decision, the first time that it was made. `of_champion`: by the
    model in use. `due`: its label has to be known by now. `label`: missing while it is not known,
    as all that follows from it. `decided`: acted or not, or the quantity. `saved`: in the currency.
    `estimated`: the saving that is expected by the probability. `gain`: the saving less that of the
    newest challenger that was fitted before the prediction. `baseline_gain`: the same of the
    baseline that was best on the champion's test. The log is read in parts of some days.

    Grain of the second: see `InputCounts`.

    Raises:
        RunError: a prediction is dated in the future, a label before its prediction, or a file of
            the log is damaged.
    """
    inputs = InputCounts(contracts["features"].names(), framing)
    none = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in COLUMNS.items()})
    if champion is None:
        note = "There is no champion: kedro run --pipelines deployment"
        return none, inputs.table(monitoring.at), [note]
    known = KnownLabels(labels, framing, contracts, monitoring.at)
    best = best_baseline(champion_test, framing)
    same = Rivals(refits_of(champion, refits), framing)
    models = _Models(
        champion["provenance"]["version"],
        same,
        same.after(known_until(champion)),
        Rivals([one[best] for r in baseline_refits.values() if best in (one := r())], framing),
    )
    parts = []
    for first_day, read in logged_days.items():
        if first_day > f"{monitoring.at.tz_convert('UTC'):%Y-%m-%d}" and monitoring.moment:
            break
        rows = read()
        _require_past(rows, contracts)
        rows = rows[rows["moment"] <= monitoring.at]
        parts.append(_join_part(rows, known, models, framing, monitoring.at))
        inputs.add(rows[~parts[-1]["decision"].duplicated()])
    decisions, counts = pd.concat(parts or [none], ignore_index=True), inputs.table(monitoring.at)
    parts.clear()  # a year of them takes as much memory as the table
    if (again := decisions["decision"].duplicated()).any():
        decisions = decisions[~again].reset_index(drop=True)
    notes = [*_not_of(models.version, decisions)]
    if len(decisions):
        notes += [*_gaps(decisions), *known.notes(decisions)]
    try:
        return usable_rows(decisions, framing), counts, notes
    except RunError as error:  # the limits of inputs are of use all the same
        return none, counts, [str(error), *notes]


def best_baseline(champion_test: pd.DataFrame | None, framing: Framing) -> str:
    """Return the baseline that saves most on the champion's test; without a test the first."""
    if champion_test is None:
        return framing.baselines[0]
    costs, label = framing.costs.at(champion_test), champion_test["label"].to_numpy()
    return max(
        framing.baselines,
        key=lambda name: per_1000(
            costs.saving(label, champion_test[f"{framing.decided}_{name}"].to_numpy())
        ),
    )


def _require_past(rows: pd.DataFrame, contracts: Contracts) -> None:
    """Raise RunError if a prediction is dated in the future."""
    late = rows[rows["moment"] > pd.Timestamp.now("UTC") + SKEW]
    if len(late):
        first = late["moment"].iloc[0]
        raise RunError(
            f"The prediction log has {len(late):,} predictions that are dated in the future, in "
            f"the folder day={first:%Y-%m-%d}. The first is of {first}: "
            f"{name_key(late, contracts)}. Correct the clock that wrote them, and move the folder "
            "out of the log."
        )


class _Models(NamedTuple):
    """The champion's version, its refits, those newer than itself, and the refitted baseline."""

    version: str
    refits: Rivals
    newer: Rivals
    baseline: Rivals


def _join_part(
    rows: pd.DataFrame, known: KnownLabels, models: _Models, framing: Framing, at: pd.Timestamp
) -> pd.DataFrame:
    """Return the decisions of a part of the log, with labels and money."""
    hours = framing.prediction.label_delay
    due_at = rows["label_due_at"].fillna(rows["predict_at"] + hours)
    decision = known.hash(rows)
    labels, costs = known.find(rows, decision), framing.costs.at(rows)
    predicted = rows[framing.predicted].to_numpy(np.float64)
    decided = decided_by(rows, framing)
    saved = np.where(np.isnan(labels), np.nan, costs.saving(labels, decided))
    of_champion = (rows["model"] == models.version).to_numpy(bool)
    against = np.full(len(rows), np.nan)
    for some, rivals in (of_champion, models.newer), (~of_champion, models.refits):
        against[some] = rivals.saving(rows[some], labels[some])
    return pd.DataFrame(
        {
            "decision": decision,  # the same in every file
            "predict_at": rows["predict_at"],
            "model": rows["model"],
            "of_champion": of_champion,
            "due": due_at <= at,
            "untouched": rows["untouched"],
            "label": labels,
            "predicted": predicted,
            "decided": decided.astype(np.float64),
            "saved": saved,
            "estimated": _estimate(predicted, decided, costs, framing),
            "gain": saved - against,
            "baseline_gain": saved - models.baseline.saving(rows, labels),
            "day": framing.split.day(rows["predict_at"]),
            **{name: rows[name] for name in framing.slices if name in rows},
        }
    )


def decided_by(rows: pd.DataFrame, framing: Framing) -> npt.NDArray[Any]:
    """Return what was decided; of untouched rows, what the model would have decided, shape (n,)."""
    decided = rows[framing.decided].to_numpy()
    if framing.task == "regression" or not (untouched := rows["untouched"].fillna(False)).any():
        return decided
    by_model = framing.costs.at(rows).decide(rows[framing.predicted].to_numpy(np.float64))
    return np.where(untouched, by_model, decided)


def _estimate(predicted: Any, decided: Any, costs: Any, framing: Framing) -> Any:
    """Return the saving that a probability expects; of a quantity none is known, shape (n,)."""
    if framing.task == "regression":
        return np.full(len(predicted), np.nan)
    return costs.expected_saving(predicted, decided)


def _not_of(version: str, decisions: pd.DataFrame) -> Iterator[str]:
    """Yield a note if no decision is of the champion."""
    if not decisions["of_champion"].any():
        others = ", ".join(sorted(decisions["model"].unique()))
        yield (
            f"The prediction log has no prediction of the champion {version}. "
            + (f"It has those of {others}. " if others else "It is empty. ")
            + "Run: kedro run --pipelines inference"
        )


def _gaps(decisions: pd.DataFrame) -> Iterator[str]:
    """Yield a note if days lack decisions."""
    days = pd.date_range(decisions["day"].min(), decisions["day"].max())
    if len(lacking := days.difference(pd.DatetimeIndex(decisions["day"].unique()))):
        listed = ", ".join(f"{day:%Y-%m-%d}" for day in lacking[:5])
        more = " and others" if len(lacking) > 5 else ""
        yield (
            f"The prediction log has no decision on {len(lacking)} of {len(days)} days: "
            f"{listed}{more}. They are left out. If they were made, restore their folders."
        )
