"""Values in another unit than the others: of one group, of some months, or of some of all rows.

A unit is found only if a usual conversion explains it: converted, the values are like the others.
The yardstick is how the other groups, or the other months, differ. So honest differences pass.
"""

import warnings
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from preflight.audit.contracts import TableLimits
from preflight.audit.conversions import Conversion, conversions_to
from preflight.audit.dated import Bools, Dated, Floats, Ints
from preflight.audit.findings import Finding, finding

MIXED = "mixed units"
QUANTILES = np.array([0.1, 0.25, 0.5, 0.75, 0.9])
MEDIAN = 2  # of QUANTILES
FEWEST_ROWS = 100  # of a group's month that is compared
FEWEST_MONTHS = 4  # among which a jump is one
NEAR = 0.15  # interquartile ranges by which groups or months may differ in any case
MOST_USUAL = 0.9  # quantile of the other groups' differences: some of them may be wrong too
HONEST = 1.5  # times the ratio by which a month may jump as by a small factor: prices do
EXPLAINED = 1.5  # times the yardstick by which converted values may differ
BLOCK = 25  # rows next to each other, among which one in another unit stands out
APART = 3.0  # interquartile ranges of a block from its median, beyond which a row stands out
CLEAR = 4.0  # the same, beyond which rows in another unit are: between is next to nothing
CLUSTER = 0.6  # of the rows that stand out on one side: so many a conversion has to explain
FEWEST_MIXED = 20  # of these rows


Units = tuple[Conversion, ...]
Scale = Callable[[Floats], Floats]


class Column(NamedTuple):
    """A column with a unit: its values but zeros, in order, and the rows in which they are.

    What is zero most of the time has its unit in its other values.
    """

    table: Dated
    name: str
    values: Floats
    rows: Ints
    units: Units  # that it may be in by mistake

    def quantiles(self, cell: Ints, cells: int) -> Floats:
        """Return the quantiles of each cell, shape (cells, 5); NaN for one with few values.

        cell: of each row of the table, -1 for none.
        """
        cell, values = cell[self.rows], self.values
        cell, values = cell[cell >= 0], values[cell >= 0]
        by_cell = np.argsort(cell.astype(np.min_scalar_type(cells)), kind="stable")
        rows = np.bincount(cell, minlength=cells)
        first, enough = np.cumsum(rows) - rows, rows >= FEWEST_ROWS
        at = first[:, None] + np.rint(QUANTILES * (rows[:, None] - 1)).astype(np.int64)
        found = np.full((cells, len(QUANTILES)), np.nan)
        found[enough] = values[by_cell[at[enough]]]
        return found

    def found(self, check: str, what: str, told: str, unit: Conversion, of: str = "") -> Finding:
        """Return a finding: failed, or a warning where honest values may look the same.

        A group, or a month, may honestly have values of three times the size. And two kinds of rows
        may be far apart, if the contract doesn't state a unit.
        """
        is_stated = bool(unit.right) and "unit" in self.table.contract.columns()[self.name]
        certain = unit.is_large and (check != MIXED or is_stated or not unit.is_factor)
        evidence = f"{told}, {unit.describe()}: convert {what} in data_engineering"
        name = f"{check}: {self.table.name}.{self.name} {of}".rstrip()
        return finding(name, evidence, state="failed" if certain else "warning")


def find_other_units(one: Dated, limits: TableLimits) -> list[Finding]:
    """Return a finding for each group, month or part of the rows in another unit."""
    groups, found = one.groups(), []
    series = next(iter(groups.values()), np.zeros(len(one.table), dtype=np.int64))
    in_order = np.lexsort([one.table[one.at].astype("int64").to_numpy(), series])
    for name, values in one.numbers().items():
        rows = np.flatnonzero(~np.isnan(values) & (values != 0))
        rows = rows[np.argsort(values[rows])]
        units = conversions_to(one.contract.columns()[name].get("unit"))
        column = Column(one, name, values[rows], rows, units)
        of_groups = [
            each
            for by, group in groups.items()
            for each in _by_group(column, by, group, limits.unit_ratio)
        ]
        found += of_groups or [
            *_by_month(column, limits.jump_ratio),
            *_mixed(column, values[in_order], limits.mixed_share),
        ]
    return found


def _median(values: Floats, axis: int | None = None) -> Floats:
    """Return the median without NaN, and NaN where there is nothing else."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanmedian(values, axis=axis))


def _best(units: Units, left: Callable[[Conversion], float]) -> tuple[Conversion, float]:
    """Return the conversion after which the least is left, and that."""
    lefts = np.nan_to_num([left(unit) for unit in units], nan=np.inf)
    return units[int(lefts.argmin())], float(lefts.min())


def _distances(quantiles: Floats, others: Floats) -> Floats:
    """Return how far quantiles are from others', by the interquartile range of these."""
    spread = others[..., 3] - others[..., 1]
    spread = np.where(spread > 0, spread, np.nan)
    return np.asarray(np.median(np.abs(quantiles - others), axis=-1) / spread)


def _by_group(column: Column, by: str, group: Ints, ratio: float) -> Iterator[Finding]:
    """Yield a finding for each group in another unit than the others in the same months."""
    one = column.table
    n, months = int(group.max()) + 1, len(one.months)
    cell = np.where(group >= 0, group * months + one.month, -1)
    found = column.quantiles(cell, n * months).reshape(n, months, len(QUANTILES))
    odd: dict[int, tuple[Bools, Conversion]] = {}
    for units, scale in _scales(column.units, found):
        odd |= dict(_odd_groups(found, units, scale, ratio))
    for number, (far, unit) in odd.items():
        of = f"of {by} {one.values(by)[number]}"
        others = np.delete(found[:, far, MEDIAN], number, axis=0)
        median, other = _median(found[number, far, MEDIAN]), _median(others)
        when = one.span(np.flatnonzero(far))
        told = f"median {median:.4g} against {other:.4g} of the others in {when}"
        yield column.found("unit", f"{column.name} {of}", told, unit, of)


def _scales(units: Units, found: Floats) -> Iterator[tuple[Units, Scale]]:
    """Yield units with the scale on which they differ: that of logarithms for ratios above zero."""
    if (found[~np.isnan(found)] > 0).all():
        yield tuple(unit for unit in units if unit.is_factor), np.log
        units = tuple(unit for unit in units if not unit.is_factor)
    yield units, np.asarray


def _odd_groups(
    found: Floats, units: Units, scale: Scale, ratio: float
) -> Iterator[tuple[int, tuple[Bools, Conversion]]]:
    """Yield groups that are like the others only if converted, the months, and the conversion.

    found: quantiles, shape (groups, months, 5).
    """
    scaled, n = scale(found), len(found)
    apart = _distances(scaled[:, None], scaled[None])
    apart[np.arange(n), np.arange(n)] = np.nan
    for number in range(n if units else 0):
        others = np.delete(np.arange(n), number)
        usual = _median(apart[np.ix_(others, others)], axis=1)
        distance = _median(apart[number, others], axis=0)
        yardstick, far = _yardstick(_median(usual, axis=1)), ~np.isnan(distance)
        if not _median(distance) > ratio * yardstick:  # not all the time, but in some months
            yardstick = _yardstick(usual)
            far = distance > ratio * yardstick
            if _median(np.where(far, np.nan, distance)) > EXPLAINED * yardstick:
                continue
        if not far.any():
            continue
        own, theirs = found[number, far], scaled[others][:, far]

        def left(unit: Conversion, own: Floats = own, theirs: Floats = theirs) -> float:
            return float(_median(_median(_distances(scale(unit(own)), theirs), axis=0)))

        unit, rest = _best(units, left)
        if rest <= EXPLAINED * yardstick:
            yield number, (far, unit)


def _yardstick(usual: Floats) -> float:
    """Return by how much the other groups differ; infinite if it is not known."""
    known = usual[~np.isnan(usual)]
    return max(NEAR, float(np.quantile(known, MOST_USUAL))) if len(known) else np.inf


def _by_month(column: Column, ratio: float) -> Iterator[Finding]:
    """Yield a finding if the values of some months jump to another unit, and back or not."""
    one = column.table
    found = column.quantiles(one.month, len(one.months))
    there = np.flatnonzero(~np.isnan(found[:, MEDIAN]))
    found = found[there]
    if len(found) < FEWEST_MONTHS:
        return
    is_ratio = bool((found > 0).all())
    jumps = _jumps(found, is_ratio)
    order = np.argsort(-jumps)
    for edges in (order[:1], np.sort(order[:2])):
        usual = np.delete(jumps, edges)
        yardstick = max(NEAR, float(usual.max()))
        wrong = _between(edges, len(found))
        others = found[~wrong, MEDIAN]
        if ((found[wrong, MEDIAN] >= others.min()) & (found[wrong, MEDIAN] <= others.max())).any():
            continue

        def left(unit: Conversion, wrong: Bools = wrong, edges: Ints = edges) -> float:
            right = np.where(wrong[:, None], unit(found), found)
            if is_ratio and (right <= 0).any():
                return np.inf
            return float(_jumps(right, is_ratio)[edges].max())

        unit, rest = _best(column.units, left)
        needed = ratio if unit.is_large else HONEST * ratio
        if rest <= EXPLAINED * yardstick and jumps[edges].min() > needed * yardstick:
            medians = (float(_median(found[part, MEDIAN])) for part in (wrong, ~wrong))
            told = "median {:.4g} against {:.4g} of the other months, ".format(*medians)
            told += f"in {one.span(there[wrong])}"
            yield column.found("unit by month", f"{column.name} of these months", told, unit)
            return


def _jumps(found: Floats, is_ratio: bool) -> Floats:
    """Return how far the quantiles of each month are from those before, shape (months - 1,).

    In interquartile ranges as they usually are; of numbers above zero, as a ratio.
    """
    scaled = np.log(found) if is_ratio else found
    spread = float(np.median(scaled[:, 3] - scaled[:, 1])) or np.nan
    return np.asarray(np.median(np.abs(np.diff(scaled, axis=0)), axis=1) / spread)


def _between(edges: Ints, months: int) -> Bools:
    """Return which months are between two jumps, or on the shorter side of one."""
    at = np.arange(months)
    if len(edges) == 2:
        return np.asarray((at > edges[0]) & (at <= edges[1]))
    later = at > edges[0]
    return np.asarray(later if later.sum() <= months / 2 else ~later)


def _mixed(column: Column, values: Floats, share: float) -> Iterator[Finding]:
    """Yield a finding if some rows are in another unit than those next to them.

    These rows are a cluster apart: what is between, or beyond, is next to nothing. Rows are in the
    order of the series and of time, so that values next to each other are alike.
    """
    values = values[~np.isnan(values) & (values != 0)]
    positive = values[values > 0]
    blocks = {False: _blocks(values), True: _blocks(np.log(positive))}
    most: tuple[float, str, Conversion] | None = None
    for unit in column.units:
        rows, median, spread = blocks[unit.is_factor]
        wrong = median - np.log(unit.factor) if unit.is_factor else unit.spoil(median)
        width = EXPLAINED * (spread if unit.is_factor else spread / unit.factor)
        apart = ((np.abs(wrong - median) - width > CLEAR * spread) & (spread > 0)).ravel()
        if not apart.any():
            continue
        side = np.sign(wrong - median)[apart]
        out = (rows[apart] - median[apart]) * side > APART * spread[apart]
        explained = int((out & (np.abs(rows[apart] - wrong[apart]) <= width[apart])).sum())
        part = explained / out.size
        enough = explained >= max(FEWEST_MIXED, CLUSTER * out.sum()) and part >= share
        if enough and (most is None or part > most[0]):
            most = part, f"{explained:,} of {out.size:,} values ({part:.1%})", unit
    if most is not None:
        told = f"{most[1]} stand apart from those next to them"
        yield column.found(MIXED, "them", told, most[2])


def _blocks(values: Floats) -> tuple[Floats, Floats, Floats]:
    """Return values in blocks, shape (blocks, BLOCK), with median and interquartile range."""
    blocks = values[: len(values) // BLOCK * BLOCK].reshape(-1, BLOCK)
    ordered = np.sort(blocks, axis=1)
    quarter = BLOCK // 4
    spread = ordered[:, -1 - quarter] - ordered[:, quarter]
    return blocks, ordered[:, [BLOCK // 2]], spread[:, None]
