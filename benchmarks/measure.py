"""What the benchmarks share: clocks, fresh processes, runs on a copy of the project, tables.

CPU seconds are of all threads of the process: on a shared machine they vary less than the wall's.
"""

import argparse
import contextlib
import multiprocessing
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks import PROJECT

Key = tuple[str, ...]
PREPARE = ["data_engineering", "feature_engineering", "audit"]  # what modeling reads
WITHOUT_SEARCH = "modeling.search.trials=0"


class Clocks:
    """CPU and wall seconds by key; what a nested call takes is not counted for the outer one."""

    def __init__(self) -> None:
        self.cpu: Counter[Key] = Counter()
        self.wall: Counter[Key] = Counter()
        self.calls: Counter[Key] = Counter()
        self._inner = [(0.0, 0.0)]

    @contextlib.contextmanager
    def time(self, *key: str) -> Iterator[None]:
        """Count what happens inside for `key`."""
        self._inner.append((0.0, 0.0))
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            inner_wall, inner_cpu = self._inner.pop()
            self.wall[key] += wall - inner_wall
            self.cpu[key] += cpu - inner_cpu
            self.calls[key] += 1
            outer_wall, outer_cpu = self._inner[-1]
            self._inner[-1] = (outer_wall + wall, outer_cpu + cpu)

    @contextlib.contextmanager
    def patch(self, owner: type, method: str, key: Callable[..., Key]) -> Iterator[None]:
        """Count each call of a class's method for `key(*its positional arguments)`."""
        original = getattr(owner, method)

        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.time(*key(*args)):
                return original(*args, **kwargs)

        setattr(owner, method, timed)
        try:
            yield
        finally:
            setattr(owner, method, original)


def fresh(function: Callable[..., Any], *args: Any) -> Any:
    """Return what `function(*args)` returns in a new process."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *args).result()


def one_thread() -> None:
    """Let new processes compute in one thread: those that wait for others burn CPU seconds."""
    for library in ("OMP", "OPENBLAS", "MKL"):
        os.environ[f"{library}_NUM_THREADS"] = "1"


def peak_mb() -> float:
    """Return the most memory that this process had so far, in MB."""
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes / (1024 * 1024 if sys.platform == "darwin" else 1024)


@contextlib.contextmanager
def project_copy(every: int = 1) -> Iterator[Path]:
    """Yield a copy of the project to run in, with each `every`-th flight; it is removed at last."""
    import pandas as pd

    from preflight.runs.raw_files import accept

    with tempfile.TemporaryDirectory(prefix="preflight-") as folder:
        project = Path(folder)
        for name in ("conf", "src", "data/01_raw"):
            ignored = shutil.ignore_patterns("local", "__pycache__")  # what is the user's own
            shutil.copytree(PROJECT / name, project / name, ignore=ignored)
        (project / "conf/local").mkdir()
        for name in ("pyproject.toml", ".telemetry"):
            shutil.copy(PROJECT / name, project / name)
        if every > 1:
            raw = project / "data/01_raw/flights.csv.zip"
            pd.read_csv(raw).iloc[::every].to_csv(raw, index=False)
            accept(raw.parent)
        yield project


def nested(settings: Iterable[str]) -> dict[str, Any]:
    """Return `a.b=1` as {"a": {"b": 1}}, as `kedro run --params` does."""
    from omegaconf import OmegaConf

    return dict(OmegaConf.to_container(OmegaConf.from_dotlist(list(settings))))


def kedro_run(
    project: Path, clocks: Clocks, params: Sequence[str], pipelines: Sequence[str] | None = None
) -> None:
    """Run pipelines in this process, and count nodes, loads, saves and contracts by name."""
    from kedro.framework.session import KedroSession
    from kedro.framework.startup import bootstrap_project
    from kedro.io import DataCatalog
    from kedro.pipeline.node import Node

    bootstrap_project(project)
    runs = KedroSession.create(project_path=project, runtime_params=nested(params))
    with (
        contextlib.chdir(project),
        runs as session,
        clocks.patch(Node, "run", lambda node, *args: ("node", node.namespace or "", node.name)),
        clocks.patch(DataCatalog, "load", lambda _, name, *args: ("load", name)),
        clocks.patch(DataCatalog, "save", lambda _, name, *args: ("save", name)),
        clocks.patch(DataCatalog, "_validate", lambda _, name, *args: ("contract", name)),
        clocks.time("rest"),
    ):
        session.run(pipeline_names=list(pipelines) if pipelines else None)


def given(every: int) -> tuple[Any, Any, dict[str, Any]]:
    """Return train, validation and the parameters."""
    import pandas as pd
    from kedro.config import OmegaConfigLoader

    with project_copy(every) as project:
        kedro_run(project, Clocks(), [], PREPARE)
        read = (next(project.glob(f"data/*/{n}.parquet/*/*")) for n in ("train", "validation"))
        train, validation = map(pd.read_parquet, read)
        loader = OmegaConfigLoader(str(project / "conf"), base_env="base", default_run_env="local")
        return train, validation, loader["parameters"]


def total(seconds: Counter[Key], *kinds: str) -> float:
    """Return the seconds of all keys that begin with one of `kinds`; without any, of all keys."""
    return sum(s for key, s in seconds.items() if not kinds or key[0] in kinds)


def spread(values: Sequence[float]) -> str:
    """Return the median, and least and most where they differ from it."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def table(title: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table in Markdown."""
    print(f"\n{title}\n")
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    for line in lines:
        cells = (f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in line)
        print(f"| {' | '.join(cells)} |")
    sys.stdout.flush()


def arguments(doc: str | None, **defaults: int) -> argparse.ArgumentParser:
    """Return a parser for a benchmark's command line, with numbers of these defaults."""
    parser = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=f"(default: {default})")
    parser.add_argument("--params", nargs="*", default=[], help="more settings, as for kedro run")
    return parser
