"""Logged decisions of an experiment with what they cost, checked against its design."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from preflight.contracts.catalog import Contracts
from preflight.errors import RunError
from preflight.inference.experiment import VARIANTS, Design
from preflight.inference.prediction_log import Days
from preflight.monitoring.known_labels import KnownLabels
from preflight.problem.framing import Framing

Floats = npt.NDArray[np.float64]


def read_decisions(
    logged_days: Days,
    labels: pd.DataFrame,
    columns: list[str],
    since: pd.Timestamp,
    at: pd.Timestamp,
    framing: Framing,
    contracts: Contracts,
    predict_again: Callable[[pd.DataFrame], Floats] | None = None,
) -> pd.DataFrame:
    """Return the logged decisions of some time with their labels, one row per decision.

    Columns: `decision`, `predict_at`, `day`, `model`, `unit`, `variant`, `predicted`, `acted` (or
    the quantity), `untouched`, `label` (missing while it is not known), `money` (minus what the
    decision cost), `money_untouched` and `money_champion` (what it would have been if nobody had
    acted, and if the prediction had decided), slices, and `columns`.

    Args:
        columns: of the log.
        since, at: moments of prediction.
        predict_again: returns the prediction of one model for logged rows; without it `predicted`
            is that of the log.
    """
    known = KnownLabels(labels, framing, contracts, at)
    wanted = dict.fromkeys([*columns, *framing.slices])
    parts = []
    for read in _between(logged_days, since, at):
        rows = read()
        rows = rows[(rows["predict_at"] >= since) & (rows["moment"] <= at)]
        hashes = known.hash(rows)
        first = ~pd.Series(hashes).duplicated().to_numpy()
        rows, hashes = rows[first], hashes[first]
        label, day = known.find(rows, hashes), framing.split.day(rows["predict_at"])
        month = {} if "month" in rows else {"month": day.dt.strftime("%Y-%m")}
        costs, decided = framing.costs.at(rows), rows[framing.decided].to_numpy()
        logged = rows[framing.predicted].to_numpy(np.float64)
        predicted = predict_again(rows) if predict_again else logged
        money = {"money": decided, "money_champion": costs.decide(predicted)}
        if framing.task == "binary":
            money["money_untouched"] = np.zeros(len(rows), dtype=bool)
        unknown = np.isnan(label)
        for name, what in money.items():
            money[name] = np.where(unknown, np.nan, -costs.cost(label, what))
        parts.append(
            rows[["predict_at", "model", "unit", "variant", "untouched"]].assign(
                decision=hashes,
                day=day,
                predicted=predicted,
                acted=decided.astype(np.float64),
                label=label,
                **money,
                **month,
                **{name: rows[name] for name in wanted if name in rows},
            )
        )
    if not parts:
        raise RunError(
            f"The prediction log has no decision from {since} to {at}. It ends on "
            f"{max(logged_days, default='no day')}. Run: kedro run --pipelines inference. Or give "
            "a moment inside it (experiment_design.moment, experiment_readout.moment)."
        )
    return pd.concat(parts).drop_duplicates("decision").reset_index(drop=True)


def _between(logged_days: Days, since: pd.Timestamp, at: pd.Timestamp) -> Iterator[Any]:
    """Yield the parts of the log that may have decisions of some time."""
    first = list(logged_days)
    begin, end = (f"{moment.tz_convert('UTC'):%Y-%m-%d}" for moment in (since, at))
    for day, after in zip(first, [*first[1:], None], strict=False):  # none of an empty log
        if day <= end and (after is None or after > begin):
            yield logged_days[day]


def require_randomised(decisions: pd.DataFrame, design: Design, framing: Framing) -> None:
    """Refuse decisions that were not randomised as the design says.

    Raises:
        RunError: a decision has no unit, an unknown variant, or another one than its unit gives.
    """
    began = f"experiment {design.name} from {design.start} to {design.end}"

    def refuse(some: pd.Series, what: str, remedy: str) -> None:
        if some.any():
            one = decisions.loc[some, ["predict_at", "unit", "variant"]].iloc[0].fillna("none")
            raise RunError(
                f"{int(some.sum()):,} decisions of {began} {what}. The first was predicted at "
                f"{one['predict_at']}: unit {one['unit']}, variant {one['variant']}. {remedy}"
            )

    refuse(
        decisions["unit"].isna() | decisions["variant"].isna(),
        "have no unit or no variant",
        "They were decided by a process that did not know the design. Leave out its days by "
        "another design that begins later, and start each process after the design is made.",
    )
    refuse(
        ~decisions["variant"].isin(VARIANTS),
        "have a variant that is not in the design",
        "Correct what writes the log.",
    )
    units = design.units_of(decisions, framing)
    refuse(
        (units != decisions["unit"]) | (design.variants_of(units) != decisions["variant"]),
        "have another unit or variant than the design gives them",
        "The salt, the share or the unit was changed while it ran, or another process drew by "
        "another design. The groups are no longer comparable: stop it and begin a new one.",
    )
