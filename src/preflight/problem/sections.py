"""The sections of the framing: goal, decision, prediction, project, serving, success, guardrails.

What is left out has a default. `preflight.problem.assumptions` lists the defaults that a verdict
rests on, and what promotion still needs.
"""

from typing import Any, Literal, Self

import pandas as pd
from pydantic import Field, model_validator

from preflight.contracts.documents import Parameters, Text
from preflight.errors import RunError
from preflight.problem.money import format_money


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

    objective: Text = "Decide at the lowest cost"
    owner: Text | None = Field(None, description="who answers for the result")
    kpi: Kpi | None = None


class Decision(Parameters):
    """The decision, in the words that the report uses."""

    unit: Text = Field(description="the subject of one decision, in the singular")
    units: Text = Field(description="the same in the plural; left out: with an s")
    per_month: float = Field(1000, gt=0, description="decisions a month")
    actor: Text = Field("whoever decides", description="who acts")
    act: Text = Field("act", description="what acting means")
    no_action: Text = Field("do nothing", description="what not acting means")
    undo: Text = Field(
        "whether it can be undone is not stated",
        description="whether and how acting can be undone",
    )
    label: Text = Field(description="the meaning of label 1, or the quantity that the label is")
    changes_label: bool = Field(False, description="acting changes the label, or hides it")
    untouched_share: float | None = Field(
        None, gt=0, lt=1, description="of decisions, at random, not acted on to see their label"
    )

    @classmethod
    def derive(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Return the plural."""
        return {"units": f"{given['unit']}s"} if "unit" in given else {}


class Prediction(Parameters):
    """When a prediction is made, for which units, and of which label."""

    population: Text | None = Field(None, description="units that get a prediction; null: all")
    lead_minutes: int = Field(
        1, gt=0, description="minutes before the event that the decision is due"
    )
    label_threshold: float = Field(0, description="the outcome above which the label is 1")
    label_known_hours: float | None = Field(
        None, gt=0, description="after the prediction every label is known"
    )

    @property
    def label_delay(self) -> pd.Timedelta:
        """Return the time after a prediction by which its label is known.

        Raises:
            RunError: it is not stated.
        """
        if self.label_known_hours is None:
            raise RunError(
                "framing.prediction.label_known_hours is not stated, and what comes after "
                "deployment waits for labels. Write the hours after a prediction by which every "
                "label is known into conf/base/parameters/framing.yml."
            )
        return pd.Timedelta(hours=self.label_known_hours)


class Project(Parameters):
    """The project's own costs, in the currency of the costs."""

    achievable_saving: float | None = Field(
        None, gt=0, description="estimate per 1,000, over the best baseline"
    )
    budget: float = Field(0, ge=0, description="to build it, once")
    upkeep_per_month: float = Field(0, ge=0, description="to run, watch and retrain it")
    label_source: Text | None = Field(None, description="where labels come from")
    label_price: float | None = Field(None, ge=0, description="of one label")
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
    features_max_age_minutes: float | None = Field(
        None, gt=0, description="of features that are looked up by key; null: lead_minutes"
    )


class Success(Parameters):
    """Criteria to ship."""

    months: float = Field(12, gt=0, description="over which saving and upkeep are counted")
    min_net_saving: float = Field(
        0, ge=0, description="over those months, after upkeep, in the costs' currency"
    )
    power: float = Field(0.8, gt=0.5, lt=1, description="probability to detect a gain of that size")
    max_test_evaluations: int = Field(
        20, gt=0, description="candidates that may be evaluated on a test set"
    )


class Guardrails(Parameters):
    """Limits that hold whatever the gain is."""

    slice_loss: float = Field(0, ge=0, description="against the baseline per 1,000, in any slice")
    protected: list[str] = Field([], description="features whose groups have to be served alike")
    protected_gap: float = Field(0.2, gt=0, le=1, description="in the share of label 1 acted on")
    calibration_gap: float = Field(0.1, gt=0, le=1, description="mean of observed less predicted")
    plausible: dict[str, tuple[float, float]] = Field(
        {}, description="ranges of metrics on test, outside of which an error is likely"
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
