"""What a model takes when it is used: measured warm, in this process."""

import copy
import io
import time
import tracemalloc

import numpy as np
import pandas as pd

from preflight import model_file
from preflight.bundle import Bundle, probability


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
    probability(bundle, rows)
    return time.perf_counter() - began


def model_mb(bundle: Bundle) -> float:
    """Return the size of the model's file."""
    file = io.BytesIO()
    model_file.dump(bundle, file)
    return file.tell() / 1e6


def memory_mb(bundle: Bundle, rows: pd.DataFrame) -> float:
    """Return the memory that is taken, at the most, to hold the model and answer the rows."""
    tracemalloc.start()
    probability(copy.deepcopy(bundle), rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6
