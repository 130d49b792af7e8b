"""What modeling and evaluation return: bundles, predictions, metrics, slices, the verdict."""

from typing import Annotated, Any, Literal, Self

import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series
from pydantic import (
    ConfigDict,
    Discriminator,
    Field,
    RootModel,
    Tag,
    TypeAdapter,
    model_validator,
)

from preflight.contracts.examples import MEAN
from preflight.contracts.features import Features
from preflight.contracts.primary import LABEL, Key, Label
from preflight.contracts.table import Document, DocumentContract, Table, Utc, column, rule
from preflight.costs import AnyCosts, which
from preflight.framing import METRICS

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
    label: Series[Label] = column("what happened", **LABEL)
    fold: Series[int] = column("folds are in the order of time", ge=0)
    last: Series[bool] = column("the fold that is the validation set")
    probability: Series[float] | None = column(
        "of each model", alias="^probability_.+$", regex=True, **PROBABILITY
    )
    prediction: Series[float] | None = column(
        "amount, of each model", alias="^prediction_.+$", regex=True
    )
    cost: Series[float] | None = column(COST, alias="^cost_.+$", regex=True)

    class Config:
        """Each fold judges an example once."""

        unique = ["fold", *Key.grain()]

    @pa.dataframe_check(error="the candidate says a probability, or an amount", ignore_na=False)
    def of_one_task(cls, t: pd.DataFrame) -> bool:
        """One of them, not both."""
        return ("probability_candidate" in t) != ("prediction_candidate" in t)


class Calibration(Document):
    """A line on log-odds, or what is added to amounts, and the loss without and with it.

    The loss on validation: log loss, nats a row; of amounts what being wrong costs a row.
    """

    slope: float = Field(gt=0)
    intercept: float
    loss_without: float = Field(ge=0)
    loss_with: float | None = Field(None, ge=0)


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
    threshold: float | None = Field(ge=0, le=1, description="null: of each row its own, or none")
    features: list[str]
    provenance: dict[str, Any] = Field(min_length=1)

    @model_validator(mode="after")
    def fits_the_features(self) -> Self:
        """It can decide: fitted on declared columns, and with costs if it has no threshold."""
        if unknown := set(self.features) - set(Features.names()):
            raise ValueError(f"features {sorted(unknown)} are not in the contract Features")
        from sklearn.exceptions import NotFittedError
        from sklearn.utils.validation import check_is_fitted

        try:
            check_is_fitted(self.estimator)
        except NotFittedError as error:
            raise ValueError("the estimator is not fitted") from error
        if self.threshold is None:
            TypeAdapter(AnyCosts).validate_python(self.provenance.get("framing", {}).get("costs"))
        return self


class Champion(RootModel[ModelBundle | None]):
    """The model in use, if there is one."""


class ModelBundles(RootModel[dict[str, ModelBundle]]):
    """Several models by name."""


class Said(Table):
    """What a model says of a row: a probability, or an amount."""

    probability: Series[float] | None = column("of label 1", **PROBABILITY)
    prediction: Series[float] | None = column("the amount, which is the decision")

    @pa.dataframe_check(error="there is a probability, or an amount", ignore_na=False)
    def of_one_task(cls, t: pd.DataFrame) -> bool:
        """One of them, not both."""
        return ("probability" in t) != ("prediction" in t)


class Answer(Said):
    """What a model says of a row and what is decided: probability and act, or an amount."""

    act: Series[bool] | None = column("the decision")

    @pa.dataframe_check(error="a probability comes with what is decided", ignore_na=False)
    def decides(cls, t: pd.DataFrame) -> bool:
        """An amount is the decision."""
        return ("act" in t) == ("probability" in t)


class TestPredictions(Answer, Key):
    """One row per test example, in the order of prediction."""

    __test__ = False  # not a test class, whatever its name

    predict_at: Series[Utc] = column("moment of prediction", "UTC")
    label: Series[Label] = column("what happened", **LABEL)
    probability_of_baseline: Series[float] | None = column(
        "of each baseline", alias="^probability_.+$", regex=True, **PROBABILITY
    )
    act_of_baseline: Series[bool] | None = column("of each baseline", alias="^act_.+$", regex=True)
    prediction_of_baseline: Series[float] | None = column(
        "of each baseline", alias="^prediction_.+$", regex=True
    )
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

    unit: str
    costs: Annotated[
        Annotated[OutcomeCosts, Tag("outcomes")] | Annotated[AmountCosts, Tag("errors")],
        Discriminator(which),
    ]
    per_1000: float = Field(description="saving per 1,000 decisions over those without a model")
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
    """One row per tenth of the test examples, by what the candidate predicts."""

    bin: Series[int] = column("from the least to the most that is predicted", ge=0)
    rows: Series[int] = column("examples", "rows", gt=0)
    predicted: Series[float] = column("mean probability, or amount", **MEAN)
    asked: Series[float] = column(
        "that probability; of amounts the share of labels that is to be below", **PROBABILITY
    )
    observed: Series[float] = column(
        "share of label 1; of amounts of labels that are below them", **PROBABILITY
    )
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
    """One row per setting of the decisions: what they save on test with it."""

    setting: Series[float] = column(
        "act above this probability; of amounts, what is added to each", **MEAN
    )
    by_costs: Series[bool] = column("it is the one that the costs give")
    share: Series[float] = column(
        "of examples acted on; of amounts, of labels below them", **PROBABILITY
    )
    value_per_1000: Series[float] = column("saving per 1,000 decisions")
    low: Series[float] = column("lower bound of the saving")
    high: Series[float] = column("upper bound of the saving")

    class Config:
        """The key."""

        unique = ["setting"]

    @rule("bounds are in order", "low", "high")
    def in_order(cls, t: pd.DataFrame) -> pd.Series:
        """The lower is not above the higher."""
        return t["low"] <= t["high"]

    @rule("in the order of the settings the share goes one way", "setting", "share")
    def one_way(cls, t: pd.DataFrame) -> pd.Series:
        """A higher threshold acts on fewer, a larger amount is above more labels."""
        step = t.sort_values("setting")["share"].diff()
        return ~((step > 0) & bool((step < 0).any()))


class Slices(Table):
    """One row per slice of the test examples: the candidate's figures there, with intervals."""

    by: Series[str] = column("the column")
    slice: Series[str] = column("its value")
    rows: Series[int] = column("examples", "rows", gt=0)
    label_mean: Series[float] = column("mean label: of 0 and 1 the share of 1", **MEAN)
    predicted: Series[float] = column("mean of what is predicted", **MEAN)
    value_per_1000: Series[float] = column("saving per 1,000 decisions")
    value_low: Series[float] = column("lower bound")
    value_high: Series[float] = column("upper bound")
    score: Series[float] = column(
        "area under the ROC curve, missing where only one label occurs; of amounts the mean "
        "absolute error",
        nullable=True,
    )
    score_low: Series[float] = column("lower bound", nullable=True)
    score_high: Series[float] = column("upper bound", nullable=True)

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
    rise: Series[float] = column(
        "of the log loss (nats a row), or mean absolute error of amounts; mean over shuffles"
    )
    low: Series[float] = column("least of the shuffles")
    high: Series[float] = column("most of the shuffles")

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
