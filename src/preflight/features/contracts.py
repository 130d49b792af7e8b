"""Columns of labels and examples, and the summary of the split."""

import pandas as pd

from preflight.contracts.table import Table, Utc, bounds, column, rule


class LabelColumns(Table):
    """Of labels: the time each became available. The project adds its key and its label."""

    label_known_at: Utc = column("time it became available", "UTC", known_at="label_known_at")

    @rule("a label and its moment are known together", "label", "label_known_at")
    def known_together(cls, t: pd.DataFrame) -> pd.Series:
        return t["label"].isna() == t["label_known_at"].isna()


class ExampleColumns(Table):
    """Of one part of the split, in addition to features and label, in the order of prediction."""

    label_known_at: Utc = column("time the label became available", "UTC")

    @rule("the label is known after the prediction", "predict_at", "label_known_at")
    def predicts(cls, t: pd.DataFrame) -> pd.Series:
        return t["label_known_at"] > t["predict_at"]


class SplitSummary(Table, key=["part"]):
    """One row per part of the split."""

    part: str = column("train, validation or test", isin=["train", "validation", "test"])
    starts: Utc = column("boundary to the part before; missing for train", "UTC", nullable=True)
    first: Utc = column("first moment of prediction", "UTC")
    last: Utc = column("last moment of prediction", "UTC")
    rows: int = column("examples", "rows", gt=0)
    label_mean: float = column("mean label: of 0 and 1 the share of 1")
    labels: int = column("distinct labels: a model needs two or more", ge=2)
    split: str = column("what the parts follow from, as framing.split states it")
    share: float = column("share of all decisions that were drawn, 1 if all were", gt=0, le=1)
    left_out: int = column("examples whose label was not known in time", "rows", ge=0)

    after_boundary = bounds("starts", "first")


class KeyHashes(Table, key=["key_hash"]):
    """One row per decision of the test set: development refuses these, and can't read more."""

    key_hash: int = column("hash of its key")
