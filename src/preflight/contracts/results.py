"""What modeling and evaluation return: bundles, predictions, metrics, slices, the verdict."""

from typing import Any, Literal, Self

import pandas as pd
from pandera.dtypes import Int8
from pandera.typing import Series
from pydantic import ConfigDict, Field, RootModel, model_validator

from preflight.contracts.features import Features
from preflight.contracts.primary import Key
from preflight.contracts.table import Document, DocumentContract, Table, Utc, column, rule
from preflight.framing import Costs

PROBABILITY: dict[str, Any] = {"ge": 0, "le": 1}
COST = "of each outcome (tp, fp, fn, tn) whose cost is no constant"


class BestParams(Document):
    """What the search found, what it is worth, and what is kept; null: none was made."""

    candidate: str = Field(description="which of the candidates is taken")
    params: dict[str, Any] = Field(description="its searched ones; empty: as declared")
    kept: Literal["declared", "tuned"]
    trial: int | None = Field(description="the best")
    value: float | None = Field(description="its saving per 1,000 decisions, mean over folds")
    declared_value: float | None = Field(description="that of the declared parameters")
    optimism: float | None = Field(ge=0, description="what searching alone makes look better")
    gain: "Interval | None" = Field(description="of the best over the declared, less optimism")


class Trials(Table):
    """One row per trial of the search."""

    trial: Series[int] = column("number, from 0", ge=0)
    state: Series[str] = column(
        "how it ended", isin=["complete", "pruned", "fail", "running", "waiting"]
    )
    value: Series[float] = column(
        "saving per 1,000 decisions, mean over all folds; missing where it was given up",
        nullable=True,
    )
    folds: Series[int] = column("folds done", "folds", ge=0)
    limits: Series[bool] = column("keeps the serving limits")
    candidate: Series[str] = column("which of the candidates")
    params: Series[str] = column("its searched parameters, as JSON")

    class Config:
        """The key."""

        unique = ["trial"]


class ParameterImportance(Table):
    """One row per searched parameter of the best trial's candidate; none if that can't be told."""

    parameter: Series[str] = column("the parameter")
    share: Series[float] = column("of the spread of the trials' values", **PROBABILITY)

    class Config:
        """The key."""

        unique = ["parameter"]


class ValidationPredictions(Key):
    """One row per fold and example: each model's probability, fitted on what came before."""

    predict_at: Series[Utc] = column("moment of prediction", "UTC")
    label: Series[Int8] = column("what happened", isin=[0, 1])
    fold: Series[int] = column("folds are in the order of time", ge=0)
    last: Series[bool] = column("the fold that is the validation set")
    probability: Series[float] = column(
        "of each model", alias="^probability_.+$", regex=True, **PROBABILITY
    )
    cost: Series[float] | None = column(COST, alias="^cost_.+$", regex=True)

    class Config:
        """Each fold judges an example once."""

        unique = ["fold", *Key.grain()]


class Calibration(Document):
    """A line on log-odds, and the log loss (nats a row) on validation without and with it."""

    slope: float = Field(gt=0)
    intercept: float
    log_loss_without: float = Field(ge=0)
    log_loss_with: float | None = Field(None, ge=0)


class Power(Document):
    """What a test of so many days can show, told before it is opened."""

    days: int = Field(ge=1)
    shows_per_1000: float | None = Field(description="gain seen with the framing's power")
    asked_per_1000: float = Field(description="gain from which the least net saving is reached")


class Selection(Document):
    """What validation decided."""

    values: dict[str, float] = Field(description="saving per 1,000 decisions of each model")
    best_baseline: str
    calibration: Calibration

    @model_validator(mode="after")
    def best_is_a_baseline(self) -> Self:
        """The best baseline is one of those that were valued, and not the candidate."""
        if self.best_baseline not in self.values or self.best_baseline == "candidate":
            raise ValueError(f"best_baseline {self.best_baseline!r} is not a baseline")
        return self


class ModelBundle(Document):
    """A model with all that it needs to decide."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    estimator: Any
    slope: float = Field(gt=0)
    intercept: float
    threshold: float | None = Field(ge=0, le=1, description="null: the costs give each row its own")
    features: list[str]
    provenance: dict[str, Any] = Field(min_length=1)

    @model_validator(mode="after")
    def fits_the_features(self) -> Self:
        """It can decide: fitted on declared columns, and with costs if it has no threshold."""
        if unknown := set(self.features) - set(Features.names()):
            raise ValueError(f"features {sorted(unknown)} are not in the contract Features")
        if not hasattr(self.estimator, "classes_"):
            raise ValueError("the estimator is not fitted")
        if self.threshold is None:
            Costs.model_validate(self.provenance.get("framing", {}).get("costs"))
        return self


class Champion(RootModel[ModelBundle | None]):
    """The model in use, if there is one."""

    @model_validator(mode="after")
    def can_be_asked(self) -> Self:
        """It knows what is new to it and what is typical, which flags and reasons are made of."""
        if self.root is None:
            return self
        if lacks := {"typical", "known", "framing"} - self.root.provenance.keys():
            raise ValueError(
                f"its provenance lacks {', '.join(sorted(lacks))}, as other code made it: kedro "
                "rollback, or make and promote a new one: kedro run, then --pipelines deployment"
            )
        return self


class ModelBundles(RootModel[dict[str, ModelBundle]]):
    """Several models by name."""


class TestPredictions(Key):
    """One row per test example, in the order of prediction."""

    __test__ = False  # not a test class, whatever its name

    predict_at: Series[Utc] = column("moment of prediction", "UTC")
    label: Series[Int8] = column("what happened", isin=[0, 1])
    probability: Series[float] = column("the candidate's probability of label 1", **PROBABILITY)
    act: Series[bool] = column("the candidate's decision")
    probability_of_baseline: Series[float] = column(
        "of each baseline", alias="^probability_.+$", regex=True, **PROBABILITY
    )
    act_of_baseline: Series[bool] = column("of each baseline", alias="^act_.+$", regex=True)
    cost: Series[float] | None = column(COST, alias="^cost_.+$", regex=True)


class Interval(Document):
    """A figure on all rows with the bounds of its interval; null where it is not defined."""

    mean: float | None
    low: float | None
    high: float | None

    @model_validator(mode="after")
    def in_order(self) -> Self:
        """Bounds come together and in order."""
        if (self.low is None) != (self.high is None):
            raise ValueError("an interval needs both bounds or none")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"low {self.low} is above high {self.high}")
        return self


class ModelMetrics(Document):
    """The figures of one model on test."""

    roc_auc: Interval
    average_precision: Interval
    log_loss: Interval
    brier: Interval
    value_per_1000: Interval = Field(description="saving over never acting, per 1,000 decisions")


class Metrics(RootModel[dict[str, ModelMetrics]]):
    """Figures on test of the candidate and of each baseline."""

    @model_validator(mode="after")
    def has_the_candidate(self) -> Self:
        """The candidate and something to compare it with."""
        if "candidate" not in self.root or len(self.root) < 2:
            raise ValueError("needs 'candidate' and at least one baseline")
        return self


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

    unit: str
    costs: OutcomeCosts
    per_1000: float = Field(description="saving over never acting, per 1,000 decisions")
    over_baseline: OverBaseline
    over_champion: Interval | None = Field(description="than the model in use; null: there is none")
    net: Net


class Limit(Document):
    """A limit, what was measured, and whether it holds."""

    name: str
    limit: float
    measured: float
    ok: bool


class Kpi(Document):
    """What the owner watches: label 1 that nobody acted on, per 1,000 decisions."""

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
    opened: int = Field(ge=1, description="verdicts on it that are kept, this one included")
    candidates: int = Field(ge=1, description="different candidates among them")


class Verdict(Document):
    """Ship or hold, with every reason."""

    decision: Literal["ship", "hold"]
    reasons: list[str] = Field(min_length=1)
    value: Value
    kpi: Kpi
    limits: list[Limit]
    checks: list[Condition] = Field(min_length=1)
    test_set: OpenedTestSet

    @model_validator(mode="after")
    def ships_only_what_holds(self) -> Self:
        """A model that may be no better than the baseline, or breaks a limit, can't ship."""
        low = self.value.over_baseline.low
        if self.decision == "ship" and (low is None or low <= 0):
            raise ValueError("ships, but is not better than the baseline with confidence")
        if self.decision == "ship" and not all(limit.ok for limit in self.limits):
            raise ValueError("ships, but breaks a limit")
        if self.decision == "ship" and not all(check.ok for check in self.checks):
            raise ValueError("ships, but a condition does not hold")
        return self


class CalibrationCurve(Table):
    """One row per tenth of the test examples, by the candidate's probability."""

    bin: Series[int] = column("from the least to the most probable", ge=0)
    rows: Series[int] = column("examples", "rows", gt=0)
    predicted: Series[float] = column("mean probability", **PROBABILITY)
    observed: Series[float] = column("share of label 1", **PROBABILITY)
    low: Series[float] = column("lower bound of the observed share", **PROBABILITY)
    high: Series[float] = column("upper bound of the observed share", **PROBABILITY)

    class Config:
        """The key."""

        unique = ["bin"]

    @rule("bounds are in order", "low", "high")
    def in_order(cls, t: pd.DataFrame) -> pd.Series:
        """The lower is not above the higher."""
        return t["low"] <= t["high"]


class CostCurve(Table):
    """One row per threshold from 0 to 1: what acting above it saves on test."""

    threshold: Series[float] = column("act where the probability is above it", **PROBABILITY)
    by_costs: Series[bool] = column("it is the one that the costs give")
    acted: Series[float] = column("share of examples acted on", **PROBABILITY)
    value_per_1000: Series[float] = column("saving over never acting, per 1,000 decisions")
    low: Series[float] = column("lower bound of the saving")
    high: Series[float] = column("upper bound of the saving")

    class Config:
        """The key."""

        unique = ["threshold"]

    @rule("bounds are in order", "low", "high")
    def in_order(cls, t: pd.DataFrame) -> pd.Series:
        """The lower is not above the higher."""
        return t["low"] <= t["high"]

    @rule("a higher threshold acts on no more", "threshold", "acted")
    def acts_less(cls, t: pd.DataFrame) -> pd.Series:
        """In the order of the thresholds, the share acted on falls."""
        return ~(t.sort_values("threshold")["acted"].diff() > 0)


class Slices(Table):
    """One row per slice of the test examples: the candidate's figures there, with intervals."""

    by: Series[str] = column("the column")
    slice: Series[str] = column("its value")
    rows: Series[int] = column("examples", "rows", gt=0)
    label_rate: Series[float] = column("share of label 1", **PROBABILITY)
    predicted: Series[float] = column("mean probability", **PROBABILITY)
    value_per_1000: Series[float] = column("saving over never acting, per 1,000 decisions")
    value_low: Series[float] = column("lower bound")
    value_high: Series[float] = column("upper bound")
    roc_auc: Series[float] = column("missing where only one label occurs", nullable=True)
    roc_auc_low: Series[float] = column("lower bound", nullable=True)
    roc_auc_high: Series[float] = column("upper bound", nullable=True)

    class Config:
        """The key."""

        unique = ["by", "slice"]

    @rule("bounds are in order", "value_low", "value_high")
    def in_order(cls, t: pd.DataFrame) -> pd.Series:
        """The lower is not above the higher."""
        return t["value_low"] <= t["value_high"]


class Audit(Table):
    """One row per finding of the audit: that it is saved means that none has failed."""

    check: Series[str] = column("what was looked for")
    state: Series[str] = column(
        "passed; assumed: taken for true, can't be tested; allowed: by name, with a reason",
        isin=["passed", "assumed", "allowed"],
    )
    measured: Series[float] = column("what was found, in the unit of the limit", nullable=True)
    limit: Series[float] = column("the most that passes", nullable=True)
    evidence: Series[str] = column("what was found, in words")

    class Config:
        """The key."""

        unique = ["check"]

    @rule("nothing measured is above its limit", "measured", "limit")
    def within(cls, t: pd.DataFrame) -> pd.Series:
        """What is not measured has no limit."""
        return ~(t["measured"] > t["limit"])


class Importance(Table):
    """One row per feature: what the model loses on test when the feature's values are shuffled."""

    feature: Series[str] = column("the feature")
    group: Series[str] = column("its group")
    log_loss: Series[float] = column("rise of the log loss, mean over shuffles", "nats a row")
    low: Series[float] = column("least of the shuffles", "nats a row")
    high: Series[float] = column("most of the shuffles", "nats a row")

    class Config:
        """The key."""

        unique = ["feature"]


best_params = DocumentContract(BestParams)
selection = DocumentContract(Selection)
candidate = DocumentContract(ModelBundle)
champion = DocumentContract(Champion)
power = DocumentContract(Power)
baselines = DocumentContract(ModelBundles)
metrics = DocumentContract(Metrics)
verdict = DocumentContract(Verdict)
