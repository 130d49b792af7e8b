"""Feedback: where acting changes the label, some decisions are left untouched to see theirs."""

from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from preflight.errors import RunError
from preflight.problem.framing import Framing

SALT = "untouched"  # another salt draws independently


def draw_uniform(rows: pd.DataFrame, unit: list[str], salt: str) -> npt.NDArray[np.float64]:
    """Return a number in [0, 1) for each row, shape (n,), drawn by a hash of its unit and a salt.

    The same unit gets the same number in every process, whatever the types of its columns.

    Args:
        unit: the columns that identify a unit.
        salt: makes draws for different purposes independent.
    """
    columns = []
    for name in unit:
        values = rows[name]
        if isinstance(values.dtype, pd.DatetimeTZDtype):  # as text it depends on the other rows
            values = values.dt.as_unit("us").astype("int64")
        columns.append(values.astype(str))
    texts = ("\x1f".join((salt, *one)) for one in zip(*columns, strict=True))
    digests = (sha256(text.encode()).digest()[:8] for text in texts)
    return np.array([int.from_bytes(one) >> 11 for one in digests], dtype=np.float64) / 2**53


def leave_untouched(
    answers: dict[str, Any], rows: pd.DataFrame, unit: list[str], framing: Framing
) -> dict[str, Any]:
    """Return answers with the column `untouched`: the decisions that nobody acts on, at random.

    Their `act` is False, whatever the model says. Batch inference and the service draw by this
    function, so a decision is untouched in both or in neither.

    Args:
        answers: columns of the answers to `rows`.
        unit: the key of a decision.
    """
    share = framing.decision.untouched_share
    if share is None:
        return {**answers, "untouched": np.zeros(len(rows), dtype=bool)}
    untouched = draw_uniform(rows, unit, SALT) < share
    return {**answers, "act": answers["act"] & ~untouched, "untouched": untouched}


def usable_rows(logged: pd.DataFrame, framing: Framing) -> pd.DataFrame:
    """Return the logged rows whose label is what happens if nobody acts.

    Only these rows may be used for money, for discrimination and for training. What the model would
    have done follows from its prediction: `framing.costs.at(rows).decide(rows["probability"])`.

    Raises:
        RunError: acting changes the label, and no decision was left untouched.
    """
    if not framing.decision.changes_label:
        return logged
    untouched = logged[logged["untouched"].fillna(False).astype(bool)]
    if untouched.empty:
        raise RunError(
            "Acting changes the label (framing.decision.changes_label), and no logged decision was "
            "left untouched. So the labels do not show what the model is worth. Set "
            "framing.decision.untouched_share, such as 0.05, and wait for the labels of decisions "
            "that were made since."
        )
    return untouched
