"""One group's clock against those of the others, such as a station in UTC among local ones.

Two signals show a clock. Changes from hour to hour, less what is usual at that hour of the day,
come to all groups at once: a storm, an outage, a holiday. They show a shift of one hour, and honest
differences between daily cycles do not matter. Where there are no such changes, the daily cycle
itself may be the same for all groups but one.
"""

from collections.abc import Iterator

import numpy as np

from preflight.audit.contracts import TableLimits
from preflight.audit.dated import Dated, Floats, Ints
from preflight.audit.findings import Finding, finding

HOURS = 24
MOST = HOURS // 2  # hours that a clock may be off
FEWEST_HOURS = 500  # of all groups together, with a change
AGREE = 0.05  # least correlation of changes among the other groups: below, nothing is common
CLEAR = 0.2  # correlation of changes from which they are certainly common
ALIKE = 0.95  # the same of daily cycles
HONEST = 1  # hours by which a daily cycle may honestly differ
CLIPPED = 0.9  # quantile of changes to which larger ones are cut


def find_shifted_clocks(one: Dated, limits: TableLimits) -> list[Finding]:
    """Return a finding for each group whose clock differs from all others' by whole hours.

    It has failed by clearly common changes. It is a warning by weak ones, or by the daily cycle
    alone: schedules of groups may honestly differ.
    """
    found = []
    hour = one.table[one.at].dt.floor("h")
    hour = ((hour - hour.min()) // np.timedelta64(1, "h")).to_numpy(np.int64)
    for column, group in one.groups().items():
        means = [_hourly(values, hour, group) for values in (None, *one.numbers().values())]
        changes = _lagged([_changes(mean) for mean in means])
        signals = {
            "daily cycle": _shifted(_cycles(means), ALIKE, limits, HONEST),
            "changes": _shifted(changes, AGREE, limits, 0),
        }
        shifted = {
            number: (signal, *how) for signal, those in signals.items() for number, how in those
        }
        for number, (signal, hours, before, after) in shifted.items():
            value = one.values(column)[number]
            state = "failed" if signal == "changes" and after >= CLEAR else "warning"
            evidence = (
                f"{one.at} of {column} {value} is {abs(hours)} h "
                f"{'later' if hours > 0 else 'earlier'} than of the others: without this, its "
                f"{signal} would have a correlation of {after:.2f} with theirs in place of "
                f"{before:.2f}. Correct the time zone in data_engineering"
            )
            found.append(finding(f"clock: {one.name}.{column} {value}", evidence, state=state))
    return found


def _hourly(values: Floats | None, hour: Ints, group: Ints) -> Floats:
    """Return means, or numbers of rows, of each group and hour, shape (groups, hours).

    NaN where there is no value, and before the first row of a group and after its last.
    """
    shape = (int(group.max()) + 1, int(hour.max()) + 1)
    use = group >= 0 if values is None else (group >= 0) & ~np.isnan(values)
    cell = group[use] * shape[1] + hour[use]
    rows = np.bincount(cell, minlength=shape[0] * shape[1]).astype(float)
    if values is None:
        rows = rows.reshape(shape)
        after, before = rows.cumsum(axis=1) > 0, rows[:, ::-1].cumsum(axis=1)[:, ::-1] > 0
        return np.where(after & before, rows, np.nan)
    sums = np.bincount(cell, weights=values[use], minlength=rows.size)
    return np.divide(sums, rows, out=np.full(rows.size, np.nan), where=rows > 0).reshape(shape)


def _by_hour_of_day(means: Floats) -> Floats:
    """Return shape (groups, days, 24), NaN after the last hour."""
    missing = np.full((len(means), -means.shape[1] % HOURS), np.nan)
    return np.hstack([means, missing]).reshape(len(means), -1, HOURS)


def _mean(values: Floats, axis: int) -> Floats:
    """Return means without NaN, NaN where there is nothing else."""
    rows = (~np.isnan(values)).sum(axis=axis)
    sums = np.nansum(values, axis=axis)
    return np.divide(sums, rows, out=np.full(sums.shape, np.nan), where=rows > 0)


def _changes(means: Floats) -> Floats:
    """Return changes from the hour before less their mean at that hour of the day, of length 1.

    0 where there is none. Large ones are cut, so that no single event decides.
    """
    days = _by_hour_of_day(np.diff(means, axis=1, prepend=np.nan))
    changes = (days - _mean(days, axis=1)[:, None]).reshape(len(means), -1)
    there = ~np.isnan(changes)
    changes[~there] = 0
    for row, use in zip(changes, there, strict=True):
        if use.sum() >= FEWEST_HOURS:
            most = np.quantile(np.abs(row[use]), CLIPPED)
            row[:] = np.clip(row, -most, most)
        else:
            row[:] = 0
    return _unit(changes)


def _unit(rows: Floats) -> Floats:
    length = np.sqrt((rows**2).sum(axis=-1, keepdims=True))
    return np.divide(rows, length, out=np.zeros_like(rows), where=length > 1e-9)


def _lagged(signals: list[Floats]) -> Floats:
    """Return the mean correlation of each two groups, the first so many hours later.

    Shape (groups, groups, 2 * MOST + 1), from -MOST hours to MOST.
    """
    found = []
    for rows in signals:
        ahead = [rows[:, lag:] @ rows[:, : rows.shape[1] - lag].T for lag in range(MOST + 1)]
        behind = [one.T for one in ahead[:0:-1]]
        found.append(np.stack([*behind, *ahead], axis=2))
    return np.mean(found, axis=0)


def _cycles(means: list[Floats]) -> Floats:
    """Return the same of daily cycles, of columns in which most groups have the same one."""
    found = []
    for mean in means:
        cycle = _mean(_by_hour_of_day(mean), axis=1)
        if np.isnan(cycle).any():
            continue
        cycle = _unit(cycle - cycle.mean(axis=1, keepdims=True))
        turned = [np.roll(cycle, -lag, axis=1) @ cycle.T for lag in range(-MOST, MOST + 1)]
        found.append(np.stack(turned, axis=2))
    alike = [one for one in found if np.median(one.max(axis=2)) >= ALIKE]
    return np.asarray(np.mean(alike, axis=0)) if alike else np.zeros((0, 0, 2 * MOST + 1))


def _shifted(
    lagged: Floats, agree: float, limits: TableLimits, honest: int
) -> Iterator[tuple[int, tuple[int, float, float]]]:
    """Yield each group that fits all others better at another hour, where they agree.

    That is its number, the hours that it is late, its correlation as it is, and moved.
    """
    for number in range(len(lagged)):
        others = np.delete(np.arange(len(lagged)), number)
        among = lagged[np.ix_(others, others)][np.triu_indices(len(others), 1)]
        common = float(np.median(among[:, MOST]))
        if common < agree or np.median(np.abs(among.argmax(axis=1) - MOST)) > 0:
            continue
        own = lagged[number, others]
        with_others = np.median(own, axis=0)
        best = int(with_others.argmax())
        hours, before, after = best - MOST, float(with_others[MOST]), float(with_others[best])
        unanimous = (own.argmax(axis=1) == best).mean() > 0.5
        gains = after - before >= limits.clock_gain * common and after >= max(agree, common / 2)
        if abs(hours) > honest and unanimous and gains:
            yield number, (hours, before, after)
