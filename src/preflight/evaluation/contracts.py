"""The parameters of evaluation, and its results: metrics, curves, slices, the verdict."""

from typing import Literal, Self

import pandas as pd
from pydantic import Field, RootModel, field_validator, model_validator

from preflight.contracts.documents import Document, DocumentContract, Parameters
from preflight.contracts.table import Table, Utc, bounds, column, rule
from preflight.evaluation.ledger import TestEvaluation
from preflight.modeling.contracts import DecisionValues
from preflight.modeling.estimators import Path, load
from preflight.problem.costs import Outcomes, UnitCosts
from preflight.problem.framing import METRICS, Framing
from preflight.problem.sections import Kpi as FramedKpi
from preflight.stats.bootstrap import Bootstrap
from preflight.stats.contracts import COST, GROUP, MONEY, PROBABILITY, Interval
from preflight.stats.metrics import RowMetric


class Evaluation(Parameters):
    """How the test set is measured."""

    replicates: int = Field(ge=100, description="of the bootstrap")
    seed: int
    calibration_bins: int = Field(ge=2)
    thresholds: int = Field(ge=2, description="steps from 0 to 1 that the cost curve has")
    importance_rows: int = Field(gt=0)
    importance_shuffles: int = Field(ge=2)
    reference_rows: int = Field(gt=0)
    metrics: dict[str, Path] = Field({}, description="functions of your own (`RowMetric`), by path")

    @model_validator(mode="after")
    def has_no_metric_twice(self) -> Self:
        """Refuse a metric of your own with the name of one that every model has."""
        if twice := sorted(self.metrics.keys() & set().union(*METRICS.values())):
            raise ValueError(f"metrics {twice} are there already: give yours other names")
        return self

    def own_metrics(self) -> dict[str, RowMetric]:
        """Return the functions of `metrics`, by name."""
        return {name: load(path) for name, path in self.metrics.items()}

    def bootstrap(self, predictions: pd.DataFrame, framing: Framing) -> Bootstrap:
        """Return the resampling of a table of predictions, or of examples."""
        return Bootstrap(predictions, framing, self.replicates, self.seed)


class Power(Document):
    """The gain that a test of this length can detect, known before the test set is used."""

    unit: str = Field(description="what is resampled")
    units: int = Field(ge=1, description="of the test that have predictions")
    required_per_1000: float = Field(description="gain that gives the least net saving")
    detectable_per_1000: float | None = Field(
        description="gain over the required one that the test detects; null: not known"
    )
    shippable_per_1000: float | None = Field(description="the sum of both; null: not known")
    achievable_per_1000: float | None = Field(
        description="the gain believed to be achievable; null: not stated"
    )


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
    group: int | None = column(GROUP, ge=0)


class Metrics(RootModel[dict[str, dict[str, Interval]]]):
    """Metrics on test of the candidate and of each baseline, all of one task."""

    @model_validator(mode="after")
    def has_the_candidate(self) -> Self:
        """The candidate and something to compare it with."""
        if "candidate" not in self.root or len(self.root) < 2:
            raise ValueError("needs 'candidate' and at least one baseline")
        return self

    @model_validator(mode="after")
    def are_those_of_one_task(self) -> Self:
        """Each model has all metrics of the task, and the candidate's own ones, and no other."""
        given = [{*figures} for figures in self.root.values()]
        task = max(METRICS.values(), key=lambda names: sum(len(one & {*names}) for one in given))
        every = {*task} | (set(self.root["candidate"]) - set().union(*METRICS.values()))
        for model, names in zip(self.root, given, strict=True):
            if lacks := every - names:
                raise ValueError(f"{model} lacks {sorted(lacks)}")
            if unknown := names - every:
                raise ValueError(f"{model} has {sorted(unknown)}, which are not among {task}")
        return self


class OverBaseline(Interval):
    """The candidate's saving less the best baseline's, per 1,000 decisions."""

    baseline: str


class Deciding(Document):
    """The bound of the gain that decides."""

    level: float = Field(gt=0, lt=0.5, description="of the test, one-sided")
    low: float | None = Field(description="null: not known")


class BestUnits(Document):
    """What the best days contribute to the gain over the best baseline."""

    unit: str
    units: int = Field(ge=1)
    share: float | None = Field(description="of the whole gain; null: there is none")
    gain_without: float | None = Field(description="per 1,000 decisions of the other days")


class WorstMonth(Document):
    """The month of validation or test with the least gain over the best baseline."""

    month: str
    part: Literal["validation", "test"]
    gain_per_1000: float
    net: float = Field(description="the net saving, if all months were like it")


class Net(Interval):
    """That gain over so many months, less upkeep, and the required one."""

    months: float
    required: float


class Value(Document):
    """The candidate's saving on test."""

    unit: str = Field(description="currency of all amounts, as an ISO 4217 code")
    costs: dict[str, float | str] = Field(
        description="each cost of the framing, or the column of the predictions that holds it"
    )
    per_1000: float = Field(description="saving per 1,000 decisions over those without a model")
    over_baseline: OverBaseline = Field(description="the baseline with the lowest bound")
    over_baselines: dict[str, Interval] = Field(min_length=1, description="over each baseline")
    deciding: Deciding
    best_units: BestUnits
    worst_month: WorstMonth | None = Field(description="null: decisions have no time")
    over_champion: Interval | None = Field(description="than the model in use; null: there is none")
    net: Net

    @field_validator("costs")
    @classmethod
    def are_those_of_one_task(cls, costs: dict[str, float | str]) -> dict[str, float | str]:
        """There is each cost of the task, and no other; a column is named after its cost."""
        if {*costs} not in ({*Outcomes._fields}, {*UnitCosts._fields}):
            raise ValueError(f"these are not the costs of a task: {', '.join(costs)}")
        for name, cost in costs.items():
            if isinstance(cost, str) and cost != f"cost_{name}":
                raise ValueError(f"{name} is {cost!r}: give a number or 'cost_{name}'")
        return costs


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


class Kpi(FramedKpi):
    """The owner's KPI, and its value on test with the candidate's decisions."""

    measured: float


class Condition(Document):
    """A condition of the verdict, and what was found."""

    name: str
    ok: bool
    message: str


class TestSetUsage(Document):
    """How often the test set was used: see `preflight.evaluation.ledger`."""

    candidate: str = Field(description="hash of its decisions on the test set")
    number: int = Field(ge=1, description="the candidate's place among those evaluated on it")
    candidates: int = Field(ge=0, description="evaluated on it so far; a what-if does not count")
    level: float = Field(gt=0, lt=0.5, description="one-sided, at which the gain is tested")


class Verdict(Document):
    """Ship or hold, with every reason."""

    decision: Literal["ship", "hold"]
    reasons: list[str] = Field(min_length=1)
    warnings: list[str] = Field(description="what speaks against it beyond the conditions")
    value: Value
    kpi: Kpi | None = Field(description="null: not stated")
    limits: list[Limit]
    checks: list[Condition] = Field(min_length=1)
    test_set: TestSetUsage
    what_if: list[str] = Field([], description="each setting that differs from conf/base")
    assumed: list[str] = Field([], description="settings that it uses and nobody stated")

    @model_validator(mode="after")
    def counts(self) -> Self:
        """The candidate is among those evaluated on its test set, unless it is a what-if."""
        if not self.what_if and self.test_set.candidates < self.test_set.number:
            raise ValueError("no what-if, but not counted in test_set.candidates")
        return self

    @model_validator(mode="after")
    def ships_only_what_holds(self) -> Self:
        """A verdict to ship has a significant gain, and keeps all limits and conditions."""
        if self.decision == "hold":
            return self
        low = self.value.deciding.low
        if low is None or low <= 0:
            raise ValueError("ships, but is not significantly better than the baseline")
        if any(limit.ok is False for limit in self.limits if limit.load is None):
            raise ValueError("ships, but breaks a limit")
        if not all(check.ok for check in self.checks):
            raise ValueError("ships, but a condition does not hold")
        return self


class CalibrationCurve(Table, key=["bin"]):
    """One row per bin of the test examples, by the candidate's prediction."""

    bin: int = column("from the lowest predictions to the highest", ge=0)
    rows: int = column("examples", "rows", gt=0)
    predicted: float = column("mean prediction: a probability, or a quantity")
    expected: float = column(
        "expected share: that probability; in regression the quantile that the costs ask for",
        **PROBABILITY,
    )
    observed: float = column(
        "share of label 1; in regression what lies from `below` to `up_to` nearest to the expected",
        **PROBABILITY,
    )
    low: float = column(
        "lower bound of the observed share; missing for a single day", nullable=True, **PROBABILITY
    )
    high: float = column("upper bound of the observed share", nullable=True, **PROBABILITY)
    below: float | None = column(
        "in regression: share of labels below the prediction", **PROBABILITY
    )
    up_to: float | None = column(
        "in regression: share of labels up to the prediction", **PROBABILITY
    )

    in_order = bounds("low", "high")


class ThresholdCurve(Table, key=["setting"]):
    """One row per decision threshold: the saving on test with it."""

    setting: float = column(
        "act above this probability; in regression, what is added to each prediction"
    )
    by_costs: bool = column("it is the one that the costs give")
    share: float = column(
        "of examples acted on; in regression, of labels below the decision, equal ones by half",
        **PROBABILITY,
    )
    value_per_1000: float = column("saving", MONEY)
    low: float = column("lower bound of the saving; missing for a single day", MONEY, nullable=True)
    high: float = column("upper bound of the saving", MONEY, nullable=True)

    in_order = bounds("low", "high")

    @rule("in the order of the settings the share goes one way", "setting", "share")
    def one_way(cls, t: pd.DataFrame) -> pd.Series:
        """A higher threshold acts on fewer, a larger quantity is above more labels."""
        step = t.sort_values("setting")["share"].diff()
        return ~((step > 0) & bool((step < 0).any()))


class Slices(Table, key=["by", "slice"]):
    """One row per slice of the test examples: the candidate's metrics there, with intervals."""

    by: str = column("the column")
    slice: str = column("its value")
    rows: int = column("examples", "rows", gt=0)
    label_mean: float = column("mean label: of 0 and 1 the share of 1")
    predicted: float = column("mean prediction")
    value_per_1000: float = column("saving", MONEY)
    value_low: float = column("lower bound; missing for a single day", MONEY, nullable=True)
    value_high: float = column("upper bound", MONEY, nullable=True)
    gain_per_1000: float = column("saving less that of the best baseline on validation", MONEY)
    gain_low: float = column("lower bound; missing for a single day", MONEY, nullable=True)
    gain_high: float = column("upper bound", MONEY, nullable=True)
    score: float = column(
        "area under the ROC curve, missing where only one label occurs; in regression the mean "
        "absolute error",
        nullable=True,
    )
    score_low: float = column("lower bound", nullable=True)
    score_high: float = column("upper bound", nullable=True)

    in_order = bounds("value_low", "value_high")


class GainByPeriod(Table, key=["baseline", "part", "period", "start"]):
    """One row per baseline, part, kind of period and period: the candidate's gain in it."""

    baseline: str = column("the baseline")
    part: str = column("validation or test", isin=["validation", "test"])
    period: str = column("week (from Monday) or month", isin=["week", "month"])
    start: str = column("its first local day, as 2013-09-01")
    decisions: int = column("decisions in it", "rows", gt=0)
    gain_per_1000: float = column("saving less the baseline's", MONEY)


class Importance(Table, key=["feature"]):
    """One row per feature: the rise of the loss on test when its values are shuffled."""

    feature: str = column("the feature")
    group: str = column("its group")
    rise: float = column(
        "of the log loss (nats a row), in regression of the mean absolute error; mean over shuffles"
    )
    low: float = column("lowest of the shuffles")
    high: float = column("highest of the shuffles")


power = DocumentContract(Power)
metrics = DocumentContract(Metrics)
test_evaluations = DocumentContract(RootModel[list[TestEvaluation]])
verdict = DocumentContract(Verdict)
