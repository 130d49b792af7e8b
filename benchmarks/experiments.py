"""How often experiments find a difference that is not there, and whether they see what they should.

    python -m benchmarks.experiments

Experiments of four weeks are drawn from the test period of the example: its days, drawn with
replacement, are the days of an experiment, and its units (airport and day) get a variant. Both
groups are alike (nobody acts), or the treatment acts by the candidate. `--worlds` of each; power is
next to the one that a design states before. `--every N` takes each N-th flight, for a quick look.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from kedro.config import OmegaConfigLoader

from preflight.experiments.analysis import FEWEST_RATIO_P, SUMS, compare, sample_ratio_p
from preflight.experiments.contracts import ExperimentSettings
from preflight.experiments.history import History
from preflight.inference.experiment import Design
from preflight.problem.framing import Framing
from preflight.problem.money import format_money

from benchmarks import PROJECT
from benchmarks.measure import WITHOUT_SEARCH, Clocks, arguments, kedro_run, project_copy, table

ALPHA, DAYS, SHARE = 0.05, 28, 0.5
PART = 0.6  # of the effect: not all experiments see it, so power says something
RUN = ["data_engineering", "feature_engineering", "audit", "modeling", "evaluation"]


def read_decisions(every: int, params: list[str]) -> tuple[pd.DataFrame, Framing]:
    """Return the decisions of the test period with their money, and the framing."""
    with project_copy(every) as project:
        kedro_run(project, Clocks(), [WITHOUT_SEARCH, *params], RUN)
        predictions = pd.read_parquet(next(project.glob("data/*/test_predictions.parquet/*/*")))
        loader = OmegaConfigLoader(str(project / "conf"), base_env="base", default_run_env="local")
        framing = Framing.model_validate(loader["parameters"]["framing"])
    costs, label = framing.costs.at(predictions), predictions["label"].to_numpy()
    act = predictions[framing.decided].to_numpy()
    alone = -costs.cost(label, np.zeros_like(act))
    part = PART * (-costs.cost(label, act) - alone)
    return predictions.assign(
        day=framing.split.day(predictions["predict_at"]),
        predicted=predictions[framing.predicted],
        money_untouched=alone,
        money_champion=alone + part,
    ), framing


def sum_by_unit(decisions: pd.DataFrame) -> pd.DataFrame:
    """Return the sums of each airport and day, with the money of each policy."""
    money = {"money_untouched": "control", "money_champion": "treatment"}
    rows = decisions.rename(columns=money).assign(decisions=1.0, decisions_too=1.0)
    sums = [*money.values(), "predicted", "decisions", "decisions_too"]
    return rows.groupby(["day", "origin"], observed=True)[sums].sum().reset_index()


def draw_worlds(sums: pd.DataFrame, policy: str, worlds: int) -> Iterator[pd.DataFrame]:
    """Yield the units of each experiment, with `number`, their day in it.

    policy: of the treatment group.
    """
    days = [part for _, part in sums.groupby("day")]
    for seed in range(worlds):
        rng = np.random.default_rng(seed)
        drawn = rng.integers(0, len(days), DAYS)
        parts = [days[day].assign(number=number) for number, day in enumerate(drawn)]
        units = pd.concat(parts, ignore_index=True)
        treated = rng.random(len(units)) < SHARE
        variant = np.where(treated, "treatment", "control")
        money = units[policy].where(treated, units["control"])
        yield units.assign(variant=variant, money=money)


def found_at(units: pd.DataFrame, looks: int) -> list[Any]:
    """Return the effect at each look."""
    ends = [round(DAYS * number / looks) for number in range(1, looks + 1)]
    level = 1 - ALPHA / looks
    return [compare(units.loc[units["number"] < end, ["variant", *SUMS]], level) for end in ends]


def shares(sums: pd.DataFrame, policy: str, looks: int, worlds: int) -> tuple[float, float]:
    """Return how many experiments find a difference at any look, and at the last."""
    effects = [found_at(units, looks) for units in draw_worlds(sums, policy, worlds)]
    hits = np.array([[not e.low <= 0 <= e.high for e in some] for some in effects])
    return float(hits.any(axis=1).mean()), float(hits[:, -1].mean())


def design_power(decisions: pd.DataFrame, effect: float, looks: int, framing: Framing) -> float:
    """Return the power that a design with the whole test period as its history states."""
    loader = OmegaConfigLoader(str(PROJECT / "conf"), base_env="base", default_run_env="base")
    weeks = {"weeks": DAYS // 7, "looks": looks, "effect_per_1000": effect}
    settings = ExperimentSettings.model_validate(loader["parameters"]["experiment_design"] | weeks)
    fields = settings.model_dump(include={"unit", "period_hours", "share", "control", "treatment"})
    start = decisions["day"].min().date()
    design = Design.model_construct(**fields, start=start, challenger=None)
    return History(decisions, settings, design, framing).power(DAYS // 7)


def main(argv: list[str] | None = None) -> None:
    options = arguments(__doc__, every=1, worlds=1000).parse_args(argv)
    decisions, framing = read_decisions(options.every, options.params)
    effect = float(1000 * (decisions["money_champion"] - decisions["money_untouched"]).mean())
    sums, lines = sum_by_unit(decisions), []
    for looks in (1, 2):
        false, _ = shares(sums, "control", looks, options.worlds)
        seen, last = shares(sums, "treatment", looks, options.worlds)
        rates = (false, design_power(decisions, effect, looks, framing), last, seen)
        lines.append([looks, *(f"{100 * rate:.1f}" for rate in rates)])
    table(
        f"{options.worlds:,} experiments of {DAYS} days with {sums['origin'].nunique()} airports, "
        f"in %; the treatment saves {format_money(effect, framing.costs.unit)} per 1,000",
        ["looks", "false differences", "power as designed", "seen at the last look", "at any"],
        lines,
    )
    ratio = [sample_ratio_p(one, SHARE) for one in draw_worlds(sums, "control", options.worlds)]
    print(f"\nSizes of groups refused: {100 * np.mean(np.array(ratio) < FEWEST_RATIO_P):.1f}%")


if __name__ == "__main__":
    main()
