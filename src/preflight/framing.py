"""The problem, typed: what is decided, when, at what cost, and how it is judged."""

from typing import Annotated, Any, NamedTuple, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from preflight.errors import RunError

Bools = npt.NDArray[Any]  # booleans, or 0 and 1
Floats = npt.NDArray[np.float64]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


def _number_or_name(cost: Any) -> Any:
    if isinstance(cost, bool) or not isinstance(cost, int | float | str) or cost == "":
        raise ValueError(f"{cost!r} is neither a number nor the name of a feature")
    return cost


# a constant, or the column that holds it
Cost = Annotated[float | str, BeforeValidator(_number_or_name)]


class Strict(BaseModel):
    """A section of the framing: unknown keys are refused, values can't change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Kpi(Strict):
    """What the owner watches: cases of label 1 that nobody acted on, per 1,000 decisions."""

    name: Text
    now: float = Field(ge=0, le=1000)
    wanted: float = Field(ge=0, le=1000)

    @model_validator(mode="after")
    def improves(self) -> Self:
        """Refuse a goal that is reached already."""
        if self.wanted >= self.now:
            raise ValueError(f"it is {self.now:g} now and {self.wanted:g} is wanted: nothing to do")
        return self


class Goal(Strict):
    """What is to be reached, and who answers for it."""

    objective: Text
    owner: Text
    kpi: Kpi


class Decision(Strict):
    """What is decided, on what, in words that the report uses."""

    unit: Text = Field(description="what one decision is about, in the singular")
    units: Text = Field(description="the same in the plural")
    per_month: float = Field(gt=0, description="decisions a month")
    actor: Text = Field(description="who acts")
    act: Text = Field(description="what acting means")
    wait: Text = Field(description="what not acting means")
    undo: Text = Field(description="whether and how acting can be undone")
    label: Text = Field(description="what the label 1 means")


class Prediction(Strict):
    """When a prediction is made, for whom, and what it predicts."""

    population: Text = Field(description="of which units a prediction is made")
    lead_minutes: int = Field(gt=0, description="minutes before the event that the decision is due")
    label_threshold: float = Field(description="the measured outcome above which the label is 1")
    label_known_hours: float = Field(gt=0, description="after the prediction every label is known")


class Outcomes(NamedTuple):
    """The cost of each outcome of some decisions: one for all, or one for each, shape (n,).

    tp: acted, and it was needed; fp: acted in vain; fn: not acted, though needed; tn: neither.
    """

    tp: float | Floats
    fp: float | Floats
    fn: float | Floats
    tn: float | Floats

    @property
    def threshold(self) -> float | Floats:
        """Return the probability above which acting is cheaper (Elkan 2001, equation 2)."""
        in_vain, needed = self.fp - self.tn, self.fn - self.tp
        return in_vain / (in_vain + needed)

    def saving(self, label: Bools, act: Bools) -> Floats:
        """Return what each decision saves over never acting, shape (n,)."""
        return np.where(act, np.where(label, self.fn - self.tp, self.tn - self.fp), 0.0)

    def per_1000(self, label: Bools, act: Bools) -> float:
        """Return what 1,000 such decisions save over never acting."""
        return float(1000 * self.saving(label, act).mean())


class Costs(Strict):
    """The cost of each outcome of one decision (see `Outcomes`), in `unit`.

    A name instead of a number is a feature: it holds what the outcome costs, row by row.
    """

    unit: Text
    tp: Cost
    fp: Cost
    fn: Cost
    tn: Cost
    fn_factors: tuple[float, float] = Field((1, 1), description="a miss may cost so many times fn")

    @model_validator(mode="after")
    def acting_pays_when_needed(self) -> Self:
        """Refuse constants under which there is nothing to decide; `at` looks at columns."""
        tp, fp, fn, tn = (getattr(self, outcome) for outcome in Outcomes._fields)
        if tp == fp == fn == tn:
            raise ValueError(
                "all four costs are equal: every decision is worth the same, nothing to learn"
            )
        needed, in_vain = (not self.columns.keys() & pair for pair in ({"tp", "fn"}, {"fp", "tn"}))
        if needed and tp >= fn:
            raise ValueError(
                f"acting when it is needed costs {tp} and not acting {fn}: "
                "never acting is always best, there is nothing to learn"
            )
        if in_vain and fp <= tn:
            raise ValueError(
                f"acting in vain costs {fp} and not acting {tn}: "
                "always acting is always best, there is nothing to learn"
            )
        low, high = self.fn_factors
        if not low <= 1 <= high:
            raise ValueError(f"fn_factors go from {low:g} to {high:g}: they have to rise, past 1")
        if needed and tp >= fn * low:
            raise ValueError(
                f"with fn_factors from {low:g} a miss may cost {fn * low:g}, not more than acting "
                f"when it is needed, {tp:g}"
            )
        return self

    @property
    def columns(self) -> dict[str, str]:
        """Return the column of each outcome whose cost is no constant."""
        return {o: cost for o in Outcomes._fields if isinstance(cost := getattr(self, o), str)}

    def at(self, table: pd.DataFrame) -> Outcomes:
        """Return the costs of the rows of a table.

        A column is found by its name where the table has it, as examples do; else by that of its
        outcome, as predictions keep it: `cost_fn`.

        Raises:
            RunError: a column is not there, or rows have no cost, or leave nothing to decide.
        """
        costs = Outcomes(*(self._read(outcome, table) for outcome in Outcomes._fields))
        if self.columns:
            self._require_a_choice(costs, len(table))
        return costs

    def _read(self, outcome: str, table: pd.DataFrame) -> Any:
        cost = getattr(self, outcome)
        if outcome not in self.columns:
            return cost
        numbers = [str(name) for name, kind in table.dtypes.items() if kind.kind in "iuf"]
        for name in (cost, f"cost_{outcome}"):
            if name in numbers:
                return table[name].to_numpy(np.float64)
        raise RunError(
            f"framing.costs.{outcome} names '{cost}', which is no column of numbers. "
            f"There are: {', '.join(numbers)}."
        )

    def _require_a_choice(self, costs: Outcomes, rows: int) -> None:
        """Raise RunError with the rows in which a cost is missing, or one choice always best."""
        tp, fp, fn, tn = said = [f"'{o}: {getattr(self, o)}'" for o in costs._fields]
        low, high = self.fn_factors
        cheapest = np.minimum(costs.fn * low, costs.fn * high)  # a cost below 0 is a gain
        broken: list[tuple[str, Any]] = [
            *((f"{one} is missing", ~np.isfinite(c)) for one, c in zip(said, costs, strict=True)),
            (f"{fn}, at the least of its fn_factors, is not above {tp}", cheapest <= costs.tp),
            (f"{fp} is not above {tn}", costs.fp <= costs.tn),
        ]
        counted = [(fault, np.count_nonzero(where)) for fault, where in broken]
        if faults := [f"\n  - {fault} in {n:,} of {rows:,} rows" for fault, n in counted if n]:
            raise RunError(
                f"framing.costs gives some rows nothing to decide:{''.join(faults)}\n"
                "Correct the column where the features are made, or the costs."
            )

    def kept(self, examples: pd.DataFrame) -> dict[str, Any]:
        """Return the columns that predictions keep: their worth can be told from them alone."""
        costs = self.at(examples)
        return {f"cost_{outcome}": getattr(costs, outcome) for outcome in self.columns}


class Project(Strict):
    """What it costs to build and to keep, in the unit of the costs."""

    achievable_saving: float = Field(gt=0, description="believed possible, over the best baseline")
    budget: float = Field(ge=0, description="to build it, once")
    upkeep_per_month: float = Field(ge=0, description="to run, watch and retrain it")
    label_source: Text = Field(description="where labels come from")
    label_price: float = Field(ge=0, description="of one label")
    label_waiver: Text | None = Field(description="why labels cost nothing, if they do")

    @model_validator(mode="after")
    def labels_are_paid_for(self) -> Self:
        """Refuse labels that nobody pays for."""
        if self.label_price == 0 and not self.label_waiver:
            raise ValueError("labels cost nothing? Give label_price, or say why in label_waiver")
        return self


class Serving(Strict):
    """What the model may take when it is used; measured on the candidate, warm, in one process."""

    p99_ms: float = Field(gt=0, description="milliseconds for one row, the slowest of a hundred")
    requests_per_second: float = Field(gt=0, description="of one row, that come over HTTP")
    rows_per_second: float = Field(gt=0, description="in batches, at least")
    model_mb: float = Field(gt=0, description="megabytes of its file")
    memory_mb: float = Field(gt=0, description="megabytes to hold it and answer 1,000 rows")
    machine_per_hour: float = Field(ge=0, description="price of the machine, in the costs' unit")
    cost_per_1000: float = Field(gt=0, description="in the costs' unit, for 1,000 predictions")


class Success(Strict):
    """When it is worth shipping."""

    months: float = Field(gt=0, description="over which saving and upkeep are counted")
    least_net_saving: float = Field(ge=0, description="over them, after upkeep, in the costs' unit")
    power: float = Field(gt=0.5, lt=1, description="chance to see the least saving if it is there")
    test_openings: int = Field(gt=0, description="candidates that may be judged on one test set")


class Plausible(Strict):
    """Between what the candidate's metrics on test have to be: outside something is wrong."""

    roc_auc: tuple[float, float]
    value_per_1000: tuple[float, float]

    def faults(self, metrics: dict[str, Any]) -> list[str]:
        """Return each metric that is too good, or too bad, to be true; in words."""
        ranges = {"roc_auc": self.roc_auc, "value_per_1000": self.value_per_1000}
        return [
            f"{name} is {mean}, and between {low:g} and {high:g} is plausible"
            for name, (low, high) in ranges.items()
            if (mean := metrics[name]["mean"]) is None or not low <= mean <= high
        ]


class Guardrails(Strict):
    """What no gain may be bought with."""

    slice_loss: float = Field(ge=0, description="against the baseline per 1,000, in any slice")
    protected: list[str] = Field(description="features whose groups have to be served alike")
    protected_gap: float = Field(gt=0, le=1, description="in the share of label 1 acted on")
    calibration_gap: float = Field(gt=0, le=1, description="mean of observed less predicted")
    plausible: Plausible


def _known_timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is not a time zone such as 'America/New_York'") from error
    return name


class Split(Strict):
    """The time-ordered split: everything before `validation_from` is train."""

    timezone: Annotated[str, AfterValidator(_known_timezone)] = Field(
        description="days and months are counted in this time zone"
    )
    validation_from: AwareDatetime
    test_from: AwareDatetime
    groups: list[str] = Field(description="features whose values may be in one part only")
    embargo_hours: float = Field(ge=0)

    @model_validator(mode="after")
    def in_order(self) -> Self:
        """Refuse a test that begins before the validation."""
        if self.test_from <= self.validation_from:
            raise ValueError(
                f"test_from ({self.test_from}) must come after "
                f"validation_from ({self.validation_from})"
            )
        return self

    def require(self, **parts: pd.DataFrame) -> None:
        """Raise RunError if a part, by its name, has moments of another: the split was another."""
        starts: dict[str, tuple[Any, Any]] = {
            "train": (None, self.validation_from),
            "validation": (self.validation_from, self.test_from),
            "test": (self.test_from, None),
        }
        for name, part in parts.items():
            start, end = starts[name]
            first, last = part["predict_at"].min(), part["predict_at"].max()
            if (start is not None and first < start) or (end is not None and last >= end):
                raise RunError(
                    f"'{name}' has examples from {first} to {last}: that is not what framing.split "
                    "says now. Run feature_engineering again, and what comes after it."
                )

    def day(self, moments: pd.Series) -> pd.Series:
        """Return the local calendar day (midnight, no time zone) of each moment in UTC."""
        return moments.dt.tz_convert(self.timezone).dt.tz_localize(None).dt.normalize()


class Framing(Strict):
    """A framed problem; each field is used by something."""

    goal: Goal
    decision: Decision
    prediction: Prediction
    costs: Costs
    baselines: list[str] = Field(min_length=1, description="that the candidate has to beat")
    project: Project
    serving: Serving
    split: Split
    success: Success
    guardrails: Guardrails
    slices: list[str] = Field(description="features by which results are also shown")
    confidence: float = Field(gt=0.5, lt=1, description="level of every interval")

    def net(self, per_1000: float) -> float:
        """Return what a saving per 1,000 decisions comes to over the months, less upkeep."""
        a_month = per_1000 / 1000 * self.decision.per_month - self.project.upkeep_per_month
        return a_month * self.success.months

    @property
    def least_per_1000(self) -> float:
        """Return the saving over the best baseline from which the least net saving is reached."""
        a_month = self.success.least_net_saving / self.success.months
        return 1000 * (a_month + self.project.upkeep_per_month) / self.decision.per_month

    def unknown_columns(self, features: list[str]) -> list[str]:
        """Return a fault for each name in the framing that is no feature."""
        named = {
            "slices": set(self.slices) - {"month"},
            "guardrails.protected": set(self.guardrails.protected),
            "split.groups": set(self.split.groups),
            "costs": set(self.costs.columns.values()),
        }
        unknown = {where: sorted(names - set(features)) for where, names in named.items()}
        return [f"framing.{w} names {n}, which are no features" for w, n in unknown.items() if n]

    @model_validator(mode="after")
    def names_each_baseline_once(self) -> Self:
        """Refuse a list in which one stands twice."""
        if len(set(self.baselines)) < len(self.baselines):
            raise ValueError(f"baselines names one twice: {self.baselines}")
        return self

    @model_validator(mode="after")
    def can_pay(self) -> Self:
        """Refuse a project that doesn't pay even if it reaches all that is believed possible."""
        best, months = self.net(self.project.achievable_saving), self.success.months
        needed = max(self.project.budget, self.success.least_net_saving)
        if best < needed:
            raise ValueError(
                f"the project can't pay: the achievable saving of "
                f"{self.project.achievable_saving:g} per 1,000 {self.decision.units} is "
                f"{best:,.0f} over {months:g} months after upkeep, less than the budget "
                f"({self.project.budget:,.0f}) or the least net saving "
                f"({self.success.least_net_saving:,.0f})"
            )
        return self
