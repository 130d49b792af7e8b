"""A cluster: what is said if it is not there. Work on one is tested by the slow tests."""

import logging
import sys
from collections.abc import Iterator
from functools import cache, partial
from types import SimpleNamespace
from typing import Any

import pytest

from preflight import cluster as module
from preflight.cluster import Cluster, ClusterDataset
from preflight.errors import RunError


@pytest.fixture(autouse=True)
def forget(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    names = ("distributed", "distributed.client", "tornado", "asyncio")
    loggers = [logging.getLogger(name) for name in names]
    levels = [one.level for one in loggers]
    monkeypatch.setenv("DASK_LOGGING__DISTRIBUTED", "error")
    module._connect.cache_clear()
    yield
    module._connect.cache_clear()
    for one, level in zip(loggers, levels, strict=True):
        one.setLevel(level)


class FakeClient:
    """Does the work here, or fails as Dask does."""

    error: Exception | None = None
    cancelled = 0

    def map(self, function: Any, names: list[str], key: list[str], **_: Any) -> Any:
        return [
            SimpleNamespace(key=one, result=partial(self.work, function, name))
            for one, name in zip(key, names, strict=True)
        ]

    def work(self, function: Any, name: str) -> Any:
        if self.error:
            raise self.error
        return function(name)

    def gather(self, futures: Any) -> list[Any]:
        return [future.result() for future in futures]

    def cancel(self, futures: Any) -> None:
        self.cancelled += len(futures)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    import distributed.client

    fake = FakeClient()
    monkeypatch.setattr(distributed.client, "as_completed", lambda futures: list(futures)[::-1])
    monkeypatch.setattr(module, "_connect", cache(lambda cluster: fake))
    return fake


def test_none_is_the_default_and_an_address_is_enough() -> None:
    assert ClusterDataset().load() is None
    assert ClusterDataset(workers=2).load() == Cluster(None, 2, "3GB")
    assert ClusterDataset(address="tcp://h:1").load() == Cluster("tcp://h:1", 0, "3GB")


def test_results_come_in_the_order_of_names(client: FakeClient) -> None:
    found = Cluster(None, 2, "1GB").map(lambda name, more: name + more, ["b", "a"], "it", "!")
    assert found == ["b!", "a!"]
    assert client.cancelled == 0


def test_an_error_of_the_work_is_raised_as_it_is_and_the_rest_is_cancelled(
    client: FakeClient,
) -> None:
    client.error = RunError("Partition '2013' ...")
    with pytest.raises(RunError, match="Partition '2013'"):
        Cluster(None, 2, "1GB").map(str, ["a", "b"], "it")
    assert client.cancelled == 2


def test_a_partition_that_kills_its_workers_is_named(client: FakeClient) -> None:
    from distributed import KilledWorker

    client.error = KilledWorker("features 2013-02 1a2b3c4d", None, 4)
    with pytest.raises(RunError, match=r"of features 2013-02\. Most likely .* worker has \(1GB"):
        Cluster(None, 2, "1GB").map(str, ["a"], "it")


def test_a_scheduler_that_is_gone_gives_one_message(client: FakeClient) -> None:
    from distributed.client import FutureCancelledError
    from distributed.comm import CommClosedError

    for error in (FutureCancelledError("k", "lost"), CommClosedError("gone"), TimeoutError()):
        client.error = error
        with pytest.raises(RunError, match="scheduler at tcp://h:1 is gone, in the middle of it"):
            Cluster("tcp://h:1", 0, "").map(str, ["a"], "it")


def test_another_environment_is_named(client: FakeClient) -> None:
    client.error = RuntimeError("Error during deserialization of the task graph. This frequently")
    with pytest.raises(RunError, match="need the packages of the same lock file and the code"):
        Cluster("tcp://h:1", 0, "").map(str, ["a"], "it")
    client.error = RuntimeError("a bug")
    with pytest.raises(RuntimeError, match="a bug"):
        Cluster("tcp://h:1", 0, "").map(str, ["a"], "it")


def test_an_address_that_nobody_answers_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT", "1s")
    with pytest.raises(RunError, match=r"answers at tcp://127.0.0.1:9\..*conf/dask/catalog.yml"):
        Cluster("tcp://127.0.0.1:9", 0, "1GB").map(str, ["a"], "it")


def test_without_dask_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(RunError, match="extra `cluster`"):
        Cluster(None, 2, "1GB").map(str, ["a"], "it")
