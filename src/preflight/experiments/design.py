"""The design of an experiment: how long it has to be, from how much units vary in the log."""

import logging
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from preflight.contracts.catalog import Contract, Contracts
from preflight.errors import RunError
from preflight.experiments.analysis import compare
from preflight.experiments.contracts import Effect, ExperimentSettings
from preflight.experiments.outcomes import Days, read_decisions
from preflight.inference.experiment import TREATMENT, Design
from preflight.inference.feedback import usable_rows
from preflight.inference.variants import Challengers
from preflight.modeling.model import Bundle, require_features
from preflight.problem.framing import Framing
from preflight.problem.money import format_money

log = logging.getLogger(__name__)

FEWEST_DAYS = 14
EQUAL_DRAWS, DRAWS = 200, 40  # of the history: both groups alike; each with its policy
WEEK = timedelta(weeks=1)


def design_experiment(
    logged_days: Days,
    labels: pd.DataFrame,
    champion: Bundle | None,
    challengers: Challengers,
    settings: ExperimentSettings,
    framing: Framing,
    contracts: Contracts,
) -> Design:
    """Return the design of an experiment: its days, its looks, and what they can see.

    The last weeks of the log are drawn again and again as if they had been the experiment. So the
    interval is that of the analysis itself, whatever units and money are like.

    Raises:
        RunError: it would begin in the past, a column or model is not there, the history is too
            short, or the effect can't be seen within `max_weeks`.
    """
    if champion is None:
        raise RunError("There is no champion yet: kedro run --pipelines deployment")
    _require_policies(settings, challengers, framing, contracts["features"])
    today = settings.at.tz_convert(framing.split.timezone).date()
    if settings.start <= today:
        raise RunError(
            f"experiment_design.start is {settings.start}, and it is {today}. Units are drawn from "
            "the start on: give a later day."
        )
    fields = settings.model_dump(
        include={"name", "control", "treatment", "challenger", "unit", "period_hours", "share"}
        | {"start", "alpha", "effect_per_1000"}
    ) | {"salt": settings.salt or settings.name}
    since = settings.at - settings.history_weeks * pd.Timedelta(WEEK)
    given = (logged_days, labels, settings.unit, since, settings.at, framing, contracts)
    rows = usable_rows(read_decisions(*given), framing)
    history = History(rows, settings, Design.model_construct(**fields), framing)
    weeks = settings.weeks or history.weeks_needed()
    design = Design.seal(
        **fields,
        champion=champion["provenance"]["version"],
        looks=[
            settings.start + round(weeks * number / settings.looks) * WEEK
            for number in range(1, settings.looks + 1)
        ],
        power=history.power(weeks),
        standard_error=history.standard_error(weeks),
        units=round(history.units(weeks)),
        false_share=history.false_share(),
        made_at=settings.at.to_pydatetime(),
    )
    _show(design, framing)
    return design


def _require_policies(
    settings: ExperimentSettings, challengers: Challengers, framing: Framing, features: Contract
) -> None:
    """Raise RunError if a policy or a unit is not there."""
    if framing.task == "regression" and settings.control == "untouched":
        raise RunError(
            "experiment_design.control is untouched, but a quantity is always decided. Compare the "
            "champion with a challenger."
        )
    names = [*features.grain(), *features.names()]
    if unknown := [name for name in settings.unit if name not in names]:
        raise RunError(
            f"experiment_design.unit has {unknown[0]}, which is no column of the features. There "
            f"are: {', '.join(names)}."
        )
    if settings.challenger is None:
        return
    if settings.challenger not in challengers:
        known = ", ".join(challengers) or "none"
        raise RunError(
            f"experiment_design.challenger is {settings.challenger}, which is no challenger on "
            f"the disk. There are: {known}. Make one: kedro run --pipelines retraining"
        )
    require_features(challengers[settings.challenger](), features)


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
                f"{settings.history_weeks} weeks: a design needs {FEWEST_DAYS}. Wait for labels, "
                "or raise experiment_design.history_weeks."
            )
        self._weeks = days / 7
        self._rows = rows.assign(
            unit=design.units_of(rows, framing),
            control=self._money(rows, design.control),
            treatment=self._money(rows, design.treatment),
            decisions=1.0,
        )
        self._units = self._sum(self._rows)
        self._level = 1 - settings.alpha / settings.looks
        self._error = self._measure_error(self._units)

    def units(self, weeks: int) -> float:
        """Return how many units some weeks have."""
        if self._design.period_hours is None:
            return float(self._recent(weeks)["unit"].nunique())
        return len(self._units) / self._weeks * weeks

    def standard_error(self, weeks: int) -> float:
        """Return the expected standard error of the effect per 1,000 after some weeks."""
        if self._design.period_hours is None:  # units stay, and have more decisions each
            return self._measure_error(self._sum(self._recent(weeks)))
        return self._error * float(np.sqrt(len(self._units) / self.units(weeks)))

    def power(self, weeks: int) -> float:
        """Return the probability that the last look sees the effect."""
        found = self._settings.effect_per_1000 / self.standard_error(weeks)
        return float(ndtr(found - ndtri((1 + self._level) / 2)))

    def weeks_needed(self) -> int:
        """Return the fewest weeks with the power; raise RunError if they are above the limit."""
        settings = self._settings
        for weeks in range(settings.looks, settings.max_weeks + 1):
            if self.power(weeks) >= settings.power:
                return weeks
        error = self.standard_error(settings.max_weeks)
        errors = ndtri((1 + self._level) / 2) + ndtri(settings.power)
        seen = format_money(float(error * errors), self._framing.costs.unit)
        raise RunError(
            f"{settings.max_weeks} weeks (experiment_design.max_weeks) have a power of "
            f"{self.power(settings.max_weeks):.0%} to see effect_per_1000; it would be "
            f"{settings.power:.0%} for {seen}. Give more weeks, smaller units (unit, "
            "period_hours), or a larger effect."
        )

    def false_share(self) -> float:
        """Return in how many draws the interval leaves out 0 although both groups are alike."""
        alike = self._units.assign(treatment=self._units["control"])
        effects = self._draw(alike, EQUAL_DRAWS, 1 - self._settings.alpha)
        return float(np.mean([not effect.low <= 0 <= effect.high for effect in effects]))

    def _money(self, rows: pd.DataFrame, policy: str) -> pd.Series:
        """Return the money of a policy; what nobody knows counts as that of the log."""
        if self._framing.decision.changes_label:
            return rows["money"]
        return rows["money_untouched" if policy == "untouched" else "money_champion"]

    def _recent(self, weeks: int) -> pd.DataFrame:
        last = self._rows["day"].max() - weeks * pd.Timedelta(WEEK)
        return self._rows[self._rows["day"] > last]

    def _sum(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the sums of each unit, with its money under each policy."""
        return rows.groupby("unit")[["control", "treatment", "decisions", "predicted"]].sum()

    def _measure_error(self, units: pd.DataFrame) -> float:
        """Return the standard error of the effect, from the mean width of its intervals."""
        effects = self._draw(units, DRAWS, self._level)
        half = np.mean([(effect.high - effect.low) / 2 for effect in effects])
        return float(half / ndtri((1 + self._level) / 2))

    def _draw(self, units: pd.DataFrame, draws: int, level: float) -> Iterator[Effect]:
        """Yield the effect of each draw of the units."""
        names = units.index.to_series()
        for number in range(draws):
            salted = self._design.model_copy(update={"salt": f"history {number}"})
            variant = salted.variants_of(names)
            money = units["treatment"].where(variant == TREATMENT, units["control"])
            drawn = units.assign(variant=variant, money=money, decisions_too=units["decisions"])
            if self._design.challenger is not None:  # each group predicts by its own model
                drawn["predicted"] = 0.0
            yield compare(drawn, level)


def _show(design: Design, framing: Framing) -> None:
    """Log what was designed."""
    unit = framing.costs.unit
    seen = format_money(design.effect_per_1000, unit)
    log.info(
        "  experiment %s: from %s to %s, about %s units, looks on %s. Power %.0f%% to see %s per "
        "1,000 %s. Differences between equal groups in the log: %.1f%%",
        design.name,
        design.start,
        design.end,
        f"{design.units:,}",
        ", ".join(map(str, design.looks)),
        100 * design.power,
        seen,
        framing.decision.units,
        100 * design.false_share,
    )


def choose_design(designs: Sequence[Design], name: str | None, today: Any) -> Design:
    """Return the design of a name; without one the newest that has begun.

    Raises:
        RunError: there is none.
    """
    begun = [one for one in designs if one.start <= today and name in (None, one.name)]
    if not begun:
        known = ", ".join(f"{one.name} (from {one.start})" for one in designs) or "none"
        raise RunError(
            f"No experiment {name + ' ' if name else ''}has begun by {today}. There are: {known}. Design one: "
            "kedro run --pipelines experiment_design"
        )
    return begun[-1]
