"""How often the verdict's gain condition ships what it should not, and misses what it should ship.

    python -m benchmarks.gate

Worlds are drawn in which the truth is known: test periods like the shipped one, days that are good
or bad as a whole, and decisions that the candidate takes otherwise than the baseline, by whole days
(so that rows of a day are far from independent). Each world goes through `conditions.net_gain`.
"""

import argparse
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from preflight.evaluation.conditions import TestComparison, detectable_gain, net_gain
from preflight.problem.framing import Framing
from preflight.problem.money import format_money

from benchmarks import PROJECT
from benchmarks.measure import table

DAYS, A_DAY = 61, 900  # of a test period
OTHERWISE = 0.15  # share of decisions on which the two may differ
REPLICATES = 1000


def shipped_framing(**changed: float) -> Framing:
    """The framing that ships, with another upkeep or least net saving."""
    import yaml

    given: dict[str, Any] = yaml.safe_load(
        (PROJECT / "conf/base/parameters/framing.yml").read_text()
    )["framing"]
    for section in ("project", "success"):
        given[section] |= {k: v for k, v in changed.items() if k in given[section]}
    return Framing.model_validate(given)


def world(rng: np.random.Generator, framing: Framing, gain: float) -> pd.DataFrame:
    """Test predictions of a candidate that is truly worth `gain` per 1,000 more than the baseline.

    On some decisions the baseline acts on every second day, whatever happens, and the candidate
    on others; their chance of label 1 is such that acting gains nothing, plus what makes the gain.
    """
    day = np.repeat(np.arange(DAYS), A_DAY)
    open_ones = rng.random(len(day)) < OTHERWISE
    worth = gain / 1000 / OTHERWISE  # of acting, per decision that is open
    costs = framing.costs.at(pd.DataFrame())
    both = costs.fn - costs.tp + costs.fp - costs.tn
    chance = np.where(open_ones, costs.threshold + 2 * worth / both, 0.15)
    good_or_bad = rng.gamma(4, 1 / 4, DAYS)[day]  # of mean 1: a bad day is bad for all
    label = rng.random(len(day)) < np.clip(chance * good_or_bad, 0, 1)
    coin = rng.random((2, DAYS)) < 0.5
    candidate = open_ones if gain else open_ones & coin[0][day]
    moment = pd.Timestamp("2013-11-01T12:00", tz="America/New_York") + pd.to_timedelta(
        np.arange(DAYS), unit="D"
    )
    return pd.DataFrame(
        {
            "predict_at": moment.tz_convert("UTC").as_unit("us")[day],
            "label": label.astype("int8"),
            "probability": 0.0,
            "act": candidate,
            "probability_other": 0.0,
            "act_other": open_ones & coin[1][day],
        }
    )


def shipped(worlds: int, framing: Framing, gain: float, seed: int) -> float:
    """Return the share of worlds in which the gain condition holds, in %."""
    rng = np.random.default_rng(seed)
    comparisons = (
        TestComparison(world(rng, framing, gain), "other", framing, REPLICATES, seed=number)
        for number in range(worlds)
    )
    return 100 * sum(net_gain(one).ok for one in comparisons) / worlds


def shown(framing: Framing, least: float) -> float:
    """Return the gain over the least that such a test shows with the framing's power.

    Its intervals are wider the larger the gain is: the second round takes those of the first.
    """
    seen = 0.0
    for _ in range(2):
        rng = np.random.default_rng(0)
        found = [
            TestComparison(world(rng, framing, least + seen), "other", framing, REPLICATES, seed=0)
            for _ in range(20)
        ]
        seen = float(np.mean([detectable_gain(one.gain_over("other"), framing) for one in found]))
    return seen


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=1000)
    worlds = parser.parse_args(argv).worlds
    free = shipped_framing(upkeep_per_month=0, min_net_saving=0)
    framing = shipped_framing()
    least = framing.least_per_1000
    seen = shown(framing, least)
    money = partial(format_money, unit=framing.costs.unit)
    rows = [
        (
            "the baseline in disguise, no upkeep",
            money(0),
            shipped(worlds, free, 0.0, 1),
            "at most 5",
        ),
        ("the baseline in disguise", money(0), shipped(worlds, framing, 0.0, 2), "at most 5"),
        ("worth just the least", money(least), shipped(worlds, framing, least, 3), "at most 5"),
        (
            "worth what such a test can show",
            money(least + seen),
            shipped(worlds, framing, least + seen, 4),
            f"{100 * framing.success.power:.0f}",
        ),
    ]
    table(
        f"The gain condition in {worlds} worlds",
        ["a candidate that is", "gain per 1,000", "ships, %", "should, %"],
        rows,
    )


if __name__ == "__main__":
    main()
