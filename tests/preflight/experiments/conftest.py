"""An operation that decides about parcels, and an experiment in it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from preflight.experiments import design_experiment, simulate_log
from preflight.experiments.contracts import ExperimentSettings, ReadoutSettings
from preflight.inference.experiment import Design
from preflight.problem.framing import Framing

CHAMPION: Any = {"provenance": {"version": "v1"}}
DESIGN = {
    "name": "act_or_not",
    "control": "untouched",
    "treatment": "champion",
    "challenger": None,
    "unit": ["place"],
    "period_hours": 24,
    "share": 0.5,
    "salt": None,
    "start": "2013-03-04",
    "weeks": 8,
    "max_weeks": 12,
    "looks": 2,
    "alpha": 0.05,
    "power": 0.8,
    "effect_per_1000": 300.0,
    "history_weeks": 8,
    "moment": "2013-03-01T00:00:00Z",
}


def settings(**changed: Any) -> ExperimentSettings:
    return ExperimentSettings.model_validate(DESIGN | changed)


def reading(moment: str = "2013-07-01T00:00:00Z", **changed: Any) -> ReadoutSettings:
    given = {"name": None, "look": None, "unit": None, "moment": moment}
    return ReadoutSettings.model_validate(given | changed)


@pytest.fixture(scope="session")
def predicted(make_parcels: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    """Eighteen weeks of parcels, predicted with their true chance."""
    rows = make_parcels("2013-01-07T05:00", "2013-05-13T04:00", 12_000)
    return rows.rename(columns={"chance": "probability"}).assign(
        act=lambda table: table["probability"] > 0.2
    )


@pytest.fixture
def operate(
    predicted: pd.DataFrame, framing: Framing, contracts: dict[str, Any]
) -> Callable[..., Any]:
    """The log of an operation and its labels; some rows of the log are changed."""

    def operate(*designs: Design, change: Any = None) -> Any:
        log, labels = simulate_log(predicted, "v1", designs, framing, contracts)
        if change is None:
            return log, labels
        rows = change(next(iter(log.values()))().copy())
        return {next(iter(log)): lambda: rows}, labels

    return operate


@pytest.fixture
def design(
    operate: Callable[..., Any], framing: Framing, contracts: dict[str, Any]
) -> Callable[..., Design]:
    """The design that follows from the log."""

    def design(challengers: Any = None, champion: Any = CHAMPION, **changed: Any) -> Design:
        log, labels = operate()
        given = (champion, challengers or {}, settings(**changed), framing, contracts)
        return design_experiment(log, labels, *given)

    return design


def by_units(
    count: int, effect: float = 0.0, seed: int = 0, size: int = 60
) -> tuple[np.random.Generator, pd.DataFrame]:
    """Decisions of units that differ by chance: money with an effect in the treatment group."""
    rng = np.random.default_rng(seed)
    risk = rng.beta(2, 8, count).repeat(size)
    variant = rng.choice(["control", "treatment"], count).repeat(size)
    label = rng.random(count * size) < risk
    rows = pd.DataFrame(
        {
            "unit": np.arange(count).repeat(size).astype(str),
            "variant": variant,
            "predicted": risk,
            "money": -6.0 * label + effect * (variant == "treatment"),
        }
    )
    return rng, rows


@pytest.fixture
def sealed(seal_design: Callable[..., Design]) -> Callable[..., Design]:
    return seal_design
