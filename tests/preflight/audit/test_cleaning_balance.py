"""Rows that are lost or added without a count in the log of cleaning are found."""

from typing import Any

import pandas as pd
import pytest
from kedro.pipeline import Node, Pipeline

from preflight.audit.cleaning_balance import check_balance
from preflight.audit.findings import Finding


def keyed(*key: str) -> Any:
    """What the check asks of a contract."""
    return type("Contract", (), {"grain": staticmethod(lambda: list(key))})


def balance(
    rows: int,
    *log: tuple[str, str, int],
    raw: str = "raw_parcels",
    keys: tuple[Any, Any] = (keyed("parcel"), keyed("parcel")),
    more: dict[str, Any] | None = None,
) -> Finding:
    """The finding on so many clean parcels of a hundred raw ones."""
    others = more or {}
    graph = Pipeline([Node(lambda *raws: raws[0], [raw, *others], "parcels", name="clean")])
    tables = {raw: pd.DataFrame({"n": range(100)}), "parcels": pd.DataFrame({"n": range(rows)})}
    contracts = {raw: keys[0], "parcels": keys[1], **others}
    tables |= {name: pd.DataFrame({"n": range(7)}) for name in others}
    cleaning = pd.DataFrame(log, columns=["table", "action", "rows"])
    (found,) = check_balance(cleaning, tables, contracts, graph)
    return found


COUNTED = ("parcels", "excluded", 3), ("parcels", "kept", 50), ("places", "excluded", 9)


@pytest.mark.parametrize(
    ("rows", "log"),
    [
        (100, ()),
        (97, COUNTED),
        (94, (*COUNTED, ("parcels", "excluded", 3))),
        (99, (*COUNTED, ("parcels", "added", 2))),
    ],
)
def test_rows_that_are_counted_pass(rows: int, log: Any) -> None:
    found = balance(rows, *log)
    assert (found["check"], found["state"]) == ("rows of parcels", "passed")
    assert f"are the {rows} rows of 'parcels'" in found["evidence"]


@pytest.mark.parametrize(("rows", "log"), [(99, ()), (96, COUNTED), (98, COUNTED), (3, ())])
def test_rows_that_are_not_counted_are_found(rows: int, log: Any) -> None:
    found = balance(rows, *log)
    assert (found["check"], found["state"]) == ("rows of parcels", "failed")
    left = 100 - sum(row[2] for row in log[:1])
    assert f"by the log of cleaning, are {left}, but 'parcels' has {rows} rows" in found["evidence"]
    assert 'once, as "excluded"' in found["evidence"]


def test_another_key_may_be_the_same_rows_or_another_grain() -> None:
    renamed = keyed("number"), keyed("parcel")
    assert balance(100, keys=renamed)["state"] == "passed"
    assert balance(99, keys=renamed)["state"] == "failed"
    found = balance(24, keys=renamed)
    assert (found["check"], found["state"]) == ("untested: rows of parcels", "untested")
    assert "100 rows of raw_parcels became 24 rows of 'parcels'" in found["evidence"]


def test_the_raw_table_is_that_of_the_name_of_the_key_or_the_only_one() -> None:
    places = {"raw_places": keyed("place")}
    for found in (
        balance(99, more=places),
        balance(99, raw="shipments", more=places),
        balance(99, raw="shipments", keys=(keyed("number"), keyed("parcel"))),
    ):
        assert (found["check"], found["state"]) == ("rows of parcels", "failed")
    two = balance(99, raw="shipments", keys=(keyed("number"), keyed("parcel")), more=places)
    assert two["state"] == "untested"
    assert two["evidence"].endswith("call it raw_parcels")
