"""Costs of decisions: binary (act or not) and regression (a quantity).

Both kinds give the decision that follows from a prediction, its saving compared with deciding
without a prediction, and both of these where a miss costs more or less.
"""

from typing import Annotated, Any, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from preflight.contracts.documents import Parameters
from preflight.errors import RunError
from preflight.problem.money import Currency

Floats = npt.NDArray[np.float64]
Decided = npt.NDArray[Any]  # booleans: acted or not; or quantities


def _number_or_name(cost: Any) -> Any:
    if isinstance(cost, bool) or not isinstance(cost, int | float | str) or cost == "":
        raise ValueError(f"{cost!r} is neither a number nor the name of a feature")
    return cost


# a constant, or the column that holds it
Cost = Annotated[float | str, BeforeValidator(_number_or_name)]


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
        """Return the probability above which acting costs less (Elkan 2001, equation 2)."""
        in_vain, needed = self.fp - self.tn, self.fn - self.tp
        return in_vain / (in_vain + needed)

    def decide(self, probability: Floats) -> Decided:
        """Return whether to act: where that costs less, shape (n,)."""
        return np.asarray(probability > self.threshold)

    def saving(self, label: Decided, act: Decided) -> Floats:
        """Return the saving of each decision compared with never acting, shape (n,)."""
        return np.where(act, np.where(label, self.fn - self.tp, self.tn - self.fp), 0.0)

    def expected_saving(self, probability: Floats, act: Decided) -> Floats:
        """Return the saving that probabilities expect of each decision, shape (n,)."""
        needed, in_vain = (self.saving(np.full(len(act), one), act) for one in (True, False))
        return probability * needed + (1 - probability) * in_vain

    def cost(self, label: Decided, act: Decided) -> Floats:
        """Return what each decision costs, shape (n,)."""
        needed, not_needed = np.where(act, self.tp, self.fn), np.where(act, self.fp, self.tn)
        return np.where(label, needed, not_needed)

    def with_miss_cost_scaled(self, factor: float) -> Self:
        """Return the costs with a miss at `factor` times its cost."""
        return self._replace(fn=self.fn * factor)


class UnitCosts(NamedTuple):
    """The cost of each unit that decisions are wrong by: one for all, or one for each, shape (n,).

    overage: the decision is too high; underage: too low. default_amount: the decision without a
    prediction.
    """

    overage: float | Floats
    underage: float | Floats
    default_amount: float | Floats

    @property
    def quantile(self) -> float | Floats:
        """Return the quantile of the label that costs least as a decision (newsvendor)."""
        return self.underage / (self.overage + self.underage)

    def decide(self, predicted: Floats) -> Decided:
        """Return the predictions: each is the decision, shape (n,)."""
        return predicted

    def saving(self, label: Decided, decided: Decided) -> Floats:
        """Return the saving of each decision compared with that without a prediction."""
        return self.cost(label, self.default_amount) - self.cost(label, decided)

    def expected_saving(self, amount: Floats, decided: Decided) -> Floats:
        """Return the saving of each decision if the predicted amount comes true, shape (n,)."""
        return self.saving(amount, decided)

    def cost(self, label: Decided, decided: Any) -> Floats:
        """Return what each decision costs, shape (n,)."""
        off = decided - np.asarray(label, dtype=np.float64)
        return np.maximum(self.overage * off, -self.underage * off)

    def with_miss_cost_scaled(self, factor: float) -> Self:
        """Return the costs with each unit too little at `factor` times its cost."""
        return self._replace(underage=self.underage * factor)


def per_1000(saving: Floats) -> float:
    """Return the saving per 1,000 decisions."""
    return float(1000 * saving.mean())


class BaseCosts(Parameters):
    """What costs of both tasks share: a cost is a constant, or the name of the feature with it."""

    values_type: ClassVar[type[Outcomes | UnitCosts]]
    uncertain: ClassVar[str]  # the cost that may be higher or lower than stated

    unit: Currency = "USD"

    @property
    def columns(self) -> dict[str, str]:
        """Return the column of each cost that is no constant."""
        fields = self.values_type._fields
        return {name: cost for name in fields if isinstance(cost := getattr(self, name), str)}

    @property
    def miss(self) -> float | str:
        """Return the cost of a miss: a constant, or the name of its column."""
        cost: float | str = getattr(self, self.uncertain)
        return cost

    @property
    def factors(self) -> tuple[float, float]:
        """Return what the cost of a miss may be multiplied by, at least and at most."""
        raise NotImplementedError

    def _impossible(self, costs: Any) -> list[tuple[str, Any]]:
        """Return each condition under which there is nothing to decide, and where it holds."""
        raise NotImplementedError

    @model_validator(mode="after")
    def leave_a_decision(self) -> Self:
        """Refuse constants that leave nothing to decide; `at` looks at columns."""
        low, high = self.factors
        if not low <= 1 <= high:
            raise ValueError(
                f"{self.uncertain}_factors are {low:g} and {high:g}. "
                "Give a first one up to 1 and a second one from 1"
            )
        costs = [getattr(self, name) for name in self.values_type._fields]
        constants = self.values_type(*(np.nan if isinstance(c, str) else c for c in costs))
        if faults := [fault for fault, holds in self._impossible(constants) if holds]:
            raise ValueError(f"nothing is left to decide: {'; '.join(faults)}. {self._stated()}")
        return self

    def _stated(self) -> str:
        costs = (f"{name}: {getattr(self, name)}" for name in self.values_type._fields)
        return f"Correct the costs ({', '.join(costs)}, in {self.unit})"

    def _at(self, table: pd.DataFrame) -> Any:
        """Return the costs of the rows of a table.

        A column is found by its name where the table has it, as examples do; else by that of its
        cost, as predictions keep it: `cost_fn`.
        """
        costs = self.values_type(*(self._one(name, table) for name in self.values_type._fields))
        if not self.columns:
            return costs
        missing = [(f"{name} is missing", ~np.isfinite(c)) for name, c in costs._asdict().items()]
        counted = [(f, np.count_nonzero(holds)) for f, holds in missing + self._impossible(costs)]
        if faults := [f"\n  - {f} in {n:,} of {len(table):,} rows" for f, n in counted if n]:
            raise RunError(
                f"framing.costs leaves nothing to decide in some rows:{''.join(faults)}\n"
                f"{self._stated()}, or a column where the features are made."
            )
        return costs

    def _one(self, name: str, table: pd.DataFrame) -> Any:
        cost = getattr(self, name)
        if name not in self.columns:
            return cost
        numbers = [str(name) for name, kind in table.dtypes.items() if kind.kind in "iuf"]
        for column in (cost, f"cost_{name}"):
            if column in numbers:
                return table[column].to_numpy(np.float64)
        raise RunError(
            f"framing.costs.{name} names '{cost}', which is no column of numbers. "
            f"There are: {', '.join(numbers)}."
        )

    def cost_columns(self, examples: pd.DataFrame) -> dict[str, Any]:
        """Return the cost columns that predictions keep, so that savings follow from them alone."""
        costs = self._at(examples)
        return {f"cost_{name}": getattr(costs, name) for name in self.columns}


class Costs(BaseCosts):
    """The cost of each outcome of one decision to act or not (see `Outcomes`), in `unit`."""

    values_type = Outcomes
    uncertain = "fn"

    tp: Cost = Field(description="left out: acting costs as much as in vain")
    fp: Cost
    fn: Cost
    tn: Cost = 0.0
    fn_factors: tuple[float, float] = Field((1, 1), description="a miss may cost so many times fn")

    @classmethod
    def derive(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Return the cost of acting: the same, needed or in vain."""
        return {"tp": given["fp"]} if "fp" in given else {}

    @property
    def factors(self) -> tuple[float, float]:
        """Return `fn_factors`."""
        return self.fn_factors

    def _impossible(self, costs: Outcomes) -> list[tuple[str, Any]]:
        low, high = self.factors
        lowest = np.minimum(costs.fn * low, costs.fn * high)  # a cost below 0 is a gain
        return [
            (
                f"fn (a miss), at {low:g} times its cost, is not above tp (acting when needed)",
                (lowest <= costs.tp) | (self.fn == self.tp),
            ),
            (
                "fp (acting in vain) is not above tn (not acting)",
                (costs.fp <= costs.tn) | (self.fp == self.tn),
            ),
        ]

    def at(self, table: pd.DataFrame) -> Outcomes:
        """Return the costs of the rows of a table.

        Raises:
            RunError: a column is not there, or rows have no cost, or leave nothing to decide.
        """
        costs: Outcomes = self._at(table)
        return costs


class RegressionCosts(BaseCosts):
    """The cost of each unit that a decision is wrong by (see `UnitCosts`), in `unit`."""

    values_type = UnitCosts
    uncertain = "underage"

    overage: Cost
    underage: Cost
    default_amount: Cost = 0.0
    underage_factors: tuple[float, float] = Field(
        (1, 1), description="underage may be so many times it"
    )

    @property
    def factors(self) -> tuple[float, float]:
        """Return `underage_factors`."""
        return self.underage_factors

    @property
    def quantile(self) -> float | None:
        """Return the quantile of the label that costs least; None: each row has its own."""
        if {"overage", "underage"} & self.columns.keys():
            return None
        return float(self.underage) / (float(self.overage) + float(self.underage))

    def _impossible(self, costs: UnitCosts) -> list[tuple[str, Any]]:
        return [(f"{n} is not above 0", getattr(costs, n) <= 0) for n in ("overage", "underage")]

    def at(self, table: pd.DataFrame) -> UnitCosts:
        """Return the costs of the rows of a table.

        Raises:
            RunError: a column is not there, or rows have no cost, or one that is not above 0.
        """
        costs: UnitCosts = self._at(table)
        return costs


def costs_kind(costs: Any) -> str:
    """Return the kind of costs by their names: of outcomes, or of errors."""
    given = costs if isinstance(costs, dict) else vars(costs) if hasattr(costs, "unit") else {}
    return "errors" if {"overage", "underage", "default_amount"} & given.keys() else "outcomes"


AnyCosts = Annotated[
    Annotated[Costs, Tag("outcomes")] | Annotated[RegressionCosts, Tag("errors")],
    Discriminator(costs_kind),
]
