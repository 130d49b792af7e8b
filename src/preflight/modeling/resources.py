"""Latency, throughput, size and memory of a model, against the serving limits of the framing.

Size and memory are the same on every machine, so the verdict uses them. Speed depends on the
machine and on what else runs there: it is measured only while a fixed calculation shows that the
machine is quiet, and deployment enforces it, never the verdict.
"""

import copy
import hashlib
import io
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypedDict

import numpy as np
import pandas as pd

from preflight.modeling.model import Bundle, predict
from preflight.modeling.skops_file import dump
from preflight.problem.framing import Framing
from preflight.problem.money import format_money
from preflight.problem.sections import Serving
from preflight.processes import new_process

BUSY = 1.2  # a load above it: other work takes a sixth of the time, and distorts what is measured
ROUNDS, ATTEMPTS = 3, 9  # quiet rounds that are enough; rounds until the machine counts as busy
BATCH_ROWS = 20_000
PRICE = "cost_per_1000"  # of predictions: the limit that is an amount of money

Limit = dict[str, Any]  # name, limit, measured, ok, load


class Measured(TypedDict):
    """Resources of a model; None: the machine was busy. Loads are those of the quietest round."""

    model_mb: float
    memory_mb: float
    p99_ms: float | None
    p99_load: float
    rows_per_second: float | None
    rows_load: float


def machine_load(threads: int = 1) -> float:
    """Return how many times its CPU time a fixed calculation takes: 1 on a quiet machine.

    threads: cores that have to be free. Of several threads the one that waits most counts.
    """

    def ratio(_: int) -> float:
        began, used = time.perf_counter(), time.thread_time()
        while time.thread_time() - used < 0.05:
            hashlib.sha256(block)  # lets other threads run meanwhile
        return (time.perf_counter() - began) / (time.thread_time() - used)

    block = bytes(2**20)
    with ThreadPoolExecutor(threads) as pool:
        return max(pool.map(ratio, range(threads)))


def measure_when_quiet(
    measure: Callable[[], float], threads: int = 1, load: Callable[[int], float] = machine_load
) -> tuple[float | None, float]:
    """Return the least of some quiet rounds, None if the machine is busy; and the least load.

    A round is quiet if the machine was, before and after it.
    """
    quiet: list[float] = []
    least, before = float("inf"), load(threads)
    for _ in range(ATTEMPTS):
        value, after = measure(), load(threads)
        around, before = max(before, after), after
        least = min(least, around)
        if around <= BUSY:
            quiet.append(value)
        if len(quiet) == ROUNDS:
            break
    return min(quiet, default=None), least


def measure(bundle: Bundle, rows: pd.DataFrame, batch: pd.DataFrame) -> Measured:
    """Return the resources of a warm model, in this process, which must do nothing else.

    p99_ms: milliseconds of one row, the 99th percentile of `rows`, in one thread as a service
    answers. rows_per_second: of `batch` at once, with all cores. model_mb: of the saved file.
    memory_mb: at the most, to hold the model and answer 1,000 rows.
    """
    from joblib import cpu_count  # knows what a container may use
    from threadpoolctl import threadpool_limits

    one_by_one = [rows.iloc[[i]] for i in range(len(rows))]
    predict(bundle, batch.head(1000))  # what is imported late is not the model's memory
    tracemalloc.start()
    predict(copy.deepcopy(bundle), batch.head(1000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    with threadpool_limits(1):
        p99, p99_load = measure_when_quiet(
            lambda: float(1000 * np.quantile([_seconds(bundle, row) for row in one_by_one], 0.99))
        )
    seconds, rows_load = measure_when_quiet(lambda: _seconds(bundle, batch), cpu_count())
    return {
        "model_mb": model_mb(bundle),
        "memory_mb": round(peak / 1e6, 1),  # the last bytes are the interpreter's
        "p99_ms": p99,
        "p99_load": p99_load,
        "rows_per_second": None if seconds is None else len(batch) / seconds,
        "rows_load": rows_load,
    }


def _seconds(bundle: Bundle, rows: pd.DataFrame) -> float:
    began = time.perf_counter()
    predict(bundle, rows)
    return time.perf_counter() - began


def model_mb(bundle: Bundle) -> float:
    """Return the size of the model's file."""
    file = io.BytesIO()
    dump(bundle, file)
    return file.tell() / 1e6


def measure_limits(candidate: Bundle, examples: pd.DataFrame, framing: Framing) -> list[Limit]:
    """Return each serving limit with what was measured on the candidate, in a separate process.

    Other nodes that run at the same time in this process do not count. Without `framing.serving`
    there are no limits, and nothing is measured.
    """
    if framing.serving is None:
        return []
    rows, batch = examples.head(100), examples.sample(BATCH_ROWS, replace=True, random_state=0)
    with new_process() as process:
        return compare(process.submit(measure, candidate, rows, batch).result(), framing.serving)


def compare(measured: Measured, allowed: Serving) -> list[Limit]:
    """Return each serving limit with what was measured, and whether it holds; None: not known."""
    per_second = measured["rows_per_second"]
    price = per_second and allowed.machine_per_hour / 3600 / per_second * 1000
    rows_load = measured["rows_load"]
    return [
        _limit("model_mb", allowed.model_mb, measured["model_mb"]),
        _limit("memory_mb", allowed.memory_mb, measured["memory_mb"]),
        _limit("p99_ms", allowed.p99_ms, measured["p99_ms"], measured["p99_load"]),
        _limit("rows_per_second", allowed.rows_per_second, per_second, rows_load),
        _limit(PRICE, allowed.cost_per_1000, price, rows_load),
    ]


def over_http(measured: dict[str, Any], framing: Framing) -> list[Limit]:
    """Return the limits of a service (see `service_limits`) with what was measured."""
    if framing.serving is None:
        return []
    allowed, load = framing.serving, measured["load"]
    sent = 0.9 * allowed.requests_per_second  # a load generator never sends as many as it should
    found = measured if load <= BUSY else dict.fromkeys(measured)
    rows = allowed.rows_per_second
    return [
        _limit("requests_per_second over HTTP", sent, found["requests_per_second"], load),
        _limit("p99_ms over HTTP", allowed.p99_ms, found["p99_ms"], load),
        _limit("rows_per_second over HTTP", rows, found["rows_per_second"], load),
        _limit("requests failed over HTTP", 0, measured["failed"]),
    ]


def _limit(name: str, limit: float, measured: float | None, load: float | None = None) -> Limit:
    """Return whether a rate reaches its limit, or whether anything else does not exceed it."""
    ok = None
    if measured is not None:
        ok = bool(measured >= limit if "per_second" in name else measured <= limit)
    return {"name": name, "limit": limit, "measured": measured, "ok": ok, "load": load}


def is_speed(limit: Limit) -> bool:
    """Return whether a limit depends on the machine: deployment enforces it, not the verdict."""
    return limit["load"] is not None


def violations(limits: list[Limit], unit: str) -> list[str]:
    """Return a message for each limit that is exceeded, and one for those not measured.

    unit: the currency of the costs.
    """
    messages, unknown, loads = [], [], []
    for one in limits:
        name, measured, limit = one["name"].replace("_", " "), one["measured"], one["limit"]
        if one["ok"] is None:
            unknown.append(name)
            loads.append(one["load"])
        elif not one["ok"] and one["name"] == PRICE:
            costs, most = (format_money(amount, unit) for amount in (measured, limit))
            messages.append(f"{name} {costs} (limit {most})")
        elif not one["ok"]:
            messages.append(f"{name} {measured:.3g} (limit {limit:g})")
    if unknown:
        busy = f"the machine was busy (load {max(loads):.2g}, quiet is 1)"
        messages.append(f"{', '.join(unknown)} not measured: {busy}")
    return messages
