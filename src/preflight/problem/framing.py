"""The framing of the problem: the decision, its costs, the split, and criteria to ship."""

from functools import partial
from typing import Any, Literal, Self

import pandas as pd
from pydantic import Field, model_validator

from preflight.contracts.documents import Parameters
from preflight.problem.costs import AnyCosts, Costs
from preflight.problem.money import format_money
from preflight.problem.sections import (
    Decision,
    Goal,
    Guardrails,
    Prediction,
    Project,
    Resampling,
    Serving,
    Success,
)
from preflight.problem.split import Split

Task = Literal["binary", "regression"]
METRICS: dict[Task, tuple[str, ...]] = {  # of each model; figures show the first
    "binary": ("roc_auc", "average_precision", "log_loss", "brier", "value_per_1000"),
    "regression": ("mae", "rmse", "r2", "coverage", "value_per_1000"),
}


class Framing(Parameters):
    """The framing of one problem; the decision and two costs are enough."""

    task: Task = Field("binary", description="the label is 0 or 1, or a number")
    goal: Goal = Goal()
    decision: Decision
    prediction: Prediction = Prediction()
    costs: AnyCosts
    baselines: list[str] = Field(
        [], min_length=1, description="that the candidate has to beat; left out: all of modeling"
    )
    project: Project = Project()
    serving: Serving | None = Field(None, description="null: size and speed have no limits")
    split: Split = Split()
    success: Success = Success()
    guardrails: Guardrails = Guardrails()
    slices: list[str] = Field([], description="features by which results are also shown")
    confidence: float = Field(0.95, gt=0.5, lt=1, description="level of every interval")
    resampling: Resampling = Field(Resampling(), description="what every interval rests on")

    @classmethod
    def derive(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Return what is resampled without a clock."""
        split = given.get("split")
        if not isinstance(split, dict) or split.get("clock") != "none":
            return {}
        return {"resampling": {"unit": "group" if split.get("groups") else "row"}}

    @property
    def population(self) -> str:
        """Return the units that get a prediction."""
        return self.prediction.population or f"every {self.decision.unit}"

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

    @property
    def features_max_age(self) -> pd.Timedelta:
        """Return how old features may be that are looked up by key.

        If it is not stated, they may be used until the event that is decided on.
        """
        stated = self.serving and self.serving.features_max_age_minutes
        return pd.Timedelta(minutes=stated or self.prediction.lead_minutes)

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
        kpi = self.goal.kpi
        if self.task == "binary" and kpi is not None and kpi.current > 1000:
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
        """Refuse to resample groups that nothing defines, or days without a clock."""
        if self.resampling.unit == "group" and not self.split.groups:
            raise ValueError("resampling.unit is group. Name its features in split.groups")
        if self.split.clock == "none" and self.resampling.in_order:
            raise ValueError(
                f"resampling.unit is {self.resampling.unit}, but split.clock is none. Leave out "
                "resampling, or set its unit to row or group"
            )
        return self

    @model_validator(mode="after")
    def can_pay(self) -> Self:
        """Refuse a project that doesn't pay off even with the whole achievable saving."""
        if self.project.achievable_saving is None:
            return self
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
