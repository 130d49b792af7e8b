"""The parameters of diagnosis, and its tables."""

from typing import Any, Literal

import pandas as pd
from pydantic import Field

from preflight.contracts.documents import Document, DocumentContract, Parameters
from preflight.contracts.table import Table, Utc, bounds, column, rule
from preflight.modeling.contracts import DecisionValues
from preflight.stats.contracts import MONEY, PROBABILITY, Interval


class Rolling(Parameters):
    """The cut-offs of the backtest."""

    cutoffs: int = Field(ge=0, description="how many; without one there is no backtest")
    weeks: int = Field(gt=0, description="from one to the next, and from the last to test's end")


class Diagnosis(Parameters):
    """The sizes of the diagnosis."""

    seed: int
    fits: int = Field(gt=0, description="of each step, each with another seed")
    step_rows: int = Field(gt=0, description="examples of train to fit a step on, at most")
    train_shares: list[float] = Field(min_length=1, description="of train, its latest part")
    next_share: float = Field(gt=0, le=1, description="additional labels, as a share of train")
    segment_depth: int = Field(ge=1)
    segment_share: float = Field(gt=0, le=0.5, description="of validation, at least")
    examples: int = Field(gt=0, description="listed in each of the worst segments")
    labels_to_review: int = Field(gt=0)
    dependence_features: int = Field(ge=1, description="the most important ones")
    dependence_rows: int = Field(ge=1, description="of test, drawn at random")
    noise: float = Field(gt=0, description="in standard deviations of a feature")
    backtest: Rolling

    @property
    def seeds(self) -> range:
        """Return the seed of each fit of a step."""
        return range(self.seed, self.seed + self.fits)


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


class Ablation(Table, key=["part", "kind", "step"]):
    """One row per part of the split and step from the best baseline to the candidate, in order."""

    part: str = column("validation or test", isin=["validation", "test"])
    kind: str = column("of step", isin=STEPS)
    step: str = column("name of the step: a feature group, all examples, tuning ...")
    fits: int = column("that the values are the mean of; the candidate was fitted once", gt=0)
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
    """One row per size of train, its latest part: the candidate's saving on validation."""

    rows: int = column("examples fitted on", "rows", gt=0)
    first: Utc = column("the earliest of them", "UTC")
    fits: int = column("that the saving is the mean of; the candidate was fitted once", gt=0)
    value_per_1000: float = column("saving over never acting", MONEY)
    low: float = _bound("lower bound; missing for a single day")
    high: float = _bound("upper bound")


class MoreLabels(Document):
    """The value of more labels by the slope of the learning curve, and their price."""

    per_doubling: Interval = Field(description="saving by twice the examples, per 1,000 decisions")
    labels: int = Field(gt=0)
    months: float
    value: Interval = Field(description="of these labels over these months, in currency")
    price: float = Field(ge=0, description="of these labels, in currency")
    worth: Literal["yes", "no", "inconclusive"]


class Backtest(Table, key=["cutoff"]):
    """One row per cut-off: the gain in the period after it, fitted on what was known by then."""

    cutoff: Utc = column("labels that were known by then are fitted on", "UTC")
    until: Utc = column("end of the period after it", "UTC")
    rows: int = column("examples fitted on", "rows", gt=0)
    decisions: int = column("examples of the period", "rows", gt=0)
    baseline: str = column("the best on validation")
    value_per_1000: float = column("saving over never acting", MONEY)
    gain: float = column("over the baseline", MONEY)
    gain_low: float = _bound("lower bound")
    gain_high: float = _bound("upper bound")

    in_order = bounds("gain_low", "gain_high")
    in_time = bounds("cutoff", "until")


class SuspiciousLabelColumns(Table):
    """Of each label issue, in addition to key and label."""

    predict_at: Utc = column("moment of prediction", "UTC")
    fold: int = column("validation fold of the example", ge=0)
    predicted: float = column("prediction of the candidate fitted on earlier examples")
    doubt: float = column(
        "probability of the other label; in regression the error in standard deviations", ge=0
    )
    found: int = column("label issues in all", "rows", ge=0)
    of: int = column("labels checked", "rows", ge=0)


class Segments(Table, key=["number"]):
    """One row per segment of test: the regret of its decisions."""

    number: int = column("from 1: the segment with the most regret beyond its share", ge=1)
    segment: str = column("its conditions")
    rows: int = column("examples", "rows", gt=0)
    share: float = column("of all examples", **PROBABILITY)
    regret_per_1000: float = column("regret: cost above the best decisions", MONEY, ge=0)
    low: float = _bound("lower bound; missing for a single day")
    high: float = _bound("upper bound")
    regret_share: float = column("of all regret", **PROBABILITY)
    label_mean: float = column("mean label: of 0 and 1 the share of 1")
    predicted: float = column("mean prediction")
    decided: float = column("share acted on, or mean decision")


class SegmentExampleColumns(DecisionValues):
    """Of each example of a segment, in addition to key and label."""

    predict_at: Utc = column("moment of prediction", "UTC")
    number: int = column("of the segment", ge=1)
    segment: str = column("its conditions")
    regret: float = column("regret: cost above the best decision", "currency of the costs", ge=0)
    facts: str = column("values of the features in the segment's conditions")


class Robustness(Table, key=["fault"]):
    """One row per fault of the inputs: the candidate's saving with it on test."""

    fault: str = column("the missing feature group, or noise")
    value_per_1000: float = _bound("saving over never acting; missing: no prediction")
    loss: float = _bound("compared with all inputs")
    loss_low: float = _bound("lower bound")
    loss_high: float = _bound("upper bound")
    changed: float = column("share of decisions that differ", **PROBABILITY)


class PartialDependence(Table, key=["feature", "value"]):
    """One row per feature and value: the mean prediction with all rows set to it."""

    feature: str = column("the feature")
    value: str = column("that it is set to")
    number: float = column("the same, missing for a category", nullable=True)
    predicted: float = column("mean prediction on a sample of test")


class Drift(Table, key=["feature"]):
    """One row per feature: how far its values in test are from those in train."""

    feature: str = column("the feature")
    group: str = column("its group")
    index: float = column("population stability index: 0.1 is small, 0.25 is large", ge=0)
    missing_train: float = column("share of missing values in train", **PROBABILITY)
    missing_test: float = column("share of missing values in test", **PROBABILITY)


more_labels = DocumentContract(MoreLabels)
