"""A traced value is the value, and wherever it is written it says where it is from."""

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest

from preflight.reporting.traced import linked, marked, plain, traced

DATA = {"a": [1, 2.5], "b": "3 days", "c": "none", "d": True, "e": float("nan"), "f": None}


def test_values_stay_what_they_are() -> None:
    found = traced(DATA, "made")
    assert {k: v for k, v in found.items() if k != "e"} == {k: DATA[k] for k in "abcdf"}
    assert [type(found[name]) for name in "cdef"] == [str, bool, float, type(None)]
    assert pickle.loads(pickle.dumps(found["a"][1])).path == "['a'][1]"


@pytest.mark.parametrize(
    ("value", "spec", "written"),
    [(2.5, ".2f", "2.50"), (0.5, ".0%", "50%"), (12345, ",", "12,345"), ("3 days", "", "3 days")],
)
def test_however_it_is_written_it_is_linked(value: Any, spec: str, written: str) -> None:
    text = f"so {traced(value, 'made', '[0]'):{spec}} it is"
    assert plain(text) == f"so {written} it is"
    told = "" if isinstance(value, str) else f' value="{value!r}"'
    tag = "span" if isinstance(value, str) else "data"
    element = f'<{tag}{told} data-from="made" data-version="v1" data-path="[0]">{written}</{tag}>'
    assert linked(text, {"made": "v1"}) == f"so {element} it is"


def test_what_is_computed_is_not_taken_for_what_was_read() -> None:
    one = traced(2.5, "made", "[0]")
    assert f"{one + 1} {abs(one)}" == "3.5 2.5"
    assert marked(4, "four") == "four"


def test_the_cells_of_a_table_know_their_row() -> None:
    table = pd.DataFrame({"x": [1, 2], "y": [0.5, np.nan], "z": ["a", "b1"], "w": [True, False]})
    found = traced(table, "made").sort_values("x", ascending=False)
    assert found["x"].iloc[0].path == ".at[1, 'x']"
    assert found["z"].iloc[0].path == ".at[1, 'z']"
    assert found["y"].isna().tolist() == [True, False]
    assert found["w"].dtype == bool
