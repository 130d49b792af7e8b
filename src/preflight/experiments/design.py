"""The design of an experiment: how long it has to be, from how much units vary in the log."""

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pandas as pd

from preflight.contracts.catalog import Contract, Contracts
from preflight.errors import RunError
from preflight.experiments.contracts import ExperimentSettings
from preflight.experiments.history import History
from preflight.experiments.outcomes import read_decisions
from preflight.inference.experiment import Design, require_free
from preflight.inference.prediction_log import Days
from preflight.inference.variants import Challengers, choose_challenger
from preflight.modeling.model import Bundle
from preflight.monitoring.weeks import WEEK
from preflight.problem.framing import Framing
from preflight.problem.money import format_money

log = logging.getLogger(__name__)


def design_experiment(
    logged_days: Days,
    labels: pd.DataFrame,
    champion: Bundle | None,
    challengers: Challengers,
    settings: ExperimentSettings,
    framing: Framing,
    contracts: Contracts,
    experiments: Sequence[Design] = (),
) -> Design:
    """Return the design of an experiment: its days, its looks, and what they can see.

    The last weeks of the log are drawn again and again as if they had been the experiment. So the
    interval is that of the analysis itself, whatever units and money are like.

    Args:
        experiments: all designs so far; no two have a day in common.

    Raises:
        RunError: it would begin in the past or during another one, a column or model is not there,
            the history is too short, or the effect can't be seen within `max_weeks`.
    """
    if champion is None:
        raise RunError("There is no champion: kedro run --pipelines deployment")
    version, features = champion["provenance"]["version"], contracts["features"]
    _require_policies(settings, framing, features)
    if settings.challenger:
        _require_challenger(settings.challenger, challengers, version, features)
    today = settings.at.tz_convert(framing.split.timezone).date()
    start = settings.start or today + timedelta(days=7 - today.weekday())
    if start <= today:
        raise RunError(
            f"experiment_design.start is {start}, and it is {today}. Units are drawn from "
            "the start on: give a later day."
        )
    days = timedelta(weeks=settings.weeks or settings.max_weeks)
    require_free(settings.name, start, start + days, experiments)
    fields = settings.model_dump(
        include={"name", "control", "treatment", "challenger", "unit", "period_hours", "share"}
        | {"alpha", "effect_per_1000"}
    ) | {"salt": settings.salt or settings.name, "start": start}
    since = settings.at - settings.history_weeks * WEEK
    given = (logged_days, labels, settings.unit, since, settings.at, framing, contracts)
    rows = read_decisions(*given)
    if measured := [name for name in settings.unit if rows[name].dtype.kind == "f"]:
        raise RunError(
            f"experiment_design.unit has {measured[0]}, a measured number: hardly two decisions "
            "have the same. Give columns that name something, such as a place."
        )
    history = History(rows, settings, Design.model_construct(**fields), framing)
    weeks = settings.weeks or history.weeks_needed()
    history.require_units(weeks)
    design = Design.seal(
        **fields,
        champion=version,
        looks=[
            start + round(weeks * number / settings.looks) * timedelta(weeks=1)
            for number in range(1, settings.looks + 1)
        ],
        power=history.power(weeks),
        standard_error=history.expect(weeks).error,
        units=round(history.units(weeks)),
        false_share=history.false_share(),
        made_at=settings.at.tz_convert("UTC").to_pydatetime(),
    )
    _show(design, framing)
    return design


def _require_challenger(
    wanted: str, challengers: Challengers, champion: str, features: Contract
) -> None:
    """Raise RunError, with the setting, if a challenger can't be compared with the champion."""
    try:
        choose_challenger(wanted, challengers, champion, features)
    except RunError as error:
        raise RunError(f"experiment_design.challenger is {wanted}, but {error}") from error


def _require_policies(settings: ExperimentSettings, framing: Framing, features: Contract) -> None:
    """Raise RunError if a policy or a unit is not there."""
    if framing.task == "regression" and settings.control == "untouched":
        raise RunError(
            "experiment_design.control is untouched, but a quantity is always decided. Compare the "
            "champion with a challenger."
        )
    names = dict.fromkeys([*features.grain(), *features.names()])
    if unknown := [name for name in settings.unit if name not in names]:
        raise RunError(
            f"experiment_design.unit has {unknown[0]}, which is no column of the features. There "
            f"are: {', '.join(names)}."
        )


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
            f"No experiment {name + ' ' if name else ''}has begun by {today}. There are: {known}. "
            "Design one: kedro run --pipelines experiment_design"
        )
    return begun[-1]
