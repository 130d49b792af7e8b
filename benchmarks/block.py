"""How often the check of inputs blocks a clean day, and whether it sees a fault on its first day.

    python -m benchmarks.block

Each day from the 91st on is checked against the limits of the 90 days before it, at its end, or
every `--hours` hours with the 24 hours before. Faults are planted in the features of every twelfth
day, from midnight on. `--step N` takes each N-th day.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from kedro.config import OmegaConfigLoader

from preflight.inference.contracts import InputFault, InputLimits
from preflight.inference.input_check import find_faults
from preflight.monitoring import compute_input_limits
from preflight.monitoring.contracts import Monitoring
from preflight.problem.framing import Framing

from late_flights.contracts.features import Features

from benchmarks.measure import Clocks, arguments, kedro_run, project_copy, table

HOUR, DAY = pd.Timedelta(hours=1), pd.Timedelta(days=1)
DAYS, EVERY = 90, 12
GROUPS = Features.groups()
Plant = Callable[[pd.DataFrame, pd.DataFrame], pd.DataFrame]  # of a day, and of the day before


def shift_clock(hours: int) -> Plant:
    """Return a fault: all moments are some hours off."""
    return lambda rows, _: rows.assign(predict_at=rows["predict_at"] + hours * HOUR)


def freeze(group: str) -> Plant:
    """Return a fault: a feed repeats the last values of the day before, by origin."""

    def plant(rows: pd.DataFrame, before: pd.DataFrame) -> pd.DataFrame:
        last = before.groupby("origin", observed=True)[GROUPS[group]].last()
        values = last.reindex(rows["origin"].astype(str)).set_axis(rows.index)
        return rows.assign(**{name: values[name] for name in GROUPS[group]})

    return plant


def halve(group: str) -> Plant:
    """Return a fault: a feed is missing for half of the rows."""

    def plant(rows: pd.DataFrame, _: pd.DataFrame) -> pd.DataFrame:
        lost = np.random.default_rng(len(rows)).random(len(rows)) < 0.5
        return rows.assign(**{name: rows[name].mask(lost) for name in GROUPS[group]})

    return plant


def rename(rows: pd.DataFrame, _: pd.DataFrame) -> pd.DataFrame:
    """Plant a fault: the carrier with the most flights has another code."""
    carrier = rows["carrier"].astype(str)
    return rows.assign(carrier=carrier.replace(carrier.mode()[0], "XX").astype("category"))


FAULTS: dict[str, tuple[Plant, list[str]]] = {  # and the columns to be named
    "clock an hour ahead": (shift_clock(1), ["predict_at"]),
    "clock an hour behind": (shift_clock(-1), ["predict_at"]),
    "weather frozen": (freeze("weather"), GROUPS["weather"]),
    "operations frozen": (freeze("operations"), GROUPS["operations"]),
    "half of weather": (halve("weather"), GROUPS["weather"]),
    "half of operations": (halve("operations"), GROUPS["operations"]),
    "largest carrier renamed": (rename, ["carrier"]),
}


class Replay:
    """The checks of one day after the other.

    Args:
        features: of all days.
        settings: parameters of the project.
        hours: from one check to the next.
    """

    def __init__(self, features: pd.DataFrame, settings: dict, hours: int) -> None:
        self.framing = Framing.model_validate(settings["framing"])
        given = settings["monitoring"]
        self._given, self._hours = given | {"limits": given["limits"] | {"days": DAYS}}, hours
        local = features["predict_at"].dt.tz_convert(self.framing.split.timezone)
        self._rows = features.assign(local=local).sort_values("local", ignore_index=True)

    def between(self, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
        """Return the rows after start, until end."""
        first, last = self._rows["local"].searchsorted([start, end], side="right")
        return self._rows.iloc[first:last].drop(columns="local")

    def limits(self, day: pd.Timestamp) -> InputLimits:
        """Return the limits as they are when a day begins."""
        monitoring = Monitoring.model_validate(self._given | {"moment": day.to_pydatetime()})
        history = self.between(day - (DAYS + 2) * DAY, day)
        contracts = {"features": Features}
        labels = history[Features.grain()].assign(label=0.0)
        found = compute_input_limits(
            lambda: history, labels, {}, self.framing, monitoring, contracts
        )
        return InputLimits.model_validate(found)

    def check(
        self, day: pd.Timestamp, limits: InputLimits, plant: Plant | None = None
    ) -> dict[int, list[InputFault]]:
        """Return the faults of each check of a day that finds some, by the hour of the check."""
        before, rows = self.between(day - DAY, day), self.between(day, day + DAY)
        stream = pd.concat([before, plant(rows, before) if plant else rows], ignore_index=True)
        stream = stream.astype(dict.fromkeys(["carrier", "origin", "dest"], "category"))
        found = {}
        for hour in range(self._hours, 25, self._hours):
            now = day + hour * HOUR
            known = stream["predict_at"].between(now - DAY, now, inclusive="right")
            if faults := find_faults(stream[known], now, limits, Features):
                found[hour] = faults
        return found


def main(argv: list[str] | None = None) -> None:
    options = arguments(__doc__, every=1, hours=24, step=1).parse_args(argv)
    with project_copy(options.every) as project:
        stages = ["data_engineering", "feature_engineering"]
        kedro_run(project, Clocks(), options.params, stages)
        features = pd.read_parquet(next(project.glob("data/04_feature/features.parquet/*/*")))
        loader = OmegaConfigLoader(str(project / "conf"), base_env="base", default_run_env="local")
        replay = Replay(features, loader["parameters"], options.hours)
    at = replay._rows["local"]
    first, last = at.iloc[0].date() + DAYS * DAY, at.iloc[-1].date()
    days = pd.date_range(first, last, tz=replay.framing.split.timezone)[:: options.step]
    limits = {day: replay.limits(day) for day in days}
    blocked = {day: faults for day in days if (faults := replay.check(day, limits[day]))}
    print(f"\n{len(blocked)} of {len(days)} days as they are were blocked:")
    for day, found in blocked.items():
        names = {f"{one.column} ({one.problem})" for one in found[max(found)]}
        print(f"  {day:%Y-%m-%d}, at hour {min(found)}: {'; '.join(sorted(names))}")
    clean = [day for day in days[::EVERY] if day not in blocked]
    lines = []
    for fault, (plant, columns) in FAULTS.items():
        found = [replay.check(day, limits[day], plant) for day in clean]
        named = [{one.column for one in seen[min(seen)]} for seen in found if seen]
        right = sum(names <= {*columns} for names in named)
        first = [min(seen) for seen in found if seen]
        lines.append([fault, len(clean), len(named), right, float(np.median(first or [np.nan]))])
    table(
        f"Faults on {len(clean)} days",
        ["fault", "days", "seen on the first day", "right columns", "at hour (median)"],
        lines,
    )


if __name__ == "__main__":
    main()
