"""The parameters of evaluation, and its results: metrics, curves, slices, the verdict."""

from typing import Annotated, Literal, Self

import pandas as pd
from pydantic import (
    Discriminator,
    Field,
    RootModel,
    Tag,
    model_validator,
)

from preflight.contracts.documents import Document, DocumentContract, Parameters
from preflight.contracts.table import Table, Utc, bounds, column, rule
from preflight.modeling.contracts import DecisionValues
from preflight.problem.costs import costs_kind
from preflight.problem.framing import METRICS
from preflight.stats.contracts import COST, MONEY, PROBABILITY, Interval


class Evaluation(Parameters):
    """How test is measured."""

    replicates: int = Field(ge=100, description="of the bootstrap over days")
    seed: int
    calibration_bins: int = Field(ge=2)
    thresholds: int = Field(ge=2, description="steps from 0 to 1 that the cost curve has")
    importance_rows: int = Field(gt=0)
    importance_shuffles: int = Field(ge=2)
    end_to_end_rows: int = Field(gt=0)


class Power(Document):
    """What a test of so many days can show, told before it is opened."""

    days: int = Field(ge=1)
    shows_per_1000: float | None = Field(description="gain seen with the framing's power")
    asked_per_1000: float = Field(description="gain from which the least net saving is reached")


class TestPredictionColumns(DecisionValues):
    """Of each test example, besides key and label, in the order of prediction."""

    __test__ = False  # not a test class, whatever its name

    predict_at: Utc = column("moment of prediction", "UTC")
    probability_of_baseline: float | None = column(
        "of each baseline", alias="^probability_.+$", regex=True, **PROBABILITY
    )
    act_of_baseline: bool | None = column("of each baseline", alias="^act_.+$", regex=True)
    prediction_of_baseline: float | None = column(
        "of each baseline", alias="^prediction_.+$", regex=True
    )
    cost: float | None = column(COST, alias="^cost_.+$", regex=True)


class Metrics(RootModel[dict[str, dict[str, Interval]]]):
    """Figures on test of the candidate and of each baseline, all of one task."""

    @model_validator(mode="after")
    def has_the_candidate(self) -> Self:
        """The candidate and something to compare it with."""
        if "candidate" not in self.root or len(self.root) < 2:
            raise ValueError("needs 'candidate' and at least one baseline")
        return self

    @model_validator(mode="after")
    def are_those_of_one_task(self) -> Self:
        """Each model has all figures of the task, and no other."""
        given = [{*figures} for figures in self.root.values()]
        task = max(METRICS.values(), key=lambda names: sum(len(one & {*names}) for one in given))
        for model, names in zip(self.root, given, strict=True):
            if lacks := {*task} - names:
                raise ValueError(f"{model} lacks {sorted(lacks)}")
            if unknown := names - {*task}:
                raise ValueError(f"{model} has {sorted(unknown)}, which are not among {task}")
        return self


class AmountCosts(Document):
    """What each unit too much or too little costs, and the amount without a prediction."""

    over: float | Literal["cost_over"]
    under: float | Literal["cost_under"]
    without: float | Literal["cost_without"]


class OutcomeCosts(Document):
    """The cost of each outcome of one decision, or the column of the predictions that holds it."""

    tp: float | Literal["cost_tp"]
    fp: float | Literal["cost_fp"]
    fn: float | Literal["cost_fn"]
    tn: float | Literal["cost_tn"]


class OverBaseline(Interval):
    """What the candidate saves more than the best baseline, per 1,000 decisions."""

    baseline: str


class Net(Interval):
    """What that comes to over so many months, less upkeep, and the least that is asked."""

    months: float
    least: float


class Value(Document):
    """What the candidate is worth on test."""

    unit: str = Field(description="currency of all amounts, as an ISO 4217 code")
    costs: Annotated[
        Annotated[OutcomeCosts, Tag("outcomes")] | Annotated[AmountCosts, Tag("errors")],
        Discriminator(costs_kind),
    ]
    per_1000: float = Field(description="saving per 1,000 decisions over those without a model")
    over_baseline: OverBaseline
    over_champion: Interval | None = Field(description="than the model in use; null: there is none")
    net: Net


class Limit(Document):
    """A limit, what was measured, and whether it holds."""

    name: str
    limit: float
    measured: float | None = Field(description="null: the machine was busy")
    ok: bool | None = Field(description="null: it was not measured")
    load: float | None = Field(
        ge=0,
        description="times its CPU time that a fixed calculation took meanwhile: about 1 on a "
        "quiet machine; null: what is measured does not depend on the machine",
    )

    @model_validator(mode="after")
    def is_known_if_measured(self) -> Self:
        if (self.measured is None) != (self.ok is None):
            raise ValueError(f"{self.name} holds or not, but only if it was measured")
        if self.measured is None and self.load is None:
            raise ValueError(f"{self.name} does not depend on the machine: measure it")
        return self


class Kpi(Document):
    """What the owner watches (`framing.Kpi`)."""

    name: str
    now: float
    wanted: float
    measured: float


class Condition(Document):
    """A condition of the verdict, and what was found."""

    name: str
    ok: bool
    says: str


class OpenedTestSet(Document):
    """Which test set judged which candidate, and how often it was opened so far."""

    id: str
    candidate: str
    opened: int = Field(ge=0, description="verdicts on it that are kept, but for what-ifs")
    candidates: int = Field(ge=0, description="different candidates among them")


class Verdict(Document):
    """Ship or hold, with every reason."""

    decision: Literal["ship", "hold"]
    reasons: list[str] = Field(min_length=1)
    value: Value
    kpi: Kpi
    limits: list[Limit]
    checks: list[Condition] = Field(min_length=1)
    test_set: OpenedTestSet
    what_if: list[str] = Field([], description="how it was judged otherwise than conf/base says")

    @model_validator(mode="after")
    def counts(self) -> Self:
        """It is among the verdicts on its test set, unless it is a what-if."""
        if not self.what_if and min(self.test_set.opened, self.test_set.candidates) < 1:
            raise ValueError("no what-if, and not counted in test_set.opened and candidates")
        return self

    @model_validator(mode="after")
    def ships_only_what_holds(self) -> Self:
        low = self.value.over_baseline.low
        if self.decision == "ship" and (low is None or low <= 0):
            raise ValueError("ships, but is not better than the baseline with confidence")
        if self.decision == "ship" and any(
            limit.ok is False for limit in self.limits if limit.load is None
        ):
            raise ValueError("ships, but breaks a limit")
        if self.decision == "ship" and not all(check.ok for check in self.checks):
            raise ValueError("ships, but a condition does not hold")
        return self


class CalibrationCurve(Table, key=["bin"]):
    """One row per tenth of the test examples, by what the candidate predicts."""

    bin: int = column("from the least to the most that is predicted", ge=0)
    rows: int = column("examples", "rows", gt=0)
    predicted: float = column("mean probability, or amount")
    asked: float = column(
        "that probability; of amounts the share of labels that is to be below", **PROBABILITY
    )
    observed: float = column(
        "share of label 1; of amounts of labels that are below them", **PROBABILITY
    )
    low: float = column("lower bound of the observed share", **PROBABILITY)
    high: float = column("upper bound of the observed share", **PROBABILITY)

    in_order = bounds("low", "high")


class CostCurve(Table, key=["setting"]):
    """One row per setting of the decisions: what they save on test with it."""

    setting: float = column("act above this probability; of amounts, what is added to each")
    by_costs: bool = column("it is the one that the costs give")
    share: float = column("of examples acted on; of amounts, of labels below", **PROBABILITY)
    value_per_1000: float = column("saving", MONEY)
    low: float = column("lower bound of the saving", MONEY)
    high: float = column("upper bound of the saving", MONEY)

    in_order = bounds("low", "high")

    @rule("in the order of the settings the share goes one way", "setting", "share")
    def one_way(cls, t: pd.DataFrame) -> pd.Series:
        """A higher threshold acts on fewer, a larger amount is above more labels."""
        step = t.sort_values("setting")["share"].diff()
        return ~((step > 0) & bool((step < 0).any()))


class Slices(Table, key=["by", "slice"]):
    """One row per slice of the test examples: the candidate's figures there, with intervals."""

    by: str = column("the column")
    slice: str = column("its value")
    rows: int = column("examples", "rows", gt=0)
    label_mean: float = column("mean label: of 0 and 1 the share of 1")
    predicted: float = column("mean of what is predicted")
    value_per_1000: float = column("saving", MONEY)
    value_low: float = column("lower bound", MONEY)
    value_high: float = column("upper bound", MONEY)
    score: float = column(
        "area under the ROC curve, missing where only one label occurs; of amounts the mean "
        "absolute error",
        nullable=True,
    )
    score_low: float = column("lower bound", nullable=True)
    score_high: float = column("upper bound", nullable=True)

    in_order = bounds("value_low", "value_high")


class Importance(Table, key=["feature"]):
    """One row per feature: what the model loses on test when the feature's values are shuffled."""

    feature: str = column("the feature")
    group: str = column("its group")
    rise: float = column(
        "of the log loss (nats a row), or mean absolute error of amounts; mean over shuffles"
    )
    low: float = column("least of the shuffles")
    high: float = column("most of the shuffles")


power = DocumentContract(Power)
metrics = DocumentContract(Metrics)
verdict = DocumentContract(Verdict)
