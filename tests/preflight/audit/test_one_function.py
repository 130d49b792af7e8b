"""The replay of one feature function: planted leaks are named, and their clean twins pass."""

import logging
from collections.abc import Callable

import pandas as pd
import pytest

from preflight.audit.one_function import COLUMNS, find_leaks
from preflight.contracts.table import Table, Utc, column
from preflight.errors import RunError
from preflight.features.windows import Events, codes

DAY = pd.Timedelta(days=1)
Feature = Callable[[pd.DataFrame], object]


class Orders(Table, key=["order"], known_at="in advance", event_time="due_at"):
    """One row per order."""

    order: int = column("number")
    due_at: Utc = column("time of the prediction", "UTC")
    size: float = column("items")
    paid_at: Utc = column("time of the payment", "UTC", known_at="paid_at")
    paid: float = column("amount", "USD", known_at="paid_at")


class Undated(Table, key=["order"]):
    """Orders of which nobody knows when they became known."""

    order: int = column("number")


@pytest.fixture
def orders() -> pd.DataFrame:
    due = pd.Series(pd.date_range("2024-05-01", periods=200, freq="6h", tz="UTC", unit="us"))
    paid_at = (due + 3 * DAY).dt.as_unit("us")
    return pd.DataFrame(
        {"order": range(200), "due_at": due, "size": due.dt.day % 7.0, "paid_at": paid_at}
    ).assign(paid=20.0 + due.dt.day)


def with_feature(feature: Feature) -> Callable[..., pd.DataFrame]:
    def build(orders: pd.DataFrame) -> pd.DataFrame:
        honest = orders[["order", "size"]].assign(predict_at=orders["due_at"])
        return honest.assign(extra=feature(orders))

    return build


def paid_before(orders: pd.DataFrame) -> object:
    key = codes(orders["size"])
    return (
        Events(orders["paid_at"], paid=orders["paid"])
        .by(key)
        .at(key, orders["due_at"])
        .mean("paid", 28 * DAY)
    )


LEAKS: list[tuple[Feature, str, str]] = [
    (lambda orders: orders["paid"], "known_at", "orders.paid"),
    (lambda orders: orders["size"] / orders["size"].max(), "look_ahead", ""),
    (lambda orders: range(len(orders)), "row_order", ""),
]


def test_an_honest_function_has_no_leak(orders: pd.DataFrame) -> None:
    found = find_leaks(with_feature(paid_before), {"orders": orders}, {"orders": Orders}, ["order"])
    assert found.empty
    assert [*found] == COLUMNS


@pytest.mark.parametrize(("feature", "check", "columns"), LEAKS)
def test_a_leak_is_named_with_its_check_and_column(
    orders: pd.DataFrame, feature: Feature, check: str, columns: str
) -> None:
    moments = [orders["due_at"][1], orders["due_at"][100]]
    found = find_leaks(
        with_feature(feature),
        {"orders": orders},
        {"orders": Orders},
        ["order"],
        moments=moments,
        look_ahead="1D",
    )
    (leak,) = found.to_dict("records")
    assert leak["feature"] == "extra"
    assert leak["moment"] in moments
    assert check in leak["checks"].split(", ")
    assert leak["columns"] == columns
    assert leak["example"].startswith("order ")
    assert leak["from_all"] != leak["as_of"]


def test_a_table_without_known_at_is_refused(orders: pd.DataFrame) -> None:
    with pytest.raises(RunError, match="no contract says when rows became known"):
        find_leaks(with_feature(paid_before), {"orders": orders}, {"orders": Undated}, ["order"])


def test_features_without_their_moment_are_refused(orders: pd.DataFrame) -> None:
    with pytest.raises(RunError, match="lack the columns predict_at"):
        find_leaks(
            lambda orders: orders[["order"]], {"orders": orders}, {"orders": Orders}, ["order"]
        )


def test_nothing_is_logged_of_each_run(
    orders: pd.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    logger = logging.getLogger("kedro")
    with caplog.at_level(logging.INFO, "kedro"):
        find_leaks(with_feature(paid_before), {"orders": orders}, {"orders": Orders}, ["order"])
        assert logger.level == logging.INFO
    assert caplog.messages == []
