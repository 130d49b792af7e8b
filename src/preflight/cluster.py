"""Work on a Dask cluster: one function of many names, such as those of partitions or trials."""

import logging
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from typing import Any, NamedTuple
from uuid import uuid4

from preflight.datasets import ReadOnlyDataset
from preflight.errors import RunError
from preflight.progress import report_progress

CONF = "conf/dask/catalog.yml"
WAIT = "20s"  # for a scheduler to answer


class Cluster(NamedTuple):
    """A Dask cluster: the address of its scheduler, or workers to start on this machine."""

    address: str | None
    workers: int
    memory: str

    def map(
        self, function: Callable[..., Any], names: Sequence[str], what: str, *shared: Any
    ) -> list[Any]:
        """Return `function(name, *shared)` of each name, in the order of names.

        The work of a lost worker is done again by another one.

        Args:
            function: can be pickled.
            names: each once.
            what: is made, for messages.
            shared: is sent with each name.

        Raises:
            RunError: the function raised it, the scheduler is lost, or workers die of the work.
        """
        client = _connect(self)
        from distributed.client import as_completed

        as_done: Any = as_completed
        with _explained(self, what):
            keys = [f"{what} {name} {uuid4().hex[:8]}" for name in names]
            # with each task, and not as data of the workers: these may die all together
            work = partial(_quietly, function, shared)
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Sending large graph")
                futures = client.map(work, names, key=keys, pure=False)
            try:
                for number, future in enumerate(as_done(futures), start=1):
                    future.result()  # raises what the function raised
                    line = f"{future.key.rpartition(' ')[0]}, {number} of {len(names)}"
                    report_progress(number, len(names), what, line)
                return client.gather(futures)
            except BaseException:
                client.cancel(futures)
                raise


class ClusterDataset(ReadOnlyDataset):
    """The cluster that does the work of a run, or None.

    Args:
        address: of a Dask scheduler, such as "tcp://10.0.0.5:8786".
        workers: number of processes to start on this machine, if there is no address; 0: none, and
            the run does the work itself.
        memory: limit of each of these, such as "3GB".
    """

    def __init__(self, workers: int = 0, memory: str = "3GB", address: str | None = None) -> None:
        super().__init__(address or f"{workers} workers on this machine")
        self._cluster = Cluster(address, workers, memory) if address or workers else None

    def load(self) -> Cluster | None:
        """Return where it is; nothing is started."""
        return self._cluster


def _silence() -> None:
    """Let Dask log nothing: what matters is raised."""
    for name in ("distributed", "distributed.client", "tornado", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _quietly(function: Callable[..., Any], shared: tuple[Any, ...], name: str) -> Any:
    _silence()  # in the worker: importing Kedro there has set its own levels
    return function(name, *shared)


@cache  # the stages of a run share it; it is closed with the process
def _connect(cluster: Cluster) -> Any:
    """Return a client of the scheduler."""
    # inherited by workers that are started here
    os.environ.setdefault("DASK_LOGGING__DISTRIBUTED", "critical")
    try:
        from distributed import Client, LocalCluster

        client_of: Any = Client
        start: Any = LocalCluster
    except ImportError as error:
        raise RunError(
            "Dask is not installed: pip install 'distributed', or install the extra `cluster`."
        ) from error
    _silence()
    if cluster.address is None:
        # a thread each: pandas holds the lock of Python most of the time
        local: Any = start(
            n_workers=cluster.workers,
            threads_per_worker=1,
            memory_limit=cluster.memory,
            dashboard_address=None,
        )
        return client_of(local)
    try:
        client = client_of(cluster.address, timeout=WAIT)
    except (OSError, ValueError) as error:
        raise RunError(
            f"No Dask scheduler answers at {cluster.address}. Start one (dask scheduler), or "
            f"correct `cluster.address` in {CONF}: null starts workers on this machine."
        ) from error
    if not client.scheduler_info()["workers"]:
        raise RunError(
            f"The Dask scheduler at {cluster.address} has no workers. Start some: "
            f"dask worker {cluster.address} --nthreads 1"
        )
    return client


@contextmanager
def _explained(cluster: Cluster, what: str) -> Iterator[None]:
    """Turn errors of Dask into messages."""
    from distributed import KilledWorker
    from distributed.client import FutureCancelledError
    from distributed.comm.core import CommClosedError

    try:
        yield
    except KilledWorker as error:
        raise RunError(
            f"Workers died again and again of {str(error.task).rpartition(' ')[0]}. Most likely it "
            f"needs more memory than a worker has ({cluster.memory} each in {CONF}). Cut the raw "
            "tables into shorter periods (kedro partition --by month), search among smaller "
            "models, or give workers more memory."
        ) from error
    except RuntimeError as error:
        if "deserialization" not in str(error):
            raise
        raise RunError(
            f"The Dask scheduler at {cluster.address} can't read {what}. It and its workers need "
            "the packages of the same lock file and the code of the project: install its wheel "
            "there, or set PYTHONPATH to its src (docs/scale.md)."
        ) from error
    except (FutureCancelledError, CommClosedError, TimeoutError) as error:
        _connect.cache_clear()
        raise RunError(
            f"The Dask scheduler at {cluster.address or 'this machine'} is gone, in the middle of "
            f"{what}. Nothing half-made was saved. Start the scheduler, and run the stage again."
        ) from error
