"""How often the weekly alarms are false, and how long they take to see harm.

    python -m benchmarks.monitoring_alarms

Each rate is over 2,000 replays (`--replays`) of a model's 52 weeks, after 8 weeks of history. In a
null the mean is exactly on the line: as bad as is still no harm. Real weeks are those of the
example from May on. Every four weeks a model is fitted on all labels so far. On the four weeks that
follow it is compared with the models of four and of twelve weeks before (`--every N` takes each
N-th flight, for a quick look). Money is in multiples of the cost of acting, per 1,000 decisions.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from kedro.config import OmegaConfigLoader

from preflight.contracts.catalog import Contract
from preflight.modeling.estimators import Candidate, Estimator
from preflight.modeling.model import predict
from preflight.modeling.training import make_bundle
from preflight.monitoring.contracts import RANK_LAG
from preflight.monitoring.sequential import Scaling, weekly_evidence
from preflight.monitoring.weeks import rank_quality
from preflight.problem.framing import Framing

from late_flights.contracts.features import Features

from benchmarks.measure import Clocks, arguments, kedro_run, project_copy, table

Floats = npt.NDArray[np.float64]
HISTORY, WEEKS, DAYS = 8, 52, 7
ALPHA, TOLERANCE = 0.025, 0.03
MONEY, AUC = Scaling(1.3), Scaling(1.1, RANK_LAG)
FIRST, REFIT, OLDER = 8, 4, 3  # weeks before the first fit; to the next; fits to the older model
GAINS = {"gain_4": "4 weeks apart", "gain_12": "12 weeks apart"}
UPKEEP = -5.4  # the line of money: what a refit costs per 1,000
Null = Callable[[np.random.Generator, int], Floats]
SHAPE = (HISTORY + WEEKS) * DAYS


# What days are like if the mean is on the line, shape (replays, days); in standard deviations.


def autoregressive(share: float) -> Null:
    """Return a null: each day is alike to the one before."""

    def draw(rng: np.random.Generator, replays: int) -> Floats:
        days = rng.standard_normal((SHAPE + 50, replays))
        for day in range(1, len(days)):
            days[day] = share * days[day - 1] + np.sqrt(1 - share**2) * days[day]
        return days[50:].T

    return draw


def fronts(rng: np.random.Generator, replays: int) -> Floats:
    """Return days that share a front with the two before."""
    shocks = rng.standard_normal((replays, SHAPE + 2))
    return (shocks[:, 2:] + shocks[:, 1:-1] + shocks[:, :-2]) / np.sqrt(3)


def season(age: int) -> Null:
    """Return a null: the standard deviation grows tenfold in half a year, and falls again.

    age: weeks since it was least, when the model was promoted.
    """

    def draw(rng: np.random.Generator, replays: int) -> Floats:
        week = np.arange(SHAPE) / DAYS - HISTORY + age
        growth = 10 ** ((1 - np.cos(2 * np.pi * week / 52)) / 2)
        return rng.standard_normal((replays, SHAPE)) * growth

    return draw


NULLS: dict[str, Null] = {
    "independent days": lambda rng, replays: rng.standard_normal((replays, SHAPE)),
    "heavy tails (t of 4)": lambda rng, replays: rng.standard_t(4, (replays, SHAPE)),
    "AR 0.5": autoregressive(0.5),
    "AR 0.8": autoregressive(0.8),
    "fronts of three days": fronts,
    "season, promoted in the calm": season(0),
    "season, promoted 12 weeks later": season(12),
    "season, promoted 38 weeks later": season(38),
}


def example_year(every: int, params: list[str]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the examples of the year whose label is known, and the parameters of the project."""
    with project_copy(every) as project:
        kedro_run(project, Clocks(), params, ["data_engineering", "feature_engineering"])
        read = (next(project.glob(f"data/*/{n}.parquet/*/*")) for n in ("features", "labels"))
        features, labels = map(pd.read_parquet, read)
        loader = OmegaConfigLoader(str(project / "conf"), base_env="base", default_run_env="local")
        settings = loader["parameters"]
    rows = pd.concat([features, labels[["label", "label_known_at"]]], axis=1)
    return rows[rows["label"].notna()], settings


def real_days(
    rows: pd.DataFrame, spec: Estimator, framing: Framing, contract: Contract
) -> pd.DataFrame:
    """Return one row per local day of whole weeks: money of models, and ROC AUC of the newest.

    Money is a sum: `value` of the newest model, its gains over the models of four and of twelve
    weeks before, and `turned`, its value with the order of its scores turned round. `auc_week` is
    that of the whole week.

    Args:
        rows: examples with their labels.
        contract: of the features.
    """
    rows = rows.assign(day=framing.split.day(rows["predict_at"]))
    first = rows["day"].min() + pd.Timedelta(days=(-rows["day"].min().day_of_week) % DAYS)
    week = (rows["day"] - first).dt.days // DAYS
    parts, models = [], []
    for start in range(FIRST, last := int(week.max()), REFIT):  # the last week may not be whole
        moment = rows.loc[week == start, "predict_at"].min()
        models.append(make_bundle(spec, rows[rows["label_known_at"] <= moment], framing, contract))
        if len(models) > OLDER:
            part = rows[(week >= start) & (week < min(start + REFIT, last))]
            scores = [predict(models[-1 - age], part) for age in (0, 1, OLDER)]
            parts.append(days_of(part, scores, framing))
    return pd.concat(parts)


def days_of(part: pd.DataFrame, scores: list[Floats], framing: Framing) -> pd.DataFrame:
    """Return money and ROC AUC of each day of some rows, by the scores of three models."""
    costs, label = framing.costs.at(part), part["label"].to_numpy()
    newest = scores[0]
    turned = np.sort(newest)[::-1][newest.argsort().argsort()]
    value, four, twelve, turned = (
        costs.saving(label, costs.decide(one)) / cost_of_acting(framing)
        for one in (*scores, turned)
    )
    monday = (part["day"] - pd.to_timedelta(part["day"].dt.day_of_week, "D")).rename("monday")
    gains = dict(zip(GAINS, (value - four, value - twelve), strict=True))
    money = {"value": value, **gains, "turned": turned}
    figures = part[["day", "label"]].assign(rows=1.0, **money, score=newest, monday=monday)
    days = figures.groupby("day")[["rows", *money]].sum()
    days["auc"], of_week = (
        figures.groupby(by)[["label", "score"]].apply(
            lambda some: rank_quality(some["label"], some["score"], "binary")
        )
        for by in ("day", "monday")
    )
    mondays = days.index - pd.to_timedelta(days.index.day_of_week, "D")
    return days.assign(auc_week=of_week.reindex(mondays).to_numpy())


def cost_of_acting(framing: Framing) -> float:
    """Return the cost of acting in vain."""
    return float(framing.costs.model_dump()["fp"])


class RealWeeks:
    """Draws of real weeks: each figure as daily and weekly means.

    Args:
        days: from `real_days`.
        order: of the weeks drawn, shape (replays, weeks).
    """

    def __init__(self, days: pd.DataFrame, order: npt.NDArray[np.int64]) -> None:
        self._rows = days["rows"].to_numpy().reshape(-1, DAYS)
        self._days, self._order = days, order

    def money(self, name: str) -> tuple[Floats, Floats]:
        """Return weekly and daily means per 1,000, (replays, weeks) and (replays, weeks, 7)."""
        sums = self._days[name].to_numpy().reshape(-1, DAYS)
        weekly = 1000 * sums.sum(axis=1) / self._rows.sum(axis=1)
        return weekly[self._order], (1000 * sums / self._rows)[self._order]

    def auc(self) -> tuple[Floats, Floats]:
        """Return the ROC AUC of weeks and of days; a day with one label only has its week's."""
        days = self._days["auc"].fillna(self._days["auc_week"]).to_numpy().reshape(-1, DAYS)
        return self._days["auc_week"].to_numpy()[::DAYS][self._order], days[self._order]


def in_order(rng: np.random.Generator, replays: int, weeks: int) -> npt.NDArray[np.int64]:
    """Return real weeks as they follow each other, from a random one on, round the end."""
    first = rng.integers(0, weeks, (replays, 1))
    return (first + np.arange(HISTORY + WEEKS)) % weeks


def in_pairs(rng: np.random.Generator, replays: int, weeks: int) -> npt.NDArray[np.int64]:
    """Return pairs of real weeks that follow each other, drawn at random."""
    first = rng.integers(0, weeks, (replays, (HISTORY + WEEKS) // 2, 1))
    return ((first + np.arange(2)) % weeks).reshape(replays, -1)


def on_the_line(figures: tuple[Floats, Floats], rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return weekly and daily figures about 0: the sign of each week is drawn, its size is kept."""
    weekly, daily = figures
    mean = weekly.mean()
    sign = rng.choice([-1.0, 1.0], weekly.shape)
    return sign * (weekly - mean), sign[..., None] * (daily - mean)


def first_alarm(weekly: Floats, daily: Floats, line: float | Floats, scaling: Scaling) -> Floats:
    """Return the week of the first alarm, from 1; infinite: none, shape (replays,)."""
    _, evidence = weekly_evidence(weekly, daily, line, scaling, HISTORY)
    alarm = evidence >= 1 / ALPHA
    return np.where(alarm.any(axis=1), alarm.argmax(axis=1) + 1.0, np.inf)


def null_rates(days: pd.DataFrame, replays: int) -> Iterator[list[object]]:
    """Yield a line for each null: the rate of both alarms, and of any of the two.

    The ROC AUC of the real year has no season in its variance, so in a season only money has one.
    """
    for number, (name, draw) in enumerate(NULLS.items()):
        rng = np.random.default_rng(number)
        kinds = (draw, NULLS["independent days"] if "season" in name else draw)
        drawn = [one(rng, replays).reshape(replays, -1, DAYS) for one in kinds]
        yield _rates(name, *((one.mean(axis=2), one) for one in drawn))
    for gain, apart in GAINS.items():
        for name, order in (("in their order", in_order), ("in pairs", in_pairs)):
            rng = np.random.default_rng(100)
            real = RealWeeks(days, order(rng, replays, len(days) // DAYS))
            auc = on_the_line(real.auc(), rng)
            yield _rates(f"real weeks {name}, {apart}", on_the_line(real.money(gain), rng), auc)


def _rates(name: str, money: tuple[Floats, Floats], auc: tuple[Floats, Floats]) -> list[object]:
    """Return a line of the table of false alarms, from weekly and daily figures about 0."""
    hits = [
        np.isfinite(first_alarm(*figures, 0.0, scaling))
        for figures, scaling in ((money, MONEY), (auc, AUC))
    ]
    rates = [100 * hit.mean() for hit in (*hits, hits[0] | hits[1])]
    error = 1.96 * np.sqrt(rates[2] * (100 - rates[2]) / len(hits[0]))
    target = "5.5" if "season" in name or "real" in name else "2.5"
    shown = [f"{rate:.1f}" for rate in rates]
    return [name, shown[0], target, shown[1], f"{shown[2]} ± {error:.1f}", "5.5"]


def harms() -> dict[str, Callable[[RealWeeks, int], tuple[Floats, Floats]]]:
    """Return what each harm costs a model from a week on: weekly and daily, by its name."""

    def lost(share: float, weeks: int = 0) -> Callable[[RealWeeks, int], tuple[Floats, Floats]]:
        def plant(drawn: RealWeeks, since: int) -> tuple[Floats, Floats]:
            after = np.arange(HISTORY + WEEKS) - HISTORY - since + 1.0
            part = share * (np.clip(after / weeks, 0, 1) if weeks else after > 0)
            weekly, daily = drawn.money("value")
            return part * weekly, part[:, None] * daily

        return plant

    def inverted(drawn: RealWeeks, since: int) -> tuple[Floats, Floats]:
        (weekly, daily), turned = lost(1.0)(drawn, since), drawn.money("turned")
        after = np.arange(HISTORY + WEEKS) >= HISTORY + since
        return weekly - after * turned[0], daily - after[:, None] * turned[1]

    return {
        "none: a healthy model": lost(0.0),
        "score constant": lost(1.0),
        "score inverted": inverted,
        "half of the value lost": lost(0.5),
        "a fifth lost": lost(0.2),
        "slow decay to half in 26 weeks": lost(0.5, 26),
    }


TARGETS = {
    "none: a healthy model": "no alarm",
    "score constant": "85% in 5",
    "score inverted": "in 1",
    "half of the value lost": "median 4, 90% in 13",
    "a fifth lost": "median 17",
    "slow decay to half in 26 weeks": "90% in 26",
}


def money_delays(days: pd.DataFrame, replays: int, gain: str) -> Iterator[list[object]]:
    """Yield a line for each harm and each week in which it begins: the delay of the money alarm.

    Before it, champion and challenger save the same.
    """
    for name, plant in harms().items():
        for since in (4, 26):
            rng = np.random.default_rng(since)
            drawn = RealWeeks(days, in_pairs(rng, replays, len(days) // DAYS))
            weekly, daily = on_the_line(drawn.money(gain), rng)
            less = plant(drawn, since)
            week = first_alarm(weekly - less[0], daily - less[1], UPKEEP, MONEY)
            yield [name, since, *_delay(week, since), TARGETS[name]]


def auc_delays(days: pd.DataFrame, replays: int) -> Iterator[list[object]]:
    """Yield a line for each fall of the ROC AUC: the delay of its alarm.

    The line is the mean of the history less the tolerance.
    """
    for fall in (0.0, 0.05, 0.1, 0.15, 0.28):
        for since in (4, 26):
            rng = np.random.default_rng(since)
            drawn = RealWeeks(days, in_pairs(rng, replays, len(days) // DAYS))
            weekly, daily = drawn.auc()
            less = fall * (np.arange(HISTORY + WEEKS) >= HISTORY + since)
            line = weekly[:, :HISTORY].mean(axis=1, keepdims=True) - TOLERANCE
            week = first_alarm(weekly - less, daily - less[:, None], line, AUC)
            yield [f"falls by {fall:.2f}", since, *_delay(week, since), ""]


def _delay(week: Floats, since: int) -> list[str]:
    """Return median and 90% of the weeks until an alarm, and the share that is seen in time.

    An alarm before the harm is a false one, and counts in the last column only.
    """
    false = week <= since
    seen = (week - since)[~false]
    spread = [_text(np.quantile(seen, q, method="higher")) for q in (0.5, 0.9)]
    within = [f"{100 * (seen <= n).mean():.0f}" for n in (1, 4, 5, 13, 26)]
    return [*spread, *within, f"{100 * false.mean():.1f}"]


def _text(week: float) -> str:
    return f"{week:.0f}" if np.isfinite(week) else "never"


def show(days: pd.DataFrame, replays: int) -> None:
    """Print what the real weeks are like, the rates of false alarms and the delays."""
    weekly = RealWeeks(days, np.arange(len(days) // DAYS)[None])
    figures = {name: weekly.money(name)[0][0] for name in ("value", *GAINS)}
    for name, values in {**figures, "ROC AUC": weekly.auc()[0][0]}.items():
        lag = np.corrcoef(values[1:], values[:-1])[0, 1]
        spread = f"mean {values.mean():.3g}, sd {values.std(ddof=1):.3g}, lag-1 {lag:.2f}"
        print(f"{name} of {len(values)} real weeks: {spread}")
    table(
        f"False alarms in 52 weeks, in % of {replays:,} replays: the mean is on the line",
        ["null", "money", "at most", "ROC AUC", "any of both", "at most"],
        null_rates(days, replays),
    )
    shares = [f"% in {n}" for n in (1, 4, 5, 13, 26)]
    header = ["since week", "median", "90%", *shares, "% before it", "target"]
    title = "Weeks until the {} alarm, after harm that begins in a week"
    for gain, apart in GAINS.items():
        harm = money_delays(days, replays, gain)
        table(title.format(f"money (models {apart})"), ["harm", *header], harm)
    falls = auc_delays(days, replays)
    table(title.format("ROC AUC"), ["ROC AUC", *header], falls)


def main(argv: list[str] | None = None) -> None:
    options = arguments(__doc__, every=1, replays=2000).parse_args(argv)
    rows, settings = example_year(options.every, options.params)
    framing = Framing.model_validate(settings["framing"])
    spec = Candidate.model_validate(next(iter(settings["modeling"]["candidates"].values())))
    show(real_days(rows, spec, framing, Features), options.replays)


if __name__ == "__main__":
    main()
