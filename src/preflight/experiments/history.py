"""The last weeks of the log, drawn again and again as if they had been an experiment."""

from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from preflight.errors import RunError
from preflight.experiments.analysis import FEWEST_UNITS, compare
from preflight.experiments.contracts import Effect, ExperimentSettings
from preflight.inference.experiment import CONTROL, TREATMENT, Design
from preflight.monitoring.weeks import WEEK
from preflight.problem.framing import Framing
from preflight.problem.money import format_money

FEWEST_DAYS = 14
ENOUGH_UNITS = 2 * FEWEST_UNITS  # expected, so that chance leaves enough
DRAWS = 200


class Expected(NamedTuple):
    """What a look is expected to find, in money per 1,000 decisions.

    error: standard deviation of the effect. half: of the width of its interval.
    """

    error: float
    half: float

    def power(self, effect: float) -> float:
        """Return the probability that the interval of an effect leaves out 0."""
        return float(ndtr((effect - self.half) / self.error))

    def visible(self, power: float) -> float:
        """Return the effect that is seen with a probability."""
        return float(self.half + self.error * ndtri(power))


class History:
    """The last weeks of the log, drawn as an experiment.

    Args:
        decisions: from `read_decisions`.
        design: has unit, period, start, share and policies.

    Raises:
        RunError: the decisions with labels are under two weeks.
    """

    def __init__(
        self,
        decisions: pd.DataFrame,
        settings: ExperimentSettings,
        design: Design,
        framing: Framing,
    ) -> None:
        self._settings, self._design, self._framing = settings, design, framing
        rows = decisions[decisions["label"].notna()]
        days = rows["day"].nunique()
        if days < FEWEST_DAYS:
            raise RunError(
                f"The log has {days} days of decisions with labels in the last "
                f"{settings.history_weeks} weeks before {settings.at:%Y-%m-%d}: a design needs "
                f"{FEWEST_DAYS}. Wait for labels, raise experiment_design.history_weeks, or design "
                "as of a day of the log, such as --params "
                "experiment_design.moment=2013-10-05T00:00:00Z"
            )
        self._weeks = days / 7
        units = design.units_of(rows, framing)
        alone = design.period_hours is None
        together = design if alone else design.model_copy(update={"unit": []})
        self._rows = rows.assign(
            unit=units,
            period=together.units_of(rows, framing),
            control=self._money(rows, design.control),
            treatment=self._money(rows, design.treatment),
            decisions=1.0,
        )
        self._units = self._sum(self._rows)
        self._level = 1 - settings.alpha / settings.looks
        share = min(design.share, 1 - design.share)
        if (smaller := share * len(self._units)) < FEWEST_UNITS:
            raise RunError(
                f"The history has {len(self._units)} units, about {smaller:.0f} of them in the "
                f"smaller group: a design needs {FEWEST_UNITS}. Choose smaller units: columns with "
                "more values in experiment_design.unit, or a shorter period_hours."
            )

    def units(self, weeks: int) -> float:
        """Return how many units some weeks have."""
        if self._design.period_hours is None:
            return float(self._recent(weeks)["unit"].nunique())
        return len(self._units) / self._weeks * weeks

    def smaller_group(self, weeks: int) -> float:
        """Return how many units of the smaller group come before the first look."""
        share = min(self._design.share, 1 - self._design.share)
        return self.units(weeks) / self._settings.looks * share

    def require_units(self, weeks: int) -> None:
        """Raise RunError if the first look has so few units that chance could leave too few."""
        if (found := self.smaller_group(weeks)) < ENOUGH_UNITS:
            raise RunError(
                f"{weeks} weeks have about {found:.0f} units of the smaller group before the first "
                f"look, and it needs {ENOUGH_UNITS}. Give fewer looks, more weeks, a share nearer "
                "to 0.5, or smaller units: more columns in unit, or period_hours."
            )

    def expect(self, weeks: int) -> "Expected":
        """Return what the last look finds after some weeks."""
        if self._design.period_hours is None:  # units stay, and have more decisions each
            return self._measure(self._sum(self._recent(weeks)))
        shrunk = float(np.sqrt(len(self._units) / self.units(weeks)))
        return Expected(*(shrunk * one for one in self._whole))

    def power(self, weeks: int) -> float:
        """Return the probability that the last look sees the effect."""
        return self.expect(weeks).power(self._settings.effect_per_1000)

    @cached_property
    def _whole(self) -> "Expected":
        return self._measure(self._units)

    def weeks_needed(self) -> int:
        """Return the fewest weeks with the power; raise RunError if they are above the limit."""
        settings = self._settings
        self.require_units(settings.max_weeks)
        for weeks in range(settings.looks, settings.max_weeks + 1):
            enough = self.smaller_group(weeks) >= ENOUGH_UNITS
            if enough and self.power(weeks) >= settings.power:
                return weeks
        longest = self.expect(settings.max_weeks)
        seen = format_money(longest.visible(settings.power), self._framing.costs.unit)
        raise RunError(
            f"{settings.max_weeks} weeks (experiment_design.max_weeks) have a power of "
            f"{self.power(settings.max_weeks):.0%} to see effect_per_1000; it would be "
            f"{settings.power:.0%} for {seen}. Give more weeks, smaller units (unit, "
            "period_hours), or a larger effect."
        )

    def false_share(self) -> float:
        """Return in how many draws the interval leaves out 0 although both groups are alike."""
        alike = self._units.assign(treatment=self._units["control"])
        effects = self._draw(alike, 1 - self._settings.alpha)
        return float(np.mean([not effect.low <= 0 <= effect.high for effect in effects]))

    def _money(self, rows: pd.DataFrame, policy: str) -> pd.Series:
        """Return the money of a policy; where acting changes the label, that of the log."""
        if self._framing.decision.changes_label:
            return rows["money"]
        return rows["money_untouched" if policy == "untouched" else "money_champion"]

    def _recent(self, weeks: int) -> pd.DataFrame:
        last = self._rows["day"].max() - weeks * WEEK
        return self._rows[self._rows["day"] > last]

    def _sum(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the sums of each unit, with its money under each policy, and its `period`."""
        sums = ["control", "treatment", "decisions", "predicted"]
        return rows.groupby(["unit", "period"])[sums].sum().reset_index("period")

    def _measure(self, units: pd.DataFrame) -> "Expected":
        """Return standard deviation and half-width of the effect, over draws of the units."""
        effects = [*self._draw(units, self._level)]
        half = np.mean([(effect.high - effect.low) / 2 for effect in effects])
        error = np.std([effect.mean for effect in effects], ddof=1)
        return Expected(float(error), float(half))

    def _draw(self, units: pd.DataFrame, level: float) -> Iterator[Effect]:
        """Yield the effect of each draw.

        Periods are drawn with replacement, because the units of one period are alike. Then
        each unit gets a variant.
        """
        places = [*units.groupby("period").indices.values()]
        units = units.assign(decisions_too=units["decisions"])
        for seed in range(DRAWS):
            rng = np.random.default_rng(seed)
            chosen = rng.integers(0, len(places), len(places))
            drawn = units.iloc[np.concatenate([places[i] for i in chosen])]
            treated = rng.permutation(len(drawn)) < round(self._design.share * len(drawn))
            money = drawn["treatment"].where(treated, drawn["control"])
            variant = np.where(treated, TREATMENT, CONTROL)
            yield compare(drawn.assign(variant=variant, money=money), level)
