"""How often the verdict's gain condition ships what it should not, and misses what it should ship.

    python -m benchmarks.gate

Worlds are drawn in which the truth is known: days that are good or bad as a whole and follow each
other in many ways. In each the candidate acts on some of the decisions, where the baseline does
nothing. Each world goes through `conditions.net_gain`, twice: with a gain that is just the required
one, and with the smallest gain that ships by the power that was computed on another period.
"""

import argparse
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import yaml

from preflight.evaluation.comparison import TestComparison
from preflight.evaluation.conditions import net_gain
from preflight.evaluation.ledger import one_sided_level
from preflight.evaluation.power import detectable_gain
from preflight.problem.framing import Framing
from preflight.stats.bootstrap import Bootstrap

from benchmarks import PROJECT
from benchmarks.measure import table

Floats = npt.NDArray[np.float64]
Days = Callable[[np.random.Generator, int], Floats]

A_DAY, OPEN = 400, 0.3  # decisions, and the share of them on which the candidate acts
SPREAD = 0.3  # of the chance of label 1 from day to day, relative to it
REPLICATES = 1000
RARE = 0.02  # of days
COSTS = {
    "binary": {"unit": "USD", "tp": 100, "fp": 100, "fn": 500, "tn": 0},
    "regression": {"unit": "USD", "overage": 10, "default_amount": 20},
}
AMOUNT, STEP = 20, 10  # the candidate says 30 where the baseline says 20


class World(NamedTuple):
    """How days follow each other, and what else is unusual."""

    name: str
    days: Days
    length: int = 61
    miss: float = 500  # the mean cost of one
    tail: float = 0  # of the cost of a miss: sigma of a lognormal; 0: a constant
    disaster: float = 0  # what acting costs on one day in fifty, on which nothing breaks
    uneven: bool = False
    candidates: int = 1  # evaluated one after the other
    baselines: int = 1
    false: float = 5  # per cent that may ship
    coverage: float = 90  # per cent, at least
    tasks: tuple[str, ...] = ("binary", "regression")


def independent(rng: np.random.Generator, days: int) -> Floats:
    return rng.standard_normal(days)


def autoregressive(share: float) -> Days:
    def follow(rng: np.random.Generator, days: int) -> Floats:
        shocks = rng.standard_normal(days + 50)
        state = np.zeros(days + 50)
        for day in range(1, days + 50):
            state[day] = share * state[day - 1] + np.sqrt(1 - share**2) * shocks[day]
        return state[50:]

    return follow


def fronts(rng: np.random.Generator, days: int) -> Floats:
    shocks = rng.standard_normal(days + 2)
    return (shocks[2:] + shocks[1:-1] + shocks[:-2]) / np.sqrt(3)


def weekly(rng: np.random.Generator, days: int) -> Floats:
    season = np.sqrt(2) * np.sin(2 * np.pi * (np.arange(days) / 7 + rng.random()))
    return (season + rng.standard_normal(days)) / np.sqrt(2)


def storms(rng: np.random.Generator, days: int) -> Floats:
    """On one day in fifty nothing breaks; the other days make up for it."""
    rare = rng.random(days) < RARE
    return np.where(rare, -3.3, 3.3 * RARE / (1 - RARE)) + rng.standard_normal(days) / 4


WORLDS = [
    World("independent days", independent),
    World("AR(1) days, 0.5", autoregressive(0.5)),
    World("AR(1) days, 0.8", autoregressive(0.8), false=8, coverage=85),
    World("three-day fronts", fronts),
    World("ten days", independent, length=10),
    World("twenty days", independent, length=20),
    World("uneven days", independent, uneven=True),
    World("weekly season", weekly),
    World("rare positives", independent, miss=20_000),
    World("heavy-tailed costs", independent, tail=2, tasks=("binary",)),
    World("storms, one day in fifty", storms),
    World("disasters, one day in fifty", independent, disaster=2000, tasks=("binary",)),
    World("twenty evaluations of one test", independent, candidates=20, tasks=("binary",)),
    World("best of four baselines", independent, baselines=4),
]


def shipped_framing(task: str, world: World) -> Framing:
    """The framing that ships, with the task, costs and baselines of a world."""
    given: dict[str, Any] = yaml.safe_load(
        (PROJECT / "conf/base/parameters/framing.yml").read_text()
    )["framing"]
    costs: dict[str, Any] = dict(COSTS[task])
    if task == "binary":
        costs["fn"] = "amount" if world.tail else world.miss
        costs["fp"] = "waste" if world.disaster else 100
    else:
        costs["underage"] = (world.miss - 100) / STEP
    plausible = {"value_per_1000": [0, 1]}
    return Framing.model_validate(
        given
        | {"task": task, "costs": costs, "slices": []}
        | {"baselines": [f"other_{number}" for number in range(world.baselines)]}
        | {"guardrails": given["guardrails"] | {"plausible": plausible, "protected": []}}
    )


def draw(
    rng: np.random.Generator, world: World, framing: Framing, gain: float, length: int
) -> list[pd.DataFrame]:
    """Return test predictions of each candidate, all truly worth `gain` per 1,000 decisions.

    Acting gains what a miss costs less 100 if the label is 1, and loses 100 if it is not.
    """
    rows_a_day = np.full(length, A_DAY)
    if world.uneven:  # weekends, and days that are five times as busy as others
        quiet = np.where(np.arange(length) % 7 < 2, 0.2, 1.0)
        rows_a_day = rng.poisson(A_DAY * quiet * rng.lognormal(-0.3, 0.75, length)) + 5
    day = np.repeat(np.arange(length), rows_a_day)
    storm = rng.random(length) < RARE * (world.disaster > 0)
    on_others = (gain / 1000 / OPEN + RARE * world.disaster) / (1 - RARE * (world.disaster > 0))
    chance = (on_others + 100) / world.miss
    spread = SPREAD * (framing.least_per_1000 / 1000 / OPEN + 100) / world.miss
    of_day = np.clip(chance + spread * world.days(rng, length), 0, 1)[day]
    acts = rng.random((world.candidates, len(day))) < OPEN
    if world.baselines > 1:  # where the candidate does nothing, acting loses a little
        of_day = np.where(acts[0], of_day, 95 / world.miss)
    label = rng.random(len(day)) < of_day
    moment = pd.Timestamp("2013-10-01T12:00", tz="America/New_York") + pd.to_timedelta(
        np.arange(length), unit="D"
    )
    common: dict[str, Any] = {"predict_at": moment.tz_convert("UTC").as_unit("us")[day]}
    if world.tail:
        amount = rng.lognormal(-(world.tail**2) / 2, world.tail, len(day))
        common["cost_fn"] = 100 + (world.miss - 100) * amount
    if world.disaster:
        label &= ~storm[day]
        common["cost_fp"] = np.where(storm[day], world.disaster, 100.0)
    for number, name in enumerate(framing.baselines):
        acts_too = ~acts[0] & (rng.random(len(day)) < 0.2) & (number > 0)
        common |= _columns(framing.task, f"_{name}", label, acts_too)
    return [pd.DataFrame(common | _columns(framing.task, "", label, one)) for one in acts]


def _columns(task: str, suffix: str, label: Any, acts: Any) -> dict[str, Any]:
    """Return decisions and label: to act or not, or an amount that is a step higher."""
    if task == "binary":
        both = {f"probability{suffix}": 0.0, f"act{suffix}": acts}
        return both | {"label": label.astype("int8")}
    return {f"prediction{suffix}": AMOUNT + STEP * acts, "label": AMOUNT + STEP * label}


def simulate(world: World, task: str, worlds: int, seed: int) -> tuple[float, float, float]:
    """Return shares in %: false ships, intervals that hold the truth, and gains that are found."""
    rng, framing = np.random.default_rng(seed), shipped_framing(task, world)
    required, ships, covers, finds = framing.least_per_1000, 0, 0, 0
    for number in range(worlds):
        ship = False
        for k, one in enumerate(draw(rng, world, framing, required, world.length), start=1):
            level = one_sided_level(k, framing.confidence)
            bootstrap = Bootstrap(one, framing, REPLICATES, seed=number)
            test = TestComparison(one, framing, bootstrap, level)
            ship |= net_gain(test).ok
            if k == 1:
                gain = test.gain_over("other_0")
                covers += gain.low <= required <= gain.high
        ships += ship
        finds += _is_found(rng, world, framing, number)
    return 100 * ships / worlds, 100 * covers / worlds, 100 * finds / worlds


def _is_found(rng: np.random.Generator, world: World, framing: Framing, seed: int) -> bool:
    """Return whether the smallest gain that a test would ship, as computed before it, ships."""
    required = framing.least_per_1000
    before = draw(rng, world, framing, required, 2 * world.length)[0]
    validation = TestComparison(before, framing, Bootstrap(before, framing, REPLICATES, seed))
    gain = validation.saving("") - validation.saving("_other_0")
    rows = len(before) // 2
    more = detectable_gain(gain, validation.bootstrap, world.length, rows, framing)
    assert more is not None
    one = draw(rng, world, framing, required + more, world.length)[0]
    return net_gain(TestComparison(one, framing, Bootstrap(one, framing, REPLICATES, seed))).ok


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=1000)
    worlds = parser.parse_args(argv).worlds
    rows = []
    for number, world in enumerate(WORLDS):
        for task in world.tasks:
            false, covered, found = simulate(world, task, worlds, seed=number)
            misses = [
                *(["false ships"] if false > world.false else []),
                *(["coverage"] if covered < world.coverage else []),
                *(["power"] if found < 75 else []),
            ]
            rows.append((world.name, task, false, covered, found, ", ".join(misses) or "nothing"))
    table(
        f"The gain condition in {worlds} worlds",
        [
            "days",
            "task",
            "false ships, % (at most 5; AR 0.8: 8)",
            "95% interval covers, % (at least 90; AR 0.8: 85)",
            "power, % (80, within 5)",
            "misses",
        ],
        rows,
    )


if __name__ == "__main__":
    main()
