"""Decisions that are left untouched: at random, the same in every process, the only ones used."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from preflight.errors import RunError
from preflight.inference.feedback import SALT, draw_uniform, leave_untouched, usable_rows
from preflight.problem.framing import Framing

KEY = ["place", "parcel", "ships_at"]
Written = dict[str, Any]


def framed(written: Written, **decision: Any) -> Framing:
    return Framing.model_validate(written | {"decision": written["decision"] | decision})


@pytest.fixture
def without(framing_as_written: Written) -> Framing:
    return framed(framing_as_written)


@pytest.fixture
def untouched(framing_as_written: Written) -> Framing:
    return framed(framing_as_written, changes_label=True, untouched_share=0.1)


def parcels(n: int = 20_000) -> pd.DataFrame:
    day = pd.Timestamp("2013-01-01", tz="UTC")
    return pd.DataFrame(
        {
            "place": pd.Categorical(np.where(np.arange(n) % 3, "north", "west")),
            "parcel": np.arange(n, dtype="int32"),
            "ships_at": (day + pd.to_timedelta(np.arange(n) // 50, "h")).as_unit("us"),
        }
    )


def test_draws_are_uniform_and_of_another_salt_independent() -> None:
    one, two = (draw_uniform(parcels(), KEY, salt) for salt in (SALT, "another"))
    assert ((one >= 0) & (one < 1)).all()
    shares = np.histogram(one, 10, (0, 1))[0] / len(one)
    assert abs(shares - 0.1).max() < 0.01
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.03
    assert abs(np.corrcoef(one[1:], one[:-1])[0, 1]) < 0.03


def test_a_unit_gets_the_same_draw_in_any_company_and_of_any_types() -> None:
    rows = parcels(200)
    drawn = draw_uniform(rows, KEY, SALT)
    assert drawn[0] == pytest.approx(0.3145, abs=1e-4)  # the same in years to come
    for row in (0, 7, 199):  # a moment at midnight alone is written otherwise by pandas
        assert draw_uniform(rows.iloc[[row]], KEY, SALT)[0] == drawn[row]
    other = rows.astype({"place": "str", "parcel": "int64"})
    other["ships_at"] = other["ships_at"].dt.as_unit("ns").dt.tz_convert("Asia/Kolkata")
    assert (draw_uniform(other, KEY, SALT) == drawn).all()
    assert (draw_uniform(rows.assign(place="south"), KEY, SALT) != drawn).all()


def test_nothing_is_left_untouched_unless_a_share_is_framed(without: Framing) -> None:
    act = np.array([True, False])
    told = leave_untouched({"act": act, "flags": "x"}, parcels(2), KEY, without)
    assert told["act"] is act
    assert told["untouched"].tolist() == [False, False]
    assert told["flags"] == "x"


def test_of_what_is_left_untouched_nothing_is_acted_on(untouched: Framing) -> None:
    rows = parcels()
    act = np.random.default_rng(0).random(len(rows)) < 0.3
    told = leave_untouched({"act": act}, rows, KEY, untouched)
    assert told["untouched"].mean() == pytest.approx(0.1, abs=0.01)
    assert told["untouched"][act].mean() == pytest.approx(0.1, abs=0.015)  # whatever is decided
    assert not told["act"][told["untouched"]].any()
    assert (told["act"] == act)[~told["untouched"]].all()


def logged(*marks: bool | None) -> pd.DataFrame:
    return pd.DataFrame({"parcel": range(len(marks)), "untouched": pd.array(marks, "boolean")})


def test_all_rows_are_used_if_acting_leaves_the_label_as_it_is(without: Framing) -> None:
    assert len(usable_rows(logged(False, None, False), without)) == 3


def test_only_untouched_rows_are_used_if_acting_changes_the_label(untouched: Framing) -> None:
    assert usable_rows(logged(False, True, None, True), untouched)["parcel"].tolist() == [1, 3]


@pytest.mark.parametrize("share", [None, 0.1])
@pytest.mark.parametrize("marks", [[], [False, None]])
def test_without_untouched_rows_it_is_refused_with_what_to_set(
    framing_as_written: Written, share: float | None, marks: list[bool | None]
) -> None:
    framing = framed(framing_as_written, changes_label=True, untouched_share=share)
    with pytest.raises(RunError, match=r"changes the label .* framing\.decision\.untouched_share"):
        usable_rows(logged(*marks), framing)
