"""What a model takes when it is used: measured warm, in this process."""

import copy
import io
import time
import tracemalloc
from typing import Any

import numpy as np
import pandas as pd

from preflight import model_file
from preflight.bundle import Bundle, predict
from preflight.framing import Framing


def latency_ms(bundle: Bundle, examples: pd.DataFrame, rows: int = 100, rounds: int = 3) -> float:
    """Return the 99th percentile of the milliseconds that one row takes.

    In one thread, as a service answers: for a row threads only wait for each other. Of the rounds
    the fastest, as other work on the machine is not the model's.
    """
    from threadpoolctl import threadpool_limits

    one_by_one = [examples.iloc[[i]] for i in range(min(rows, len(examples)))]
    with threadpool_limits(1):
        taken = [[seconds(bundle, row) for row in one_by_one] for _ in range(rounds)]
    return float(1000 * min(np.quantile(some, 0.99) for some in taken))


def seconds(bundle: Bundle, rows: pd.DataFrame) -> float:
    """Return how long the rows take in one batch."""
    began = time.perf_counter()
    predict(bundle, rows)
    return time.perf_counter() - began


def model_mb(bundle: Bundle) -> float:
    """Return the size of the model's file."""
    file = io.BytesIO()
    model_file.dump(bundle, file)
    return file.tell() / 1e6


def memory_mb(bundle: Bundle, rows: pd.DataFrame) -> float:
    """Return the memory that is taken, at the most, to hold the model and answer the rows."""
    tracemalloc.start()
    predict(copy.deepcopy(bundle), rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def limits(candidate: Bundle, examples: pd.DataFrame, framing: Framing) -> list[dict[str, Any]]:
    """Return each serving limit with what was measured on the candidate, warm, in this process.

    p99_ms: one row at a time. rows_per_second: in one batch. model_mb: of the saved file.
    memory_mb: at the most, to hold it and answer 1,000 rows. cost_per_1000: of predictions in
    batches, at the price of the machine.
    """
    batch = examples.sample(20_000, replace=True, random_state=0)
    per_second = len(batch) / min(seconds(candidate, batch) for _ in range(3))
    allowed = framing.serving
    price = allowed.machine_per_hour / 3600 / per_second * 1000
    return [
        _at_most("p99_ms", allowed.p99_ms, latency_ms(candidate, examples)),
        _at_least("rows_per_second", allowed.rows_per_second, per_second),
        _at_most("model_mb", allowed.model_mb, model_mb(candidate)),
        _at_most("memory_mb", allowed.memory_mb, memory_mb(candidate, batch.head(1000))),
        _at_most("cost_per_1000", allowed.cost_per_1000, price),
    ]


def over_http(measured: dict[str, Any], framing: Framing) -> list[dict[str, Any]]:
    """Return the limits of a service (see `service_limits`) with what was measured."""
    allowed = framing.serving
    came = 0.9 * allowed.requests_per_second  # a load generator never asks quite as often as told
    return [
        _at_least("requests_per_second over HTTP", came, measured["requests_per_second"]),
        _at_most("p99_ms over HTTP", allowed.p99_ms, measured["p99_ms"]),
        _at_least(
            "rows_per_second over HTTP", allowed.rows_per_second, measured["rows_per_second"]
        ),
        _at_most("requests failed over HTTP", 0, measured["failed"]),
    ]


def _at_most(name: str, limit: float, measured: float) -> dict[str, Any]:
    return {"name": name, "limit": limit, "measured": measured, "ok": bool(measured <= limit)}


def _at_least(name: str, limit: float, measured: float) -> dict[str, Any]:
    return {"name": name, "limit": limit, "measured": measured, "ok": bool(measured >= limit)}


def broken(limits: list[dict[str, Any]]) -> list[str]:
    """Return what is not within its limit, in words."""
    return [
        f"{one['name'].replace('_', ' ')} {one['measured']:.3g} (limit {one['limit']:g})"
        for one in limits
        if not one["ok"]
    ]
