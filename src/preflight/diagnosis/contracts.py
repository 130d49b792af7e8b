"""The parameters of diagnosis, and its tables."""

from typing import Any, Literal

import pandas as pd
from pydantic import Field

from preflight.contracts.documents import Document, DocumentContract, Parameters
from preflight.contracts.table import Table, Utc, bounds, column, rule
from preflight.modeling.contracts import DecisionValues
from preflight.stats.contracts import MONEY, PROBABILITY, Interval


class Diagnosis(Parameters):
    """How deep to look into what was built."""

    seed: int
    step_rows: int = Field(gt=0, description="examples of train that a step is fitted on, at most")
    train_shares: list[float] = Field(min_length=1, description="of train, its latest part")
    next_share: float = Field(gt=0, le=1, description="of train: so many labels more")
    segment_depth: int = Field(ge=1)
    segment_share: float = Field(gt=0, le=0.5, description="of validation, at least")
    examples: int = Field(gt=0, description="to look at, in each of the worst segments")
    labels_to_review: int = Field(gt=0)
    noise: float = Field(gt=0, description="in standard deviations of a feature")


def _bound(description: str) -> Any:
    return column(description, MONEY, nullable=True)


STEPS = [
    "baseline",
    "first group",
    "group",
    "tuning",
    "examples",
    "calibration",
    "threshold",
]


class Waterfall(Table, key=["part", "kind", "step"]):
    """One row per part of the split and step from the best baseline to the candidate, in order."""

    part: str = column("validation or test", isin=["validation", "test"])
    kind: str = column("of step", isin=STEPS)
    step: str = column("what was added: a feature group, all examples, tuning ...")
    value_per_1000: float = column("saving over never acting, with this step", MONEY)
    gain: float = _bound("over the step before; missing for the baseline")
    gain_low: float = _bound("lower bound")
    gain_high: float = _bound("upper bound")

    in_order = bounds("gain_low", "gain_high")

    @rule("a gain is the difference to the step before", "part", "value_per_1000", "gain")
    def adds_up(cls, t: pd.DataFrame) -> pd.Series:
        rise = t.groupby("part")["value_per_1000"].diff()
        return (rise - t["gain"]).abs().fillna(0) <= 1e-6 * (1 + t["value_per_1000"].abs())


class LearningCurve(Table, key=["rows"]):
    """One row per size of train, its latest part: the candidate's value on validation."""

    rows: int = column("examples fitted on", "rows", gt=0)
    first: Utc = column("the earliest of them", "UTC")
    value_per_1000: float = column("saving over never acting", MONEY)
    low: float = column("lower bound", MONEY)
    high: float = column("upper bound", MONEY)


class MoreLabels(Document):
    """What more labels would buy by the slope of the learning curve, and what they cost."""

    per_doubling: Interval = Field(description="value of twice the examples, per 1,000 decisions")
    labels: int = Field(gt=0)
    months: float
    value: Interval = Field(description="of so many labels over so many months, a sum of money")
    price: float = Field(ge=0, description="of so many labels, a sum of money")
    worth: Literal["yes", "no", "can't tell"]


class SuspiciousLabelColumns(Table):
    """Of each label that the candidate contradicts, besides key and label."""

    predict_at: Utc = column("moment of prediction", "UTC")
    fold: int = column("of validation, that it was judged in", ge=0)
    predicted: float = column("fitted on what came before")
    doubt: float = column(
        "probability of the other label; of amounts how many times the usual error it is off", ge=0
    )
    found: int = column("suspicious labels in all", "rows", ge=0)
    of: int = column("labels looked at", "rows", ge=0)


class Segments(Table, key=["number"]):
    """One row per segment of test: what its decisions lose against hindsight."""

    number: int = column("from 1: where most is lost beyond its share", ge=1)
    segment: str = column("its conditions")
    rows: int = column("examples", "rows", gt=0)
    share: float = column("of all examples", **PROBABILITY)
    lost_per_1000: float = column("against decisions that know the label", MONEY, ge=0)
    low: float = column("lower bound", MONEY)
    high: float = column("upper bound", MONEY)
    share_lost: float = column("of all that is lost", **PROBABILITY)
    label_mean: float = column("mean label: of 0 and 1 the share of 1")
    predicted: float = column("mean of what is predicted")
    decided: float = column("share acted on, or mean amount")


class SegmentExampleColumns(DecisionValues):
    """Of each decision to look at, besides key and label."""

    predict_at: Utc = column("moment of prediction", "UTC")
    number: int = column("of the segment", ge=1)
    segment: str = column("its conditions")
    lost: float = column("against the best decision in hindsight", "currency of the costs", ge=0)
    facts: str = column("the features that the segment asks about")


class Robustness(Table, key=["fault"]):
    """One row per fault of the inputs: what the candidate is worth with it on test."""

    fault: str = column("what is missing, or noise")
    value_per_1000: float = _bound("saving over never acting; missing: no answer")
    loss: float = _bound("against all inputs")
    loss_low: float = _bound("lower bound")
    loss_high: float = _bound("upper bound")
    changed: float = column("share of decisions that differ", **PROBABILITY)


more_labels = DocumentContract(MoreLabels)
