"""What becomes of tables and features, whatever they are about: accounts, labels, examples."""

from typing import Any

import pandas as pd
from pandera.typing import Series

from preflight.contracts.features import Features
from preflight.contracts.primary import LABEL, Key, Label
from preflight.contracts.table import Table, Utc, column, rule

# of what is predicted, and of the means of labels: those of 0 and 1 are shares
MEAN: dict[str, Any] = {"ge": 0, "le": 1} if LABEL.get("isin") == [0, 1] else {}


class Cleaning(Table):
    """One row per cleaning rule: what was done to how many rows, and why."""

    table: Series[str] = column("the table")
    finding: Series[str] = column("what was found")
    action: Series[str] = column(
        "what was done", isin=["repaired", "set to missing", "excluded", "kept"]
    )
    rows: Series[int] = column("rows concerned", "rows", ge=0)
    of: Series[int] = column("rows of the table as read", "rows", gt=0)

    class Config:
        """Each rule once."""

        unique = ["table", "finding"]

    @rule("a rule concerns at most a quarter of a table", "table", "finding", "rows", "of")
    def bounded(cls, t: pd.DataFrame) -> pd.Series:
        """Cleaning that touches more is a fault of the data or of the rule."""
        return t["rows"] <= t["of"] / 4


class Labels(Key):
    """One row per example: its label."""

    label: Series[float] = column(
        "what framing.decision.label says; missing while it is open",
        nullable=True,
        **LABEL,
        known_at="label_known_at",
    )
    label_known_at: Series[Utc] = column(
        "moment when it was known",
        "UTC",
        nullable=True,
        known_at="label_known_at",
    )

    @rule("a label and its moment are known together", "label", "label_known_at")
    def known_together(cls, t: pd.DataFrame) -> pd.Series:
        """Neither without the other."""
        return t["label"].isna() == t["label_known_at"].isna()


class Examples(Features):
    """Features with their label: one part of the split, in the order of prediction."""

    label: Series[Label] = column("what framing.decision.label says", **LABEL)
    label_known_at: Series[Utc] = column("when the label was known", "UTC")

    @rule("the label is known after the prediction", "predict_at", "label_known_at")
    def predicts(cls, t: pd.DataFrame) -> pd.Series:
        """What is known already need not be predicted."""
        return t["label_known_at"] > t["predict_at"]


class SplitSummary(Table):
    """One row per part of the split."""

    part: Series[str] = column("train, validation or test", isin=["train", "validation", "test"])
    first: Series[Utc] = column("first moment of prediction", "UTC")
    last: Series[Utc] = column("last moment of prediction", "UTC")
    rows: Series[int] = column("examples", "rows", gt=0)
    label_mean: Series[float] = column("mean label: of 0 and 1 the share of 1", **MEAN)
    labels: Series[int] = column("different labels: of one nothing is learnt", ge=2)
    left_out: Series[int] = column("examples whose label was not known in time", "rows", ge=0)

    class Config:
        """The key."""

        unique = ["part"]
