"""Work on a Dask cluster: the same function for many partitions, in the order of their names."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

from preflight.errors import RunError

log = logging.getLogger(__name__)
CONF = "conf/dask/catalog.yml"
WAIT = "20s"  # for a scheduler to answer


class Cluster(NamedTuple):
    """A Dask cluster: the address of its scheduler, or workers to start on this machine."""

    address: str | None
    workers: int
    memory: str

    def map(self, function: Callable[[str], Any], names: list[str], what: str) -> list[Any]:
        """Return the results of a function of each name, in the order of names.

        The work of a lost worker is done again by another one.

        Raises:
            RunError: the function raised it, the scheduler is lost, or workers die of a partition.
        """
        client = _connect(self)
        with _explained(self, what):
            futures = client.map(
                function, names, key=[f"{what}: {name}" for name in names], pure=False
            )
            try:
                return client.gather(futures)
            finally:
                client.cancel(futures)


@cache  # the stages of a run share it; it is closed with the process
def _connect(cluster: Cluster) -> Any:
    """Return a client of the scheduler."""
    try:
        from distributed import Client, LocalCluster

        client_of: Any = Client
        start: Any = LocalCluster
    except ImportError as error:
        raise RunError(
            "Dask is not installed: pip install 'distributed', or install the extra `cluster`."
        ) from error
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
            f"Workers died again and again while they built {error.task}. Most likely this "
            f"partition needs more memory than a worker has ({cluster.memory} each in {CONF}). Cut "
            "the raw tables into shorter periods (kedro partition --by month), or give workers "
            "more memory."
        ) from error
    except (FutureCancelledError, CommClosedError, TimeoutError) as error:
        _connect.cache_clear()
        raise RunError(
            f"The Dask scheduler at {cluster.address or 'this machine'} is gone, in the middle of "
            f"{what}. Nothing of it was saved. Start the scheduler, and run the stage again."
        ) from error
