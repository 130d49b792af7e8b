"""Runs on two workers of Dask: same bytes, also if a worker is killed; one message if all fails."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from preflight.partitions import Partitions

Kedro = Callable[..., subprocess.CompletedProcess[str]]
STAGES = "data_engineering,feature_engineering"
NODES = "src/late_flights/pipelines/feature_engineering/nodes.py"
LABELS = '    failed_at = flights["cancelled_at"]'  # a line of a function that each partition needs


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory, finished: Any, kedro: Kedro) -> Path:
    """A project with small data, cut into months."""
    where = Path(shutil.copytree(finished.project, tmp_path_factory.mktemp("cut") / "project"))
    for made in where.glob("data/0[3-8]*/*"):
        shutil.rmtree(made) if made.is_dir() else made.unlink()
    done = kedro(where, "partition", "--by", "month")
    assert done.returncode == 0, done.stderr
    return where


@pytest.fixture
def project(cut: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(cut, tmp_path / "project"))


@pytest.fixture(scope="module")
def expected(cut: Path, tmp_path_factory: pytest.TempPathFactory, kedro: Kedro) -> dict[str, bytes]:
    """The files of features that a run on this machine makes, a month at a time."""
    where = Path(shutil.copytree(cut, tmp_path_factory.mktemp("large") / "project"))
    done = kedro(where, "run", "--env", "large", "--pipelines", STAGES)
    assert done.returncode == 0, done.stderr
    return files(where)


def files(project: Path) -> dict[str, bytes]:
    (folder,) = project.glob("data/04_feature/features.parquet/*/features.parquet")
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def plant(project: Path, code: str) -> None:
    """Run a line in the function of the labels, for each partition."""
    path = project / NODES
    text = path.read_text()
    assert LABELS in text
    path.write_text(text.replace(LABELS, f"    {code}\n{LABELS}").replace(
        "import numpy as np", "import os\nfrom pathlib import Path\n\nimport numpy as np", 1
    ))  # fmt: skip


def failed_cleanly(project: Path, done: subprocess.CompletedProcess[str], message: str) -> None:
    printed = done.stdout + done.stderr
    assert done.returncode == 1
    assert message in " ".join(printed.split())
    assert "Traceback" not in printed
    assert not [*project.glob("data/04_feature/features.parquet/*/*")]
    assert not [*project.glob("data/unfinished/*")]


def test_two_workers_write_the_same_bytes(
    project: Path, expected: dict[str, bytes], kedro: Kedro
) -> None:
    done = kedro(project, "run", "--env", "dask", "--pipelines", STAGES)
    assert done.returncode == 0, done.stderr
    assert len(expected) > 1
    assert files(project) == expected


def test_the_work_of_a_killed_worker_is_done_again(
    project: Path, expected: dict[str, bytes], kedro: Kedro
) -> None:
    marker = project / "killed"
    plant(
        project, f"Path({str(marker)!r}).exists() or (Path({str(marker)!r}).touch(), os._exit(9))"
    )
    done = kedro(project, "run", "--env", "dask", "--pipelines", STAGES)
    assert done.returncode == 0, done.stderr
    assert marker.exists()
    assert files(project) == expected


def test_a_partition_that_kills_every_worker_is_named(project: Path, kedro: Kedro) -> None:
    plant(project, "flights['scheduled_departure'].dt.month.max() > 1 and os._exit(9)")
    done = kedro(project, "run", "--env", "dask", "--pipelines", STAGES)
    failed_cleanly(project, done, "Workers died again and again of features and labels 2013-0")


def test_an_address_without_a_scheduler_is_named(project: Path, kedro: Kedro) -> None:
    with_address(project, "tcp://127.0.0.1:9")
    done = kedro(project, "run", "--env", "dask", "--pipelines", STAGES)
    failed_cleanly(project, done, "No Dask scheduler answers at tcp://127.0.0.1:9.")


def test_a_scheduler_that_dies_midway_gives_one_message(
    project: Path, kedro: Kedro, scheduler: tuple[str, int]
) -> None:
    address, pid = scheduler
    with_address(project, address)
    plant(project, f"os.kill({pid}, 9)")
    done = kedro(project, "run", "--env", "dask", "--pipelines", STAGES)
    failed_cleanly(project, done, f"The Dask scheduler at {address} is gone, in the middle of feat")


def with_address(project: Path, address: str) -> None:
    conf = project / "conf/dask/catalog.yml"
    conf.write_text(conf.read_text().replace("address: null", f"address: {address}"))


@pytest.fixture
def scheduler(project: Path) -> Iterator[tuple[str, int]]:
    """A scheduler with a worker, in processes of their own: its address, and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    environment = {**os.environ, "PYTHONPATH": str(project / "src")}
    dask = [sys.executable, "-m", "distributed.cli"]
    options = {"cwd": project, "env": environment, "stderr": subprocess.DEVNULL}
    running: list[Any] = []
    for module, arguments in (
        ("dask_scheduler", ["--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]),
        ("dask_worker", [address, "--nthreads", "1", "--no-dashboard"]),
    ):
        command = [*dask[:2], f"distributed.cli.{module}", *arguments]
        running.append(subprocess.Popen(command, **options))  # type: ignore[call-overload]
        time.sleep(3)
    yield address, running[0].pid
    for process in running:
        process.send_signal(signal.SIGKILL)
        process.wait()


def test_trials_of_a_killed_worker_are_made_again(project: Path, kedro: Kedro) -> None:
    """A search on two workers gives the trials of a search on this machine."""
    asked = "modeling.search.trials=4,modeling.search.workers=2"
    stages = f"{STAGES},audit,modeling"
    here = kedro(project, "run", "--pipelines", stages, "--params", asked)
    assert here.returncode == 0, here.stderr
    (path,) = project.glob("data/06_models/trials.parquet/*/*.parquet")
    expected = pd.read_parquet(path)
    (project / "data/06_models/studies.db").unlink()
    marker = project / "killed"
    trials = project / "src/preflight/modeling/search.py"
    text = trials.read_text()
    line = "    return _on_worker[study](int(name), before)"
    assert line in text
    first = f"name == '1' and not os.path.exists({str(marker)!r})"
    kill = f"    if {first}:\n        open({str(marker)!r}, 'w')\n        os._exit(9)\n"
    trials.write_text(text.replace(line, kill + line))
    done = kedro(project, "run", "--env", "dask", "--pipelines", "modeling", "--params", asked)
    assert done.returncode == 0, done.stderr
    assert marker.exists()
    newest = sorted(project.glob("data/06_models/trials.parquet/*/*.parquet"))[-1]
    measured = [name for name in expected if name.startswith(("seconds", "fit_"))]
    pd.testing.assert_frame_equal(
        pd.read_parquet(newest).drop(columns=measured), expected.drop(columns=measured)
    )


def test_a_backfill_on_the_cluster_has_the_rows_of_one_here(project: Path, kedro: Kedro) -> None:
    asked = "inference.moment=2013-02-13T17:00:00Z,inference.until=2013-02-15T21:00:00Z"
    found = []
    for env in ("large", "dask"):
        kedro(project, "run", "--env", env, "--pipelines", "data_engineering")
        kedro(project, "run", "--env", env, "--pipelines", "inference", "--params", asked)
        newest = sorted(project.glob("data/04_feature/upcoming.parquet/*/*.parquet"))[-1]
        found.append(Partitions.at(newest, 1).read())
    assert len(found[0]) > 100
    pd.testing.assert_frame_equal(*found)
