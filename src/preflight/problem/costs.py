"""What a decision costs by what happens: of an act or not, or of an amount that is decided on.

Either gives the same three things, which all else is derived from: the decision that a prediction
asks for, what it saves over deciding without a prediction, and what it would at dearer misses.
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
from preflight.problem.money import Currency, format_money

Floats = npt.NDArray[np.float64]
Decided = npt.NDArray[Any]  # booleans: acted or not; or amounts


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
        """Return the probability above which acting is cheaper (Elkan 2001, equation 2)."""
        in_vain, needed = self.fp - self.tn, self.fn - self.tp
        return in_vain / (in_vain + needed)

    def decide(self, probability: Floats) -> Decided:
        """Return whether to act: where that is cheaper, shape (n,)."""
        return np.asarray(probability > self.threshold)

    def saving(self, label: Decided, act: Decided) -> Floats:
        """Return what each decision saves over never acting, shape (n,)."""
        return np.where(act, np.where(label, self.fn - self.tp, self.tn - self.fp), 0.0)

    def dearer(self, factor: float) -> Self:
        """Return the costs where a miss costs so many times as much."""
        return self._replace(fn=self.fn * factor)


class UnitCosts(NamedTuple):
    """The cost of each unit that amounts are wrong by: one for all, or one for each, shape (n,).

    over: decided on too much; under: on too little. without: the amount decided on without a
    prediction.
    """

    over: float | Floats
    under: float | Floats
    without: float | Floats

    @property
    def quantile(self) -> float | Floats:
        """Return the share of labels that the cheapest amount is not below (the newsvendor's)."""
        return self.under / (self.over + self.under)

    def decide(self, amount: Floats) -> Decided:
        """Return the amounts: a prediction is the decision, shape (n,)."""
        return amount

    def saving(self, label: Decided, decided: Decided) -> Floats:
        """Return what each amount saves over the one decided on without a prediction."""
        return self._cost(label, self.without) - self._cost(label, decided)

    def _cost(self, label: Decided, decided: Any) -> Floats:
        off = decided - np.asarray(label, dtype=np.float64)
        return np.maximum(self.over * off, -self.under * off)

    def dearer(self, factor: float) -> Self:
        """Return the costs where too little costs so many times as much."""
        return self._replace(under=self.under * factor)


def per_1000(saving: Floats) -> float:
    """Return what 1,000 such decisions save."""
    return float(1000 * saving.mean())


class BaseCosts(Parameters):
    """What costs have in common: a name instead of a number is a feature, which holds them."""

    of: ClassVar[type[Outcomes | UnitCosts]]

    unit: Currency

    @property
    def columns(self) -> dict[str, str]:
        """Return the column of each cost that is no constant."""
        return {o: cost for o in self.of._fields if isinstance(cost := getattr(self, o), str)}

    def _read(self, table: pd.DataFrame) -> Any:
        """Return the costs of the rows of a table.

        A column is found by its name where the table has it, as examples do; else by that of its
        cost, as predictions keep it: `cost_fn`.
        """
        return self.of(*(self._one(name, table) for name in self.of._fields))

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

    def _money(self, cost: float) -> str:
        return format_money(cost, self.unit, decimals=2)

    def _said(self) -> list[str]:
        return [f"'{name}: {getattr(self, name)}'" for name in self.of._fields]

    def _require(self, costs: Any, rows: int, broken: list[tuple[str, Any]]) -> None:
        """Raise RunError with the rows in which a cost is missing, or a condition is broken."""
        if not self.columns:
            return
        missing = [
            (f"{one} is missing", ~np.isfinite(cost))
            for one, cost in zip(self._said(), costs, strict=True)
        ]
        counted = [(fault, np.count_nonzero(where)) for fault, where in missing + broken]
        if faults := [f"\n  - {fault} in {n:,} of {rows:,} rows" for fault, n in counted if n]:
            raise RunError(
                f"framing.costs gives some rows nothing to decide:{''.join(faults)}\n"
                "Correct the column where the features are made, or the costs."
            )

    def kept(self, examples: pd.DataFrame) -> dict[str, Any]:
        """Return the columns that predictions keep: their worth can be told from them alone."""
        costs = self._read(examples)
        return {f"cost_{name}": getattr(costs, name) for name in self.columns}


def _past_one(factors: tuple[float, float], name: str) -> None:
    low, high = factors
    if not low <= 1 <= high:
        raise ValueError(f"{name} go from {low:g} to {high:g}: they have to rise, past 1")


class Costs(BaseCosts):
    """The cost of each outcome of one decision to act or not (see `Outcomes`), in `unit`."""

    of = Outcomes

    tp: Cost
    fp: Cost
    fn: Cost
    tn: Cost
    fn_factors: tuple[float, float] = Field((1, 1), description="a miss may cost so many times fn")

    @property
    def factors(self) -> tuple[float, float]:
        """Return how many times a miss may cost what is thought, at least and at most."""
        return self.fn_factors

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
                f"acting when it is needed costs {self._money(tp)}, not acting {self._money(fn)}: "
                "never acting is always best, there is nothing to learn"
            )
        if in_vain and fp <= tn:
            raise ValueError(
                f"acting in vain costs {self._money(fp)}, not acting {self._money(tn)}: "
                "always acting is always best, there is nothing to learn"
            )
        _past_one(self.fn_factors, "fn_factors")
        if needed and tp >= fn * (low := self.fn_factors[0]):
            raise ValueError(
                f"with fn_factors from {low:g} a miss may cost {self._money(fn * low)}, not more "
                f"than acting when it is needed, {self._money(tp)}"
            )
        return self

    def at(self, table: pd.DataFrame) -> Outcomes:
        """Return the costs of the rows of a table.

        Raises:
            RunError: a column is not there, or rows have no cost, or leave nothing to decide.
        """
        costs: Outcomes = self._read(table)
        tp, fp, fn, tn = self._said()
        low, high = self.fn_factors
        cheapest = np.minimum(costs.fn * low, costs.fn * high)  # a cost below 0 is a gain
        broken: list[tuple[str, Any]] = [
            (f"{fn}, at the least of its fn_factors, is not above {tp}", cheapest <= costs.tp),
            (f"{fp} is not above {tn}", costs.fp <= costs.tn),
        ]
        self._require(costs, len(table), broken)
        return costs


class RegressionCosts(BaseCosts):
    """The cost of each unit of the label that an amount is wrong by (see `Errors`), in `unit`."""

    of = UnitCosts

    over: Cost
    under: Cost
    without: Cost
    under_factors: tuple[float, float] = Field((1, 1), description="under may be so many times it")

    @property
    def factors(self) -> tuple[float, float]:
        """Return how many times too little may cost what is thought, at least and at most."""
        return self.under_factors

    @property
    def quantile(self) -> float | None:
        """Return the quantile of the label that is cheapest; None: each row has its own."""
        if {"over", "under"} & self.columns.keys():
            return None
        return float(self.under) / (float(self.over) + float(self.under))

    @model_validator(mode="after")
    def errors_cost_something(self) -> Self:
        """Refuse constants with which a wrong amount costs nothing; `at` looks at columns."""
        for name in {"over", "under"} - self.columns.keys():
            if (cost := getattr(self, name)) <= 0:
                raise ValueError(
                    f"{name} is {self._money(cost)}: where it costs nothing to decide on too "
                    f"{'much' if name == 'over' else 'little'}, nothing is to be learnt"
                )
        _past_one(self.under_factors, "under_factors")
        return self

    def at(self, table: pd.DataFrame) -> UnitCosts:
        """Return the costs of the rows of a table.

        Raises:
            RunError: a column is not there, or rows have no cost, or one that is not above 0.
        """
        costs: UnitCosts = self._read(table)
        over, under, _ = self._said()
        broken: list[tuple[str, Any]] = [
            (f"{over} is not above 0", np.asarray(costs.over) <= 0),
            (f"{under} is not above 0", np.asarray(costs.under) <= 0),
        ]
        self._require(costs, len(table), broken)
        return costs


def costs_kind(costs: Any) -> str:
    """Return whether costs are those of outcomes or of errors, by their names."""
    given = costs if isinstance(costs, dict) else vars(costs) if hasattr(costs, "unit") else {}
    return "errors" if {"over", "under", "without"} & given.keys() else "outcomes"


AnyCosts = Annotated[
    Annotated[Costs, Tag("outcomes")] | Annotated[RegressionCosts, Tag("errors")],
    Discriminator(costs_kind),
]
