"""What a model takes: the same size and memory everywhere, and speed only on a quiet machine."""

import time
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier

from preflight.evaluation.contracts import Limit
from preflight.modeling import resources as limits
from preflight.modeling.model import Bundle
from preflight.modeling.resources import (
    _seconds,
    compare,
    is_speed,
    machine_load,
    measure_limits,
    measure_when_quiet,
    violations,
)
from preflight.problem.framing import Framing
from preflight.problem.sections import Serving

QUIET = {"model_mb": 1.0, "memory_mb": 5.0, "p99_ms": 6.0, "rows_per_second": 900.0}
LOADS = {"p99_load": 1.0, "rows_load": 1.0}


class Slow(DummyClassifier):
    """It waits, as a model does whose work is elsewhere."""

    def predict_proba(self, X: pd.DataFrame) -> Any:
        time.sleep(0.005)
        return super().predict_proba(X)


def allowed(framing: Framing) -> Serving:
    assert framing.serving is not None
    return framing.serving


def bundle_of(framing: Framing, estimator: Any) -> Bundle:
    X = pd.DataFrame({"a": [0.0, 1.0]})
    return {
        "estimator": estimator.fit(X, [0, 1]),
        "slope": 1.0,
        "intercept": 0.0,
        "threshold": 0.5,
        "features": ["a"],
        "provenance": {"framing": framing.model_dump(mode="json", include={"task", "costs"})},
    }


@pytest.fixture
def rows() -> pd.DataFrame:
    return pd.DataFrame({"a": np.linspace(0, 1, 40)})


def test_what_a_model_takes_is_measured_in_a_process_of_its_own(
    framing: Framing, rows: pd.DataFrame
) -> None:
    bundle = bundle_of(framing, DummyClassifier())
    found, again = (measure_limits(bundle, rows, framing) for _ in range(2))
    for one in found:
        Limit.model_validate(one)
    names = ["model_mb", "memory_mb", "p99_ms", "rows_per_second", "cost_per_1000"]
    assert [one["name"] for one in found] == names
    assert found[:2] == again[:2]  # size and memory, to the last digit
    assert [is_speed(one) for one in found] == [False, False, True, True, True]


def test_a_slow_model_is_slow(framing: Framing, rows: pd.DataFrame) -> None:
    taken = measure_when_quiet(
        lambda: _seconds(bundle_of(framing, Slow()), rows), load=lambda _: 1.0
    )
    assert taken[0] is not None
    assert taken[0] >= 0.005


@pytest.mark.parametrize(
    ("loads", "values", "expected"),
    [
        ([1.0, 1.0, 1.1, 1.0], [3.0, 2.0, 4.0], (2.0, 1.0)),  # three quiet rounds are enough
        ([1.0, 3.0, 1.0, 1.0, *[9.0] * 7], [9.0, 9.0, 5.0, *[1.0] * 7], (5.0, 1.0)),
        ([2.5] * 10, [1.0] * 9, (None, 2.5)),  # never quiet: not measured
    ],
)
def test_only_rounds_count_before_and_after_which_the_machine_was_quiet(
    loads: list[float], values: list[float], expected: tuple[float | None, float]
) -> None:
    seen, made = iter(loads), iter(values)
    assert measure_when_quiet(lambda: next(made), 1, lambda _: next(seen)) == expected


def test_the_load_of_the_machine_is_by_how_much_a_calculation_has_to_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = {"wall": 0.0, "cpu": 0.0}

    class Time:
        @staticmethod
        def thread_time() -> float:
            clock["cpu"] += 0.01
            clock["wall"] += 0.025
            return clock["cpu"]

        @staticmethod
        def perf_counter() -> float:
            return clock["wall"]

    monkeypatch.setattr(limits, "time", Time)
    assert machine_load() == pytest.approx(2.5, rel=0.2)


@pytest.mark.parametrize(
    ("name", "value", "broken"),
    [
        ("model_mb", 11.0, ["model mb", "11", "limit 10"]),
        ("memory_mb", 101.0, ["memory mb", "101", "limit 100"]),
        ("p99_ms", 40.5, ["p99 ms", "40.5", "limit 40"]),
        ("rows_per_second", 9.0, ["rows per second", "9", "limit 10"]),
        ("rows_per_second", 0.1, ["cost per 1000", "€2.78", "limit €1"]),
    ],
)
def test_a_limit_that_is_exceeded_is_named(
    framing: Framing, name: str, value: float, broken: list[str]
) -> None:
    taken: Any = QUIET | LOADS
    assert violations(compare(taken, allowed(framing)), "EUR") == []
    found = violations(compare(taken | {name: value}, allowed(framing)), "EUR")
    assert any(all(word in message for word in broken) for message in found)


def test_what_was_not_measured_is_neither_kept_nor_exceeded(framing: Framing) -> None:
    busy: Any = QUIET | {"p99_ms": None, "p99_load": 1.8, "rows_per_second": None, "rows_load": 2.6}
    found = {one["name"]: one for one in compare(busy, allowed(framing))}
    assert [name for name, one in found.items() if one["ok"] is None] == [
        "p99_ms",
        "rows_per_second",
        "cost_per_1000",
    ]
    (message,) = violations([*found.values()], "EUR")
    for word in ("p99 ms, rows per second, cost per 1000", "not measured", "load 2.6"):
        assert word in message
