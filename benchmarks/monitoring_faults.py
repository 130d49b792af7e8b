"""What faults in real weeks cost, and when which alarm sees them.

    python -m benchmarks.monitoring_faults

At each of three starts a model is fitted on all labels so far: the champion. Then a fault begins,
in the inputs, the scores or the labels that are logged, and is followed for 12 weeks. Every four
weeks a challenger is fitted on what was logged. `--every N` takes each N-th flight, for a quick
look.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from preflight.evaluation.contracts import Evaluation
from preflight.modeling.model import Bundle, predict
from preflight.modeling.parameters import Modeling
from preflight.modeling.training import join_parts, saving
from preflight.monitoring.contracts import ALARMS, Monitoring
from preflight.monitoring.production import replay_evidence
from preflight.monitoring.refits import Recipe, test_first
from preflight.monitoring.weeks import DAY, WEEK
from preflight.problem.framing import Framing
from preflight.problem.money import format_money

from late_flights.contracts.features import Features

from benchmarks.block import Plant, freeze, halve, rename
from benchmarks.measure import arguments, table
from benchmarks.monitoring_alarms import example_year

Floats = npt.NDArray[np.float64]
STARTS = ("2013-05-13", "2013-07-29", "2013-10-07")  # Mondays
WEEKS, EVERY = 12, 4  # followed; from one challenger to the next
MINUTES = 24 * 60


def shift_clock(rows: pd.DataFrame, _: pd.DataFrame) -> pd.DataFrame:
    """Plant a fault: the features of the local time are an hour ahead."""
    minute = rows["minute_of_day"] + 60
    next_day = minute >= MINUTES
    changed = {"minute_of_day": minute % MINUTES, "hour": (rows["hour"] + 1) % 24}
    return rows.assign(**changed, weekday=(rows["weekday"] + next_day) % 7)


def to_celsius(rows: pd.DataFrame, _: pd.DataFrame) -> pd.DataFrame:
    """Plant a fault: a tenth of the temperatures are in °C."""
    some = np.random.default_rng(len(rows)).random(len(rows)) < 0.1
    celsius = (rows["temperature"] - 32) / 1.8
    return rows.assign(temperature=rows["temperature"].mask(some, celsius))


def change_concept(rows: pd.DataFrame, _: pd.DataFrame) -> pd.DataFrame:
    """Plant a fault: in half of the destinations labels are noise, with the rate that they had."""
    half = rows["dest"].astype(str).isin(rows["dest"].value_counts().index[::2]).to_numpy()
    label = rows["label"].to_numpy().copy()
    label[half] = np.random.default_rng(len(rows)).permutation(label[half])
    return rows.assign(label=label)


INPUTS: dict[str, Plant] = {  # and labels
    "none": lambda rows, _: rows,
    "clock an hour ahead": shift_clock,
    "largest carrier renamed": rename,
    "temperature in °C in a tenth": to_celsius,
    "half of weather missing": halve("weather"),
    "operations frozen": freeze("operations"),
    "half of operations missing": halve("operations"),
    "labels of half of destinations noise": change_concept,
}
SCORES: dict[str, Callable[[Floats], Floats]] = {
    "score constant": lambda score: np.full_like(score, score.mean()),
    "score inverted": lambda score: np.sort(score)[::-1][score.argsort().argsort()],
}


class Start(NamedTuple):
    """What there is at a start: its champion and the champion's test, the examples before it, and
    those of the weeks that follow. moments: of the start and of each challenger.
    """

    moments: pd.DatetimeIndex
    champion: Bundle
    test: pd.DataFrame
    before: pd.DataFrame
    rows: pd.DataFrame

    def plant(self, fault: Plant) -> pd.DataFrame:
        """Return the weeks that follow as they are logged with a fault."""
        last_day = self.before[self.before["predict_at"] > self.moments[0] - DAY]
        return fault(self.rows, last_day)


class Log(NamedTuple):
    """What a start's champion and its challengers save of logged decisions, shape (n,)."""

    rows: pd.DataFrame
    score: Floats
    saved: Floats
    against: Floats


class Replay:
    """Logs with faults, and the alarms on them.

    Args:
        examples: of the year, with their labels.
        settings: parameters of the project.
    """

    def __init__(self, examples: pd.DataFrame, settings: dict[str, Any]) -> None:
        self._examples = examples.sort_values("predict_at", kind="stable", ignore_index=True)
        self.framing = Framing.model_validate(settings["framing"])
        self._modeling = Modeling.model_validate(settings["modeling"])
        self._monitoring = Monitoring.model_validate(settings["monitoring"])
        self._evaluation = Evaluation.model_validate(settings["evaluation"])
        spec = next(iter(self._modeling.candidates.values()))
        line = {"slope": 1.0, "intercept": 0.0}
        self._recipe = Recipe(spec, line, self.framing, {"features": Features})

    def start(self, monday: str) -> Start:
        """Return what there is at a start."""
        mondays = pd.date_range(monday, periods=WEEKS // EVERY + 1, freq=EVERY * WEEK)
        zone = self.framing.split.timezone
        *moments, end = mondays.tz_localize(zone).tz_convert("UTC").as_unit("us")
        examples, at = self._examples, self._examples["predict_at"]
        given = (moments[0], self._recipe, self._modeling, self._monitoring)
        return Start(
            pd.DatetimeIndex(moments),
            self._recipe.fit(examples, moments[0]),
            test_first(examples, *given),
            examples[at <= moments[0]],
            examples[(at > moments[0]) & (at <= end)],
        )

    def log(self, start: Start, rows: pd.DataFrame) -> Log:
        """Return the log of rows that the champion scores, and challengers are fitted on."""
        score = predict(start.champion, rows)
        against, logged = np.full(len(rows), np.nan), join_parts(start.before, rows)
        for moment in start.moments[1:]:
            challenger, after = self._recipe.fit(logged, moment), rows["predict_at"] > moment
            part = rows[after]
            against[after] = saving(part, predict(challenger, part), self.framing)
        return Log(rows, score, saving(rows, score, self.framing), against)

    def score(self, log: Log, score: Floats) -> Log:
        """Return a log with other scores of the champion."""
        return log._replace(score=score, saved=saving(log.rows, score, self.framing))

    def line(self, start: Start, log: Log, clean: Log) -> list[str]:
        """Return what is lost to the clean log per 1,000, and the weeks until each alarm."""
        bootstrap = self._evaluation.bootstrap(clean.rows.reset_index(drop=True), self.framing)
        lost, unit = bootstrap.per_1000(clean.saved - log.saved), self.framing.costs.unit
        mean, low, high = (format_money(lost[name], unit) for name in ("mean", "low", "high"))
        return [f"{mean} ({low} to {high})", *self._weeks(start, log)]

    def _weeks(self, start: Start, log: Log) -> Iterator[str]:
        """Yield the week in which each alarm is raised, from 1."""
        day = self.framing.split.day(log.rows["predict_at"])
        given = (log.rows, log.score, log.saved - log.against, start.test)
        evidence, _ = replay_evidence(*given, self.framing, self._monitoring)
        raised = evidence[evidence["evidence"] >= 1 / self._monitoring.alarms.alpha]
        for name in ALARMS:
            weeks = pd.to_datetime(raised.loc[raised["alarm"] == name, "week"]) - day.min()
            yield str(weeks.min() // WEEK + 1) if len(weeks) else "never"


def main(argv: list[str] | None = None) -> None:
    options = arguments(__doc__, every=1).parse_args(argv)
    replay, lines = Replay(*example_year(options.every, options.params)), {}
    for monday in STARTS:
        start = replay.start(monday)
        logs = {name: replay.log(start, start.plant(plant)) for name, plant in INPUTS.items()}
        clean = logs["none"]
        logs |= {name: replay.score(clean, broken(clean.score)) for name, broken in SCORES.items()}
        for name, log in logs.items():
            lines[name, monday] = replay.line(start, log, clean)
    units = replay.framing.decision.units
    table(
        f"Faults from three starts, followed for {WEEKS} weeks",
        ["fault", "start", f"lost per 1,000 {units} (95%)", *(f"weeks to `{n}`" for n in ALARMS)],
        [[*key, *lines[key]] for name in logs for key in lines if key[0] == name],
    )


if __name__ == "__main__":
    main()
