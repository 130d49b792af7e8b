"""Rows of one unit have one number, in the order of the calendar."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from preflight.problem.framing import Framing, Resampling
from preflight.stats.units import MAX_UNORDERED, number_units


def framed(framing: Framing, unit: Any, groups: tuple[str, ...] = ()) -> Framing:
    split = framing.split.model_copy(update={"groups": [*groups]})
    return framing.model_copy(update={"resampling": Resampling(unit=unit), "split": split})


def table(*moments: str, **columns: Any) -> pd.DataFrame:
    at = pd.to_datetime([*moments]).tz_localize("America/New_York").tz_convert("UTC")
    return pd.DataFrame({"predict_at": at.as_unit("us"), **columns})


WINTER = ("2013-12-30 23:30", "2013-12-29 00:10", "2014-01-06 00:00", "2014-02-03 12:00")


@pytest.mark.parametrize(
    ("unit", "numbers", "units"),
    [
        ("day", [1, 0, 8, 36], 37),
        ("week", [1, 0, 2, 6], 7),  # Sunday the 29th is in the week before
        ("month", [0, 0, 1, 2], 3),
    ],
)
def test_the_calendar_is_local_and_has_its_gaps(
    framing: Framing, unit: str, numbers: list[int], units: int
) -> None:
    found = number_units(table(*WINTER), framed(framing, unit))
    assert (found[0].tolist(), found[1]) == (numbers, units)


def test_rows_are_units_of_their_own_and_groups_share_one(framing: Framing) -> None:
    rows = table(*WINTER, place=["b", "a", "b", "a"], size=[1, 1, 2, 1])
    assert number_units(rows, framed(framing, "row"))[0].tolist() == [0, 1, 2, 3]
    grouped = framed(framing, "group", ("place", "size"))
    number, units = number_units(rows, grouped)
    assert units == 3
    assert number[1] == number[3]
    assert len({*number}) == 3
    kept = rows.drop(columns=["place", "size"]).assign(**grouped.group_column(rows))
    assert number_units(kept, grouped)[0].tolist() == number.tolist()


def test_many_rows_are_put_into_lots_at_random_and_of_equal_size(framing: Framing) -> None:
    many = table(*["2013-12-30 12:00"] * 5000)
    number, units = number_units(many, framed(framing, "row"))
    assert units == MAX_UNORDERED
    assert (np.bincount(number) == 5).all()
    assert (np.diff(number[:100]) != 1).any()
    assert (number_units(many, framed(framing, "row"))[0] == number).all()


def test_no_rows_have_no_units(framing: Framing) -> None:
    for unit in ("row", "day", "week", "month"):
        number, units = number_units(table(*WINTER).head(0), framed(framing, unit))
        assert (len(number), units) == (0, 0)
