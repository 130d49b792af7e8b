"""What diagnosis returns: the steps to the candidate, more data, failures, doubtful labels."""

from typing import Any, Literal

import pandas as pd
from pandera.typing import Series
from pydantic import Field

from preflight.contracts.examples import MEAN
from preflight.contracts.primary import LABEL, Key, Label
from preflight.contracts.results import PROBABILITY, Answer, Interval
from preflight.contracts.table import Document, DocumentContract, Table, Utc, column, rule

HALF = "if it acted above 50%"  # the last step of a waterfall, where it is decided to act
MONEY = "of the costs, per 1,000 decisions"


def _bound(description: str) -> Any:
    return column(description, MONEY, nullable=True)


class Waterfall(Table):
    """One row per part of the split and step from the best baseline to the candidate, in order."""

    part: Series[str] = column("validation or test", isin=["validation", "test"])
    step: Series[str] = column("what was added: a feature group, all examples, tuning ...")
    value_per_1000: Series[float] = column("saving over never acting, with this step", MONEY)
    gain: Series[float] = _bound("over the step before; missing for the baseline")
    gain_low: Series[float] = _bound("lower bound")
    gain_high: Series[float] = _bound("upper bound")

    class Config:
        """The key."""

        unique = ["part", "step"]

    @rule("bounds are in order", "gain_low", "gain_high")
    def in_order(cls, t: pd.DataFrame) -> pd.Series:
        """The lower is not above the higher."""
        return ~(t["gain_low"] > t["gain_high"])

    @rule("a gain is the difference to the step before", "part", "value_per_1000", "gain")
    def adds_up(cls, t: pd.DataFrame) -> pd.Series:
        """The steps lead from the baseline to the candidate without a gap."""
        rise = t.groupby("part")["value_per_1000"].diff()
        return (rise - t["gain"]).abs().fillna(0) <= 1e-6 * (1 + t["value_per_1000"].abs())


class LearningCurve(Table):
    """One row per size of train, its latest part: the candidate's value on validation."""

    rows: Series[int] = column("examples fitted on", "rows", gt=0)
    first: Series[Utc] = column("the earliest of them", "UTC")
    value_per_1000: Series[float] = column("saving over never acting", MONEY)
    low: Series[float] = column("lower bound", MONEY)
    high: Series[float] = column("upper bound", MONEY)

    class Config:
        """The key."""

        unique = ["rows"]


class MoreLabels(Document):
    """What more labels would buy by the slope of the learning curve, and what they cost."""

    per_doubling: Interval = Field(description="value per 1,000 decisions for twice the examples")
    labels: int = Field(gt=0)
    months: float
    value: Interval = Field(description="of so many labels over so many months")
    price: float = Field(ge=0)
    worth: Literal["yes", "no", "can't tell"]


class SuspiciousLabels(Key):
    """One row per label that the candidate contradicts, the most suspicious first."""

    predict_at: Series[Utc] = column("moment of prediction", "UTC")
    fold: Series[int] = column("of validation, that it was judged in", ge=0)
    label: Series[Label] = column("as given", **LABEL)
    predicted: Series[float] = column("fitted on what came before", **MEAN)
    doubt: Series[float] = column(
        "probability of the other label; of amounts how many times the usual error it is off", ge=0
    )
    found: Series[int] = column("suspicious labels in all", "rows", ge=0)
    of: Series[int] = column("labels looked at", "rows", ge=0)

    class Config:
        """A label may be judged in several folds."""

        unique = ["fold", *Key.grain()]


class Segments(Table):
    """One row per segment of test: what its decisions lose against hindsight."""

    segment: Series[str] = column("its conditions")
    rows: Series[int] = column("examples", "rows", gt=0)
    share: Series[float] = column("of all examples", **PROBABILITY)
    lost_per_1000: Series[float] = column("against decisions that know the label", MONEY, ge=0)
    low: Series[float] = column("lower bound", MONEY)
    high: Series[float] = column("upper bound", MONEY)
    share_lost: Series[float] = column("of all that is lost", **PROBABILITY)
    label_mean: Series[float] = column("mean label: of 0 and 1 the share of 1", **MEAN)
    predicted: Series[float] = column("mean of what is predicted", **MEAN)
    decided: Series[float] = column("share acted on, or mean amount", **MEAN)

    class Config:
        """The key."""

        unique = ["segment"]


class SegmentExamples(Answer, Key):
    """One row per decision to look at, of the segments where most is lost."""

    predict_at: Series[Utc] = column("moment of prediction", "UTC")
    label: Series[Label] = column("what happened", **LABEL)
    segment: Series[str] = column("the segment")
    lost: Series[float] = column("against the best decision in hindsight", "of the costs", ge=0)
    facts: Series[str] = column("the features that the segment asks about")


class Robustness(Table):
    """One row per fault of the inputs: what the candidate is worth with it on test."""

    fault: Series[str] = column("what is missing, or noise")
    value_per_1000: Series[float] = _bound("saving over never acting; missing: no answer")
    loss: Series[float] = _bound("against all inputs")
    loss_low: Series[float] = _bound("lower bound")
    loss_high: Series[float] = _bound("upper bound")
    changed: Series[float] = column("share of decisions that differ", **PROBABILITY)

    class Config:
        """The key."""

        unique = ["fault"]


more_labels = DocumentContract(MoreLabels)
