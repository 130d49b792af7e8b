"""The framing of the problem: the decision, its costs, the split, and criteria to ship."""

from functools import partial
from typing import Any, Literal, Self

import pandas as pd
from pydantic import Field, model_validator

from preflight.contracts.documents import Parameters, Text
from preflight.problem.costs import AnyCosts, Costs
from preflight.problem.money import format_money
from preflight.problem.split import Split

Task = Literal["binary", "regression"]
METRICS: dict[Task, tuple[str, ...]] = {  # of each model; figures show the first
    "binary": ("roc_auc", "average_precision", "log_loss", "brier", "value_per_1000"),
    "regression": ("mae", "rmse", "r2", "coverage", "value_per_1000"),
}


class Kpi(Parameters):
    """The owner's KPI: cases of label 1 that nobody acted on, per 1,000 decisions.

    In regression: the mean absolute error.
    """

    name: Text
    current: float = Field(ge=0)
    target: float = Field(ge=0)

    @model_validator(mode="after")
    def improves(self) -> Self:
        """Refuse a target that is already reached."""
        if self.target >= self.current:
            raise ValueError(
                f"current is {self.current:g} and target is {self.target:g}: "
                "give a target below current"
            )
        return self


class Goal(Parameters):
    """The objective, and who is responsible for it."""

    objective: Text
    owner: Text
    kpi: Kpi


class Decision(Parameters):
    """The decision, in the words that the report uses."""

    unit: Text = Field(description="the subject of one decision, in the singular")
    units: Text = Field(description="the same in the plural")
    per_month: float = Field(gt=0, description="decisions a month")
    actor: Text = Field(description="who acts")
    act: Text = Field(description="what acting means")
    no_action: Text = Field(description="what not acting means")
    undo: Text = Field(description="whether and how acting can be undone")
    label: Text = Field(description="the meaning of label 1, or the quantity that the label is")
    changes_label: bool = Field(False, description="acting changes the label, or hides it")
    untouched_share: float | None = Field(
        None, gt=0, lt=1, description="of decisions, at random, not acted on to see their label"
    )


class Prediction(Parameters):
    """When a prediction is made, for which units, and of which label."""

    population: Text = Field(description="units that get a prediction")
    lead_minutes: int = Field(gt=0, description="minutes before the event that the decision is due")
    label_threshold: float = Field(0, description="the outcome above which the label is 1")
    label_known_hours: float = Field(gt=0, description="after the prediction every label is known")


class Project(Parameters):
    """The project's own costs, in the currency of the costs."""

    achievable_saving: float = Field(gt=0, description="estimate per 1,000, over the best baseline")
    budget: float = Field(ge=0, description="to build it, once")
    upkeep_per_month: float = Field(ge=0, description="to run, watch and retrain it")
    label_source: Text = Field(description="where labels come from")
    label_price: float = Field(ge=0, description="of one label")
    label_cost_note: Text | None = Field(None, description="why labels cost nothing, if they do")

    @model_validator(mode="after")
    def labels_are_paid_for(self) -> Self:
        """Refuse labels without a price and without a reason for that."""
        if self.label_price == 0 and not self.label_cost_note:
            raise ValueError("label_price is 0. Give the price, or the reason in label_cost_note")
        return self


class Serving(Parameters):
    """Limits of the model in service; measured on the candidate, warm, in one process."""

    p99_ms: float = Field(gt=0, description="99th percentile of the milliseconds for one row")
    requests_per_second: float = Field(gt=0, description="of one row, that come over HTTP")
    rows_per_second: float = Field(gt=0, description="in batches, at least")
    model_mb: float = Field(gt=0, description="megabytes of its file")
    memory_mb: float = Field(gt=0, description="megabytes to hold it and answer 1,000 rows")
    machine_per_hour: float = Field(
        ge=0, description="price of the machine, in the costs' currency"
    )
    cost_per_1000: float = Field(gt=0, description="in the costs' currency, for 1,000 predictions")


class Success(Parameters):
    """Criteria to ship."""

    months: float = Field(gt=0, description="over which saving and upkeep are counted")
    min_net_saving: float = Field(
        ge=0, description="over those months, after upkeep, in the costs' currency"
    )
    power: float = Field(gt=0.5, lt=1, description="probability to detect a gain of that size")
    max_test_evaluations: int = Field(
        gt=0, description="candidates that may be evaluated on a test set"
    )


class Guardrails(Parameters):
    """Limits that hold whatever the gain is."""

    slice_loss: float = Field(ge=0, description="against the baseline per 1,000, in any slice")
    protected: list[str] = Field([], description="features whose groups have to be served alike")
    protected_gap: float = Field(gt=0, le=1, description="in the share of label 1 acted on")
    calibration_gap: float = Field(gt=0, le=1, description="mean of observed less predicted")
    plausible: dict[str, tuple[float, float]] = Field(
        min_length=1, description="ranges of metrics on test, outside of which an error is likely"
    )

    def implausible(self, metrics: dict[str, Any], unit: str) -> list[str]:
        """Return a message for each metric outside its plausible range; unit: the currency."""

        def text(name: str, value: float | None) -> str:
            if value is None:
                return "not known"
            is_money = name == "value_per_1000"
            return format_money(value, unit, decimals=2) if is_money else f"{value:g}"

        return [
            f"{name} is {text(name, mean)}; plausible is {text(name, low)} to {text(name, high)}"
            for name, (low, high) in self.plausible.items()
            if (mean := metrics[name]["mean"]) is None or not low <= mean <= high
        ]


class Resampling(Parameters):
    """What intervals rest on: the units whose rows depend on each other."""

    unit: Literal["row", "group", "day", "week", "month"] = Field(
        "day", description="rows of one unit depend on each other; group: values of split.groups"
    )
    block: int | None = Field(
        None, ge=1, description="units that are drawn together; null: chosen from the data"
    )

    @property
    def in_order(self) -> bool:
        """Return whether units follow each other in time, so that neighbours may be alike."""
        return self.unit in ("day", "week", "month")

    @property
    def units(self) -> str:
        """Return the units in the plural."""
        return f"{self.unit}s"

    @model_validator(mode="after")
    def has_blocks_only_in_time(self) -> Self:
        """Refuse blocks of units that have no order."""
        if self.block is not None and not self.in_order:
            raise ValueError(f"unit {self.unit} has no order in time. Leave out resampling.block")
        return self


class Framing(Parameters):
    """The framing of one problem."""

    task: Task = Field("binary", description="the label is 0 or 1, or a number")
    goal: Goal
    decision: Decision
    prediction: Prediction
    costs: AnyCosts
    baselines: list[str] = Field(min_length=1, description="that the candidate has to beat")
    project: Project
    serving: Serving
    split: Split
    success: Success
    guardrails: Guardrails
    slices: list[str] = Field(description="features by which results are also shown")
    confidence: float = Field(gt=0.5, lt=1, description="level of every interval")
    resampling: Resampling = Field(Resampling(), description="what every interval rests on")

    @property
    def predicted(self) -> str:
        """Return the column of a model's prediction: a probability, or a quantity."""
        return "probability" if self.task == "binary" else "prediction"

    @property
    def decided(self) -> str:
        """Return the column of the decision: to act or not, or the predicted quantity."""
        return "act" if self.task == "binary" else "prediction"

    @property
    def metrics(self) -> tuple[str, ...]:
        """Return the names of the task's metrics; figures show the first."""
        return METRICS[self.task]

    def net(self, per_1000: float) -> float:
        """Return the net saving over `success.months`, of a saving per 1,000 decisions."""
        a_month = per_1000 / 1000 * self.decision.per_month - self.project.upkeep_per_month
        return a_month * self.success.months

    @property
    def least_per_1000(self) -> float:
        """Return the saving per 1,000 decisions that gives the least net saving."""
        a_month = self.success.min_net_saving / self.success.months
        return 1000 * (a_month + self.project.upkeep_per_month) / self.decision.per_month

    def group_column(self, table: pd.DataFrame) -> dict[str, Any]:
        """Return the number of each row's group as the column `group`, if groups are resampled."""
        if self.resampling.unit != "group":
            return {}
        by = self.split.groups
        return {"group": table.groupby(by, sort=True, observed=True, dropna=False).ngroup()}

    def unknown_columns(self, features: list[str]) -> list[str]:
        """Return a message for each section of the framing with names that are no features."""
        named = {
            "slices": set(self.slices) - {"month"},
            "guardrails.protected": set(self.guardrails.protected),
            "split.groups": set(self.split.groups),
            "costs": set(self.costs.columns.values()),
        }
        unknown = {where: sorted(names - set(features)) for where, names in named.items()}
        return [f"framing.{w} names {n}, which are no features" for w, n in unknown.items() if n]

    @model_validator(mode="before")
    @classmethod
    def is_a_known_task(cls, given: Any) -> Any:
        """Refuse several classes, with a remedy."""
        if isinstance(given, dict) and given.get("task") == "multiclass":
            raise ValueError(
                "task multiclass is not supported. Frame the class whose miss costs most as "
                "the label 1 of a binary task, or give each class a project of its own"
            )
        return given

    @model_validator(mode="after")
    def fits_its_task(self) -> Self:
        """Refuse costs, or plausible metrics, of another task."""
        if isinstance(self.costs, Costs) != (self.task == "binary"):
            named = (
                "tp, fp, fn and tn"
                if self.task == "binary"
                else "overage, underage and default_amount"
            )
            raise ValueError(f"the costs are of the other task: task {self.task} needs {named}")
        needs_untouched = self.task == "binary" and self.decision.changes_label
        if self.decision.untouched_share is not None and not needs_untouched:
            raise ValueError(
                "decision.untouched_share is for task binary with changes_label: true. Set it to "
                "null, or changes_label to true if acting changes the label"
            )
        if unknown := self.guardrails.plausible.keys() - set(self.metrics):
            raise ValueError(
                f"guardrails.plausible names unknown metrics, {sorted(unknown)}. Task {self.task} "
                f"has {', '.join(self.metrics)}"
            )
        if self.task == "binary" and self.goal.kpi.current > 1000:
            raise ValueError(
                "goal.kpi.current is above 1,000, but it counts cases per 1,000 decisions"
            )
        return self

    @model_validator(mode="after")
    def names_each_baseline_once(self) -> Self:
        """Refuse a list with a duplicate."""
        if len(set(self.baselines)) < len(self.baselines):
            raise ValueError(f"baselines has a duplicate: {self.baselines}")
        return self

    @model_validator(mode="after")
    def has_the_groups_it_resamples(self) -> Self:
        """Refuse to resample groups that nothing defines."""
        if self.resampling.unit == "group" and not self.split.groups:
            raise ValueError("resampling.unit is group. Name its features in split.groups")
        return self

    @model_validator(mode="after")
    def can_pay(self) -> Self:
        """Refuse a project that doesn't pay off even with the whole achievable saving."""
        best, months = self.net(self.project.achievable_saving), self.success.months
        needed = max(self.project.budget, self.success.min_net_saving)
        money = partial(format_money, unit=self.costs.unit, decimals=0)
        if best < needed:
            raise ValueError(
                f"the project can't pay off: the achievable saving of "
                f"{money(self.project.achievable_saving)} per 1,000 {self.decision.units} is "
                f"{money(best)} over {months:g} months after upkeep, less than the budget "
                f"({money(self.project.budget)}) or the least net saving "
                f"({money(self.success.min_net_saving)})"
            )
        return self
