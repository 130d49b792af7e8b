"""What the logged decisions were worth: by week, and over the life of the champion."""

from typing import Any

import numpy as np
import pandas as pd

from preflight.evaluation.contracts import Evaluation
from preflight.evaluation.slicing import slices_of
from preflight.modeling.model import Bundle
from preflight.monitoring.contracts import ChampionResults, SliceResult, WeeklyResults
from preflight.monitoring.decisions import best_baseline
from preflight.monitoring.weeks import rank_quality
from preflight.problem.framing import Framing
from preflight.problem.split import monday_of
from preflight.stats.bootstrap import UNDEFINED, Bootstrap, Interval

MONEY = ("saved", "estimated", "gain", "baseline_gain")
SPREAD = {"low": 0.1, "middle": 0.5, "high": 0.9}  # quantiles of the predictions


def measure_weeks(labelled_decisions: pd.DataFrame, framing: Framing) -> pd.DataFrame:
    """Return volume, predictions, labels and money of each week of the log, as `WeeklyResults`."""
    rows = labelled_decisions
    groups = rows.groupby(monday_of(rows["day"]).rename("monday"))
    columns = {
        "model": groups["model"].last(),
        "decisions": groups.size(),
        "labelled": groups["label"].count(),
        **{name: groups[name].mean() for name in ("decided", "predicted", "label")},
        **{name: groups["predicted"].quantile(share) for name, share in SPREAD.items()},
        **{name: groups[name].sum(min_count=1) for name in MONEY},
    }
    table = pd.DataFrame(columns).rename_axis("week").reset_index()
    schema = WeeklyResults.to_schema().columns
    table["week"] = table["week"].dt.strftime("%Y-%m-%d")
    return table[[*schema]].astype({name: one.dtype.type for name, one in schema.items()})


def measure_champion(
    labelled_decisions: pd.DataFrame,
    champion: Bundle | None,
    champion_test: pd.DataFrame | None,
    framing: Framing,
    evaluation: Evaluation,
) -> dict[str, Any]:
    """Return what the champion was worth since its first logged decision, as `ChampionResults`.

    Only decisions whose label is known count. Intervals are those of the evaluation.
    """
    made = labelled_decisions[labelled_decisions["of_champion"].astype(bool)]
    rows = made[made["label"].notna()].reset_index(drop=True)
    bootstrap = evaluation.bootstrap(rows, framing) if len(rows) else None

    def mean_of(name: str, here: Any = None) -> Interval:
        """Return the mean per 1,000 decisions of those that have the value."""
        known = rows[name].notna().to_numpy()
        some = np.flatnonzero(known) if here is None else here[known[here]]
        if bootstrap is None or not len(some):
            return UNDEFINED
        return bootstrap.per_1000(rows[name].fillna(0).to_numpy(), some)

    columns = [name for name in framing.slices if name in rows and len(rows)]
    slices = [
        SliceResult(by=by, slice=name, decisions=len(here), saved=mean_of("saved", here))
        for by, name, here in slices_of(rows[columns])
    ]
    return ChampionResults(
        champion=champion and champion["provenance"]["version"],
        since=f"{made['day'].min():%Y-%m-%d}" if len(made) else None,
        decisions=len(made),
        labelled=len(rows),
        saved=mean_of("saved"),
        promised=_saved_on_test(champion_test, framing),
        estimated=mean_of("estimated"),
        over_challenger=mean_of("gain"),
        baseline=best_baseline(champion_test, framing),
        over_baseline=mean_of("baseline_gain"),
        calibration=_calibration(rows, bootstrap),
        rank_quality=_number(rank_quality(rows["label"], rows["predicted"], framing.task)),
        slices=slices,
    ).model_dump(mode="json")


def _saved_on_test(champion_test: pd.DataFrame | None, framing: Framing) -> float | None:
    """Return what the champion saved per 1,000 decisions on the test that it was promoted on."""
    if champion_test is None:
        return None
    label, decided = (champion_test[name].to_numpy() for name in ("label", framing.decided))
    return float(1000 * framing.costs.at(champion_test).saving(label, decided).mean())


def _calibration(rows: pd.DataFrame, bootstrap: Bootstrap | None) -> Interval:
    """Return the mean label less the mean prediction."""
    if bootstrap is None:
        return UNDEFINED
    return bootstrap.mean((rows["label"] - rows["predicted"]).to_numpy())


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value
