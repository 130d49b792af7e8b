"""What modeling and evaluation return: bundles, predictions, metrics, slices, the verdict."""

from typing import Annotated, Any, Literal, Self

import pandas as pd
import pandera.pandas as pa
from pydantic import (
    ConfigDict,
    Discriminator,
    Field,
    RootModel,
    Tag,
    TypeAdapter,
    model_validator,
)

from preflight.contracts.table import Document, DocumentContract, Table, Utc, bounds, column, rule
from preflight.costs import AnyCosts, which
from preflight.framing import METRICS

PROBABILITY: dict[str, Any] = {"ge": 0, "le": 1}
MONEY = "currency of the costs, per 1,000 decisions"
COST = "of each outcome (tp, fp, fn, tn) whose cost is no constant"


class BestParams(Document):
    """What the search found, what it is worth, and what is kept; null: none was made."""

    candidate: str = Field(description="which of the candidates is taken")
    params: dict[str, Any] = Field(description="its searched ones; empty: as declared")
    kept: Literal["declared", "tuned"]
    ended: Literal["trials", "seconds", "interrupted"] = Field(
        description="by what: but for trials, another run may make more or fewer of them"
    )
    trial: int | None = Field(description="the best")
    value: float | None = Field(description="its saving per 1,000 decisions, mean over folds")
    declared_value: float | None = Field(description="that of the declared parameters")
    optimism: float | None = Field(ge=0, description="what searching alone makes look better")
    gain: "Interval | None" = Field(description="of the best over the declared, less optimism")


class Trials(Table, key=["trial"]):
    """One row per trial of the search."""

    trial: int = column("number, from 0", ge=0)
    state: str = column("how it ended", isin=["complete", "pruned", "fail", "running", "waiting"])
    value: float = column(
        "saving, mean over all folds; missing where it was given up",
        MONEY,
        nullable=True,
    )
    folds: int = column("folds done", "folds", ge=0)
    limits: bool = column("keeps the serving limits")
    candidate: str = column("which of the candidates")
    params: str = column("its searched parameters, as JSON")


class ParameterImportance(Table, key=["parameter"]):
    """One row per searched parameter of the best trial's candidate; none if that can't be told."""

    parameter: str = column("the parameter")
    share: float = column("of the spread of the trials' values", **PROBABILITY)


class ValidationPredictionColumns(Table):
    """Of each fold and example, besides key and label: the predictions of each model."""

    predict_at: Utc = column("moment of prediction", "UTC")
    fold: int = column("folds are in the order of time", ge=0)
    last: bool = column("the fold that is the validation set")
    probability: float | None = column(
        "of each model", alias="^probability_.+$", regex=True, **PROBABILITY
    )
    prediction: float | None = column("amount", alias="^prediction_.+$", regex=True)
    cost: float | None = column(COST, alias="^cost_.+$", regex=True)

    @pa.dataframe_check(error="the candidate says a probability, or an amount", ignore_na=False)
    def of_one_task(cls, t: pd.DataFrame) -> bool:
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
    def can_decide(self) -> Self:
        """It can decide: it is fitted, and has costs if it has no threshold."""
        from sklearn.exceptions import NotFittedError
        from sklearn.utils.validation import check_is_fitted

        try:
            check_is_fitted(self.estimator)
        except (NotFittedError, TypeError) as error:
            raise ValueError("the estimator is not fitted") from error
        if self.threshold is None:
            TypeAdapter(AnyCosts).validate_python(self.provenance.get("framing", {}).get("costs"))
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


class Said(Table):
    """What a model says of a row: a probability, or an amount."""

    probability: float | None = column("of label 1", **PROBABILITY)
    prediction: float | None = column("the amount, which is the decision")

    @pa.dataframe_check(error="there is a probability, or an amount", ignore_na=False)
    def of_one_task(cls, t: pd.DataFrame) -> bool:
        return ("probability" in t) != ("prediction" in t)


class Answer(Said):
    """What a model says of a row and what is decided: probability and act, or an amount."""

    act: bool | None = column("the decision")

    @pa.dataframe_check(error="a probability comes with what is decided", ignore_na=False)
    def decides(cls, t: pd.DataFrame) -> bool:
        """An amount is the decision."""
        return ("act" in t) == ("probability" in t)


class TestPredictionColumns(Answer):
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


class Interval(Document):
    """A figure on all rows with the bounds of its interval; null where it is not defined."""

    mean: float | None
    low: float | None
    high: float | None

    @model_validator(mode="after")
    def in_order(self) -> Self:
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

    unit: str = Field(description="currency of all amounts, as an ISO 4217 code")
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


class Audit(Table, key=["check"]):
    """One row per finding of the audit: that it is saved means that none has failed."""

    check: str = column("what was looked for")
    state: str = column(
        "passed; assumed: taken for true, can't be tested; allowed: by name, with a reason; "
        "untested: too few rows to tell",
        isin=["passed", "assumed", "allowed", "untested"],
    )
    measured: float = column("what was found, in the unit of the limit", nullable=True)
    limit: float = column("the most that passes", nullable=True)
    evidence: str = column("what was found, in words")

    @rule("nothing measured is above its limit", "measured", "limit")
    def within(cls, t: pd.DataFrame) -> pd.Series:
        return ~(t["measured"] > t["limit"])


class Importance(Table, key=["feature"]):
    """One row per feature: what the model loses on test when the feature's values are shuffled."""

    feature: str = column("the feature")
    group: str = column("its group")
    rise: float = column(
        "of the log loss (nats a row), or mean absolute error of amounts; mean over shuffles"
    )
    low: float = column("least of the shuffles")
    high: float = column("most of the shuffles")


best_params = DocumentContract(BestParams)
selection = DocumentContract(Selection)
candidate = DocumentContract(ModelBundle)
champion = DocumentContract(Champion)
power = DocumentContract(Power)
baselines = DocumentContract(ModelBundles)
metrics = DocumentContract(Metrics)
verdict = DocumentContract(Verdict)
